"""The command line: answers, exit codes, and batches that lose nothing and can be killed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from unigurd_sdk.cli import main
from unigurd_sdk.cli.batch_input import InputLine, read_lines
from unigurd_sdk.cli.batch_output import BatchOutput
from unigurd_sdk.errors import ConfigError
from unigurd_sdk.policy import Policy
from unigurd_sdk.registry import PolicyRegistry

RULE = Policy(name="no-bombs", description="No weapons.", allowed=["recipe"], disallowed=["bomb", "gun"])


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*args: object) -> Outcome:
        with pytest.raises(SystemExit) as caught:
            main([str(arg) for arg in args])
        captured = capsys.readouterr()
        return Outcome(int(caught.value.code or 0), captured.out, captured.err)

    return call


def write_lines(path: Path, *lines: object) -> Path:
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"".join(line + b"\n" for line in raw))
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# Policies and models


def test_policies_lists_every_shipped_policy_on_its_own_line(run: Run):
    outcome = run("policies")
    assert outcome.code == 0
    rows = {line.split()[0]: line for line in outcome.out.splitlines()[1:]}
    assert set(rows) == set(PolicyRegistry())
    assert "example" in rows["weather-only-bot"]
    assert "built-in" in rows["tax"]


def test_policies_as_json(run: Run):
    rows = json.loads(run("policies", "--json").out)
    assert {row["name"]: row["source"] for row in rows}["weather-only-bot"] == "example"


@pytest.mark.parametrize("option", [(), ("--json",)])
def test_a_shown_policy_can_be_saved_and_used(run: Run, tmp_path: Path, option: tuple[str, ...]):
    path = tmp_path / "copy.yaml"
    path.write_text(run("policies", "show", "tax", *option).out, encoding="utf-8")  # JSON is YAML
    assert Policy.from_file(path) == PolicyRegistry()["tax"]


def test_an_unknown_policy_is_one_line_with_a_guess_and_exit_code_2(run: Run):
    outcome = run("policies", "show", "taxx")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert "Did you mean 'tax'?" in outcome.err


def test_models_lists_cached_checkpoints_and_survives_damaged_ones(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys.modules["unigurd_sdk.cli.models"], "BUNDLED", tmp_path / "none")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert run("models").code == 0
    good = tmp_path / "models--acme--guard" / "snapshots" / ("ab" * 20)
    good.mkdir(parents=True)
    manifest = {
        "name": "acme",
        "interaction": "lines",
        "base_model": "b",
        "base_licence": "MIT",
        "max_length": 64,
        "files": {"guard.onnx": {"sha256": "0" * 64, "bytes": 2_500_000}},
        "weights": {"onnx": "guard.onnx"},
        "scores": {"dev/tax": {"f1": 0.875}},
    }
    (good / "guard.json").write_text(json.dumps(manifest), encoding="utf-8")
    outcome = run("models")
    assert outcome.code == 0
    assert "acme/guard" in outcome.out
    assert "cached abababababab" in outcome.out
    assert "2.5" in outcome.out
    assert "dev/tax: f1 0.875" in outcome.out
    bad = tmp_path / "models--acme--bad" / "snapshots" / "cd"
    bad.mkdir(parents=True)
    (bad / "guard.json").write_text("{", encoding="utf-8")
    outcome = run("models", "--json")
    assert outcome.code == 2
    assert [row["name"] for row in json.loads(outcome.out)] == ["acme/guard"]
    assert "models--acme--bad" in outcome.err


# Usage


@pytest.mark.parametrize(
    "args",
    [
        ("check", "hello"),
        ("check",),
        ("check", "hello", "-p", "tax", "--role", "nobody"),
        ("check", "hello", "-p", "tax", "--threshold", "1.5"),
        ("batch", "no-such-file.jsonl", "out.jsonl", "-p", "tax"),
        ("nonsense",),
    ],
)
def test_usage_errors_exit_with_2(run: Run, args: tuple[str, ...]):
    outcome = run(*args)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err


def test_a_missing_checkpoint_is_one_red_line(run: Run):
    outcome = run("check", "hello", "-p", "tax", "--model", "no-such-guard")
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1


def test_version(run: Run):
    assert run("--version").out.startswith("unigurd-sdk ")


def test_the_module_runs_as_a_program():
    command = [sys.executable, "-m", "unigurd_sdk.cli", "policies", "show", "taxx"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


# Check


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    path = tmp_path / "rule.yaml"
    RULE.save(path)
    return path


@pytest.mark.parametrize(("text", "word", "code"), [("a bomb", "unsafe", 1), ("a cake", "safe", 0)])
def test_check_answers_with_its_exit_code(
    run: Run, keyword_checkpoint: Path, rule: Path, text: str, word: str, code: int
):
    outcome = run("check", text, "-p", rule, "-m", keyword_checkpoint)
    assert (outcome.code, outcome.err) == (code, "")
    assert outcome.out.split()[:2] == [word, "no-bombs"]
    assert outcome.out.count("\n") == 1


def test_check_takes_a_threshold(run: Run, keyword_checkpoint: Path, rule: Path):
    assert run("check", "a cake", "-p", rule, "-m", keyword_checkpoint, "--threshold", 0.01).code == 1
    assert run("check", "a bomb", "-p", rule, "-m", keyword_checkpoint, "--threshold", 0.99).code == 0


def test_check_shows_where_in_a_long_text_and_not_the_text(run: Run, keyword_checkpoint: Path, rule: Path):
    text = "filler " * 100 + "bomb " + "filler " * 100
    outcome = run("check", text, "-p", rule, "-m", keyword_checkpoint)
    start, end = map(int, outcome.out.split("characters ")[1].split("-"))
    assert "bomb" in text[start:end]
    assert end - start < 400
    assert "filler" not in outcome.out


def test_check_answers_in_json_for_every_policy(run: Run, keyword_checkpoint: Path, rule: Path):
    options = ("-m", keyword_checkpoint, "--role", "assistant", "--prompt", "a gun", "--json")
    outcome = run("check", "a cake", "-p", "tax", "-f", rule, *options)
    report = json.loads(outcome.out)
    assert list(report["verdicts"]) == ["tax", "no-bombs"]
    assert report["verdicts"]["no-bombs"]["role"] == "assistant"
    assert report["verdicts"]["no-bombs"]["unsafe"] is True  # this model finds the gun in the prompt
    assert outcome.code == 1


def test_check_reads_the_standard_input(
    run: Run, keyword_checkpoint: Path, rule: Path, monkeypatch: pytest.MonkeyPatch
):
    def answer(raw: bytes) -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw), encoding="ascii"))
        return run("check", "-", "-p", rule, "-m", keyword_checkpoint)

    assert answer("für eine bomb\n".encode()).code == 1
    assert answer("für eine cake\n".encode()).code == 0
    outcome = answer(b"f\xfcr")
    assert outcome.code == 2
    assert "not UTF-8" in outcome.err


def test_check_with_an_unknown_policy_exits_with_2(run: Run, keyword_checkpoint: Path):
    outcome = run("check", "hello", "-p", "taxx", "-m", keyword_checkpoint)
    assert outcome.code == 2
    assert "'tax'" in outcome.err


# Batch: input


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'{"text": ', "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[1]", "expected an object, found a list"),
        (b"null", "expected an object, found null"),
        (b"{}", "no field 'text'"),
        (b'{"text": 3}', "holds a number, not text"),
        (b'{"text": true}', "holds a truth value, not text"),
        (b'{"text": null}', "holds null, not text"),
        (b"[" * 100_000, "too deep"),
        (b'{"text": ' + b"9" * 5000 + b"}", "too long"),
    ],
)
def test_bad_lines_are_explained(tmp_path: Path, line: bytes, error: str):
    path = write_lines(tmp_path / "in.jsonl", line, {"text": "good"})
    bad, good = read_lines(path, "text")
    assert error in (bad.error or "")
    assert (good.number, good.text, good.error) == (2, "good", None)


def test_lines_are_numbered_as_an_editor_does(tmp_path: Path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"q": "a\xe2\x80\xa8b"}\r\n\n{"q": "c", "p": "why"}')
    lines = list(read_lines(path, "q", "p"))
    assert lines == [InputLine(1, 19, "a\u2028b"), InputLine(3, 42, "c", "why")]
    assert lines[-1].end == path.stat().st_size
    assert [line.number for line in read_lines(path, "q", after=1)] == [3]


# Batch: output


def test_output_continues_behind_a_half_written_row(tmp_path: Path):
    path = tmp_path / "out.jsonl"
    with BatchOutput(path, ["tax"]) as output:
        output.write([{"line": 1, "unsafe": True, "verdicts": {"tax": {}}}, {"line": 3, "error": "bad"}])
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        with BatchOutput(path, ["tax"]) as output:
            complete = whole[:cut].count(b"\n")
            assert (output.resumed, output.last) == (complete, 1 if complete else 0)
        assert path.read_bytes() == b"".join(whole.splitlines(keepends=True)[:complete])


@pytest.mark.parametrize(
    "content",
    [
        b"dear diary",
        b"dear diary\n",
        b'{"line": 1, "text": "x"}\n',
        b'{"line": "1", "error": "x"}\n',
        b'{"line": 2, "error": "x"}\n{"line": 1, "error": "x"}\n',
        b'{"line": 1, "unsafe": true, "verdicts": {"hate": {}}}\n',
    ],
)
def test_output_never_touches_a_file_that_is_not_its_own(tmp_path: Path, content: bytes):
    path = tmp_path / "out.jsonl"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="Cannot continue"):
        BatchOutput(path, ["tax"])
    assert path.read_bytes() == content


def test_output_that_cannot_be_written_is_an_error(tmp_path: Path):
    with pytest.raises(ConfigError, match="Cannot write"):
        BatchOutput(tmp_path / "missing" / "out.jsonl", ["tax"])


# Batch: the command


@pytest.fixture
def batch(run: Run, tmp_path: Path, rule: Path, keyword_checkpoint: Path) -> Run:
    def call(*more: object) -> Outcome:
        files = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
        return run("batch", *files, "-f", rule, "-m", keyword_checkpoint, *more)

    return call


def test_batch_writes_one_row_per_line_in_order(batch: Run, tmp_path: Path):
    texts = [
        "filler " * count + word for count, word in ((1, "cake"), (60, "bomb"), (3, "gun"), (200, "cake"), (5, "bomb"))
    ]
    write_lines(tmp_path / "in.jsonl", *({"text": text} for text in texts))
    outcome = batch("--batch-size", 2)
    rows = read_rows(tmp_path / "out.jsonl")
    assert [row["line"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["unsafe"] for row in rows] == [False, True, True, False, True]
    assert rows[1]["verdicts"]["no-bombs"]["tokens"] == {"scanned": 61, "total": 61}
    assert "filler" not in (tmp_path / "out.jsonl").read_text(encoding="utf-8")
    assert (outcome.code, outcome.err) == (1, "")
    assert "5 lines: 2 safe, 3 unsafe, 0 bad" in outcome.out


def test_batch_without_violations_exits_with_0(batch: Run, tmp_path: Path):
    write_lines(tmp_path / "in.jsonl", {"text": "cake"}, {"text": "recipe"})
    assert batch().code == 0


def test_an_empty_batch_is_done(batch: Run, tmp_path: Path):
    write_lines(tmp_path / "in.jsonl")
    outcome = batch()
    assert (outcome.code, read_rows(tmp_path / "out.jsonl")) == (0, [])
    assert outcome.out.startswith("0 lines")


def test_batch_reports_bad_lines_and_keeps_their_place(batch: Run, tmp_path: Path):
    write_lines(tmp_path / "in.jsonl", {"text": "gun"}, b"{", b"", {"body": "cake"}, {"text": "cake"})
    outcome = batch()
    rows = read_rows(tmp_path / "out.jsonl")
    assert outcome.code == 2
    assert [(row["line"], "error" in row) for row in rows] == [(1, False), (2, True), (4, True), (5, False)]
    assert f"{tmp_path / 'in.jsonl'}:2: not JSON" in outcome.err
    assert "in.jsonl:4: no field 'text'" in outcome.err
    assert "4 lines: 1 safe, 1 unsafe, 2 bad" in outcome.out


def test_one_text_over_a_limit_does_not_take_its_batch_with_it(batch: Run, tmp_path: Path):
    write_lines(tmp_path / "in.jsonl", {"text": "cake"}, {"text": "x" * 6_000_000}, {"text": "gun"})
    outcome = batch()
    rows = read_rows(tmp_path / "out.jsonl")
    assert outcome.code == 2
    assert [row.get("unsafe", "bad") for row in rows] == [False, "bad", True]
    assert "in.jsonl:2: The text has 6000000 bytes" in outcome.err


def test_a_killed_batch_goes_on_where_it_stopped(batch: Run, tmp_path: Path):
    texts = ["cake", "bomb", "cake", "gun", "cake", "recipe", "bomb"]
    write_lines(tmp_path / "in.jsonl", *({"text": text} for text in texts))
    batch()
    target = tmp_path / "out.jsonl"
    kept = b"".join(target.read_bytes().splitlines(keepends=True)[:4])
    target.write_bytes(kept + b'{"line": 5, "uns')
    outcome = batch()
    rows = read_rows(target)
    assert target.read_bytes().startswith(kept)
    assert [row["line"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert [row["unsafe"] for row in rows] == [False, True, False, True, False, False, True]
    assert "7 lines (4 of them from an earlier run): 4 safe, 3 unsafe" in outcome.out
    done = target.read_bytes()
    assert batch().code == 1
    assert target.read_bytes() == done


def test_a_batch_killed_in_the_middle_loses_nothing(batch: Run, tmp_path: Path, rule: Path, keyword_checkpoint: Path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    texts = ["bomb" if number % 3 == 0 else "cake" for number in range(20_000)]
    write_lines(source, *({"text": text} for text in texts))
    command = [
        sys.executable,
        "-m",
        "unigurd_sdk.cli",
        "batch",
        source,
        target,
        "-f",
        rule,
        "-m",
        keyword_checkpoint,
    ]
    process = subprocess.Popen([*map(str, command), "--batch-size", "8"], stdout=subprocess.DEVNULL)
    while process.poll() is None and not (target.exists() and target.stat().st_size > 20_000):
        time.sleep(0.01)
    process.kill()
    assert process.wait() != 0, "the run was over before it could be killed"
    write_lines(source, *({"text": text} for text in texts[:400]))
    batch("--batch-size", 100)
    rows = read_rows(target)
    assert [row["line"] for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= 400
    assert all(row["unsafe"] == (texts[row["line"] - 1] == "bomb") for row in rows)


def test_batch_mixes_no_policies_and_does_not_overwrite_its_input(
    batch: Run, run: Run, tmp_path: Path, keyword_checkpoint: Path
):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    write_lines(source, {"text": "cake"})
    batch()
    before = target.read_bytes()
    other = run("batch", source, target, "-p", "tax", "-m", keyword_checkpoint)
    assert (other.code, target.read_bytes()) == (2, before)
    assert "other policies" in other.err
    same = run("batch", source, source, "-p", "tax", "-m", keyword_checkpoint)
    assert (same.code, read_rows(source)) == (2, [{"text": "cake"}])


def test_batch_takes_other_fields_and_prompts(batch: Run, tmp_path: Path):
    rows = [{"answer": "cake", "q": "gun"}, {"answer": "cake", "q": None}, {"answer": "cake", "q": 3}]
    write_lines(tmp_path / "in.jsonl", *rows)
    batch("--text-field", "answer", "--prompt-field", "q", "--role", "assistant")
    first, second, third = read_rows(tmp_path / "out.jsonl")
    assert (first["unsafe"], second["unsafe"]) == (True, False)  # this model finds the gun in the prompt
    assert "'q' holds a number" in third["error"]
