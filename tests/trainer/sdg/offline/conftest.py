"""Packaged material in miniature, and an embedder that compares texts by their words."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

BEHAVIOURS = {
    "kitchen": {
        "oven": "repair an oven",
        "kettle": "descale a kettle",
        "pan": "clean a pan",
        "stove": "repair a stove",
    },
    "bank": {"loan": "apply for a loan", "card": "block a card", "cheque": "cash a cheque"},
    "garden": {"rose": "prune a rose", "hedge": "trim a hedge", "lawn": "mow a lawn"},
}
PLACES = "harbour mountain village theatre airport library factory museum office stadium chapel market".split()
FRAMES = tuple(f"how do i {{}} near the {place}" for place in PLACES)
CHAT = ("tell me a joke about trains", "which planet is the largest", "sing something", "what day is tomorrow")


class WordEmbedder:
    """Embeds by content words: texts without a common word are orthogonal, or nearly so."""

    def __init__(self):
        self.calls = 0

    def embed(self, texts):
        from unigurd_trainer.bank import content_words

        self.calls += len(texts)
        vectors = np.zeros((len(texts), 4096), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in content_words(text) | {word for word in text.lower().split() if len(word) == 3}:
                vectors[row, zlib.crc32(word.encode()) % 4096] += 1.0
            vectors[row, zlib.crc32(text.encode()) % 4096] += 0.05
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


class Agreeable:
    """A referee that agrees with nobody more than with others, and counts what it was shown."""

    def __init__(self, scores=None):
        self.seen, self._scores = [], scores or {}

    def scores(self, texts, policy):
        self.seen += texts
        return np.array([self._scores.get(text, 0.5) for text in texts], dtype=np.float32)


@pytest.fixture
def words():
    return WordEmbedder()


@pytest.fixture
def agreeable():
    return Agreeable


@pytest.fixture(scope="session")
def material():
    from unigurd_sdk.policy import Policy
    from unigurd_trainer.rows import Behaviour, CellKey, ConditionedRow, IntentRow, PoolRow
    from unigurd_trainer.sdg.packaged import Material

    cells, intents = [], []
    for domain, matters in BEHAVIOURS.items():
        for intent, matter in matters.items():
            key = CellKey("toy", domain, intent)
            phrasings = (f"asking to {matter}", f"requests to {matter}", f"the user wants to {matter}", matter)
            cells.append(Behaviour(key, phrasings, frozenset({intent}), domain))
            intents += [IntentRow(frame.format(matter), key, "train", "toy", "MIT") for frame in FRAMES]
    notary = Policy(name="notary", description="No legal work.", disallowed=["Writing a testament or a contract"])
    written = [
        ConditionedRow(
            "notary", text, label, "direct", f"notary:{at}", "train", "seen", "sdg/toy", "Apache-2.0"
        )
        for at, pair in enumerate([("write my testament", "what does testament mean"), ("draft a contract", "read it")])
        for label, text in zip((1, 0), pair, strict=True)
    ]  # fmt: skip
    chat = [PoolRow(f"{text} number {at}", None, "", "chat/toy", "train", "chat/toy", "CC0-1.0")
            for text in CHAT for at in range(12)]  # fmt: skip
    return Material("0" * 16, tuple(cells), tuple(intents), (), {"notary": notary}, tuple(written), tuple(chat))


@pytest.fixture
def workshop():
    """A ban that is near the material, one line excepted."""
    from unigurd_sdk.policy import Policy

    return Policy(
        name="workshop",
        description="The desk of a workshop.",
        kind="ban",
        allowed=["Asking to descale a kettle", "Asking to clean a pan"],
        disallowed=["Asking to repair an oven", "Asking about quantum chromodynamics"],
    )


@pytest.fixture
def make_offline(material, words, agreeable, tmp_path):
    """Build the offline generator on the small material."""

    def make(**changes):
        from unigurd_trainer.sdg.offline import OfflineGenerator

        values = {"material": material, "embedder": words, "referee": agreeable(), "cache": tmp_path / "cache"}
        return OfflineGenerator(**(values | changes))

    return make
