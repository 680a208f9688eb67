"""Texts to compare, and an embedder whose vectors are easy to predict."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

WORDS = [f"w{number}" for number in range(400)]


@pytest.fixture(scope="session", autouse=True)
def packages():
    """Skip without the extra `sdg`."""
    for package in ("rensa", "faiss"):
        pytest.importorskip(package)


@pytest.fixture
def make_text():
    """Make random texts: `make_text(20)` has 20 words; `make_text(20, like=text)` differs in its last word."""
    rng = random.Random(0)

    def make(words, like=None):
        if like is not None:
            return " ".join([*like.split()[:-1], "other"])
        return " ".join(rng.choices(WORDS, k=words))

    return make


class AngleEmbedder:
    """Reads the angle at the end of a text, in degrees, and points there: cosines are those of differences."""

    def __init__(self):
        self.asked = []

    def embed(self, texts):
        self.asked += texts
        angles = np.radians([float(text.split()[-1]) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@pytest.fixture
def angles():
    return AngleEmbedder()


@pytest.fixture
def write_rows(tmp_path):
    """Write rows to a JSON Lines file: `write_rows("a.jsonl", rows)`."""

    def write(name, rows):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write
