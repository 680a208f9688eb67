"""Real texts with lightly edited copies, embedded once and kept: what the benchmark of the semantic tier runs on.

A copy is another text with one to three light edits: a typo, a contraction, a synonym, a small word dropped, a polite
frame. Only copies whose cosine to their original reaches the threshold of duplicates are planted: the others are none.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unigurd_trainer.dedup.exact import normalised
from unigurd_trainer.dedup.semantic import Vectors
from unigurd_trainer.readers import read_intents, read_pool
from unigurd_trainer.sdg.embedding import GuardEmbedder

BATCH = 1024
CANDIDATES = 1.5
"""Copies to embed for each that is wanted: some edits change the meaning too much."""

SWAPS = {
    "i am": "i'm", "do not": "don't", "does not": "doesn't", "can not": "can't", "cannot": "can't", "what is": "what's",
    "i would": "i'd", "it is": "it's", "want to": "would like to", "need to": "have to", "tell me": "let me know",
    "how do i": "how can i", "can you": "could you", "make": "create", "find": "look up", "buy": "purchase",
    "people": "persons", "big": "large", "show": "display", "get": "obtain", "start": "begin", "help": "assist",
}  # fmt: skip
SMALL = {"a", "an", "the", "just", "really", "very", "some", "to", "of", "for", "so", "that", "this", "please", "my"}
FRAMES = ("please {}", "{} please", "hi, {}", "hey {}", "{} thanks", "so {}", "ok {}", "well, {}")


@dataclass(frozen=True, slots=True)
class EditedTexts:
    """Embedded texts, some of which are copies of others.

    Attributes:
        texts: N texts, in random order.
        vectors: [N, D] of length 1.
        original: [N] the row that a text is a copy of, or -1.
        tried: Copies that were embedded, planted or not; `reached` of them had the cosine of a duplicate.
        seconds: Processor time to embed all that was embedded, and `embedded`, how many texts that was.
    """

    texts: tuple[str, ...]
    vectors: Vectors
    original: NDArray[np.int64]
    tried: int
    reached: int
    seconds: float
    embedded: int


def edited_texts(data: Path, rows: int, copies: int, tau: float, cache: Path, seed: int = 0) -> EditedTexts:
    """Draw `rows` distinct texts of a data folder and plant `copies` edits of some of them.

    Args:
        data: The data folder, of which the pool and the intents are read.
        rows: Texts to draw.
        copies: Edits to plant.
        tau: Least cosine of a copy to its original.
        cache: File (.npz) of the vectors; written where it is not there or is of other texts.
        seed: Of the draw, the edits and the order.
    """
    rng = random.Random(seed)
    texts = drawn(data, rows, rng)
    edits = [(edited(texts[at], rng), at) for at in rng.sample(range(rows), min(rows, int(CANDIDATES * copies)))]
    known = {normalised(text) for text in texts}
    edits = [(text, at) for text, at in edits if normalised(text) not in known]
    vectors, seconds = _embedded([*texts, *(text for text, _ in edits)], cache)
    sources = np.array([at for _, at in edits], np.int64)
    close = np.flatnonzero(np.einsum("nd,nd->n", vectors[rows:], vectors[sources]) >= tau)
    planted = close[:copies]
    chosen = np.concatenate([np.arange(rows), rows + planted])
    original = np.concatenate([np.full(rows, -1, np.int64), sources[planted]])
    order = np.random.default_rng(seed).permutation(len(chosen))
    place = np.argsort(order)
    every = [*texts, *(text for text, _ in edits)]
    return EditedTexts(
        texts=tuple(every[row] for row in chosen[order].tolist()),
        vectors=vectors[chosen[order]],
        original=np.where(original < 0, -1, place[original])[order],
        tried=len(edits),
        reached=len(close),
        seconds=seconds,
        embedded=len(vectors),
    )


def drawn(data: Path, rows: int, rng: random.Random) -> list[str]:
    """Draw texts of pool and intents, no two of them the same but for case and spacing."""
    texts = [row.text for split in ("train", "dev") for row in read_pool(data, split)]
    texts += [row.text for row in read_intents(data)]
    distinct = [*{normalised(text): text for text in texts}.values()]
    if len(distinct) < rows:
        raise SystemExit(f"{data} has {len(distinct):,} distinct texts; ask for fewer --rows.")
    return rng.sample(distinct, rows)


def edited(text: str, rng: random.Random) -> str:
    """Change a text lightly, in one to three places."""
    for edit in rng.sample(EDITS, rng.randint(1, 3)):
        text = edit(text, rng)
    return text


def _swap(text: str, rng: random.Random) -> str:
    found = [words for words in SWAPS if re.search(rf"\b{words}\b", text, re.IGNORECASE)]
    if not found:
        return _frame(text, rng)
    words = rng.choice(found)
    return re.sub(rf"\b{words}\b", SWAPS[words], text, count=1, flags=re.IGNORECASE)


def _drop(text: str, rng: random.Random) -> str:
    words = text.split()
    places = [at for at, word in enumerate(words) if word.lower() in SMALL]
    if places and len(words) > 3:
        del words[rng.choice(places)]
    return " ".join(words)


def _typo(text: str, rng: random.Random) -> str:
    places = [found.start() for found in re.finditer(r"(?<=[a-z])[a-z](?=[a-z]{2})", text)]
    if not places:
        return text
    at = rng.choice(places)
    kind = rng.choice(("swap", "drop", "twice"))
    middle = {"swap": text[at + 1] + text[at] + text[at + 2 :], "drop": text[at + 1 :], "twice": text[at] + text[at:]}
    return text[:at] + middle[kind]


def _frame(text: str, rng: random.Random) -> str:
    return rng.choice(FRAMES).replace("{}", text)


EDITS: tuple[Callable[[str, random.Random], str], ...] = (_swap, _drop, _typo, _frame)


def _embedded(texts: Sequence[str], cache: Path) -> tuple[Vectors, float]:
    """Embed texts with the bundled guard on one thread, or read the vectors that were kept; and the seconds it took."""
    key = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
    if cache.exists():
        with np.load(cache, allow_pickle=False) as kept:
            if str(kept["key"]) == key:
                return kept["vectors"], float(kept["seconds"])
    embedder = GuardEmbedder.bundled(threads=1)
    start = time.process_time()
    parts = [embedder.embed(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]
    vectors, seconds = np.concatenate(parts), time.process_time() - start
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.savez(cache, key=key, vectors=vectors, seconds=seconds)
    return vectors, seconds
