"""DARE: the example with given masks, masks that depend on seed, model and name alone, and their statistics."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from unigurd_trainer.errors import TrainerError  # noqa: E402
from unigurd_trainer.merge.dare import Dare, keep_mask  # noqa: E402
from unigurd_trainer.merge.ingredients import Ingredients  # noqa: E402
from unigurd_trainer.merge.merger import Merger  # noqa: E402
from unigurd_trainer.merge.methods import dare, task_arithmetic, ties  # noqa: E402

DELTAS = ((0.5, -0.1, 0.3, 0.02, -0.4), (-0.2, -0.3, 0.1, 0.6, 0.05))
MASKS = ((1.0, 0, 1, 0, 1), (0.0, 1, 1, 1, 0))


class Drawn(Dare):
    """DARE with the masks of the example."""

    def prepare(self, site, survey):
        return [np.packbits(np.array(mask, dtype=bool)) for mask in MASKS]


def merged(**options):
    models = [{"w": 1 + torch.tensor(delta)} for delta in DELTAS]
    ingredients = Ingredients.of(models, {"w": torch.ones(5)})
    return Merger(ingredients, Drawn(drop=0.4, **options)).merge([0.6, 0.4])["w"].tolist()


def near(*values):
    return pytest.approx(values, abs=2e-7)


def test_the_weighted_sum_of_the_example():
    assert merged() == near(1.5, 0.8, 1.36666667, 1.4, 0.6)
    assert merged(scale=2.0) == near(2.0, 0.6, 1.73333333, 1.8, 0.2)


def test_the_plain_sum_leaves_the_weights_out():
    assert merged(combination="sum") == near(1 + 0.5 / 0.6, 0.5, 1 + 0.4 / 0.6, 2.0, 1 - 0.4 / 0.6)


def test_with_ties_only_what_agrees_is_averaged():
    assert merged(combination="ties") == near(1 + 0.5 / 0.6, 0.5, 1 + (0.6 * 0.5 + 0.4 / 6), 2.0, 1 - 0.4 / 0.6)


def noise(size=200_000, seed=0):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def models(count=2):
    base = noise()
    return {"w": base}, [{"w": base + 0.1 * noise(seed=n + 1)} for n in range(count)]


def test_with_nothing_dropped_it_is_task_arithmetic_or_ties():
    base, pair = models()
    plain = task_arithmetic(pair, [0.6, 0.4], base)["w"]
    assert torch.equal(dare(pair, [0.6, 0.4], base, drop=0.0)["w"], plain)
    agreed = ties(pair, [0.6, 0.4], base, density=1.0)["w"]
    assert torch.equal(dare(pair, [0.6, 0.4], base, drop=0.0, combination="ties")["w"], agreed)


@pytest.mark.parametrize("drop", [0.1, 0.5, 0.9])
def test_the_share_and_the_expected_value_are_right(drop):
    base, (one, _) = models()
    delta = one["w"] - base["w"]
    got = dare([one], [1.0], base, drop=drop)["w"] - base["w"]
    assert (got == 0).float().mean().item() == pytest.approx(drop, abs=0.005)
    assert (got @ delta / (delta @ delta)).item() == pytest.approx(1.0, abs=0.03)


def test_two_models_drop_independently():
    base, pair = models()
    got = dare(pair, [0.6, 0.4], base, drop=0.5)["w"]
    assert (got == base["w"]).float().mean().item() == pytest.approx(0.25, abs=0.005)


def test_the_same_seed_gives_the_same_bits_and_another_one_others():
    base, pair = models()
    first = dare(pair, [1, 1], base, seed=3)["w"]
    assert torch.equal(dare(pair, [1, 1], base, seed=3)["w"], first)
    assert not torch.equal(dare(pair, [1, 1], base, seed=4)["w"], first)


def test_masks_belong_to_models_and_not_to_their_places():
    base, (one, two) = models()
    there = dare([one, two], [0.7, 0.3], base, ids=("a", "b"))["w"]
    back = dare([two, one], [0.3, 0.7], base, ids=("b", "a"))["w"]
    assert torch.allclose(there, back, atol=1e-6)
    assert not torch.allclose(there, dare([one, two], [0.7, 0.3], base, ids=("b", "a"))["w"], atol=1e-3)


def test_the_draws_never_change():
    """A recipe that was shipped has to give the same weights after every update."""
    mask = np.unpackbits(keep_mask(200_000, 0.5, 0, "candidate", "encoder.weight"))
    assert "".join(map(str, mask[:12])) == "010101011110"
    assert np.array_equal(mask[:16], np.unpackbits(keep_mask(12, 0.5, 0, "candidate", "encoder.weight")))
    assert len(mask) == 200_000


def test_ids_that_are_not_one_each_are_refused():
    base, pair = models()
    for ids in (("a",), ("a", "a")):
        with pytest.raises(TrainerError, match="different ids"):
            dare(pair, [1, 1], base, ids=ids)
