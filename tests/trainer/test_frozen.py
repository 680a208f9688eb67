"""A frozen encoder gives what the live one gives, reads each row once, and never drops or learns."""

import pytest

pytest.importorskip("torch")

import torch

from unigurd_sdk.nn.encoder import Encoder, EncoderConfig, Segments
from unigurd_trainer.frozen import FrozenEncoder

CONFIG = EncoderConfig(
    vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, dropout=0.5
)


def bucket(rows, token_type=1):
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
    return Segments(ids, torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows]), token_type)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(CONFIG)


BATCHES = [bucket([[1, 2, 3], [4, 5]]), bucket([[1, 2, 3], [7, 8, 9, 10]]), bucket([[1, 2, 3]], token_type=0)]


def counted(frozen, monkeypatch):
    read: list[int] = []
    whole = Encoder.packed

    def count(self, batches, multiple=256):
        read.extend(len(batch.mask) for batch in batches)
        return whole(self, batches)

    monkeypatch.setattr(Encoder, "packed", count)
    return read


def test_states_are_those_of_the_live_encoder(encoder):
    live, frozen = encoder.eval().packed(BATCHES), FrozenEncoder(encoder).train().packed(BATCHES)
    for batch, one, other in zip(BATCHES, live, frozen, strict=True):
        kept = batch.mask.bool()
        assert one.shape == other.shape
        assert torch.allclose(one[kept], other[kept], atol=1e-5)


def test_each_row_is_read_once_whatever_bucket_it_comes_in(encoder, monkeypatch):
    frozen = FrozenEncoder(encoder)
    read = counted(frozen, monkeypatch)
    first = frozen.packed(BATCHES[:2])
    assert sum(read) == 4  # within one call a row that two buckets share is read for each
    again = frozen.packed([BATCHES[1], BATCHES[0]])
    assert sum(read) == 4
    assert torch.equal(first[0][BATCHES[0].mask.bool()], again[1][BATCHES[0].mask.bool()])
    frozen.packed(BATCHES)
    assert sum(read) == 5  # the same ids as a policy line are another row


def test_rows_over_the_budget_are_read_anew(encoder, monkeypatch):
    frozen = FrozenEncoder(encoder, budget=16 * 4 * 3)
    read = counted(frozen, monkeypatch)
    frozen.packed(BATCHES[:1])
    frozen.packed(BATCHES[:1])
    assert sum(read) == 3


def test_nothing_of_it_trains_and_names_stay(encoder):
    frozen = FrozenEncoder(encoder)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert set(frozen.state_dict()) == set(encoder.state_dict())
