"""A language model in miniature: the local server of `fake_llm.py`, and a policy to write for."""

from __future__ import annotations

import pytest


@pytest.fixture
def policy():
    """A ban with three lines on each side."""
    from unigurd_sdk.policy import Policy

    return Policy(
        name="no-recipes", kind="ban", description="No recipes.",
        allowed=["Asking where food comes from", "Asking about restaurants", "Asking about kitchen tools"],
        disallowed=["Asking for a recipe", "Asking for a cooking time", "Asking for amounts of ingredients"],
    )  # fmt: skip


@pytest.fixture
def make_options(llm):
    """Build options for the local server, impatient ones: `make_options(retries=3, ...)`."""
    from unigurd_trainer.sdg.options import LlmOptions

    def make(**changes):
        values = {"endpoint": llm.url, "model": "tiny", "backoff": 0.001, "concurrency": 4, "reflection_rounds": 0}
        return LlmOptions(**(values | changes))

    return make
