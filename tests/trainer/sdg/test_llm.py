"""The generator against a real server: complete, balanced, honest about refusals, and never paid for twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest

from unigurd_sdk.policy import Policy, PolicyExample
from unigurd_trainer.errors import DataError, RecipeError
from unigurd_trainer.http.errors import EndpointError
from unigurd_trainer.sdg import prompts
from unigurd_trainer.sdg.chat import in_order
from unigurd_trainer.sdg.controls import plan
from unigurd_trainer.sdg.hooks import Generator, Request
from unigurd_trainer.sdg.llm import JOURNAL, STATISTICS, LlmGenerator
from unigurd_trainer.sdg.writing import batches

SORRY = "I'm sorry, but I can't help with that."


@pytest.fixture
def generate(policy, tmp_path, make_options):
    """Run a generator to its end: `generate(count, ...options)` gives samples and statistics."""

    def run(count=48, *, of=policy, seed=0, folder=tmp_path, **changes):
        generator = LlmGenerator()
        request = Request(policy=of, count=count, seed=seed, folder=folder, options=make_options(**changes))
        return list(generator.generate(request)), generator.statistics

    return run


def test_it_is_a_generator():
    assert isinstance(LlmGenerator(), Generator) and LlmGenerator().name == "llm"


def test_samples_are_complete_and_balanced(generate, policy, llm, fake):
    samples, statistics = generate(48)
    assert Counter(sample.label for sample in samples) == {0: 24, 1: 24}
    assert len({sample.id for sample in samples}) == 48
    assert all(fake.is_bad(sample.text) == sample.label for sample in samples)
    sample = samples[0]
    assert (sample.policy, sample.policy_version, sample.rationale) == (policy.name, 1, "The line decides.")
    assert sample.provenance.generator == "llm:tiny" and sample.provenance.template == prompts.WRITE.hash
    assert {s.control for s in samples} == set(plan(policy, 48))
    assert statistics.made == statistics.wanted == {"safe": 24, "unsafe": 24}
    assert statistics.complete and statistics.warnings == [] and statistics.requests == len(llm.calls)


def test_the_account_is_right(generate, llm, tmp_path):
    _, statistics = generate(48, price_input=1.0, price_output=2.0)
    calls = len(llm.calls)
    assert (statistics.prompt_tokens, statistics.completion_tokens) == (100 * calls, 50 * calls)
    assert statistics.cost == pytest.approx(calls * 200 / 1e6)
    record = json.loads((tmp_path / STATISTICS).read_text())
    assert record["made"] == {"safe": 24, "unsafe": 24} and record["cost"] == statistics.cost


def test_samples_come_before_all_requests_are_answered(policy, tmp_path, make_options, llm, fake):
    def later(call):
        return fake.Reply(body=fake.honest(call).body, delay=0.02 * len(llm.calls))

    llm.answer = later
    request = Request(policy=policy, count=100, folder=tmp_path, options=make_options(concurrency=1))
    stream = LlmGenerator().generate(request)
    next(stream)
    assert len(llm.calls) < 5
    stream.close()


def test_languages_and_examples_reach_the_model(generate, llm, policy):
    examples = [PolicyExample(text="How long do eggs boil?", label="unsafe"), PolicyExample(text="Hi", label="safe")]
    samples, _ = generate(20, of=policy.model_copy(update={"examples": tuple(examples)}), languages=("de", "fr"))
    assert {sample.control.language for sample in samples} == {"de", "fr"}
    for call in llm.calls:
        assert ("How long do eggs boil?" in call.user) == call.unsafe
        assert "Language of the texts: German" in call.user or "Language of the texts: French" in call.user


def test_everything_that_can_go_wrong_goes_wrong_and_nothing_is_missing(generate, llm, fake):
    """429 with Retry-After, 500, resets, a slow answer, cut JSON, a refusal, duplicates, prose, no usage."""

    def cut(call):
        text = fake.items(fake.texts_for(call))
        return fake.chat(text[: len(text) * 2 // 3], finish="length")

    llm.script = [
        fake.honest,
        fake.Reply(429, {}, {"Retry-After": "0.05"}),
        fake.Reply(500, "<html>"),
        fake.Reply(body={}, cut=0),
        fake.Reply(body={"x": "y" * 100}, cut=9),
        fake.Reply(body={}, delay=0.6),
        cut,
        fake.chat(SORRY),
        fake.chat(None, refusal=SORRY),
        lambda call: fake.chat(fake.items([{"text": "The same", "rationale": "r"}] * call.count)),
        fake.chat("I will think about it."),
        lambda call: fake.chat("Sure:\n```json\n" + fake.items(fake.texts_for(call)) + "\n```", usage=None),
    ]
    samples, statistics = generate(60, timeout=0.3, concurrency=2)
    assert len(samples) == 60 and len({sample.text for sample in samples}) == 60
    assert statistics.made == {"safe": 30, "unsafe": 30}
    assert statistics.retries >= 5 and statistics.truncated == 1 and statistics.parse_failures == 1
    assert statistics.estimated == 1 and statistics.duplicates >= 1 and sum(statistics.refused.values()) >= 2


def test_a_server_without_structured_output(generate, llm, fake):
    def plain(call):
        if "response_format" in call.body:
            return fake.Reply(400, {"error": "response_format is not supported"})
        return fake.chat("Here:\n" + "\n".join(map(json.dumps, fake.texts_for(call))))

    llm.answer = plain
    samples, statistics = generate(30, concurrency=1)
    assert len(samples) == 30 and statistics.turned_down == 0
    assert len(llm.calls) == statistics.requests + 2


def test_a_model_that_refuses_one_side_is_reported_with_its_rate(generate, llm, fake, caplog, tmp_path):
    llm.answer = lambda call: fake.chat(SORRY) if call.unsafe else fake.honest(call)
    samples, statistics = generate(40, extra_rounds=1)
    assert Counter(sample.label for sample in samples) == {0: 20}
    assert statistics.refusal_rate("unsafe") == 1.0 and statistics.refusal_rate("safe") == 0.0
    warnings = "\n".join(statistics.warnings)
    assert "refused 100% of the unsafe texts" in warnings and "20 of 20 unsafe samples are missing" in warnings
    assert "not balanced: 0% of the samples are unsafe" in warnings
    assert "refused 100%" in caplog.text
    assert json.loads((tmp_path / STATISTICS).read_text())["refusal_rate"]["unsafe"] == 1.0


def test_what_is_refused_once_is_asked_for_again_in_smaller_requests(generate, llm, fake):
    llm.answer = lambda call: fake.chat(SORRY) if call.unsafe and call.count > 1 else fake.honest(call)
    samples, statistics = generate(40, per_request=4)
    assert Counter(sample.label for sample in samples) == {0: 20, 1: 20}
    assert 0 < statistics.refusal_rate("unsafe") < 1
    assert statistics.made == statistics.wanted


def test_a_model_that_never_answers_in_json_is_an_error(generate, llm, fake):
    llm.answer = lambda call: fake.chat("Nice weather.")
    with pytest.raises(DataError, match="None of the .* texts .* could be used"):
        generate(8, extra_rounds=0)


def test_answers_that_are_cut_are_warned_of(generate, llm, fake):
    llm.answer = lambda call: fake.chat(fake.items(fake.texts_for(call)) + '{"id":', finish="length")
    _, statistics = generate(16)
    assert "raise max_tokens" in "".join(statistics.warnings)


def test_one_request_that_is_turned_down_does_not_end_the_run(generate, llm, fake):
    llm.script = [fake.honest, *[fake.Reply(400, {"error": "too long"})] * 3]
    samples, statistics = generate(30, concurrency=1)
    assert len(samples) == 30 and statistics.turned_down == 1


def test_a_repeated_run_pays_nothing_and_gives_the_same(generate, llm):
    first, _ = generate(40)
    calls = len(llm.calls)
    again, statistics = generate(40)
    assert again == first and len(llm.calls) == calls
    assert statistics.requests == 0 and statistics.replayed == calls
    assert statistics.prompt_tokens == 100 * calls


def test_more_of_the_same_pays_for_the_rest_only(generate, llm):
    first, _ = generate(100, per_request=1)
    more, statistics = generate(120, per_request=1)
    assert len(more) == 120 and set(first) < set(more)
    assert statistics.replayed == 100 and statistics.requests == 20


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"model": "large"}, {"of": {"description": "No cakes."}}, {"of": {"kind": "mixed"}}],
    ids=["seed", "model", "policy", "kind"],
)
def test_another_run_does_not_use_the_journal(generate, policy, change):
    generate(8)
    if "of" in change:
        change = {"of": policy.model_copy(update=change["of"])}
    with pytest.raises(RecipeError, match="belongs to another run"):
        generate(8, **change)


def test_a_failing_server_ends_the_run_and_the_next_goes_on(generate, llm, fake):
    fine = [fake.honest] * 6
    llm.script, llm.answer = fine, lambda call: fake.Reply(500, {})
    with pytest.raises(EndpointError, match="same command goes on"):
        generate(60, retries=1, concurrency=1)
    llm.answer = fake.honest
    samples, statistics = generate(60)
    assert len(samples) == 60 and statistics.replayed == 6
    assert max(llm.answered.values()) == 1


def test_other_options_are_refused(policy):
    with pytest.raises(RecipeError, match="LlmOptions"):
        LlmGenerator().generate(Request(policy=policy, count=1))


CHILD = """
    import signal, sys
    from pathlib import Path
    from unigurd_sdk.policy import Policy
    from unigurd_trainer.sdg.hooks import Request
    from unigurd_trainer.sdg.llm import LlmGenerator, LlmOptions

    signal.signal(signal.SIGINT, signal.default_int_handler)
    url, folder, policy = sys.argv[1], Path(sys.argv[2]), Policy.from_source(sys.argv[3])
    options = LlmOptions(endpoint=url, model="tiny", concurrency=4, backoff=0.001, reflection_rounds=1)
    for sample in LlmGenerator().generate(Request(policy=policy, count=150, folder=folder, options=options)):
        pass
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on_without_paying_twice(policy, tmp_path, llm, fake, make_options, how):
    llm.answer = lambda call: fake.Reply(body=fake.honest(call).body, delay=0.03)
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), llm.url, str(tmp_path), policy.to_source()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while len(llm.calls) < 16 and time.monotonic() < deadline:
        time.sleep(0.005)
    child.send_signal(how)
    _, error = child.communicate(timeout=15)
    assert child.returncode != 0
    assert how == signal.SIGKILL or b"KeyboardInterrupt" in error
    before = len(llm.calls)
    assert (tmp_path / JOURNAL).exists() and before >= 16

    llm.answer = fake.honest
    generator = LlmGenerator()
    options = make_options(reflection_rounds=1)
    samples = list(generator.generate(Request(policy=policy, count=150, folder=tmp_path, options=options)))
    assert len(samples) == 150
    twice = [key for key, times in llm.answered.items() if times > 1]
    assert len(twice) <= 4  # those in flight
    assert max(llm.answered.values()) <= 2
    assert generator.statistics.replayed >= before - 4


