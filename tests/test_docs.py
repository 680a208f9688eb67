"""The documentation says what the code does: snippets run, links resolve, nothing is missing."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from unigurd_sdk import errors

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(r"(?:^<!-- skip:(?P<reason>[^\n]*?)-->\n+)?^```python\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)")


@dataclass(frozen=True, slots=True)
class Snippet:
    """A fenced Python block: its code, its 1-based first line, and why it is not run (None: it is run)."""

    code: str
    line: int
    skip: str | None


def snippets(text: str) -> Iterator[Snippet]:
    for match in FENCE.finditer(text):
        reason = match["reason"]
        line = text.count("\n", 0, match.start("code")) + 1
        yield Snippet(match["code"], line, None if reason is None else reason.strip())


def identifier(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=identifier)
def test_the_python_snippets_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__snippet__"}
    for snippet in snippets(page.read_text(encoding="utf-8")):
        if snippet.skip is None:
            code = "\n" * (snippet.line - 1) + snippet.code  # tracebacks show the line of the page
            exec(compile(code, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=identifier)
def test_a_skipped_snippet_says_why(page: Path):
    lines = [snippet.line for snippet in snippets(page.read_text(encoding="utf-8")) if snippet.skip == ""]
    assert lines == []


def test_snippets_are_found_with_their_reasons():
    block = "```python\n{}\n```\n"
    marked = "<!-- skip: {} -->\n" + block
    text = "\n".join(["A", block.format("x = 1"), marked.format("needs a key", "y = 2"), marked.format("", "z")])
    assert [(s.code, s.line, s.skip) for s in snippets(text)] == [
        ("x = 1\n", 3, None),
        ("y = 2\n", 8, "needs a key"),
        ("z\n", 13, ""),
    ]


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=identifier)
def test_relative_links_resolve(page: Path):
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_error_has_a_row():
    text = (DOCS / "errors.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE))
    assert listed == set(errors.__all__)


def documented_options() -> dict[str, set[str]]:
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    return {section.partition("\n")[0].strip("`"): set(re.findall(r"`(--[a-z-]+)`", section)) for section in sections}


def options_of(command: Any) -> set[str]:
    names = [name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)]
    return {name for name in names if name.startswith("--")}


def test_every_command_and_option_is_documented():
    from unigurd_sdk.cli import app

    actual = {name: options_of(command) for name, command in load_generator().commands(app)}
    assert actual
    assert documented_options() == actual


def test_the_generated_parts_are_up_to_date():
    command = [sys.executable, str(DOCS / "generate.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr


def test_the_generator_notices_a_stale_part():
    generator = load_generator()
    text = "before\n<!-- generated: policies -->\nold\n<!-- end -->\nafter\n"
    fresh = generator.rendered(text)
    assert "old" not in fresh and "`tax`" in fresh
    assert fresh.startswith("before\n") and fresh.endswith("<!-- end -->\nafter\n")
    assert generator.rendered(fresh) == fresh


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 200


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in DOCS.glob("*.md") if page.name not in navigation] == []
