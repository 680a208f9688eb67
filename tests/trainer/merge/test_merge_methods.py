"""Averages of models: the numbers, and which models cannot be averaged."""

import pytest

torch = pytest.importorskip("torch")

from unigurd_trainer.errors import TrainerError  # noqa: E402
from unigurd_trainer.merge.methods import average  # noqa: E402


def model(*values, dtype=torch.float32):
    return {"a": torch.tensor(values, dtype=dtype), "ids": torch.arange(3)}


def test_weights_are_scaled_to_one():
    merged = average([model(1.0, 2.0), model(3.0, -2.0)], [3, 1])
    assert merged["a"].tolist() == [1.5, 1.0]
    assert merged["ids"].tolist() == [0, 1, 2]


def test_f1_weights_of_the_paper_give_its_shares():
    one, two, three = (model(*row) for row in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    merged = average([one, two, three], [0.9, 0.85, 0.8])
    assert merged["a"].tolist() == pytest.approx([0.35294118, 0.33333333, 0.31372549])


def test_the_type_stays_and_the_models_are_not_touched():
    one = model(1.0, 2.0, dtype=torch.float16)
    assert average([one, model(2.0, 4.0, dtype=torch.float16)], [1, 1])["a"].dtype == torch.float16
    assert one["a"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0]])
def test_bad_weights_are_refused(weights):
    with pytest.raises(TrainerError, match="weights"):
        average([model(1.0), model(2.0)], weights)


def test_models_that_are_built_otherwise_are_refused_by_name():
    with pytest.raises(TrainerError, match="differ in a"):
        average([model(1.0), model(1.0, 2.0)], [1, 1])
    with pytest.raises(TrainerError, match="differ in ids"):
        average([model(1.0), {"a": torch.zeros(1)}], [1, 1])
    with pytest.raises(TrainerError, match="no model"):
        average([], [])
