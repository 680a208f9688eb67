"""The two file formats of a policy, YAML and TOML: text in, mapping and line numbers out, and back.

Every YAML scalar is read as text, so a behaviour that reads ``no``, ``1.10`` or ``2024-01-01`` stays
what was written. Keys that occur twice are an error in both formats. Nothing here knows what the fields mean.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unigurd_sdk.errors import InvalidPolicy

if TYPE_CHECKING:
    import yaml

SUFFIXES = (".yaml", ".yml", ".toml")


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """What a file says before it is checked.

    Attributes:
        data: The mapping as written.
        lines: The 1-based line of each dotted location such as ``disallowed.2``; for TOML of each field.
    """

    data: dict[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)

    def line_of(self, location: str) -> int | None:
        """Return the line of a location, or of the closest part of the file that holds it."""
        while location and location not in self.lines:
            location = location.rpartition(".")[0]
        return self.lines.get(location)


def read_document(path: Path) -> PolicyDocument:
    """Read a ``.yaml``, ``.yml`` or ``.toml`` file in UTF-8; raise `InvalidPolicy` if it cannot be."""
    suffix = _suffix(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise InvalidPolicy("the file does not exist; check the path", path=path) from error
    except OSError as error:
        raise InvalidPolicy(f"the file cannot be read ({error.strerror})", path=path) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InvalidPolicy("the file is not UTF-8; save it as UTF-8", path=path, line=line) from error
    return parse_document(text, suffix=suffix, path=path)


def parse_document(text: str, *, suffix: str, path: Path | None = None) -> PolicyDocument:
    """Parse the text of a policy file; `path` is only used in errors."""
    if not text.strip():
        raise InvalidPolicy("the file is empty; write at least `name` and `description`", path=path)
    return _parse_toml(text, path) if suffix == ".toml" else _parse_yaml(text, path)


def render_document(data: Mapping[str, Any], *, suffix: str) -> str:
    """Render the mapping as the text of a file with this suffix."""
    return _toml(data) if suffix == ".toml" else _yaml(data)


def write_document(path: Path, data: Mapping[str, Any]) -> None:
    """Write the mapping in the format of the suffix, in UTF-8; the file is replaced whole or not at all."""
    text = render_document(data, suffix=_suffix(path))
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidPolicy(f"a policy file ends in {', '.join(SUFFIXES)}; rename it", path=path)
    return suffix


def _parse_toml(text: str, path: Path | None) -> PolicyDocument:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        data = tomllib.loads(text)
        return PolicyDocument(data, _toml_lines(text, data))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+)", str(error))
        line = int(found.group(1)) if found else None
        raise InvalidPolicy(f"this is not valid TOML: {error}", path=path, line=line) from error
    except RecursionError as error:
        raise InvalidPolicy("this is nested too deeply for a policy", path=path) from error


def _toml_lines(text: str, data: Mapping[str, Any]) -> dict[str, int]:
    """Find the line of each top-level field: the first that sets it, or opens a table of its name."""
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        found = re.match(r"""\s*(?:\[\[?\s*)?["']?([\w-]+)["']?\s*[.=\]]""", line)
        if found and found.group(1) in data:
            lines.setdefault(found.group(1), number)
    return lines


def _parse_yaml(text: str, path: Path | None) -> PolicyDocument:
    import yaml

    loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)(text)
    try:
        node = loader.get_single_node()
        data = None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        reason = f"this is not valid YAML: {problem}; a text with a colon or a leading symbol needs quotes"
        raise InvalidPolicy(reason, path=path, line=None if mark is None else mark.line + 1) from error
    except RecursionError as error:
        raise InvalidPolicy("this is nested too deeply for a policy", path=path) from error
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        found = {list: "a list", type(None): "nothing"}.get(type(data), "plain text")
        reason = f"expected fields such as `name:` and `description:`, found {found}"
        raise InvalidPolicy(reason, path=path, line=1)
    return PolicyDocument(data, _unique_lines(node, path))


def _unique_lines(node: yaml.Node, path: Path | None) -> dict[str, int]:
    lines: dict[str, int] = {}
    for location, line in _locations(node):
        if location in lines:
            reason = f"`{location}` occurs twice (first on line {lines[location]}); keep one"
            raise InvalidPolicy(reason, path=path, line=line, locations=(location,))
        lines[location] = line
    return lines


def _locations(node: yaml.Node, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, int]]:
    """Yield (dotted location, line) three levels down: field, item, field of an item."""
    children = node.value if isinstance(node.value, list) and depth < 3 else ()
    for index, child in enumerate(children):
        key, value = child if isinstance(child, tuple) else (None, child)
        start = value if key is None else key
        location = f"{prefix}{index if key is None else key.value}"
        yield location, start.start_mark.line + 1
        yield from _locations(value, f"{location}.", depth + 1)


def _yaml(data: Mapping[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, width=110))


def _toml(data: Mapping[str, Any]) -> str:
    flat = [f"{key} = {_toml_value(value)}\n" for key, value in data.items() if not _is_table_list(value)]
    tables = [
        f"\n[[{key}]]\n" + "".join(f"{name} = {_toml_value(item)}\n" for name, item in table.items())
        for key, value in data.items()
        if _is_table_list(value)
        for table in value
    ]
    return "".join(flat + tables)


def _is_table_list(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _toml_value(value: object) -> str:
    if isinstance(value, list):
        return "[\n" + "".join(f"  {_toml_value(item)},\n" for item in value) + "]"
    if isinstance(value, str):  # JSON escapes are TOML escapes, but TOML also forbids a raw DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)
