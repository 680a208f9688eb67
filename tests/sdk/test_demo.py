"""The demo prints one row for each prompt, one column for each policy, and totals that add up."""

from __future__ import annotations

from types import TracebackType

import pytest

import unigurd_sdk
from unigurd_sdk import demo
from unigurd_sdk.verdict import Report, TokenCount, Verdict


class KeywordGuard:
    """Calls a text unsafe under ``prompt-injection`` if it says "ignore all"; nothing else is unsafe."""

    @classmethod
    def from_pretrained(cls, name: str) -> KeywordGuard:
        assert name == "uniguard"
        return cls()

    def __enter__(self) -> KeywordGuard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def check(self, text: str, *, policies: list[str]) -> Report:
        return Report(tuple(self.verdict(text, policy) for policy in policies))

    def verdict(self, text: str, policy: str) -> Verdict:
        unsafe = policy == "prompt-injection" and "ignore all" in text.lower()
        return Verdict(
            policy=policy,
            unsafe=unsafe,
            score=0.987 if unsafe else 0.012,
            threshold=0.5,
            tokens=TokenCount(5, 5),
            latency_ms=1.0,
            role="user",
            checkpoint="fake",
        )


def test_the_table_and_the_totals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(unigurd_sdk, "Guard", KeywordGuard, raising=False)
    assert demo.main() == 0
    output = capsys.readouterr().out
    assert output.count("0.987 unsafe") == 1
    assert output.count("0.012 safe") == len(demo.PROMPTS) * len(demo.POLICIES) - 1
    assert all(policy in output for policy in demo.POLICIES)
    assert "24 verdicts, 1 unsafe" in output


def test_the_policies_exist():
    from unigurd_sdk.registry import builtin_policies

    assert set(demo.POLICIES) <= set(builtin_policies())
