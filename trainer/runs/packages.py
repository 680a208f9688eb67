"""Write readmes and manuals of permissive packages as harmless documents that train, and the licences beside them.

    python trainer/runs/packages.py trainer/data/documents/packages.yaml --out trainer/data/documents

The list names packages: `pypi` and `npm` by their readme, `manuals` by the documents in their source distribution. One
that is installed is left out: benchmarks read the readmes of what is installed. Pieces about attacks on language models
are left out too, for some quote one.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import random
import re
import tarfile
import zipfile
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import httpx
import yaml
from documents import pieces

PERMISSIVE = re.compile(r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Unlicense|0BSD|CC0|HPND)\b", re.I)
RESTRICTED = re.compile(r"GPL|General Public|Proprietary|Commons|BUSL|SSPL|Elastic|NonCommercial|MPL.*AND", re.I)
LICENCE_FILE = re.compile(r"(licen[cs]e|copying|notice)[^/]*$", re.I)
MANUAL = re.compile(
    r"docs?/(?!.*(chang|releas|whatsnew|history|news|requirements|authors|licen|locale|_static)).*\.(rst|md|txt)$",
    re.I,
)
ATTACK = re.compile(r"jailbreak|prompt[- ]injection|ignore (all |any |the )*(previous|prior|above)|system prompt", re.I)
LARGEST = 40_000_000
"""Bytes of an archive; a larger one is left out."""

Info = dict[str, Any]
Fetch = Callable[[str], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Package:
    """What is taken from a package: its texts, and its licence files by name."""

    name: str
    version: str
    licence: str
    texts: tuple[str, ...]
    licences: Mapping[str, str]


def main() -> None:
    """Write a file for each kind, and the licences."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("packages", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pieces", type=int, default=6, help="of a readme; of a manual ten times as many")
    args = parser.parse_args()
    names = yaml.safe_load(args.packages.read_text(encoding="utf-8"))
    found = {kind: asyncio.run(read_all(kind, names[kind])) for kind in READERS}
    for kind, packages in found.items():
        write(args.out / f"{kind}.jsonl.gz", packages, args.pieces * (10 if kind == "package_manuals" else 1))
    notices = "".join(notice(package) for packages in found.values() for package in packages)
    (args.out / "licences.txt.gz").write_bytes(gzip.compress(notices.encode(), mtime=0))


async def read_all(kind: str, names: list[str]) -> list[Package]:
    """Read the packages that can be had; what is left out is said."""
    turn = asyncio.Semaphore(8)
    async with httpx.AsyncClient(timeout=100, follow_redirects=True) as client:

        async def fetch(url: str) -> bytes:
            return (await client.get(url)).raise_for_status().content

        async def read(name: str) -> Package | None:
            async with turn:
                try:
                    return usable(await READERS[kind](fetch, name))
                except (httpx.HTTPError, tarfile.TarError, LookupError, ValueError) as error:
                    print(f"{kind} {name}: {error!r}"[:120])  # noqa: T201
                    return None

        kept = [name for name in dict.fromkeys(names) if kind == "npm_readmes" or normal(name) not in installed()]
        return [package for package in await asyncio.gather(*map(read, kept)) if package is not None]


def usable(package: Package) -> Package:
    """Return a package that is permissive, brings its licence and has a text."""
    if not PERMISSIVE.search(package.licence) or RESTRICTED.search(package.licence):
        raise ValueError(f"licence {package.licence!r}")
    if not package.licences or not any(len(text) > 600 for text in package.texts):
        raise ValueError("no licence file, or no text")
    return package


async def pypi(fetch: Fetch, name: str) -> Package:
    """Read the readme of a wheel, or of a source distribution."""
    project = json.loads(await fetch(f"https://pypi.org/pypi/{name}/json"))
    files = await archive(fetch, project, ("bdist_wheel", "sdist"), lambda path: bool(LICENCE_FILE.search(path)))
    info = project["info"]
    return Package(name, info["version"], licence(info), (info["description"] or "",), files)


async def manuals(fetch: Fetch, name: str) -> Package:
    """Read the manual in a source distribution."""
    project = json.loads(await fetch(f"https://pypi.org/pypi/{name}/json"))
    keep = lambda path: bool(LICENCE_FILE.fullmatch(path) or MANUAL.match(path))  # noqa: E731
    files = await archive(fetch, project, ("sdist",), keep)
    texts = tuple(text for path, text in sorted(files.items()) if MANUAL.match(path))
    licences = {path: text for path, text in files.items() if not MANUAL.match(path)}
    return Package(name, project["info"]["version"], licence(project["info"]), texts, licences)


