"""From a checkpoint's name to its folder: bundled, on disk, or on the Hugging Face Hub.

Downloads are limited to the files that a checkpoint consists of, are pinned to one commit, and are verified
against `guard.json` by `Checkpoint.open` before anything reads them.
"""

from __future__ import annotations

import difflib
import errno
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.errors import ConfigError, ModelCorrupt, ModelError, ModelNotFound
from unigurd_sdk.manifest import MANIFEST_NAME

log = logging.getLogger(__name__)

BUNDLED = Path(__file__).parent / "models"
"""The folder of the checkpoints that are part of the package."""

ALLOWED = ("guard.json", "tokenizer.json", "*.onnx", "*.safetensors", "README.md")
"""What may be downloaded: never a pickle, never code."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPO = re.compile(r"[\w][\w.-]*/[\w][\w.-]*", re.ASCII)
_TRUE = frozenset({"1", "true", "yes", "on"})
_DEFAULT_ENDPOINT = "https://huggingface.co"
_TIMEOUT = 10.0  # seconds
_DISK_ERRORS = frozenset(
    getattr(errno, name)
    for name in ("EACCES", "EDQUOT", "EFBIG", "EIO", "EISDIR", "ENOENT", "ENOSPC", "ENOTDIR", "EPERM", "EROFS")
    if hasattr(errno, name)
)


def locate(
    name: str | Path,
    revision: str | None = None,
    *,
    offline: bool | None = None,
    cache_dir: str | Path | None = None,
) -> Path:
    """Find the folder of a checkpoint.

    A bundled name such as "uniguard" is looked up first, then an existing folder, then "organisation/name"
    on the Hub. With a `revision` the name is one on the Hub.

    Args:
        name: Bundled name, folder, or Hub repository.
        revision: Commit (40 hex digits) of a Hub repository. A branch or tag, or none, is resolved to a
            commit, which is logged as a warning, since what it points to can change.
        offline: Use only what is on this machine; by default what UNIGURD_OFFLINE or HF_HUB_OFFLINE say.
        cache_dir: Where downloads are kept; by default the Hub's usual cache.

    Raises:
        ModelNotFound: Nothing has this name here, or the Hub does not have it or cannot be reached.
        ModelError: The Hub has it but does not give it.
        ConfigError: A revision was given for something that has none.
    """
    text = str(name)
    folder = _here(text)
    if revision is None and folder is not None:
        return folder
    if _is_repository(name):
        return _from_hub(text, revision, _is_offline() if offline is None else offline, cache_dir)
    if folder is not None:
        raise ConfigError(f"{text!r} is a folder or bundled, it has no revision {revision!r}. Leave revision out.")
    raise ModelNotFound(text, looked_in=[BUNDLED, Path(text).expanduser().absolute()], hint=_hint(text))


def open_checkpoint(
    name: str | Path,
    revision: str | None = None,
    *,
    offline: bool | None = None,
    cache_dir: str | Path | None = None,
) -> Checkpoint:
    """Find a checkpoint as `locate` does, and verify it; a damaged copy in the Hub's cache is downloaded again, once.

    Raises:
        ModelError: As `locate` and `Checkpoint.open`.
        ConfigError: As `locate`.
    """
    folder = locate(name, revision, offline=offline, cache_dir=cache_dir)
    try:
        return Checkpoint.open(folder)
    except ModelCorrupt as damage:
        from_hub = _is_repository(name) and (revision is not None or _here(str(name)) is None)
        if not from_hub or (_is_offline() if offline is None else offline):
            raise
        log.warning("%s: %s in the cache is damaged; the checkpoint is downloaded again", name, damage.file)
        _discard(folder)
        return Checkpoint.open(_download(str(name), folder.name, _endpoint(), cache_dir, again=True))


def _discard(folder: Path) -> None:
    """Unlink the files of a cached copy, so that what is downloaded takes their place on every file system."""
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()


def _here(text: str) -> Path | None:
    return _bundled().get(text) or _folder(text)


def _is_repository(name: str | Path) -> bool:
    return not isinstance(name, Path) and _REPO.fullmatch(name) is not None


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or _DEFAULT_ENDPOINT


def _bundled() -> Mapping[str, Path]:
    return {path.parent.name: path.parent for path in BUNDLED.glob("*/guard.json")}


def _folder(text: str) -> Path | None:
    folder = Path(text).expanduser()
    return folder if text and folder.is_dir() else None


def _is_offline() -> bool:
    return any(os.environ.get(name, "").lower() in _TRUE for name in ("UNIGURD_OFFLINE", "HF_HUB_OFFLINE"))


def _hint(text: str) -> str:
    known = sorted(_bundled())
    close = difflib.get_close_matches(text, known, n=3)
    guess = f"Did you mean {' or '.join(repr(name) for name in close)}? " if close else ""
    bundled = ", ".join(known) or "none"
    return f'{guess}Bundled: {bundled}. A folder path or "organisation/name" on the Hub works as well.'


def _from_hub(repo: str, revision: str | None, offline: bool, cache_dir: str | Path | None) -> Path:
    """Download a repository's checkpoint files, or find them in the cache."""
    pinned = revision is not None and _COMMIT.fullmatch(revision) is not None
    cached = _cached(repo, revision, cache_dir) if offline or pinned else None
    if cached is not None:
        return cached
    if offline:
        raise _offline_miss(repo, revision, cache_dir)
    folder = _download(repo, revision, _endpoint(), cache_dir)
    if not pinned:
        commit, branch = folder.name, revision or "the default branch"
        log.warning("%s: %s is commit %s now; pass revision=%r to pin it", repo, branch, commit, commit)
    return folder


