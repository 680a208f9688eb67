"""Matching: which packaged texts are near a behaviour, by the meaning of the text and of the shelf that it stands on.

A text's nearness to a line is 0.7 times its own cosine plus 0.3 times that of the nearest wording of its shelf: the
text says what it is about, the shelf what is asked about it. Only texts of the nearest shelves and those that share
rare words with a line are embedded, so a new policy takes seconds.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unigurd_trainer.bank import content_words
from unigurd_trainer.errors import TrainerError
from unigurd_trainer.rows import Example
from unigurd_trainer.sdg.embedding import Embedder
from unigurd_trainer.sdg.shards import replace_file
from unigurd_trainer.sdg.shelves import Shelf

__all__ = ["Matcher", "Matches", "cache_folder"]

log = logging.getLogger(__name__)

OWN_WEIGHT = 0.7
TEXTS_OF_SHELF = 60
"""Texts taken from one shelf at most, so that a large one does not crowd out the others."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Candidate texts of M lines.

    Attributes:
        texts: N texts.
        shelves: [N] index of the shelf of each.
        vectors: [N, D] their embeddings.
        near: [N, M] nearness of each to each line.
        shelf_near: [S, M] cosine of the nearest wording of each shelf.
        nearest: M wordings of the packaged material, the nearest to each line.
    """

    texts: tuple[Example, ...]
    shelves: NDArray[np.int64]
    vectors: NDArray[np.float32]
    near: NDArray[np.float32]
    shelf_near: NDArray[np.float32]
    nearest: tuple[str, ...]


class Matcher:
    """Finds texts near the lines of a policy.

    Args:
        shelves: The texts by meaning; at least one.
        embedder: Compares them.
        cache: Folder for the vectors of the shelves' wordings; None computes them anew.
    """

    def __init__(self, shelves: Sequence[Shelf], embedder: Embedder, cache: Path | None = None) -> None:
        self._shelves, self._embedder = shelves, embedder
        wordings = [(line, at) for at, shelf in enumerate(shelves) for line in shelf.lines]
        self._lines, self._line_shelf = [line for line, _ in wordings], np.array([at for _, at in wordings])
        self._texts = [(text, at) for at, shelf in enumerate(shelves) for text in shelf.texts]
        self._starts = np.cumsum([0, *(len(shelf.texts) for shelf in shelves)])
        distinct = [*dict.fromkeys(self._lines)]
        places = {line: at for at, line in enumerate(distinct)}
        self._vectors = _cached(distinct, embedder, cache)[[places[line] for line in self._lines]]
        self._words: defaultdict[str, list[int]] | None = None

    def match(self, lines: Sequence[str], depth: int) -> Matches:
        """Find candidates for M lines; `near` compares every candidate with every line.

        Args:
            lines: The lines.
            depth: Texts to take from the shelves nearest to each line; a quarter as many come by shared words.
        """
        wanted = self._embedder.embed(lines)
        cosines = self._vectors @ wanted.T
        shelf_near = np.full((len(self._shelves), len(lines)), -1.0, dtype=np.float32)
        np.maximum.at(shelf_near, self._line_shelf, cosines)
        rows = sorted(
            {row for at, line in enumerate(lines) for row in self._candidates(line, shelf_near[:, at], depth)}
        )
        texts = tuple(self._texts[row][0] for row in rows)
        owners = np.array([self._texts[row][1] for row in rows], dtype=np.int64)
        vectors = self._embedder.embed([text.text for text in texts])
        near = OWN_WEIGHT * (vectors @ wanted.T) + (1 - OWN_WEIGHT) * shelf_near[owners]
        return Matches(
            texts, owners, vectors, near, shelf_near, tuple(self._lines[at] for at in cosines.argmax(axis=0))
        )

    def cosines(self, texts: Sequence[str], lines: Sequence[str]) -> NDArray[np.float32]:
        """Compare any texts with lines: [N, M]."""
        cosines: NDArray[np.float32] = self._embedder.embed(texts) @ self._embedder.embed(lines).T
        return cosines

    def _candidates(self, line: str, shelf_near: NDArray[np.float32], depth: int) -> list[int]:
        found: list[int] = []
        for shelf in np.argsort(-shelf_near, kind="stable"):
            if len(found) >= depth:
                break
            start, end = self._starts[shelf], self._starts[shelf + 1]
            found += range(start, min(end, start + TEXTS_OF_SHELF))
        return found + self._by_words(line, depth // 4)

    def _by_words(self, line: str, count: int) -> list[int]:
        """Return the texts that share the rarest words with a line."""
        if self._words is None:
            self._words = defaultdict(list)
            for row, (text, _) in enumerate(self._texts):
                for word in content_words(text.text):
                    self._words[word].append(row)
        scores: Counter[int] = Counter()
        for word in sorted(content_words(line)):
            rows = self._words.get(word, ())
            for row in rows:
                scores[row] += np.log(len(self._texts) / len(rows))
        return [row for row, _ in sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:count]]


def cache_folder() -> Path:
    """Return where this package keeps what it can compute again: below $XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unigurd"


def _cached(lines: Sequence[str], embedder: Embedder, cache: Path | None) -> NDArray[np.float32]:
    if cache is None:
        return embedder.embed(lines)
    path = cache / f"lines-{_key(lines, embedder)}.npy"
    try:
        kept: NDArray[np.float16] = np.load(path, allow_pickle=False)
        return kept.astype(np.float32)
    except (OSError, ValueError):
        vectors = embedder.embed(lines)
    content = io.BytesIO()
    np.save(content, vectors.astype(np.float16), allow_pickle=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content.getvalue())
    except (OSError, TrainerError) as error:
        log.warning("the vectors of the packaged material are not cached: %s", error)
    return vectors.astype(np.float16).astype(np.float32)


def _key(lines: Sequence[str], embedder: Embedder) -> str:
    """Hash the lines and, by how it embeds one of them, the embedder."""
    probe = np.round(embedder.embed(lines[:1]), 3).tobytes()
    return hashlib.sha256(probe + "\x00".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:16]
