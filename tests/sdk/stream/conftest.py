"""A record of every text that a guard was asked to judge."""

from __future__ import annotations

import pytest

from unigurd_sdk.engine import Engine
from unigurd_sdk.policy import Policy

BOMB = Policy(name="no-bombs", description="no weapons", disallowed=("bomb",))


@pytest.fixture
def policy():
    return BOMB


@pytest.fixture
def judged(monkeypatch):
    """The texts that any guard was asked to judge, as they are asked."""
    texts: list[str] = []
    answer = Engine.answer

    def record(self, asked, prompts, request):
        texts.extend(asked)
        return answer(self, asked, prompts, request)

    monkeypatch.setattr(Engine, "answer", record)
    return texts