def _cached(repo: str, revision: str | None, cache_dir: str | Path | None) -> Path | None:
    """Find a complete copy in the cache; sends nothing."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            repo, revision=revision, cache_dir=cache_dir, local_files_only=True, allow_patterns=list(ALLOWED)
        )
        if not Path(folder, MANIFEST_NAME).is_file():
            return None
        return Checkpoint.open(folder, verify="size").folder
    except (LocalEntryNotFoundError, ModelCorrupt):
        return None


def _download(
    repo: str, revision: str | None, endpoint: str, cache_dir: str | Path | None, *, again: bool = False
) -> Path:
    """Download what is missing, or all `again`; if the Hub does not answer, use a complete copy in the cache."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    # The base class of what the Hub's HTTP client raises, whichever client this version of the Hub uses.
    transport_error = cast("type[Exception]", HfHubHTTPError.__bases__[0])
    try:
        # snapshot_download asks without a time limit and many times; this asks first, once, with a limit.
        HfApi(endpoint=endpoint).model_info(repo, revision=revision, timeout=_TIMEOUT)
        folder = snapshot_download(
            repo,
            revision=revision,
            cache_dir=cache_dir,
            allow_patterns=list(ALLOWED),
            endpoint=endpoint,
            force_download=again,
        )
        return Path(folder)
    except HfHubHTTPError as error:
        raise _refused(repo, revision, error, endpoint) from error
    except (OSError, transport_error) as error:
        if getattr(error, "errno", None) in _DISK_ERRORS:
            raise _not_written(repo, error, cache_dir) from error
        cached = _cached(repo, revision, cache_dir)
        if cached is None:
            raise _unreachable(repo, revision, endpoint, cache_dir) from error
        log.warning("%s could not be reached; using the copy of %s in the cache", endpoint, repo)
        return cached


def _offline_miss(repo: str, revision: str | None, cache_dir: str | Path | None) -> ModelNotFound:
    at = f" at revision {revision}" if revision else ""
    hint = (
        f"Offline mode is on and the cache has no complete copy{at}. Download it once with offline=False "
        "and without UNIGURD_OFFLINE and HF_HUB_OFFLINE, or copy its folder here and give the path."
    )
    return ModelNotFound(repo, looked_in=[cache_dir or "the Hub cache"], hint=hint)


def _unreachable(repo: str, revision: str | None, endpoint: str, cache_dir: str | Path | None) -> ModelNotFound:
    at = f" at revision {revision}" if revision else ""
    hint = (
        f"{endpoint} could not be reached and the cache has no complete copy{at}. Check the network, "
        "the proxy and HF_ENDPOINT, or give the path of a folder."
    )
    return ModelNotFound(repo, looked_in=[endpoint, cache_dir or "the Hub cache"], hint=hint)


def _not_written(repo: str, error: Exception, cache_dir: str | Path | None) -> ModelError:
    from huggingface_hub.constants import HF_HUB_CACHE

    reason = getattr(error, "strerror", None) or type(error).__name__
    return ModelError(
        f"{repo!r} cannot be written to the cache {cache_dir or HF_HUB_CACHE} ({reason}). Free space there or make it "
        "writable, or set HF_HOME to another folder; the bundled 'uniguard' needs neither."
    )


def _refused(repo: str, revision: str | None, error: Exception, where: str) -> ModelError:
    """Turn an HTTP error of the Hub into what the user can do about it."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, GatedRepoError):
        return ModelError(
            f"The Hub repository {repo!r} is gated. Ask for access at {where}/{repo}, "
            "then run `hf auth login` or set HF_TOKEN."
        )
    if isinstance(error, RevisionNotFoundError):
        hint = f"The repository has no revision {revision!r}. Look it up at {where}/{repo}/commits."
        return ModelNotFound(repo, looked_in=[where], hint=hint)
    if isinstance(error, RepositoryNotFoundError):
        hint = "Check the spelling; if it is private, run `hf auth login` or set HF_TOKEN first."
        return ModelNotFound(repo, looked_in=[where], hint=hint)
    status = getattr(getattr(error, "response", None), "status_code", "an error")
    return ModelError(f"{where} answered {status} for {repo!r}. Try again later, or give the path of a folder.")
