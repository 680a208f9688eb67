"""Tables and plots of finished searches, through the command line; what cannot be compared is refused."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from typer.testing import CliRunner  # noqa: E402

from unigurd_trainer.cli import app  # noqa: E402
from unigurd_trainer.errors import DataError, RecipeError  # noqa: E402
from unigurd_trainer.search.comparisons import against_random, by_merge_type  # noqa: E402
from unigurd_trainer.search.finished import open_finished, require_equal, series_of  # noqa: E402
from unigurd_trainer.search.stage import run  # noqa: E402


@pytest.fixture
def searches(make_search, tiny_data, tmp_path, one_thread):
    """Folders of searches: two seeds of one sampler, and two other samplers."""
    folders, samplers = [], {"a-0": "thompson", "a-1": "thompson", "b-0": "ucb", "c-1": "random"}
    for name, sampler in samplers.items():
        run(make_search(sampler=sampler, seed=int(name[-1]), trials=3), tiny_data, tmp_path / name)
        folders.append(tmp_path / name)
    return folders


def command(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_tables_and_plots_of_searches(searches, tmp_path):
    command("search-tables", *searches, "--out", tmp_path / "tables" / "search")
    found = json.loads((tmp_path / "tables" / "search.json").read_text())
    assert sorted(found["series"]) == ["random, average or ties", "thompson, average or ties", "ucb, average or ties"]
    last = found["series"]["thompson, average or ties"]["last"]
    expected = [open_finished(folder).f1("search") for folder in searches[:2]]
    assert last["values"] == expected
    assert last["mean"] == pytest.approx(sum(expected) / 2)
    assert found["series"]["ucb, average or ties"]["last"]["half"] is None
    text = (tmp_path / "tables" / "search.md").read_text()
    assert "| thompson, average or ties, iteration 1 |" in text
    assert "| prediction ensemble |" in text
    assert f"| ucb, average or ties | 1 | {100 * open_finished(searches[2]).f1('iteration 1'):.2f} |" in text

    pytest.importorskip("matplotlib")
    command("plot", *searches[:3], "--out", tmp_path / "plots")
    written = {path.name for path in (tmp_path / "plots").iterdir()}
    kinds = [f"{folder.name}-{kind}" for folder in searches[:3] for kind in ("weights", "policies", "posterior")]
    assert written == {f"{name}.{form}" for name in ("trials", *kinds) for form in ("png", "svg")}
    assert "single best" in (tmp_path / "plots" / "trials.svg").read_text()


def test_a_sampler_that_learns_nothing_of_arms_has_no_posterior_to_draw(make_search, tiny_data, tmp_path, one_thread):
    pytest.importorskip("matplotlib")
    folder = tmp_path / "greedy-0"
    run(make_search(sampler="epsilon-greedy", trials=2), tiny_data, folder)
    journal = folder / "journal.jsonl"
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    trials = [record for record in records if record["kind"] == "trial"]
    for record in trials:
        record["posterior"] = {"best": record["point"], "f1": 0.5}  # as after a trial that improved
    journal.write_text("".join(json.dumps(record) + "\n" for record in records))
    command("plot", folder, "--out", tmp_path / "plots")
    assert not list((tmp_path / "plots").glob("*posterior*"))


def test_samplers_are_compared_with_random_where_method_and_seed_are_the_same(searches):
    opened = [open_finished(folder) for folder in searches]
    found = against_random(opened)
    assert found.keys() == {"thompson"}  # the one search by UCB has another seed
    pair = found["thompson"]
    assert pair.search.count == 1
    assert pair.report.value == opened[1].f1("search") - opened[3].f1("search")
    assert pair.better == (opened[1].f1("search", "search") > opened[3].f1("search", "search"))
    assert against_random(opened[:3]) == {}


def test_merge_types_count_what_was_scored_in_full(searches):
    opened = [open_finished(folder) for folder in searches]
    found = by_merge_type(opened)
    scored = [trial for each in opened for trial in each.trials if trial.outcome.f1 is not None and not trial.cached]
    assert sum(each["trials"] for each in found.values()) == len(scored) > 0
    best = max(trial.outcome.f1 or 0.0 for trial in scored)
    assert max(each["mean"] for each in found.values()) <= best


def test_searches_that_cannot_be_compared_are_refused(make_search, tiny_data, tmp_path, one_thread):
    for name, changes in (("a", {}), ("longer", {"trials": 2}), ("rows", {"rows": {"least": 4, "search": 6}})):
        run(make_search(**{"trials": 1, "references": False, **changes}), tiny_data, tmp_path / name)
    opened = {name: open_finished(tmp_path / name) for name in ("a", "longer", "rows")}
    assert series_of([*opened.values()]).keys() == {"thompson, average or ties"}
    with pytest.raises(RecipeError, match="other trials than .*a; compare like with like"):
        require_equal([opened["a"], opened["longer"]])
    with pytest.raises(RecipeError, match="other rows than"):
        require_equal([opened["a"], opened["rows"]])
    with pytest.raises(RecipeError, match="There is no search to compare"):
        require_equal([])
    with pytest.raises(DataError, match="not left by a finished `unigurd-train merge-search`"):
        open_finished(Path(tmp_path))
