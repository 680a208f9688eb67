"""Embedders: unit vectors in the order of the texts, from the guard's encoder or from its base."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from unigurd_trainer.sdg.embedding import GuardEmbedder, SentenceEmbedder

TEXTS = ["the door", "a long text about ovens, doors, windows and carpets in a hotel", "the door", ""]


@pytest.fixture(params=["guard", "base"])
def embedder(request, tiny_base):
    return SentenceEmbedder(str(tiny_base)) if request.param == "base" else GuardEmbedder.bundled(threads=1)


def test_vectors_are_of_length_one_and_in_order(embedder):
    vectors = embedder.embed(TEXTS)
    assert vectors.dtype == np.float32 and len(vectors) == len(TEXTS)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-5)
    assert embedder.embed(TEXTS[1:2])[0] == pytest.approx(vectors[1], abs=1e-4)
    assert embedder.embed([]).shape == (0, 1)
