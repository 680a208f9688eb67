"""The command line: a run that is killed goes on, keys stay secret, and wrong input is answered in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from typer.testing import CliRunner

from unigurd_trainer.cli import app, main
from unigurd_trainer.measure.predictions import read_predictions

KEY = "sk-very-secret"


def moderated(fake, call, delay=0.0):
    flagged = "bad" in call.body["input"]
    scores = {"categories": {"hate": flagged}, "category_scores": {"hate": 0.9 if flagged else 0.1}}
    return fake.Reply(body={"results": [{"flagged": flagged, **scores}]}, delay=delay)


@pytest.fixture
def moderation(llm, fake):
    llm.answer = lambda call: moderated(fake, call)
    return llm


@pytest.fixture
def unigurd(monkeypatch, capsys):
    """Run `unigurd-train` as the console script does: `code, output, errors = unigurd("baseline", ...)`."""

    def make(*arguments):
        monkeypatch.setattr(sys, "argv", ["unigurd-train", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return ended.value.code or 0, shown.out, " ".join(shown.err.split())

    return make


def test_predictions_are_what_evaluate_reads(moderation, unigurd, write_rows, tmp_path):
    rows = write_rows([f"{kind} {n}" for n in range(4) for kind in ("good", "bad")])
    out = tmp_path / "predictions.jsonl"
    code, _, said = unigurd("baseline", "openai-moderation", "--rows", rows, "--out", out, "--endpoint", moderation.url)
    assert (
        code == 0
        and f"8 rows: 8 judged, 4 of them unsafe, 0 without a verdict; next: unigurd-train evaluate {out}" in said
    )
    code, table, said = unigurd("evaluate", out, "--rows", rows, "--resamples", "10")
    assert code == 0 and "OpenAI moderation" in table + said


def test_a_killed_run_goes_on_without_asking_twice(llm, fake, write_rows, tmp_path):
    llm.answer = lambda call: moderated(fake, call, delay=0.02)
    texts = [f"{'bad' if n % 2 else 'good'} {n}" for n in range(60)]
    out = tmp_path / "predictions.jsonl"
    code = "from unigurd_trainer.cli import main; main()"
    arguments = ["baseline", "openai-moderation", "--rows", write_rows(texts), "--out", out, "--endpoint", llm.url]
    command = [sys.executable, "-c", code, *map(str, arguments), "--set", "concurrency=2"]
    environment = {**os.environ, "UNIGURD_API_KEY": KEY, "NO_PROXY": "127.0.0.1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        while len(llm.calls) < 20:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    written = out.read_text(encoding="utf-8").count("\n") - 1
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    asked = [call.body["input"] for call in llm.calls]
    assert {row.flagged for row in read_predictions(out).rows.values()} == {True, False}
    assert len(read_predictions(out).rows) == 60 and set(asked) == set(texts)
    assert 0 < written < 60 and len(asked) <= 60 + 2  # only what was in the air is asked again
    assert f"60 rows ({written} were there)" in " ".join(done.stderr.split())
    assert all(call.headers["Authorization"] == f"Bearer {KEY}" for call in llm.calls)
    assert KEY not in done.stdout + done.stderr + out.read_text(encoding="utf-8")


def test_the_key_is_not_logged_either(moderation, unigurd, write_rows, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("UNIGURD_API_KEY", KEY)
    caplog.set_level("DEBUG")
    out, rows = tmp_path / "p.jsonl", write_rows(["a secret text"])
    code, shown, said = unigurd("--verbose", "baseline", "openai-moderation", "--rows", rows, "--out", out,
                                "--endpoint", moderation.url)  # fmt: skip
    assert code == 0 and KEY not in shown + said + caplog.text + out.read_text(encoding="utf-8")
    assert "a secret text" not in shown + said + caplog.text


def test_policies_without_a_category_are_named(moderation, unigurd, write_rows, tmp_path):
    rows = write_rows(["x"], policy="tax")
    _, _, said = unigurd("baseline", "openai-moderation", "--rows", rows, "--out", tmp_path / "p.jsonl",
                         "--endpoint", moderation.url)  # fmt: skip
    assert "any finding counts under tax" in said


def test_rows_without_an_answer_are_asked_again_on_demand(llm, fake, unigurd, write_rows, tmp_path):
    out, rows = tmp_path / "p.jsonl", write_rows(["good 1", "good 2"])
    arguments = ("baseline", "openai-moderation", "--rows", rows, "--out", out, "--endpoint", llm.url,
                 "--set", "concurrency=1", "--set", "retries=0")  # fmt: skip
    llm.script = [moderated(fake, type("Call", (), {"body": {"input": "good"}})), fake.Reply(500, {})]
    llm.answer = lambda call: moderated(fake, call)
    assert "1 judged, 0 of them unsafe, 1 without a verdict" in unigurd(*arguments)[2]
    _, _, said = unigurd(*arguments, "--retry")
    assert "1 rows that had no answer are asked again" in said and "2 rows (1 were there): 1 judged" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("shieldgemma",),
            "No baseline is named 'shieldgemma'. Did you mean 'shield-gemma'? There are: aegis",
        ),
        (("openai-moderation",), "set the environment variable OPENAI_API_KEY or UNIGURD_API_KEY"),
        (("openai-moderation", "--set", "cuont=any"), "cuont: Extra inputs are not permitted. There are: concurrency"),
        (("openai-moderation", "--set", "count=some"), "count: Input should be 'mapped' or 'any'"),
        (("openai-moderation", "--set", "count"), "--set takes NAME=VALUE, not 'count'."),
        (("chat", "--set", "extra_body={"), "is not JSON"),
        (("chat",), "model: Field required"),
        (("azure-content-safety",), "endpoint: Field required"),
        (("bedrock", "--set", "guardrail=g", "--set", "guardrail_version=0"), "guardrail_version: String should match"),
        (("openai-moderation", "--set", "api_key=sk-1"), "api_key: Extra inputs are not permitted"),
    ],
)
def test_wrong_input_is_answered_in_one_line(unigurd, write_rows, tmp_path, arguments, said):
    name, *options = arguments
    code, _, errors = unigurd("baseline", name, "--rows", write_rows(["x"]), "--out", tmp_path / "p.jsonl", *options)
    assert code == 2 and said in errors and "Traceback" not in errors and "sk-1" not in errors
    assert not (tmp_path / "p.jsonl").exists()


def test_the_baselines_are_listed():
    shown = CliRunner().invoke(app, ["baselines"]).output
    assert "bedrock  Amazon Bedrock Guardrails" in shown and "key AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in shown
    assert "extra baselines" in shown and "options concurrency" in shown


def test_configurations_of_nemo_are_written(unigurd, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("name: own\ndescription: No puns.\n", encoding="utf-8")
    code, _, _ = unigurd("nemo-config", "tax", own, "--out", tmp_path / "rails", "--model", "m")
    assert code == 0
    prompts = yaml.safe_load((tmp_path / "rails" / "own" / "prompts.yml").read_text(encoding="utf-8"))
    assert "No puns." in prompts["prompts"][0]["content"] and (tmp_path / "rails" / "tax" / "config.yml").exists()
