"""States of different length are stacked so that padding can be told from content."""

from __future__ import annotations

import numpy as np

from unigurd_sdk.runtime.base import PolicyState, stack_states


def state(rows: int) -> PolicyState:
    lines = np.arange(rows * 2, dtype=np.float16).reshape(rows, 2) + 1
    return PolicyState({"lines": lines, "polarity": np.ones(rows, dtype=np.int64)})


def test_one_state_is_not_copied():
    only = state(3)
    stacked = stack_states([only])
    assert stacked["lines"].shape == (1, 3, 2)
    assert np.shares_memory(stacked["lines"], only.tensors["lines"])
    assert stacked["lines_mask"].tolist() == [[True, True, True]]


def test_shorter_states_are_padded_with_zeros_and_masked():
    stacked = stack_states([state(1), state(3)])
    assert stacked["lines"].tolist() == [[[1, 2], [0, 0], [0, 0]], [[1, 2], [3, 4], [5, 6]]]
    assert stacked["lines_mask"].tolist() == [[True, False, False], [True, True, True]]
    assert stacked["polarity"].tolist() == [[1, 0, 0], [1, 1, 1]]


def test_types_are_kept_and_every_tensor_has_a_mask():
    stacked = stack_states([state(1), state(2)])
    assert {name: value.dtype for name, value in stacked.items()} == {
        "lines": np.float16,
        "lines_mask": np.bool_,
        "polarity": np.int64,
        "polarity_mask": np.bool_,
    }
