"""The error tree: its shape, what errors carry, and that they survive copies and processes."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

import pytest

from unigurd_sdk import errors
from unigurd_sdk.verdict import Report, TokenCount, Verdict

VERDICT = Verdict("tax", True, 0.9, 0.5, TokenCount(3, 3), 1.0, "user", "tiny")
SAMPLES = [
    errors.ConfigError("Device must be cpu or cuda, got 'tpu'."),
    errors.UnknownPolicy("taxx", known=["tax", "hate"], close=["tax"]),
    errors.PolicyConflict("tax", existing="built-in", incoming="my.yaml"),
    errors.InvalidPolicy("`description` is missing; add it", path="a.yaml", line=3, locations=["description"]),
    errors.ModelNotFound("nope", looked_in=[Path("here")]),
    errors.ModelCorrupt("guard.json", expected="sha256 ab", actual="sha256 cd"),
    errors.ModelIncompatible("Upgrade the package."),
    errors.MissingExtra("torch", extra="torch", purpose="The GPU runtime"),
    errors.PluginError("acme", hook="run_check"),
    errors.InferenceError("out of memory", policy="tax"),
    errors.LimitExceeded("bytes", limit=10, actual=11),
    errors.CheckTimeout(0.5),
    errors.PromptBlocked(VERDICT),
    errors.GuardClosed(),
]


def identify(error: Exception) -> str:
    return type(error).__name__


def test_every_concrete_error_is_sampled_and_exported():
    bases = {"UnigurdError", "PolicyError", "ModelError"}
    assert {identify(error) for error in SAMPLES} | bases == set(errors.__all__)
    assert errors.__all__ == sorted(errors.__all__)


def test_the_docstring_draws_the_tree_as_it_is():
    drawn: dict[str, tuple[str, str | None]] = {}
    parents: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"(\s+)((?:[│├└─ ]{4})*)(\w+)(?: \((\w+)\))?", line)
        if not found or found[3] not in errors.__all__:
            continue
        depth = len(found[2]) // 4
        del parents[depth:]
        if parents:
            drawn[found[3]] = (parents[-1], found[4])
        parents.append(found[3])
    actual = {}
    for name in errors.__all__:
        bases = [base.__name__ for base in getattr(errors, name).__bases__]
        if name != "UnigurdError":
            actual[name] = (bases[0], bases[1] if len(bases) > 1 else None)
    assert drawn == actual


@pytest.mark.parametrize("error", SAMPLES, ids=identify)
def test_every_error_is_one_and_speaks_in_sentences(error: errors.UnigurdError):
    assert isinstance(error, errors.UnigurdError)
    assert str(error)[0].isupper()
    assert str(error)[-1] in ".'" or "add it" in str(error)


@pytest.mark.parametrize("error", SAMPLES, ids=identify)
@pytest.mark.parametrize("duplicate", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_copies_and_pickles_keep_message_and_attributes(error: errors.UnigurdError, duplicate):
    twin = duplicate(error)
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert twin.__dict__ == error.__dict__


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("CheckTimeout", TimeoutError),
        ("ConfigError", ValueError),
        ("InvalidPolicy", ValueError),
        ("MissingExtra", ImportError),
        ("ModelNotFound", LookupError),
        ("UnknownPolicy", KeyError),
    ],
)
def test_errors_can_be_caught_by_their_standard_base(name: str, base: type[Exception]):
    assert issubclass(getattr(errors, name), base)


def test_unknown_policy_carries_names_and_does_not_quote_itself():
    error = errors.UnknownPolicy("taxx", known=["tax", "hate"], close=["tax", "hate"])
    assert (error.name, error.known, error.close) == ("taxx", ("hate", "tax"), ("tax", "hate"))
    assert str(error).startswith("No policy is named 'taxx'. Did you mean 'tax' or 'hate'?")


def test_invalid_policy_says_where():
    error = errors.InvalidPolicy("it is empty", path="a.yaml", line=3)
    assert str(error) == "Invalid policy in a.yaml, line 3: it is empty"
    assert str(errors.InvalidPolicy("it is empty")) == "Invalid policy: it is empty"


def test_missing_extra_names_the_command_to_run():
    error = errors.MissingExtra("torch", extra="torch")
    assert "pip install 'unigurd-sdk[torch]'" in str(error)


def test_prompt_blocked_names_the_worst_policy_and_keeps_the_report():
    mild = Verdict("hate", False, 0.1, 0.5, TokenCount(3, 3), 1.0, "user", "tiny")
    report = Report((mild, VERDICT))
    error = errors.PromptBlocked(report)
    assert error.verdict is report
    assert "'tax'" in str(error)
