"""Evaluation measures what users would get: the checkpoint's own thresholds, roles and policies, on rows kept apart."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from unigurd_sdk.checkpoint import Checkpoint, write_manifest
from unigurd_sdk.errors import ConfigError, ModelNotFound, UnknownPolicy
from unigurd_sdk.guard import Guard
from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import DataError
from unigurd_trainer.measure import cli as measure_cli
from unigurd_trainer.measure.evaluate import Options
from unigurd_trainer.measure.evaluate import run as evaluate
from unigurd_trainer.measure.judges import judge
from unigurd_trainer.measure.selection import Selection
from unigurd_trainer.measure.sets import calibration_sets, half, report_sets
from unigurd_trainer.rows import Episode, Example

BENCHMARK = {"category": "", "license": "MIT", "lang": "en", "prompt": None, "response": None}


def benchmark(folder, *rows):
    """Rows of a benchmark: (text, label, policy, other fields)."""
    lines = [
        {"text": text, "label": label, "policy": policy, "source": "bench"} | BENCHMARK | more
        for text, label, policy, more in rows
    ]
    file = folder / "dev/bench.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def texts(sets, name):
    (found,) = [each for each in sets if each.name == name]
    return {example.text for episode in found.episodes for example in episode.examples}


def run(system, data, out=None, sets=None, **options):
    return evaluate(system, Selection(data, sets), out, Options(resamples=50, **options))


def only(results):
    (found,) = results.sets
    return found


def test_halves_are_fixed_and_even():
    # the hashes start with 76, 3f and 8b; below 80 is for calibration
    assert [half("one"), half("two"), half("three")] == ["calibrate", "calibrate", "report"]
    share = sum(half(f"text {n}") == "calibrate" for n in range(2000)) / 2000
    assert 0.45 < share < 0.55


def test_twins_and_respellings_stay_together():
    assert len({half(f"text {n}", "tax/7") for n in range(50)}) == 1
    assert half("  Ｔext 1") == half("text 1")


def test_calibration_and_report_share_no_row_and_lose_none(data):
    report, calibrate = report_sets(data), calibration_sets(data)
    assert [each.name for each in calibrate] == ["sdg-dev", "pool-dev/hate"]
    for name, rows in (("sdg-dev", 80), ("pool-dev/hate", 400)):
        ours, theirs = texts(report, name), texts(calibrate, name)
        assert not ours & theirs
        assert len(ours) + len(theirs) == rows


def test_twins_are_on_the_same_side(data):
    groups = [
        {example.group for each in sets if each.name == "sdg-dev" for e in each.episodes for example in e.examples}
        for sets in (report_sets(data), calibration_sets(data))
    ]
    assert groups[0] and groups[1] and not groups[0] & groups[1]


def test_what_calibration_never_sees_is_reported_whole(data):
    benchmark(data, *[(f"m1 {n}", "safe", "tax", {}) for n in range(10)])
    sets = {each.name: each.rows for each in report_sets(data)}
    assert (sets["dev/bench"], sets["sdg-unseen"]) == (10, 80)
    assert {"gip-unseen-policy", "gip-unseen-intent", "gip-unseen-domain", "sdg-dev/tax"} <= set(sets)


def test_a_focus_set_is_a_part_of_the_reported_half(data):
    sets = report_sets(data, ["sdg-dev"])
    assert [each.name for each in sets] == ["sdg-dev", "sdg-dev/tax"]
    assert texts(sets, "sdg-dev/tax") < texts(sets, "sdg-dev")


def test_an_unknown_set_is_refused_with_the_known_ones(data):
    with pytest.raises(ConfigError, match="'gip-seen'.*gip-unseen-policy"):
        report_sets(data, ["sdg-dev", "gip-seen"])


def test_benchmarks_need_nothing_else(graded_checkpoint, tmp_path):
    benchmark(tmp_path / "alone", ("p4", "unsafe", "tax", {}), ("m4", "safe", "tax", {}))
    it = only(run(graded_checkpoint, tmp_path / "alone", sets=["dev"]))
    assert (it.name, it.policies, it.policy_auc) == ("dev/bench", 1, None)
    assert (it.metrics.rows, it.metrics.f1, it.metrics.auc) == (2, 1.0, 1.0)


def test_a_wrong_folder_or_policy_is_an_error(graded_checkpoint, tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        run(graded_checkpoint, tmp_path, sets=["dev"])
    benchmark(tmp_path, ("p4", "unsafe", "taxes", {}))
    with pytest.raises(UnknownPolicy, match="taxes"):
        run(graded_checkpoint, tmp_path, sets=["dev"])


def test_a_missing_checkpoint_is_an_error(data, tmp_path):
    with pytest.raises(ModelNotFound):
        run(tmp_path / "nowhere", data)


def test_the_thresholds_of_the_checkpoint_decide(graded_checkpoint, tmp_path):
    benchmark(tmp_path, ("p4", "safe", "tax", {}), ("p12", "unsafe", "tax", {}))
    assert only(run(graded_checkpoint, tmp_path, sets=["dev"])).metrics.fpr == 1.0  # sigmoid(1) = .73
    manifest = Checkpoint.open(graded_checkpoint).manifest
    write_manifest(graded_checkpoint, manifest.model_copy(update={"thresholds": {"tax": 0.8}}))
    results = run(graded_checkpoint, tmp_path, sets=["dev"])
    assert (only(results).metrics.fpr, only(results).metrics.f1) == (0.0, 1.0)
    assert results.thresholds == {"tax": 0.8}


def test_responses_and_documents_are_judged_as_such(graded_checkpoint, tmp_path):
    """The model adds 20 to a document and 40 to a response, which makes -8 unsafe; a prompt of -40 undoes it."""
    benchmark(
        tmp_path,
        ("m32", "safe", "tax", {}),
        ("m32", "unsafe", "indirect-injection", {}),
        ("User: m32", "unsafe", "tax", {"prompt": "m32", "response": "m32"}),
        ("User: m32", "safe", "tax", {"prompt": " ".join(["m32"] * 5), "response": "m32"}),
    )
    metrics = only(run(graded_checkpoint, tmp_path, sets=["dev"])).metrics
    assert (metrics.rows, metrics.recall, metrics.fpr) == (4, 1.0, 0.0)


def test_one_class_is_measured_as_far_as_it_goes(graded_checkpoint, tmp_path):
    benchmark(tmp_path, *[(f"{'p4' if n < 3 else 'm4'} x{n}", "safe", "tax", {}) for n in range(12)])
    metrics = only(run(graded_checkpoint, tmp_path, sets=["dev"])).metrics
    assert (metrics.fpr, metrics.f1, metrics.auc) == (0.25, None, None)


def test_languages_with_enough_rows_are_told_apart(graded_checkpoint, tmp_path):
    rows = [(f"{'p4' if n % 2 else 'm4'} x{n}", "unsafe", "tax", {"lang": "en"}) for n in range(40)]
    rows += [(f"p4 y{n}", "unsafe", "tax", {"lang": "de"}) for n in range(20)]
    benchmark(tmp_path, *rows, ("p4", "unsafe", "tax", {"lang": "fr"}))
    it = only(run(graded_checkpoint, tmp_path, sets=["dev"]))
    assert {lang: (m.rows, m.recall) for lang, m in it.languages.items()} == {"en": (40, 0.5), "de": (20, 1.0)}


def test_the_auc_of_policies_is_a_mean(graded_checkpoint):
    def episode(name, *rows):
        examples = tuple(Example(text, unsafe, "s", "MIT") for text, unsafe in rows)
        return Episode(Policy(name=name, description=f"No {name}."), examples, "composed")

    with Guard.from_pretrained(graded_checkpoint) as guard:
        judged = judge(
            guard, [episode("a", ("p2", 1), ("m2", 0)), episode("b", ("m9", 1), ("m8", 0)), episode("c", ("m1", 1))]
        )
    assert judged.policy_auc() == 0.5  # 1, 0 and none


def test_results_are_written_with_what_they_rest_on(graded_checkpoint, data, tmp_path):
    results = run(graded_checkpoint, data, tmp_path / "out" / "scores.json", ["sdg-unseen", "pool-dev"])
    written = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert written == json.loads(json.dumps(results.to_dict()))
    assert written["checkpoint_id"] == Checkpoint.open(graded_checkpoint).id
    assert len(written["data_hash"]) == 16 and "onnxruntime" in written["versions"]
    assert list(written["sets"]) == ["sdg-unseen", "pool-dev/hate"]
    assert written["sets"]["sdg-unseen"]["f1"] == 1.0
    assert (tmp_path / "out" / "scores.md").read_text().count("\n| pool-dev/hate |") == 2


def test_the_same_data_has_the_same_fingerprint(data):
    first, again = report_sets(data, ["sdg-unseen"]), report_sets(data, ["sdg-unseen"])
    assert first[0].fingerprint == again[0].fingerprint
    file = data / "sdg/all.jsonl"
    file.write_text(file.read_text().replace("vat dev 0", "vat dev zero"))
    assert report_sets(data, ["sdg-unseen"])[0].fingerprint != first[0].fingerprint


def test_the_command_prints_a_table_and_writes_it(graded_checkpoint, data, tmp_path):
    app = typer.Typer()
    measure_cli.register(app)
    out = tmp_path / "scores.json"
    arguments = ["evaluate", str(graded_checkpoint), "--data", str(data), "--set", "sdg-unseen", "--out", str(out)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "sdg-unseen" in result.stdout and "1.000" in result.stdout
    assert out.exists() and out.with_suffix(".md").exists()
