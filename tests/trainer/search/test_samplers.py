"""Samplers: the numbers of the specification, that a seed and what was told decide everything, and their options."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from unigurd_trainer.errors import RecipeError, TrainerError
from unigurd_trainer.search.epsilon_greedy import EpsilonGreedy
from unigurd_trainer.search.point import Point, Value, rounded
from unigurd_trainer.search.registry import find_sampler, samplers
from unigurd_trainer.search.sampler import Observation, configured_sampler
from unigurd_trainer.search.space import Space
from unigurd_trainer.search.thompson import Thompson, credits_of, normalised
from unigurd_trainer.search.ucb import Ucb, bounds

TYPES = ("all", "attention", "attn_output_fc", "no_classifier")
SPACE = Space(
    (0.9, 0.85, 0.8),
    {"method": ("average", "ties"), "merge_type": TYPES, "instruction": ("written",), "ties.density": (0.2, 0.5)},
)
NAMES = ("random", "epsilon-greedy", "ucb", "thompson", "tpe")


def sampler(name, space=SPACE, seed=0, **options):
    if name == "tpe":
        pytest.importorskip("optuna")
    return configured_sampler(find_sampler(name), space, seed, options)


def worth(point):
    """A landscape with its top near the second candidate."""
    return 0.9 - sum((weight - aim) ** 2 for weight, aim in zip(point.weights, (0.2, 0.7, 0.1), strict=True)) / 10


def walk(sampler, count=12):
    """Ask and tell; returns the points and the states."""
    best, points, states = 0.85, [], []
    for _ in range(count):
        point = sampler.ask()
        f1 = worth(point)
        sampler.tell(Observation(point, f1, f1 > best))
        best = max(best, f1)
        points.append(point)
        states.append(sampler.state())
    return points, states


def test_weights_are_thousandths_that_sum_to_one():
    assert rounded([0.9, 0.85, 0.8]) == (0.353, 0.333, 0.314)
    assert rounded([1, 1, 1]) == (0.334, 0.333, 0.333)
    assert rounded([5, 0]) == (1.0, 0.0)
    with pytest.raises(TrainerError, match="none negative"):
        rounded([1, -1])


def test_a_point_is_itself_as_json():
    point = Point.of([0.2, 0.8], {"method": "ties", "ties.density": 0.2, "merge_type": "all"})
    assert Point.from_dict(point.to_dict()) == point
    assert point.options("ties") == {"density": 0.2}


def test_options_of_other_methods_do_not_apply():
    choices: dict[str, Value] = {
        "method": "average",
        "merge_type": "all",
        "instruction": "written",
        "ties.density": 0.2,
    }
    assert "ties.density" not in dict(SPACE.point([1, 1, 1], choices).choices)
    assert SPACE.point([1, 1, 1], choices | {"method": "ties"})["ties.density"] == 0.2


@pytest.mark.parametrize("name", NAMES)
def test_the_first_point_is_the_seed(name):
    first = sampler(name).ask()
    assert first == SPACE.first()
    assert first.weights == (0.353, 0.333, 0.314)
    assert first["merge_type"] == "no_classifier"


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_and_answers_give_the_same_walk(name):
    assert walk(sampler(name)) == walk(sampler(name))


@pytest.mark.parametrize("name", ["random", "epsilon-greedy", "thompson"])
def test_another_seed_gives_another_walk(name):
    assert walk(sampler(name))[0][1:] != walk(sampler(name, seed=1))[0][1:]


@pytest.mark.parametrize("name", NAMES)
def test_points_asked_for_together_are_of_the_space(name):
    made = sampler(name)
    points = [made.ask() for _ in range(4)]
    for point in points:
        assert sum(point.weights) == pytest.approx(1.0)
        assert point["merge_type"] in TYPES
        made.tell(Observation(point, worth(point), False))


def test_thompson_follows_the_example_of_the_specification():
    space = Space((0.9, 0.9), {"merge_type": TYPES})
    made = Thompson(space, 0, Thompson.Options())
    made.tell(Observation(Point.of([0.6, 0.4], {"merge_type": "attention"}), 0.91, True))
    made.tell(Observation(Point.of([0.25, 0.75], {"merge_type": "all"}), 0.905, False))
    state = made.state()
    assert state["weights"][0] == pytest.approx([1.6, 1.25])
    assert state["weights"][1] == pytest.approx([1.4, 1.75])
    means = [a / (a + b) for a, b in state["weights"]]
    assert means == pytest.approx([0.56140351, 0.44444444])
    types = {name: a / (a + b) for name, (a, b) in state["merge_type"].items()}
    assert types == pytest.approx(
        {"attention": 0.66666667, "all": 0.33333333, "attn_output_fc": 0.5, "no_classifier": 0.5}
    )


def test_literal_credit_keeps_all_weights_alike():
    made = Thompson(Space((0.9, 0.9), {"merge_type": TYPES}), 0, Thompson.Options.model_validate({"credit": "literal"}))
    made.tell(Observation(Point.of([0.6, 0.4], {"merge_type": "attention"}), 0.91, True))
    made.tell(Observation(Point.of([0.25, 0.75], {"merge_type": "all"}), 0.905, False))
    assert made.state()["weights"] == [[2.0, 2.0], [2.0, 2.0]]
    assert credits_of([0.6, 0.4], "k_weight") == [1.2, 0.8]


def test_draws_are_scaled_to_weights():
    assert normalised([0.8, 0.2, 0.5]) == pytest.approx([0.53333333, 0.13333333, 0.33333333])


def test_a_prior_favours_the_better_candidates():
    made = Thompson(SPACE, 0, Thompson.Options.model_validate({"prior": 9.0}))
    assert made.state()["weights"] == [pytest.approx([1 + 9 * f1 / 0.9, 1.0]) for f1 in (0.9, 0.85, 0.8)]


def test_a_categorical_choice_follows_the_draws():
    options = Thompson.Options.model_validate({"choose": "categorical"})
    made = Thompson(Space((0.9, 0.9), {"merge_type": ("all", "attention")}), 0, options)
    for _ in range(200):
        made.tell(Observation(Point.of([1, 1], {"merge_type": "all"}), 0.9, True))
        made.tell(Observation(Point.of([1, 1], {"merge_type": "attention"}), 0.9, False))
    chosen = [made.propose()["merge_type"] for _ in range(50)]
    assert chosen.count("all") >= 45


def test_ucb_follows_the_example_of_the_specification():
    values = bounds((0.9, 0.88, 0.85, 0.8), (5, 2, 2, 1), 10)
    assert values == pytest.approx([1.85970518, 2.39742713, 2.36742713, 2.94596603])
    assert values.index(max(values)) == 3


def test_ucb_has_sixteen_weights_and_pulls_each_type_once_first():
    made = Ucb(SPACE, 0, Ucb.Options())
    assert len({atom.weights for atom in made.atoms}) == 16
    assert [atom.weights for atom in made.atoms[:3]] == [
        (0.353, 0.333, 0.314), (0.334, 0.333, 0.333), (0.7, 0.15, 0.15),
    ]  # fmt: skip
    points, states = walk(made, 4)
    assert {point["merge_type"] for point in points} == set(TYPES)
    assert [count for _, count in states[-1]["merge_type"].values()] == [1, 1, 1, 1]


def test_ucb_comes_back_to_what_pays():
    made = Ucb(Space((0.9, 0.9), {"merge_type": TYPES}), 0, Ucb.Options.model_validate({"c": 0.2, "atoms": 1}))
    for _ in range(40):
        point = made.ask()
        made.tell(Observation(point, 0.9 if point["merge_type"] == "attention" else 0.8, False))
    counts = {name: count for name, (_, count) in made.state()["merge_type"].items()}
    assert counts["attention"] > 30


def test_epsilon_greedy_stays_near_the_best_or_at_it():
    best = Observation(SPACE.point([0.1, 0.8, 0.1], dict(SPACE.first().choices)), 0.95, True)
    local = EpsilonGreedy(SPACE, 0, EpsilonGreedy.Options.model_validate({"epsilon": 0.0}))
    local.tell(best)
    near = np.array([local.propose().weights for _ in range(200)])
    assert near.mean(0) == pytest.approx([0.1, 0.8, 0.1], abs=0.03)
    literal = EpsilonGreedy(SPACE, 0, EpsilonGreedy.Options.model_validate({"epsilon": 0.0, "exploit": "literal"}))
    literal.tell(best)
    literal.tell(Observation(SPACE.first(), 0.95, False))
    assert literal.propose() == best.point


def test_random_weights_are_uniform_on_the_simplex():
    made = sampler("random")
    drawn = np.array([made.propose().weights for _ in range(2000)])
    assert drawn.mean(0) == pytest.approx([1 / 3] * 3, abs=0.02)
    assert drawn.std(0) == pytest.approx([np.sqrt(1 / 18)] * 3, abs=0.02)


def test_an_estimator_of_trees_gets_near_the_top():
    points, _ = walk(sampler("tpe"), 40)
    assert max(map(worth, points)) > max(map(worth, points[:1]))
    assert max(map(worth, points)) > 0.895


def test_unknown_samplers_and_options_are_refused():
    with pytest.raises(RecipeError, match="No sampler is named 'thomson'. Did you mean 'thompson'"):
        find_sampler("thomson")
    with pytest.raises(RecipeError, match="options of the sampler 'thompson' are wrong: credit"):
        sampler("thompson", credit="all")
    with pytest.raises(RecipeError, match="'epsilon-greedy' are wrong: colour"):
        sampler("epsilon-greedy", colour=1)
    assert set(NAMES) <= set(samplers())
