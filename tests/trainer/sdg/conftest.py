"""A language model in miniature: the local server of `fake_llm.py`, and a policy to write for."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load(name: str) -> ModuleType:
    """Import a module beside this file; test folders are no packages."""
    spec = importlib.util.spec_from_file_location(f"sdg_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fake():
    """The module `fake_llm`: replies and how to make them."""
    return _load("fake_llm")


@pytest.fixture
def llm(fake, monkeypatch):
    """A local server that answers as OpenAI does."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = fake.FakeLlm()
    yield server
    server.close()


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
