"""TIES: the example of the paper's notation in every variant, exact trims, and bases of one's own."""

import pytest

torch = pytest.importorskip("torch")

from unigurd_trainer.merge.methods import ties  # noqa: E402
from unigurd_trainer.merge.ties import disjoint_mean, elect_signs  # noqa: E402

DELTAS = ((0.5, -0.1, 0.3, 0.02, -0.4), (-0.2, -0.3, 0.1, 0.6, 0.05), (0.3, 0.2, -0.9, -0.05, 0.5))
TRIMMED = ((0.5, 0, 0.3, 0, -0.4), (-0.2, -0.3, 0, 0.6, 0), (0.3, 0, -0.9, 0, 0.5))
WEIGHTS = (0.5, 0.3, 0.2)


def model(*values):
    return {"w": torch.tensor(values)}


def merged(deltas=DELTAS, weights=WEIGHTS, density=0.6, **options):
    models = [model(*(1 + delta for delta in row)) for row in deltas]
    return ties(models, weights, model(*[1.0] * len(deltas[0])), density, **options)["w"].tolist()


def near(*values):
    return pytest.approx(values, abs=2e-7)


def test_three_of_five_are_kept():
    for delta, trimmed in zip(DELTAS, TRIMMED, strict=True):
        assert merged([delta], [1.0]) == near(*(1 + value for value in trimmed))


def test_weighted_mass():
    assert merged() == near(1.44285714, 0.7, 0.1, 1.6, 0.6)


def test_unweighted_mass_and_unweighted_mean():
    assert merged(elect="mass") == near(1.44285714, 0.7, 0.1, 1.6, 1.5)
    assert merged(elect="mass", mean="plain") == near(1.4, 0.7, 0.1, 1.6, 1.5)


def test_votes_of_zero_go_with_the_majority():
    assert merged(elect="vote") == near(1.44285714, 0.7, 1.3, 1.6, 1.5)
    assert merged(elect="vote", zeros="minority") == near(1.44285714, 0.7, 0.1, 1.6, 0.6)
    assert merged(elect="vote", zeros="plus") == near(1.44285714, 0.7, 1.3, 1.6, 1.5)


@pytest.mark.parametrize(
    ("elect", "zeros", "signs"),
    [
        ("weighted-mass", "majority", [1, -1, -1, 1, -1]),
        ("mass", "majority", [1, -1, -1, 1, 1]),
        ("vote", "majority", [1, -1, 1, 1, 1]),
        ("vote", "minority", [1, -1, -1, 1, -1]),
        ("vote", "plus", [1, -1, 1, 1, 1]),
    ],
)
def test_signs_are_elected_as_written(elect, zeros, signs):
    rows = [torch.tensor(row) for row in TRIMMED]
    assert elect_signs([rows], WEIGHTS, 5, elect, zeros).tolist() == signs


def test_without_a_majority_undecided_values_stay_those_of_the_base():
    rows = [torch.tensor([0.5, -0.5, 1.0]), torch.tensor([-0.5, 0.5, -1.0])]
    assert elect_signs([rows], (0.5, 0.5), 3).tolist() == [0, 0, 0]
    assert elect_signs([rows], (0.5, 0.5), 3, zeros="plus").tolist() == [1, 1, 1]
    (mean,) = disjoint_mean([rows], torch.zeros(3, dtype=torch.int8), (0.5, 0.5))
    assert mean.tolist() == [0, 0, 0]


def test_the_sum_of_what_agrees_is_not_divided():
    assert merged(mean="sum") == near(
        1 + 0.5 * 0.5 + 0.2 * 0.3, 1 - 0.3 * 0.3, 1 - 0.2 * 0.9, 1 + 0.3 * 0.6, 1 - 0.5 * 0.4
    )


def test_the_scale_multiplies_what_is_added():
    plain, half = merged(), merged(scale=0.5)
    assert [2 * (value - 1) for value in half] == near(*(value - 1 for value in plain))


