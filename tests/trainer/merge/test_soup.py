"""Weights of the first iteration, and the greedy soup."""

import pytest

torch = pytest.importorskip("torch")

from unigurd_trainer.errors import TrainerError  # noqa: E402
from unigurd_trainer.merge.methods import greedy_soup, seed_weights  # noqa: E402


def model(value):
    return {"a": torch.tensor([float(value)])}


def test_weights_are_proportional_to_f1():
    assert seed_weights([0.90, 0.85, 0.80]) == pytest.approx([0.35294118, 0.33333333, 0.31372549], abs=1e-8)


def test_a_low_temperature_prefers_the_best():
    weights = seed_weights([0.90, 0.85, 0.80], temperature=0.05)
    assert weights == pytest.approx([0.66524096, 0.24472847, 0.09003057], abs=1e-8)
    assert seed_weights([0.9, 0.1], temperature=1e-4) == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize(
    ("f1s", "temperature"), [([], None), ([0.0, 0.0], None), ([0.5, 1.5], None), ([0.5, -0.1], 1), ([0.5], 0)]
)
def test_weights_of_no_use_are_refused(f1s, temperature):
    with pytest.raises(TrainerError):
        seed_weights(f1s, temperature)


def test_the_greedy_soup_takes_what_does_not_lower_f1_best_first():
    scores = {15.0: 0.84, 25.0: 0.86, 23.5: 0.88}  # with 10: worse than .85; with 30: better; with 20.5: better still
    tried = []

    def evaluate(soup):
        tried.append(soup["a"].item())
        return scores[tried[-1]]

    models = [model(10), model(20), model(30), model(20.5)]
    soup = greedy_soup(models, [0.80, 0.85, 0.80, 0.10], evaluate)
    assert tried == [15.0, 25.0, 23.5]
    assert soup["a"].item() == 23.5


def test_a_tie_gets_in_unless_it_is_strict():
    models = [model(0), model(10)]
    assert greedy_soup(models, [0.9, 0.8], lambda soup: 0.9)["a"].item() == 5.0
    assert greedy_soup(models, [0.9, 0.8], lambda soup: 0.9, strict=True)["a"].item() == 0.0


def test_models_without_an_f1_each_are_refused():
    with pytest.raises(TrainerError, match="2 models need as many F1, not 1"):
        greedy_soup([model(0), model(1)], [0.9], lambda soup: 0.9)
