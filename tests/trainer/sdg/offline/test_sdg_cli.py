"""The commands, end to end with the packaged material and the bundled checkpoint; no network, no LLM."""

from __future__ import annotations

import json
import socket

import pytest
import typer
from typer.testing import CliRunner

from unigurd_sdk.errors import InvalidPolicy
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.sdg import cli
from unigurd_trainer.sdg.samples import read_samples
from unigurd_trainer.sdg.shards import shard_paths

GARDEN = """\
name: rosewood-garden-shop
description: The chat of a garden shop. It helps with orders and plants but never with poisons, loans or other shops.
kind: ban
allowed:
  - Asking where an order is or when it arrives
  - Asking for a refund or to return an item
disallowed:
  - Asking how to make a poison
  - Asking for a loan or a credit card
  - Asking how a quasar's accretion disc cools
"""


@pytest.fixture
def app():
    app = typer.Typer()
    cli.register(app)
    return app


@pytest.fixture
def invoke(app, monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    def call(*arguments):
        return CliRunner().invoke(app, [*map(str, arguments)])

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "400")
    return call


def card_of(folder):
    return (folder / "card.md").read_text(encoding="utf-8")


@pytest.fixture
def garden(tmp_path):
    path = tmp_path / "garden.yaml"
    path.write_text(GARDEN, encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_new_policy_becomes_a_data_set_offline(invoke, garden, tmp_path):
    pytest.importorskip("rensa")
    out = tmp_path / "data"
    arguments = ("sdg", garden, "--offline", "-n", 60, "-o", out, "--threads", 1)
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    rows = [*read_samples((*shard_paths(out / "train"), *shard_paths(out / "dev")))]
    unsafe = sum(row.label for row in rows)
    assert len(rows) >= 40 and 0.4 <= unsafe / len(rows) <= 0.6
    assert {row.policy for row in rows} == {"rosewood-garden-shop"}
    assert all(row.rationale and row.provenance.licence for row in rows)
    assert "far" in result.output and "quasar" in result.output and "silver" in result.output
    assert (out / "report.html").stat().st_size > 1000 and "rosewood" in (out / "card.md").read_text()
    record = json.loads((out / "run.json").read_text())
    assert [row["covered"] for row in record["statistics"]["coverage"]] == [True, True, True, True, False]
    assert invoke(*arguments).exit_code == 0
    other = invoke(*arguments[:-2], "--seed", 1)
    assert isinstance(other.exception, RecipeError) and "another seed" in str(other.exception)


def test_the_same_command_with_an_endpoint_and_parquet(app, policy, llm, tmp_path):
    pytest.importorskip("rensa")
    pytest.importorskip("pyarrow")
    policy.save(tmp_path / "policy.yaml")
    out = tmp_path / "data"
    arguments = ["sdg", tmp_path / "policy.yaml", "-n", 24, "-o", out, "--endpoint", llm.url, "--model", "tiny"]
    arguments += ["--format", "parquet"]
    arguments += ["--set", "reflection_rounds=0", "--set", 'languages=["en"]', "--no-dedup", "--threads", 1]
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    rows = [*read_samples((*shard_paths(out / "train"), *shard_paths(out / "dev")))]
    assert sum(row.label for row in rows) == 12 and len(rows) == 24
    record = json.loads((out / "run.json").read_text())
    assert record["generator"] == "llm" and record["statistics"]["made"] == {"safe": 12, "unsafe": 12}
    assert "Of 12 unsafe texts that the model was asked for, it refused 0 (0.0%)" in card_of(out)


def test_refusals_and_warnings_stand_in_the_card(app, policy, llm, fake, tmp_path):
    pytest.importorskip("rensa")
    llm.answer = lambda call: fake.chat("I'm sorry, but I can't help with that.") if call.unsafe else fake.honest(call)
    policy.save(tmp_path / "policy.yaml")
    out = tmp_path / "data"
    arguments = ["sdg", tmp_path / "policy.yaml", "-n", 20, "-o", out, "--endpoint", llm.url, "--model", "tiny"]
    arguments += ["--set", "reflection_rounds=0", "--set", "extra_rounds=0", "--no-dedup", "--threads", 1]
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    for said in (
        "Of 10 safe texts that the model was asked for, it refused 0 (0.0%)",
        "Of 10 unsafe texts that the model was asked for, it refused 10 (100.0%)",
        "The model refused 100% of the unsafe texts",
        "10 of 10 unsafe samples are missing",
    ):
        assert said in card_of(out)
    assert "The model refused 100% of the unsafe texts" in result.output


def test_lint_says_where(invoke, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(GARDEN.replace("Asking for a loan or a credit card", "Do not ask for a loan"))
    result = invoke("sdg-lint", path, "--no-semantic")
    assert result.exit_code == 0
    assert f"warning [negated] {path}:9 disallowed.1" in result.output
    path.write_text(GARDEN + "  - asking how to make a poison!\n  - Asking for a refund, or to return an item\n")
    result = invoke("sdg-lint", path, "--no-semantic")
    assert result.exit_code == 1
    assert f"error [contradiction] {path}:6 allowed.1, {path}:12 disallowed.4" in result.output
    assert "1 errors, 1 warnings" in result.output


def test_lint_of_a_policy_in_order(invoke, garden):
    result = invoke("sdg-lint", garden, "--threads", 1)
    assert (result.exit_code, "0 errors, 0 warnings" in result.output) == (0, True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("name: a\ndescription: b\ndisalowed: [c]\n", "line 3.*did you mean `disallowed`"),
        ("name: a\ndescription: [\n", "line"),
        ("name: A b\ndescription: c\n", "line 1.*`name`"),
        ("", "empty"),
    ],
)
def test_a_policy_that_does_not_parse_names_file_line_and_field(invoke, tmp_path, text, named):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    for arguments in (("sdg-lint", path), ("sdg", path, "--offline", "-o", tmp_path / "out")):
        error = invoke(*arguments).exception
        assert isinstance(error, InvalidPolicy)
        with pytest.raises(InvalidPolicy, match=rf"(?s)bad\.yaml.*{named}"):
            raise error


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "--offline, or --endpoint"),
        (("--generator", "oflline"), "Did you mean 'offline'"),
        (("--offline", "--set", "augment"), "NAME=VALUE"),
        (("--offline", "--set", "augment=2"), "augment"),
        (("--offline", "--set", "augment=[2"), "not JSON"),
        (("--offline", "--set", "colour=red"), "colour"),
        (("--endpoint", "ftp://x", "--model", "m"), "endpoint"),
        (("--endpoint", "http://x"), "model"),
    ],
)
def test_wrong_options_are_named_before_anything_is_made(invoke, garden, tmp_path, arguments, named):
    result = invoke("sdg", garden, "-o", tmp_path / "out", *arguments)
    assert isinstance(result.exception, RecipeError) and named in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_ctrl_c_says_how_to_go_on(invoke, garden, tmp_path, monkeypatch):
    from unigurd_trainer.sdg import run

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run", interrupted)
    result = invoke("sdg", garden, "--offline", "-o", tmp_path / "out")
    assert result.exit_code == cli.INTERRUPTED and "the same command goes on" in result.output


