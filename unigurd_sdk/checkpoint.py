"""A checkpoint: a folder whose every file is what its manifest says it is.

Nothing of a checkpoint is read before its size and sha256 match `guard.json`, and only ONNX, safetensors
and JSON files are read at all: no pickle, no code.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unigurd_sdk.errors import ConfigError, ModelCorrupt, ModelIncompatible, ModelNotFound
from unigurd_sdk.manifest import MANIFEST_NAME, PICKLE_SUFFIXES, SAFE_SUFFIXES, FileEntry, Manifest

Verify = Literal["full", "size"]
"""How thoroughly to check the files: sizes and hashes, or sizes only (if they were verified before)."""

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint folder.

    Attributes:
        folder: Where it lies.
        manifest: What it says about itself.
        id: First 16 hex digits of the sha256 of `guard.json`; it covers the hashes of all files.
    """

    folder: Path
    manifest: Manifest
    id: str

    @classmethod
    def open(cls, folder: str | Path, *, verify: Verify = "full") -> Checkpoint:
        """Open and verify a checkpoint folder; about 0.1 s for 90 MB with `verify="full"`.

        Raises:
            ModelNotFound: The folder does not exist.
            ModelCorrupt: A file is missing, or differs from the manifest in size or sha256.
            ModelIncompatible: The folder is no unigurd checkpoint, is of another version, or needs an
                unsafe format.
        """
        if verify not in ("full", "size"):
            raise ConfigError(f'verify must be "full" or "size", not {verify!r}.')
        root = Path(folder)
        if not root.is_dir():
            raise ModelNotFound(str(folder), looked_in=[root])
        content = _read_manifest(root)
        manifest = Manifest.parse(content)
        _check_formats(manifest)
        for name, entry in manifest.files.items():
            _check_file(root / name, name, entry, verify)
        return cls(root, manifest, hashlib.sha256(content).hexdigest()[:16])

    def file(self, name: str) -> Path:
        """Return the path of a verified file; a name that is not listed raises `ModelIncompatible`."""
        if name not in self.manifest.files:
            raise ModelIncompatible(
                f"The checkpoint {self.manifest.name!r} does not list the file {name!r}. Export it again."
            )
        return self.folder / name


def write_manifest(folder: str | Path, manifest: Manifest) -> Manifest:
    """Hash the JSON, ONNX and safetensors files of `folder` and write `guard.json` atomically.

    Returns the manifest as written, with `files` filled in. Other files, such as a README, are not part of
    the checkpoint. A pickle in the folder, or a weights entry without its file, raises `ModelIncompatible`.
    """
    root = Path(folder)
    files = {name: _measure(root / name) for name in _names(root)}
    written = Manifest.model_validate({**manifest.model_dump(), "files": files})
    _check_formats(written)
    _replace(root / MANIFEST_NAME, written.dump())
    return written


def _read_manifest(root: Path) -> bytes:
    try:
        return (root / MANIFEST_NAME).read_bytes()
    except FileNotFoundError:
        pickled = sorted(path.name for path in root.iterdir() if path.suffix in PICKLE_SUFFIXES)
        found = f" Its pickled weights ({', '.join(pickled[:3])}) are never opened." if pickled else ""
        raise ModelIncompatible(
            f"The folder {root} has no {MANIFEST_NAME}, so it is no checkpoint of this package.{found} "
            "Export a model with the trainer first."
        ) from None
    except OSError as error:
        raise ModelCorrupt(root / MANIFEST_NAME, expected="a readable file", actual=str(error)) from error


def _check_formats(manifest: Manifest) -> None:
    """Refuse file formats that can run code, and weights that the manifest does not list."""
    for name in (*manifest.files, *manifest.weight_files()):
        suffix = Path(name).suffix.lower()
        if suffix not in SAFE_SUFFIXES:
            raise ModelIncompatible(
                f"The checkpoint {manifest.name!r} needs {name!r}; files of type {suffix or 'unknown'} are "
                "never opened, because they can run code. Export it as ONNX and safetensors."
            )
        if name not in manifest.files:
            raise ModelIncompatible(
                f"The checkpoint {manifest.name!r} has weights in {name!r} but no such file. Export it again."
            )


def _check_file(path: Path, name: str, entry: FileEntry, verify: Verify) -> None:
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            raise ModelCorrupt(name, expected=f"{entry.bytes} bytes", actual=f"{size} bytes")
        actual = entry.sha256 if verify == "size" else sha256_of(path)
    except OSError as error:
        raise ModelCorrupt(name, expected="a readable file", actual=error.strerror or str(error)) from error
    if actual != entry.sha256:
        raise ModelCorrupt(name, expected=f"sha256 {entry.sha256}", actual=f"sha256 {actual}")


def sha256_of(path: Path) -> str:
    """Hash a file in blocks of 1 MB; 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def _names(root: Path) -> list[str]:
    """List the checkpoint's files relative to its folder, sorted, without the manifest and hidden files."""
    paths = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
    visible = [path for path in paths if not any(part.startswith(".") for part in path.parts)]
    pickled = [path for path in visible if path.suffix.lower() in PICKLE_SUFFIXES]
    if pickled:
        raise ModelIncompatible(
            f"{pickled[0]} is a pickle, which no checkpoint may have. Delete it, or save it as safetensors."
        )
    return [p.as_posix() for p in visible if p.suffix.lower() in SAFE_SUFFIXES and p.as_posix() != MANIFEST_NAME]


def _measure(path: Path) -> FileEntry:
    return FileEntry(sha256=sha256_of(path), bytes=path.stat().st_size)


def _replace(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".guard-", suffix=".json")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
