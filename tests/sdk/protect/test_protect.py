"""Protected functions: what goes in and what comes out is checked, and a function stays what it was."""

from __future__ import annotations

import asyncio
import inspect
import logging

import pytest

from unigurd_sdk.errors import ConfigError, PromptBlocked, UnknownPolicy
from unigurd_sdk.verdict import Report, Verdict

# What goes in, what comes out


def test_a_safe_call_is_as_without_protection(guard, protected):
    function, called = protected(guard.protect(policy="no-bombs", output_policy="no-bombs"))
    assert function("a cake") == "about a cake"
    assert called == ["a cake"]


def test_a_function_is_not_called_with_a_prompt_that_violates(guard, protected):
    function, called = protected(guard.protect(policy="no-bombs"))
    with pytest.raises(PromptBlocked) as caught:
        function("a bomb")
    assert isinstance(caught.value.verdict, Verdict)
    assert called == []


def test_a_result_that_violates_does_not_leave(guard, protected):
    function, called = protected(guard.protect(output_policy="no-bombs"))
    with pytest.raises(PromptBlocked):
        function("a bomb")
    assert called == ["a bomb"]


def test_policies_in_a_list_give_a_report(guard, protected):
    function, _ = protected(guard.protect(policy=["no-bombs", "no-cakes"], output_policy=["no-bombs"]))
    with pytest.raises(PromptBlocked) as caught:
        function("cake")
    assert isinstance(caught.value.verdict, Report)
    assert caught.value.verdict.worst.policy == "no-cakes"


def test_the_result_is_judged_as_the_answer_to_the_argument(guard, protected, judged):
    function, _ = protected(guard.protect(policy="no-bombs", output_policy="no-bombs"))
    function("a cake")
    assert judged[0] == ("user", "a cake", None)
    assert judged[-1] == ("assistant", "about a cake", "a cake")
    assert {(role, prompt) for role, _, prompt in judged[1:]} == {("assistant", "a cake")}


def test_the_argument_may_be_a_document(guard, judged):
    guard.protect(policy="no-bombs", role="document")(lambda page: None)("filler")
    assert judged == [("document", "filler", None)]


# What happens at a violation


def test_a_fallback_is_returned_instead(guard, protected):
    function, called = protected(guard.protect(policy="no-bombs", on_violation="return", fallback="no"))
    assert function("a bomb") == "no"
    assert called == []


def test_a_fallback_takes_the_place_of_a_result(guard, protected):
    function, _ = protected(guard.protect(output_policy="no-bombs", on_violation="return", fallback="no"))
    assert function("a bomb").endswith("no")
    assert "bomb" not in function("a bomb")


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_without_a_fallback_none_is_returned(guard, functions, kind):
    assert functions(guard.protect(policy="no-bombs", on_violation="return"))[kind]("bomb") is None


@pytest.mark.parametrize("kind", ["generator", "async generator"])
def test_without_a_fallback_a_generator_ends(guard, functions, kind):
    assert functions(guard.protect(policy="no-bombs", on_violation="return"))[kind]("bomb") == ""


@pytest.mark.parametrize("place", ["policy", "output_policy"])
def test_a_function_may_decide_by_the_verdict(guard, protected, place):
    options = {place: "no-bombs"}
    function, _ = protected(guard.protect(**options, on_violation=lambda verdict: f"blocked: {verdict.policy}"))
    assert function("a bomb").endswith("blocked: no-bombs")


@pytest.mark.parametrize("place", ["policy", "output_policy"])
@pytest.mark.parametrize("kind", ["coroutine", "async generator"])
def test_that_function_may_be_asynchronous(guard, functions, kind, place):
    async def decide(verdict):
        await asyncio.sleep(0)
        return "blocked"

    options = {place: "no-bombs"}
    function = functions(guard.protect(**options, on_violation=decide))[kind]
    assert function("a bomb").endswith("blocked")


def test_a_violation_may_only_be_logged_without_the_text(guard, protected, caplog):
    protect = guard.protect(policy="no-bombs", output_policy="no-bombs", on_violation="log")
    function, _ = protected(protect)
    with caplog.at_level(logging.WARNING, "unigurd_sdk"):
        assert function("a secret bomb") == "about a secret bomb"
    assert len(caplog.records) >= 2
    assert "of_kinds.<locals>." in caplog.text and "'no-bombs'" in caplog.text
    assert "secret" not in caplog.text


# Which argument


class Bot:
    """Methods of every kind; `protect` is the decorator."""

    def __init__(self, guard):
        protect = guard.protect(policy="no-bombs")

        class Inner:
            @protect
            def method(self, prompt, other=None):
                return self, prompt

            @classmethod
            @protect
            def of_class(cls, prompt):
                return cls, prompt

            @staticmethod
            @protect
            def static(prompt):
                return prompt

        self.inner = Inner


def test_methods_of_all_kinds_are_protected(guard):
    inner = Bot(guard).inner
    bot = inner()
    assert bot.method("cake") == (bot, "cake")
    assert bot.of_class("cake") == (inner, "cake")
    assert bot.static("cake") == "cake"
    for method in (bot.method, bot.of_class, inner.of_class, inner.static):
        with pytest.raises(PromptBlocked):
            method("bomb")