async def test_the_asynchronous_core(policy, tmp_path, make_options):
    request = Request(policy=policy, count=12, folder=tmp_path, options=make_options())
    assert len([sample async for sample in LlmGenerator().agenerate(request)]) == 12


async def test_work_is_done_in_order_and_not_too_far_ahead():
    running: set[int] = set()
    most = 0

    async def work(number):
        nonlocal most
        running.add(number)
        most = max(most, len(running))
        await asyncio.sleep(0.02 if number % 3 == 0 else 0)
        running.discard(number)
        return number

    assert [number async for number in in_order(map(work, range(20)), 4)] == list(range(20))
    assert 1 < most <= 4


async def test_the_rest_is_cancelled_when_one_fails():
    cancelled = []

    async def work(number):
        if number == 1:
            raise ValueError("one")
        try:
            await asyncio.sleep(60 if number else 0)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise

    with pytest.raises(ValueError, match="one"):
        async for _ in in_order(map(work, range(4)), 4):
            pass
    assert cancelled == [2, 3]


def test_batches_agree_in_what_they_are_about(policy):
    controls = plan(policy, 200)
    made = list(batches(controls, 8))
    assert Counter(control for batch in made for control in batch.controls) == Counter(controls)
    for batch in made:
        assert len({(c.listed, c.behaviour, c.difficulty, c.language) for c in batch.controls}) == 1
        assert len(batch.controls) <= 8


def test_a_policy_of_one_sentence_will_do(generate):
    samples, _ = generate(20, of=Policy.from_text("No insults against anybody."))
    assert Counter(sample.label for sample in samples) == {0: 10, 1: 10}


def test_no_samples_cost_nothing(generate, llm, tmp_path):
    samples, statistics = generate(0)
    assert samples == [] and llm.calls == [] and statistics.warnings == []
    assert Path(tmp_path, STATISTICS).exists()