def test_policies_at_scale(invoke, tmp_path):
    result = invoke("sdg-policies", "-n", 30, "--texts", 2, "-o", tmp_path / "policies", "--offline")
    assert result.exit_code == 0, result.output
    (path,) = shard_paths(tmp_path / "policies" / "policies")
    assert len({json.loads(line)["description"] for line in path.read_text().splitlines()}) > 20
    assert len([*read_samples(shard_paths(tmp_path / "policies" / "samples"))]) == 60
    again = invoke("sdg-policies", "-n", 30, "--texts", 3, "-o", tmp_path / "policies")
    assert isinstance(again.exception, RecipeError) and "another texts" in str(again.exception)


def test_policies_from_an_endpoint(app, policy, llm, tmp_path):
    (tmp_path / "like").mkdir()
    policy.save(tmp_path / "like" / "policy.yaml")
    arguments = [
        "sdg-policies",
        "-n",
        6,
        "--texts",
        2,
        "-o",
        tmp_path / "out",
        "--endpoint",
        llm.url,
        "--model",
        "tiny",
    ]
    arguments += ["--like", tmp_path / "like", "--concurrency", 2, "--set", "per_request=4"]
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    assert all(policy.description in call.user for call in llm.calls if call.kind == "policies")
    assert llm.kinds()["verdicts"] == 6
    samples = [*read_samples(shard_paths(tmp_path / "out" / "samples"))]
    assert len(samples) == 12 and len({sample.policy for sample in samples}) == 6
    assert json.loads(result.stderr[result.stderr.index("{") :])["policies"] == 6


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--model", "m"), "--model is for an LLM"),
        (("--set", "temperature=0"), "--set is for an LLM"),
        (("--offline", "--endpoint", "http://x", "--model", "m"), "leave --offline out"),
        (("--endpoint", "http://x"), "model"),
        (("--endpoint", "http://x", "--model", "m", "--like", "."), "no policy file"),
    ],
)
def test_wrong_options_for_policies(invoke, tmp_path, monkeypatch, arguments, named):
    monkeypatch.chdir(tmp_path)
    result = invoke("sdg-policies", "-o", tmp_path / "out", *arguments)
    assert isinstance(result.exception, RecipeError) and named in str(result.exception)
    assert not (tmp_path / "out").exists()
