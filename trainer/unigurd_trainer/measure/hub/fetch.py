"""From a data set's name and revision to its files: downloaded once at one commit, or found in the Hub's cache."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import cast

from unigurd_trainer.errors import DataError

__all__ = ["fetch"]

log = logging.getLogger(__name__)

_COMMIT = re.compile(r"[0-9a-f]{40}")
_TIMEOUT = 10.0  # seconds
_TRUE = frozenset({"1", "true", "yes", "on"})


def fetch(repo: str, revision: str | None, patterns: Sequence[str]) -> tuple[str, list[Path]]:
    """Return the commit of a data set and its files that match patterns, by name; each pattern matches some.

    A commit (40 hex digits) that is in the cache is used without a request. A branch, a tag, or none is resolved to
    the commit it is now, which is logged. With UNIGURD_OFFLINE or HF_HUB_OFFLINE only the cache is asked.

    Raises:
        DataError: There is no such data set, revision or file; the Hub refuses it (gated) or cannot be reached.
    """
    folder = _cached(repo, revision, patterns) if _offline() or _COMMIT.fullmatch(revision or "") else None
    if folder is None and _offline():
        raise DataError(
            f"{_named(repo, revision)} is not in the Hub's cache, and offline mode is on; run once without "
            "UNIGURD_OFFLINE and HF_HUB_OFFLINE, or give its rows as a file"
        )
    folder = folder or _download(repo, revision, patterns)
    if folder.name != revision:
        log.warning(
            "%s is commit %s now; write %s@%s to pin it", _named(repo, revision), folder.name, repo, folder.name
        )
    return folder.name, _matching(folder, patterns)


def _cached(repo: str, revision: str | None, patterns: Sequence[str]) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repo, repo_type="dataset", revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return folder if all(_matching(folder, [pattern]) for pattern in patterns) else None


def _download(repo: str, revision: str | None, patterns: Sequence[str]) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    # The base class of what the Hub's HTTP client raises, whichever client this version of the Hub uses.
    transport_error = cast("type[Exception]", HfHubHTTPError.__bases__[0])
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
    try:
        info = HfApi(endpoint=endpoint).dataset_info(repo, revision=revision, timeout=_TIMEOUT)
        files = [file.rfilename for file in info.siblings or ()]
        if missing := [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in files)]:
            shown = ", ".join(files[:20]) or "nothing"
            raise DataError(f"{_named(repo, revision)} has no file like {missing[0]}; it has {shown}")
        folder = snapshot_download(
            repo, repo_type="dataset", revision=info.sha, allow_patterns=list(patterns), endpoint=endpoint
        )
        return Path(folder)
    except HfHubHTTPError as error:
        raise DataError(_refusal(repo, revision, error, endpoint)) from error
    except (OSError, transport_error) as error:
        raise DataError(
            f"{_named(repo, revision)} could not be had from {endpoint} ({type(error).__name__}); check the network, "
            "the proxy and HF_ENDPOINT, or give its rows as a file"
        ) from error


def _matching(folder: Path, patterns: Sequence[str]) -> list[Path]:
    files = {path: path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return sorted(path for path, name in files.items() if any(fnmatch(name, pattern) for pattern in patterns))


def _refusal(repo: str, revision: str | None, error: Exception, endpoint: str) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    page = f"{endpoint}/datasets/{repo}"
    if isinstance(error, GatedRepoError):
        return (
            f"the data set {repo} is gated: accept its conditions at {page}, then run `hf auth login` or set HF_TOKEN"
        )
    if isinstance(error, RevisionNotFoundError):
        return f"the data set {repo} has no revision {revision!r}; look it up at {page}/commits"
    if isinstance(error, RepositoryNotFoundError):
        return f"there is no data set {repo}, or it is private: check {page}, run `hf auth login` or set HF_TOKEN"
    status = getattr(getattr(error, "response", None), "status_code", "an error")
    return f"{endpoint} answered {status} for the data set {repo}; try again later, or give its rows as a file"


def _named(repo: str, revision: str | None) -> str:
    return f"the data set {repo}" + (f" at {revision}" if revision else "")


def _offline() -> bool:
    return any(os.environ.get(name, "").lower() in _TRUE for name in ("UNIGURD_OFFLINE", "HF_HUB_OFFLINE"))
