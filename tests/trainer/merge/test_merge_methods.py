"""Averages of models: the numbers; and what every method refuses."""

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from unigurd_trainer.errors import RecipeError, TrainerError  # noqa: E402
from unigurd_trainer.merge.methods import average, dare, slerp, task_arithmetic, ties  # noqa: E402
from unigurd_trainer.merge.model import shares  # noqa: E402

BASED: tuple[Any, ...] = (task_arithmetic, ties, dare)
ALL: tuple[Any, ...] = (average, slerp, *BASED)


def model(*values, dtype=torch.float32):
    return {"a": torch.tensor(values, dtype=dtype), "ids": torch.arange(3)}


def test_weights_are_scaled_to_one():
    merged = average([model(1.0, 2.0), model(3.0, -2.0)], [3, 1])
    assert merged["a"].tolist() == [1.5, 1.0]
    assert merged["ids"].tolist() == [0, 1, 2]


def test_shares_are_not_scaled_again():
    """A search merges by shares, and a recipe that is applied later scales them once more: not a bit may change."""
    thousandths = [0.16, 0.177, 0.01, 0.245, 0.334, 0.074]  # whose sum, in floating point, is not 1
    assert sum(thousandths) != 1.0
    assert shares(thousandths, 6) == thousandths
    scaled = shares([3.0, 1.0, 7.0], 3)
    assert shares(scaled, 3) == scaled


def test_f1_weights_of_the_paper_give_its_shares():
    one, two, three = (model(*row) for row in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    merged = average([one, two, three], [0.9, 0.85, 0.8])
    assert merged["a"].tolist() == pytest.approx([0.35294118, 0.33333333, 0.31372549])


def test_the_type_stays_and_the_models_are_not_touched():
    one = model(1.0, 2.0, dtype=torch.float16)
    assert average([one, model(2.0, 4.0, dtype=torch.float16)], [1, 1])["a"].dtype == torch.float16
    assert one["a"].tolist() == [1.0, 2.0]


def merge(method, models, weights, base=None):
    return method(models, weights, base or model(1.0, 1.0)) if method in BASED else method(models, weights)


@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0], [math.nan, 1], [math.inf, 1], [1, 1, 1], []])
@pytest.mark.parametrize("method", ALL)
def test_bad_weights_are_refused(method, weights):
    with pytest.raises(TrainerError, match="2 models need as many weights"):
        merge(method, [model(1.0, 2.0), model(2.0, 1.0)], weights)


@pytest.mark.parametrize("method", ALL)
def test_models_that_are_built_otherwise_are_refused_by_name(method):
    with pytest.raises(TrainerError, match=r"differ in a \(a: \[1\] float32 and \[2\] float32\)"):
        merge(method, [model(1.0), model(1.0, 2.0)], [1, 1])
    with pytest.raises(TrainerError, match="differ in ids .*absent"):
        merge(method, [model(1.0), {"a": torch.zeros(1)}], [1, 1])
    with pytest.raises(TrainerError, match="float32 and.*float16"):
        merge(method, [model(1.0), model(1.0, dtype=torch.float16)], [1, 1])
    with pytest.raises(TrainerError, match="no model"):
        merge(method, [], [])
    with pytest.raises(TrainerError, match="Model 1 has no tensors"):
        merge(method, [{}, {}], [1, 1])


def test_weights_without_data_and_packed_integers_are_refused():
    with pytest.raises(TrainerError, match=r"Model 2 has no data for a \(a meta tensor\)"):
        average([{"a": torch.zeros(2)}, {"a": torch.zeros(2, device="meta")}], [1, 1])
    packed = {"a": torch.zeros(2, dtype=torch.int8), "a_scale": torch.ones(2)}
    with pytest.raises(TrainerError, match="a as integers with a scale"):
        average([packed, packed], [1, 1])


@pytest.mark.parametrize("method", ALL)
def test_values_that_are_no_numbers_are_refused_by_name(method):
    with pytest.raises(TrainerError, match="values of a that are not finite"):
        merge(method, [model(1.0, math.nan), model(2.0, 3.0)], [1, 1])


@pytest.mark.parametrize("method", BASED)
def test_a_base_is_needed_and_has_to_fit(method):
    models = [model(1.0, 2.0), model(2.0, 3.0)]
    with pytest.raises(TrainerError, match="differences to a base"):
        method(models, [1, 1], None)
    with pytest.raises(TrainerError, match="differences to a base"):
        method(models, [1, 1], {})
    with pytest.raises(TrainerError, match="base is not built like model 1; they differ in a"):
        method(models, [1, 1], model(1.0))
    with pytest.raises(TrainerError, match="base has no tensor of the models; it has x"):
        method(models, [1, 1], {"x": torch.zeros(1)})
    with pytest.raises(TrainerError, match="base has no a"):
        method(models, [1, 1], {"ids": torch.arange(3)})
    assert method(models, [1, 1], {"a": torch.zeros(2)})["ids"].tolist() == [0, 1, 2]
    with pytest.raises(TrainerError, match="2 models need one base, or as many; there are 3"):
        method(models, [1, 1], [model(1.0, 1.0)] * 3)
    with pytest.raises(TrainerError, match="need an anchor"):
        method(models, [1, 1], [model(1.0, 1.0), model(1.0, 1.0)])


@pytest.mark.parametrize(
    ("method", "option", "value"),
    [
        (ties, "density", 0.0), (ties, "density", 1.5), (ties, "density", math.nan), (ties, "scale", math.nan),
        (ties, "scope", "layer"), (ties, "elect", "best"), (dare, "drop", 1.0), (dare, "drop", -0.1),
        (dare, "combination", "magnitude"), (task_arithmetic, "scale", math.inf),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused_by_name(method, option, value):
    with pytest.raises(RecipeError, match=rf"options of '{method.__name__}' are wrong: {option}: "):
        method([model(1.0), model(2.0)], [1, 1], model(0.0), **{option: value})


@pytest.mark.parametrize("method", ALL)
def test_one_model_alone_comes_back(method):
    alone = model(0.5, -2.0)
    options = {"density": 1.0} if method is ties else {"drop": 0.0} if method is dare else {}
    merged = method([alone], [3], model(1.0, 1.0), **options) if method in BASED else method([alone], [3])
    assert merged["a"].tolist() == [0.5, -2.0]


@pytest.mark.parametrize("method", BASED)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types_stay_and_integers_are_those_of_the_first(method, dtype):
    models = [model(1.0, 2.0, dtype=dtype), model(2.0, 3.0, dtype=dtype) | {"ids": torch.arange(3) + 5}]
    merged = method(models, [1, 1], model(1.0, 1.0, dtype=dtype))
    assert merged["a"].dtype == dtype
    assert merged["ids"].tolist() == [0, 1, 2]


def test_double_precision_is_not_lost():
    merged = average([model(1.0 + 1e-12, dtype=torch.float64), model(1.0, dtype=torch.float64)], [1, 0])
    assert merged["a"].item() == 1.0 + 1e-12


def test_empty_and_scalar_tensors_are_merged():
    models = [{"a": torch.tensor(float(n)), "none": torch.zeros(0)} for n in (1, 3)]
    base = {"a": torch.tensor(1.0), "none": torch.zeros(0)}
    for method in ALL:
        merged = method(models, [1, 1], base) if method in BASED else method(models, [1, 1])
        assert merged["a"].shape == () and merged["none"].shape == (0,)
    assert slerp(models, [1, 1])["a"].item() == 2.0