@pytest.mark.parametrize(("density", "kept"), [(0.01, 1), (0.1, 1), (0.19, 1), (0.2, 2), (0.29, 2), (0.3, 3), (1, 10)])
def test_exactly_the_floor_is_kept_and_ties_go_by_index(density, kept):
    alike = [[0.5, -0.5] * 5]
    expected = [1.5, 0.5] * 5
    assert merged(alike, [1.0], density=density) == expected[:kept] + [1.0] * (10 - kept)


def test_ties_below_larger_values_go_by_index():
    assert merged([[0.25, 0.5, 0.25, 1.0, -0.25]], [1.0], density=0.8) == [1.25, 1.5, 1.25, 2.0, 1.0]


def test_values_that_did_not_change_count_but_add_nothing():
    assert merged([[0.0, 0.0, 0.5, 0.0, 0.0]], [1.0], density=0.6) == [1, 1, 1.5, 1, 1]
    assert merged([[0.0] * 5], [1.0], density=0.6) == [1] * 5


def test_the_global_scope_trims_a_model_as_a_whole():
    base = {"a": torch.zeros(4), "b": torch.zeros(4)}
    big, small = (
        {"a": torch.tensor([4.0, 3.0, 2.0, 1.0]), "b": torch.full((4,), 0.5)},
        {"a": torch.ones(4), "b": torch.ones(4)},
    )
    alone = ties([big], [1], base, density=0.5, scope="global")
    assert alone["a"].tolist() == [4, 3, 2, 1] and alone["b"].tolist() == [0] * 4
    more = ties([big], [1], base, density=0.75, scope="global")
    assert more["b"].tolist() == [0.5, 0.5, 0, 0]
    equal = ties([small], [1], base, density=0.625, scope="global")
    assert equal["a"].tolist() == [1] * 4 and equal["b"].tolist() == [1, 0, 0, 0]
    by_tensor = ties([big], [1], base, density=0.5)
    assert by_tensor["a"].tolist() == [4, 3, 0, 0] and by_tensor["b"].tolist() == [0.5, 0.5, 0, 0]


def test_a_model_without_weight_has_no_say():
    first, second, _ = DELTAS
    with_it, without_it = merged(weights=(0.6, 0.4, 0.0)), merged([first, second], (0.6, 0.4))
    assert with_it == without_it


def test_models_may_have_bases_of_their_own():
    plm, gip = model(0.0, 0.0, 0.0), model(1.0, 1.0, 1.0)
    task_guard, multi_task_guard = model(0.5, -0.25, 0.0), model(1.25, 1.0, 0.5)
    merged = ties([task_guard, multi_task_guard], [1, 1], [plm, gip], density=1.0, anchor=gip)
    assert merged["w"].tolist() == [1.375, 0.75, 0.5]


def test_the_head_may_be_absent_from_the_base_and_is_averaged():
    models = [{"w": torch.tensor([1.0 + n]), "head.weight": torch.tensor([10.0 * n])} for n in (1, 2)]
    merged = ties(models, [0.25, 0.75], {"w": torch.tensor([1.0])}, density=1.0)
    assert merged["w"].item() == 1 + 0.25 * 1 + 0.75 * 2
    assert merged["head.weight"].item() == 17.5


def test_vectors_longer_than_a_block_are_the_same_as_short_ones():
    torch.manual_seed(0)
    base = torch.randn(150_000)
    models = [base + 0.1 * torch.randn(len(base)) for _ in range(3)]
    whole = ties([{"w": each} for each in models], WEIGHTS, {"w": base}, density=0.2)["w"]
    deltas = [each - base for each in models]
    masks = [torch.zeros_like(delta) for delta in deltas]
    for mask, delta in zip(masks, deltas, strict=True):
        mask[delta.abs().argsort(descending=True, stable=True)[:30_000]] = 1
    kept = torch.stack([delta * mask for delta, mask in zip(deltas, masks, strict=True)])
    weights = torch.tensor(WEIGHTS)[:, None]
    agree = ((kept.sign() == (weights * kept).sum(0).sign()) & (kept != 0)).float()
    expected = base + (weights * kept * agree).sum(0) / (weights * agree).sum(0).clamp(min=1e-30)
    assert torch.allclose(whole, expected, atol=1e-6, rtol=0)
