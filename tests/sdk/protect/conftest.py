"""The same function in its four kinds, protected."""

from __future__ import annotations

import asyncio

import pytest

from unigurd_sdk.policy import Policy

BOMB = Policy(name="no-bombs", description="no weapons", disallowed=("bomb",))
CAKE = Policy(name="no-cakes", description="no food", disallowed=("cake",))


@pytest.fixture
def guard_policies():
    return [BOMB, CAKE]


def of_kinds(protect, called):
    """The same function in its four kinds, each as a function of the prompt that returns what came out, joined."""

    @protect
    def plain(prompt):
        called.append(prompt)
        return f"about {prompt}"

    @protect
    async def coroutine(prompt):
        called.append(prompt)
        return f"about {prompt}"

    @protect
    def generator(prompt):
        called.append(prompt)
        yield from ("about ", prompt)

    @protect
    async def async_generator(prompt):
        called.append(prompt)
        yield "about "
        yield prompt

    async def gather(prompt):
        return "".join([chunk async for chunk in async_generator(prompt)])

    return {
        "plain": plain,
        "coroutine": lambda prompt: asyncio.run(coroutine(prompt)),
        "generator": lambda prompt: "".join(generator(prompt)),
        "async generator": lambda prompt: asyncio.run(gather(prompt)),
    }


KINDS = ["plain", "coroutine", "generator", "async generator"]


@pytest.fixture(params=KINDS)
def protected(request):
    """Protect a function of each kind: `protected(decorator)` returns it and the prompts that reached it."""

    def protected(protect):
        called: list[str] = []
        return of_kinds(protect, called)[request.param], called

    return protected


@pytest.fixture
def functions():
    """Protect the functions of all kinds: `functions(decorator)` returns them by kind."""
    return lambda protect: of_kinds(protect, [])
