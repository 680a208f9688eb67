"""Data sets in miniature, some of them hostile, and an embedder that counts words."""

from __future__ import annotations

import json
import random
import zlib

import numpy as np
import pytest

TOPICS = {0: "recipe garden kitchen holiday".split(), 1: "weapon poison attack murder".split()}
FILLER = [f"filler{number}" for number in range(60)]


class BagEmbedder:
    """Counts words in 64 buckets."""

    def embed(self, texts):
        vectors = np.zeros((len(texts), 64), np.float32)
        for row, text in enumerate(texts):
            for word in text.casefold().split():
                vectors[row, zlib.crc32(word.encode("utf-8", "replace")) % 64] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="session", autouse=True)
def packages():
    """Skip without the extra `sdg`."""
    for package in ("rensa", "faiss", "sklearn", "jinja2"):
        pytest.importorskip(package)


@pytest.fixture(scope="session")
def bag():
    return BagEmbedder()


@pytest.fixture(scope="session")
def make_rows():
    """Make rows: `make_rows(200, telling=1.0, wrong=0.1)`; `telling` is how often the topic is that of the label."""

    def make(count, *, telling=1.0, wrong=0.0, seed=0, **fields):
        rng = random.Random(seed)
        for number in range(count):
            label = number % 2
            topic = TOPICS[label if rng.random() < telling else rng.randrange(2)]
            words = [*rng.choices(topic, k=3), *rng.choices(FILLER, k=8)]
            rng.shuffle(words)
            stated = 1 - label if rng.random() < wrong else label
            yield {"text": " ".join(words), "label": stated, "policy": "harm", **fields}

    return make


@pytest.fixture(scope="session")
def write(tmp_path_factory):
    """Write rows to a new file and return its path."""

    def write(rows, name="rows.jsonl"):
        path = tmp_path_factory.mktemp("data") / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


HOSTILE = "<script>alert('x')</script>\x1b[31m\u202e\ud800 | **bold** [link](http://example.org) & \"quoted\""


@pytest.fixture(scope="session")
def hostile():
    return HOSTILE


@pytest.fixture(scope="session")
def hostile_report(write, make_rows, bag, hostile):
    """A report of rows whose every field is hostile."""
    from unigurd_trainer.report.measure import measure

    fields = dict.fromkeys(("policy", "source", "licence", "generator", "difficulty", "language"), hostile)
    rows = [{**row, **fields, "text": f"{hostile} {row['text']}"} for row in make_rows(60, wrong=0.2)]
    return measure([write([*rows, *make_rows(20, seed=1)])], embedder=bag)
