"""SLERP: the numbers of two and more models, and where it gives way to linear interpolation."""

import math

import pytest

torch = pytest.importorskip("torch")

from unigurd_trainer.errors import RecipeError  # noqa: E402
from unigurd_trainer.merge.methods import slerp  # noqa: E402
from unigurd_trainer.merge.slerp import arc_factors  # noqa: E402

A, B, C = (1.0, 0.0), (0.0, 2.0), (1.0, 1.0)


def merged(vectors, weights, **options):
    return slerp([{"v": torch.tensor(vector, dtype=torch.float64)} for vector in vectors], weights, **options)[
        "v"
    ].tolist()


def test_two_models_are_met_on_the_arc_at_the_weight_of_the_second():
    assert merged([A, B], [0.75, 0.25]) == pytest.approx([0.92387953, 0.76536686], abs=1e-8)
    assert merged([B, A], [0.25, 0.75]) == pytest.approx([0.92387953, 0.76536686], abs=1e-8)


def test_more_are_folded_by_weight():
    assert merged([A, B], [0.5, 0.3]) == pytest.approx([0.83146961, 1.11114047], abs=1e-8)
    assert merged([A, B, C], [0.5, 0.3, 0.2]) == pytest.approx([0.86664881, 1.09066042], abs=1e-8)
    assert merged([C, B, A], [0.2, 0.3, 0.5]) == pytest.approx([0.86664881, 1.09066042], abs=1e-8)


def test_the_order_matters():
    a, *others = (torch.tensor(vector, dtype=torch.float64) for vector in (A, C, B))
    for other, t in zip(others, (0.2 / 0.7, 0.3), strict=True):
        own, theirs = arc_factors(float(a @ other / a.norm() / other.norm()), t)
        a = own * a + theirs * other
    assert a.tolist() == pytest.approx([0.87065741, 1.04025856], abs=1e-8)


def test_multislerp_keeps_mean_direction_and_mean_length():
    assert merged([A, B, C], [0.5, 0.3, 0.2], mode="multislerp") == pytest.approx([1.13915198, 0.78395583], abs=1e-8)


def test_vectors_without_direction_are_averaged():
    nothing = (0.0, 0.0)
    assert merged([A, nothing], [0.75, 0.25]) == [0.75, 0.0]
    assert merged([A, nothing, C], [0.5, 0.3, 0.2], mode="multislerp") == pytest.approx([0.7, 0.2])


def test_opposite_vectors_are_averaged():
    assert merged([A, (-1.0, 0.0)], [0.5, 0.5], mode="multislerp") == [0.0, 0.0]
    assert merged([A, (-3.0, 0.0)], [0.5, 0.5]) == [-1.0, 0.0]


def test_nearly_collinear_vectors_are_averaged_by_default():
    near = (math.cos(0.03), math.sin(0.03))  # cos .99955
    assert merged([A, near], [0.5, 0.5]) == pytest.approx([(1 + near[0]) / 2, near[1] / 2], abs=1e-12)
    on_the_arc = [math.cos(0.015), math.sin(0.015)]
    assert merged([A, near], [0.5, 0.5], threshold=1.0) == pytest.approx(on_the_arc, abs=1e-12)
    assert merged([A, near], [0.5, 0.5], gate="above") == pytest.approx(on_the_arc, abs=1e-12)


def test_the_gate_above_averages_what_points_elsewhere():
    wide = (-1.0, 1.0)
    assert merged([A, wide], [0.5, 0.5], gate="above") == [0.0, 0.5]
    assert merged([A, wide], [0.5, 0.5], gate="above", threshold=-1.0) == merged([A, wide], [0.5, 0.5])
    assert merged([A, A], [0.5, 0.5], gate="above") == pytest.approx(A)


def test_a_model_without_weight_takes_no_part():
    assert merged([A, C, B], [0.75, 0.0, 0.25]) == merged([A, B], [0.75, 0.25])


def test_unknown_options_are_refused():
    for options in ({"mode": "karcher"}, {"gate": "open"}, {"threshold": 2.0}):
        with pytest.raises(RecipeError, match=next(iter(options))):
            merged([A, B], [1, 1], **options)