async def npm(fetch: Fetch, name: str) -> Package:
    """Read the readme of an npm package."""
    info = json.loads(await fetch(f"https://registry.npmjs.org/{name}/latest"))
    if (info["dist"].get("unpackedSize") or 0) > LARGEST:
        raise ValueError("too large")
    readme = re.compile(r"readme[^/]*", re.I)
    keep = lambda path: bool(readme.fullmatch(path) or LICENCE_FILE.fullmatch(path))  # noqa: E731
    files = dict(untar(await fetch(info["dist"]["tarball"]), keep))
    texts = tuple(text for path, text in files.items() if readme.fullmatch(path))
    stated = info.get("license") or ""
    licences = {path: text for path, text in files.items() if not readme.fullmatch(path)}
    return Package(name, info["version"], stated if isinstance(stated, str) else stated["type"], texts, licences)


READERS: dict[str, Callable[[Fetch, str], Awaitable[Package]]] = {
    "pypi_readmes": pypi, "npm_readmes": npm, "package_manuals": manuals,
}  # fmt: skip


async def archive(fetch: Fetch, project: Info, kinds: tuple[str, ...], keep: Callable[[str], bool]) -> dict[str, str]:
    """Read the files to keep out of the smallest archive of the first kind that a project has."""
    for kind in kinds:
        built = [each for each in project["urls"] if each["packagetype"] == kind and each["size"] < LARGEST]
        for each in sorted(built, key=lambda each: int(each["size"]))[:1]:
            content = await fetch("https://files.pythonhosted.org/packages/" + each["url"].split("packages/")[-1])
            if files := dict((unzip if kind == "bdist_wheel" else untar)(content, keep)):
                return files
    return {}


def unzip(content: bytes, keep: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Give the files to keep among the metadata of a wheel."""
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        for path in wheel.namelist():
            name = path.partition(".dist-info/")[2]
            if keep(name):
                yield name, wheel.read(path).decode(errors="replace")


def untar(content: bytes, keep: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Give the files to keep of an archive, by their path in its only folder."""
    with tarfile.open(fileobj=io.BytesIO(content)) as files:
        for member in files.getmembers():
            name = member.name.partition("/")[2]
            if member.isfile() and member.size < 200_000 and keep(name) and (stream := files.extractfile(member)):
                yield name, stream.read().decode(errors="replace")


def licence(info: Info) -> str:
    """Return what a project of PyPI says of its licence."""
    stated = info.get("license_expression") or (info.get("license") or "").strip().partition("\n")[0][:60]
    classified = [each.rpartition(":: ")[2] for each in info["classifiers"] if each.startswith("License")]
    return stated or "; ".join(classified)


def installed() -> set[str]:
    """Return the names of the packages that are installed."""
    return {normal(each.metadata["Name"]) for each in distributions()}


def normal(name: str) -> str:
    """Return a name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def write(path: Path, packages: list[Package], most: int) -> None:
    """Write pieces of each package, drawn by a seed."""
    source = path.name.partition(".")[0]
    rows = [
        {"text": text, "source": source, "licence": package.licence, "package": package.name}
        for package in packages
        for text in drawn(package, most)
    ]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content, mtime=0))
    print(f"{path.name}: {len(rows)} pieces of {len(packages)} packages")  # noqa: T201


def drawn(package: Package, most: int) -> list[str]:
    """Draw pieces of a package that are text, not pictures and links."""
    found = [piece for text in package.texts for piece in pieces(readable(text)) if not ATTACK.search(piece)]
    kept = [piece for piece in found if len(re.findall(r"[A-Za-z]{2,}", piece)) * 12 > len(piece)]
    random.Random(package.name).shuffle(kept)
    return kept[:most]


def readable(text: str) -> str:
    """Leave out badges and tags, of which readmes are full."""
    text = re.sub(r"\[?!\[[^\]]*\]\([^)]*\)(\]\([^)]*\))?|<[^>\n]{1,300}>", "", text)
    return re.sub(r"[ \t]*\n\s*\n+", "\n\n", text).strip()


def notice(package: Package) -> str:
    """Return the licence files of a package under its name."""
    files = "\n".join(f"--- {path}\n{text.strip()}" for path, text in sorted(package.licences.items()))
    return f"=== {package.name} {package.version} ({package.licence})\n{files}\n\n"


if __name__ == "__main__":
    main()
