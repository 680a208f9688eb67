"""Learning curves: means over policies, then over seeds; a point has every policy or is not drawn."""

import pytest

from unigurd_trainer.ablation.curves import contrasts, curves, plot, policy_groups, report


def row(policy, size, seed, auc, start="base"):
    cell = {"policy": policy, "start": start, "mode": "full", "size": size, "seed": seed}
    return {"cell": cell, "measured": {"auc": auc, "f1": auc, "fpr": 1 - auc}}


ROWS = [row(p, 50, s, 0.7 + 0.1 * (p == "tax") + 0.01 * s) for p in ("tax", "safety") for s in (1, 2)]
ROWS += [row("safety", 5000, 1, 0.9)]


def test_a_point_is_the_mean_over_policies_with_an_interval_over_seeds():
    (series,) = curves(ROWS, "auc").values()
    assert series[50].value == pytest.approx(0.765)
    assert series[50].count == 2
    assert 5000 not in series


def test_one_policy_has_its_own_points():
    (series,) = curves(ROWS, "auc", ["safety"]).values()
    assert series[5000].value == pytest.approx(0.9)


def test_series_are_compared_policy_by_policy():
    better = [row(p, 50, s, 0.9, start="mtg") for p in ("tax", "safety") for s in (1, 2)]
    found = contrasts(ROWS + better, "auc")
    (series,) = found.values()
    assert list(found) == ["base, full less mtg, full"]
    assert series[50].value == pytest.approx(-0.135)
    assert series[50].half == pytest.approx(12.706 * 0.05, rel=1e-3)  # -.185 and -.085
    assert list(series) == [50]


def test_the_report_has_all_measures_and_policies():
    text = report(ROWS)
    for part in ("FPR at .5, mean over safety, tax:", "FPR at .5, mean over safety:", "AUC, tax:", "| base, full |"):
        assert part in text


def test_policies_with_larger_samples_are_a_group_of_their_own():
    assert policy_groups(ROWS) == [["safety", "tax"], ["safety"]]


def test_the_plot_is_written_in_both_forms(tmp_path):
    pytest.importorskip("matplotlib")
    plot(ROWS, tmp_path / "curves")
    assert (tmp_path / "curves.png").stat().st_size > 1000
    assert "AUC" in (tmp_path / "curves.svg").read_text()
