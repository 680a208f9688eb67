"""What an evaluation says beyond the measures: how sure, against whom, at which threshold, from where, how fast."""

from __future__ import annotations

import json
import sys

import pytest
import typer
from typer.testing import CliRunner

from unigurd_sdk.checkpoint import Checkpoint, write_manifest
from unigurd_sdk.errors import ConfigError, MissingExtra
from unigurd_trainer.errors import DataError
from unigurd_trainer.measure import cli
from unigurd_trainer.measure.evaluate import Options, run
from unigurd_trainer.measure.predictions import Header, Prediction, PredictionWriter
from unigurd_trainer.measure.questions import questions
from unigurd_trainer.measure.selection import Selection
from unigurd_trainer.measure.thresholds import Rule


@pytest.fixture
def rows(tmp_path):
    """Two sources of 60 rows: of `even` every third word is misread, `odd` is easy."""
    path = tmp_path / "rows.jsonl"
    lines = []
    for number in range(120):
        source, unsafe = ("even", "odd")[number % 2], number % 4 < 2
        misread = source == "even" and number % 3 == 0
        word = "p6" if unsafe != misread else "m6"
        place = {"source": source, "category": f"c{number % 5}", "lang": ("en", "de")[number // 60]}
        lines.append({"text": f"{word} {number}", "label": ("safe", "unsafe")[unsafe], "policy": "tax"} | place)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def perfect(rows, tmp_path):
    """Predictions that are always right, except that one answer is missing or invalid where a test says so."""

    def write(name="perfect.jsonl", leave=0, invalid=0, **header):
        sets = Selection(rows=[rows]).read()
        labels = {f"{row.text}": row.label for each in sets for e in each.episodes for row in e.examples}
        with PredictionWriter(tmp_path / name, Header(model="oracle", **header)) as out:
            for number, each in enumerate(list(questions(sets))[leave:]):
                said = {"invalid": True} if number < invalid else {"score": 0.2 + 0.7 * labels[each.text]}
                out.write(Prediction(id=each.id, latency_ms=10.0 + number % 2, **said))
        return tmp_path / name

    return write


def evaluate(system, rows, out=None, **options):
    return run(system, Selection(rows=[rows]), out, Options(resamples=200, **options))


def test_measures_have_intervals_and_an_origin(graded_checkpoint, rows, tmp_path):
    results = evaluate(graded_checkpoint, rows, tmp_path / "r.json")
    even, odd = results.sets
    low, high = even.intervals["f1"]
    assert low < even.metrics.f1 < high and odd.intervals["f1"] == (1.0, 1.0)
    written = json.loads((tmp_path / "r.json").read_text())
    row = written["sets"]["even"]
    assert row["intervals"]["f1"] == [round(low, 4), round(high, 4)]
    assert (row["unit"], row["units"], row["source"], row["split"], row["mapping"]) == (
        *("row", 60, "rows.jsonl", "the file", "label"),
    )
    assert (len(row["revision"]), row["contamination"], written["resamples"]) == (16, "unknown", 200)
    assert written["rule"]["kind"] == "checkpoint" and written["data_hash"] == ""


def test_parts_are_measured_by_language_and_category(graded_checkpoint, rows, tmp_path):
    results = evaluate(graded_checkpoint, rows, tmp_path / "r.json")
    assert {name: m.rows for name, m in results.sets[0].languages.items()} == {"de": 30, "en": 30}
    assert results.sets[0].categories == {}  # twelve rows each are too few
    assert "| even | de | 30 | 15 |" in (tmp_path / "r.parts.md").read_text()


def test_the_score_is_the_mean_of_the_benchmarks(graded_checkpoint, rows):
    results = evaluate(graded_checkpoint, rows)
    even, odd = (each.metrics.f1 for each in results.sets)
    score = results.score
    assert score.value == pytest.approx(50 * (even + odd)) and score.sets == ("even", "odd")
    low, high = results.sets[0].intervals["f1"]
    assert score.interval == pytest.approx((50 * (low + odd), 50 * (high + odd)))


def test_one_benchmark_or_the_data_folder_has_no_score(graded_checkpoint, data):
    assert run(graded_checkpoint, Selection(data, ["sdg-unseen", "pool-dev"])).score is None


def test_a_rival_is_measured_on_the_same_rows(graded_checkpoint, rows, perfect, tmp_path):
    results = evaluate(graded_checkpoint, rows, tmp_path / "r.json", against=perfect(version="9"))
    even, odd = (each.rival for each in results.sets)
    lost = even.differences["f1"]
    assert lost.value == pytest.approx(results.sets[0].metrics.f1 - 1) and lost.interval.high < 0
    assert odd.differences["f1"].interval == (0.0, 0.0)
    assert results.score.difference.value == pytest.approx(50 * lost.value)
    assert results.score.difference.interval == pytest.approx([50 * bound for bound in lost.interval])
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["against"] == {"name": "oracle", "version": "9"}
    assert written["sets"]["even"]["against"]["differences"]["f1"]["value"] == round(lost.value, 4)
    assert "Difference from oracle@9" in (tmp_path / "r.md").read_text()


def test_predictions_are_evaluated_like_a_checkpoint(rows, perfect, tmp_path):
    path = perfect(invalid=3, settings={"prompt": "v1"}, trained_on=["odd"])
    results = evaluate(path, rows, tmp_path / "r.json")
    even, odd = results.sets
    assert (results.kind, results.checkpoint, results.temperature) == ("predictions", "oracle", None)
    assert (even.invalid, odd.invalid) == (3, 0)
    assert even.metrics.f1 < 1.0 and odd.metrics.f1 == 1.0
    assert (even.contamination, odd.contamination) == ("unknown", "train-split")
    assert even.latency["safe"].rows + even.latency["unsafe"].rows == 60
    text = (tmp_path / "r.md").read_text()
    assert "could not be used" in text and "| even | 3 |" in text and "Milliseconds" in text
    assert json.loads((tmp_path / "r.json").read_text())["settings"] == {"prompt": "v1"}


def test_missing_predictions_stop_it_and_leave_what_was_there(rows, perfect, tmp_path):
    (tmp_path / "r.json").write_text("before")
    path = perfect(leave=4)
    with pytest.raises(DataError, match="4 of 60 different rows of even"):
        evaluate(path, rows, tmp_path / "r.json")
    assert (tmp_path / "r.json").read_text() == "before"
    assert evaluate(path, rows, missing="wrong").sets[0].invalid == 4


def test_a_threshold_may_be_fixed_or_set_on_other_rows(graded_checkpoint, rows, tmp_path):
    other = tmp_path / "calm.jsonl"
    lines = [{"text": f"p6 calm {n}", "label": "safe", "policy": "tax"} for n in range(100)]
    other.write_text("".join(json.dumps(line) + "\n" for line in lines))
    everything = evaluate(graded_checkpoint, rows, rule=Rule("fixed", 0.1))
    assert everything.sets[0].metrics.recall == 1.0
    careful = evaluate(graded_checkpoint, rows, rule=Rule("fpr", 0.01), calibrate_on=[other])
    assert careful.sets[0].metrics.recall == 0.0  # the other rows have the highest score there is
    assert careful.rule["safe"] == 100 and "0.01 of 100 other safe rows" in careful.rule["words"]


def test_rows_that_are_measured_set_no_threshold(graded_checkpoint, rows, tmp_path, caplog):
    with pytest.raises(DataError, match="100 safe rows that are not measured, and there are 0"):
        evaluate(graded_checkpoint, rows, rule=Rule("fpr", 0.01), calibrate_on=[rows])
    assert "120 rows that would set the threshold are measured" in caplog.text
    with pytest.raises(ConfigError, match="--calibrate-on or --data"):
        evaluate(graded_checkpoint, rows, rule=Rule("fpr", 0.01))


def test_the_data_folder_sets_the_threshold_on_its_other_half(graded_checkpoint, data):
    results = run(graded_checkpoint, Selection(data, ["pool-dev"]), options=Options(rule=Rule("fpr", 0.01)))
    assert list(results.rule["data"]) == ["sdg-dev", "pool-dev/hate"]
    assert (results.sets[0].metrics.fpr or 0.0) <= 0.01


def test_contamination_is_what_the_manifest_tells(graded_checkpoint, data, tmp_path):
    names = ["sdg-unseen", "pool-dev"]
    manifest = Checkpoint.open(graded_checkpoint).manifest
    write_manifest(graded_checkpoint, manifest.model_copy(update={"sources": ("s: MIT", "sdg/all: MIT")}))
    results = run(graded_checkpoint, Selection(data, names))
    assert {each.name: each.contamination for each in results.sets} == {
        "sdg-unseen": "held-out",
        "pool-dev/hate": "train-split",
    }
    write_manifest(graded_checkpoint, manifest.model_copy(update={"sources": ("elsewhere: MIT",)}))
    assert run(graded_checkpoint, Selection(data, ["pool-dev"])).sets[0].contamination == "none-known"


def test_checks_are_timed_one_at_a_time_on_request(graded_checkpoint, rows):
    assert evaluate(graded_checkpoint, rows).sets[0].latency == {}
    timed = evaluate(graded_checkpoint, rows, latency=7).sets[0].latency
    assert {kind: time.rows for kind, time in timed.items()} == {"safe": 7, "unsafe": 7}
    assert all(0 < time.median_ms <= time.p95_ms for time in timed.values())


def test_nothing_to_measure_and_two_sets_of_a_name_are_refused(rows, tmp_path):
    with pytest.raises(ConfigError, match="--data, --rows or --hub"):
        Selection().read()
    bench = tmp_path / "dev" / "bench.jsonl"
    bench.parent.mkdir()
    row = json.loads(rows.read_text().splitlines()[0])
    bench.write_text(json.dumps(row) + "\n")
    rows.write_text(json.dumps(row | {"source": "dev/even"}) + "\n")
    with pytest.raises(ConfigError, match="Two sets are called 'dev/even'"):
        Selection(tmp_path, ["dev"], [rows]).read()


def test_plots_are_drawn_for_every_set_and_all_of_them(graded_checkpoint, rows, perfect, tmp_path):
    pytest.importorskip("matplotlib")
    evaluate(graded_checkpoint, rows, plots=tmp_path / "plots", against=perfect())
    files = {path.name: path.read_bytes() for path in (tmp_path / "plots").iterdir()}
    assert set(files) == {f"{name}.{form}" for name in ("even", "odd", "overview") for form in ("png", "svg")}
    drawn = files["even.svg"].decode()
    for words in ("graded, AUPRC", "oracle, AUPRC 1.000", "graded, ECE", "safe, 30 rows", "precision over recall"):
        assert words in drawn


def test_plots_without_matplotlib_say_what_to_install_before_anything_runs(rows, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"unigurd-sdk\[plots\]"):
        evaluate(tmp_path / "no-checkpoint", rows, plots=tmp_path)


def test_the_command_compares_and_writes(graded_checkpoint, rows, perfect, tmp_path):
    app = typer.Typer()
    cli.register(app)
    out, kept = tmp_path / "r.json", tmp_path / "kept.jsonl"
    options = ["--rows", str(rows), "--against", str(perfect()), "--threshold", "fixed=0.5", "--resamples", "50"]
    arguments = ["evaluate", str(graded_checkpoint), *options, "--out", str(out), "--keep", str(kept)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and "even" in result.stdout
    assert json.loads(out.read_text())["rule"]["value"] == 0.5
    assert len(kept.read_text().splitlines()) == 1 + 120


def test_the_command_writes_questions(rows, tmp_path):
    app = typer.Typer()
    cli.register(app)
    out = tmp_path / "q.jsonl"
    result = CliRunner().invoke(app, ["questions", "--rows", str(rows), "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0
    first = json.loads(out.read_text().splitlines()[0])
    assert first["policy"] == "tax" and "label" not in first