@pytest.mark.parametrize("argument", ["question", 1])
@pytest.mark.parametrize(
    ("args", "kwargs"), [(("x", "bomb"), {}), (("x",), {"question": "bomb"}), ((), {"user": "x", "question": "bomb"})]
)
def test_the_argument_is_found_by_name_or_position_however_it_is_passed(guard, argument, args, kwargs):
    @guard.protect(policy="no-bombs", argument=argument)
    def ask(user, question="cake"):
        return user

    with pytest.raises(PromptBlocked):
        ask(*args, **kwargs)
    assert ask("bomb") == "bomb"  # the default of the argument is what is checked
    assert ask("bomb", "cake") == "bomb"


def test_a_default_value_is_checked_too(guard):
    @guard.protect(policy="no-bombs")
    def ask(question="bomb"):
        return question

    with pytest.raises(PromptBlocked):
        ask()


def test_a_named_argument_may_come_in_kwargs(guard):
    @guard.protect(policy="no-bombs", argument="messages")
    def create(**options):
        return options

    assert create(messages="cake", model="m") == {"messages": "cake", "model": "m"}
    with pytest.raises(PromptBlocked):
        create(messages="bomb", model="m")
    with pytest.raises(TypeError, match="'messages'"):
        create(model="m")


def test_the_argument_may_be_a_list_of_messages(guard, judged):
    @guard.protect(policy="no-bombs", output_policy="no-cakes")
    def chat(messages):
        return "recipe"

    system = {"role": "system", "content": "never say bomb"}
    assert chat([system, {"role": "user", "content": "filler"}]) == "recipe"
    assert judged[-1] == ("assistant", "recipe", "filler")
    with pytest.raises(PromptBlocked):
        chat([system, {"role": "tool", "content": "bomb"}])


async def test_messages_are_checked_in_asynchronous_functions_too(guard):
    @guard.protect(policy="no-bombs", roles=["user"])
    async def chat(messages):
        return "recipe"

    assert await chat([{"role": "user", "content": "cake"}, {"role": "tool", "content": "bomb"}]) == "recipe"
    with pytest.raises(PromptBlocked):
        await chat([{"role": "user", "content": "bomb"}])


@pytest.mark.parametrize("value", [None, 3, b"bomb", {"role": "user"}])
def test_an_argument_that_is_no_text_is_refused(load, value):
    with pytest.raises(TypeError, match="argument="):
        load(on_error="allow").protect(policy="no-bombs")(lambda prompt: prompt)(value)


def test_a_call_that_does_not_fit_is_a_type_error_as_ever(guard):
    function = guard.protect(policy="no-bombs")(lambda prompt: prompt)
    with pytest.raises(TypeError, match="missing"):
        function()
    with pytest.raises(TypeError, match="unexpected"):
        function("cake", other=1)


# A function stays what it is


def test_kind_name_signature_and_documentation_stay(guard):
    protect = guard.protect(policy="no-bombs", output_policy="no-bombs")

    @protect
    def plain(prompt: str, *, times: int = 1) -> str:
        """Say it."""
        return prompt

    @protect
    async def coroutine(prompt: str) -> str:
        return prompt

    @protect
    def generator(prompt):
        yield prompt

    @protect
    async def async_generator(prompt):
        yield prompt

    assert (plain.__name__, plain.__doc__) == ("plain", "Say it.")
    assert list(inspect.signature(plain).parameters) == ["prompt", "times"]
    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.isasyncgenfunction(async_generator)


# Mistakes


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, ConfigError),
        ({"policy": "no-such-policy"}, UnknownPolicy),
        ({"policy": []}, ConfigError),
        ({"policy": "no-bombs", "on_violation": "ignore"}, ConfigError),
        ({"policy": "no-bombs", "fallback": "no"}, ConfigError),
        ({"policy": "no-bombs", "on_error": "ignore"}, ConfigError),
        ({"policy": "no-bombs", "timeout": 0}, ConfigError),
        ({"policy": "no-bombs", "role": "system"}, ConfigError),
        ({"policy": "no-bombs", "roles": ["robot"]}, ConfigError),
        ({"output_policy": "no-bombs", "hold_back": 99}, ConfigError),
        ({"output_policy": "no-bombs", "max_delay_ms": 0}, ConfigError),
    ],
)
def test_mistakes_are_raised_before_anything_is_decorated(guard, options, error):
    with pytest.raises(error):
        guard.protect(**options)


@pytest.mark.parametrize("argument", ["question", 1, -1])
def test_an_argument_that_a_function_does_not_have_is_refused_at_once(guard, argument):
    with pytest.raises(ConfigError, match="parameters are prompt"):
        guard.protect(policy="no-bombs", argument=argument)(lambda prompt: prompt)


def test_a_function_without_arguments_cannot_have_its_prompt_checked(guard):
    with pytest.raises(ConfigError, match="none"):
        guard.protect(policy="no-bombs")(lambda: None)


@pytest.mark.parametrize("thing", [3, Bot, classmethod(lambda cls: cls), staticmethod(len), property(len)])
def test_what_is_no_function_is_refused(guard, thing):
    with pytest.raises(TypeError, match="protect takes a function"):
        guard.protect(policy="no-bombs")(thing)
