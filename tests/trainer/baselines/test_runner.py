"""A run: nothing is asked twice, nothing becomes safe by failing, and what concerns every row ends it."""

from __future__ import annotations

import asyncio
import json

import pytest

from unigurd_trainer.baselines.registry import BASELINES
from unigurd_trainer.baselines.runner import MOST_REJECTED, MOST_SILENT, forget_unanswered, run
from unigurd_trainer.errors import DataError, RecipeError
from unigurd_trainer.http.errors import EndpointError, NoAnswer, RequestRejected
from unigurd_trainer.measure.predictions import read_predictions

BASELINE = BASELINES["openai-moderation"]


def answer(fake, text):
    flagged = "bad" in text
    scores = {"categories": {"hate": flagged}, "category_scores": {"hate": 0.9 if flagged else 0.1}}
    return fake.Reply(body={"results": [{"flagged": flagged, **scores}]})


@pytest.fixture
def start(llm, fake, tmp_path):
    """Run the moderation baseline: `start(questions, retries=0)`; the server flags what is "bad"."""
    llm.answer = lambda call: answer(fake, call.body["input"])

    def make(questions, out=tmp_path / "predictions.jsonl", observe=lambda tally: None, **options):
        values = {"endpoint": llm.url, "backoff": 0.001, "concurrency": 4, **options}
        return run(BASELINE, BASELINE.options(**values), questions, out, observe), out

    return make


def texts(llm):
    return [call.body["input"] for call in llm.calls]


def test_every_row_is_judged_once(start, llm, ask):
    seen = []
    questions = [ask(f"{kind} {n}") for n in range(5) for kind in ("bad", "good")]
    tally, out = start([*questions, *questions], observe=lambda so_far: seen.append(so_far.done))
    assert (tally.rows, tally.known, tally.judged, tally.flagged, tally.invalid) == (10, 0, 10, 5, 0)
    predictions = read_predictions(out)
    assert {row.id: row.flagged for row in predictions.rows.values()} == {
        each.id: "bad" in each.text for each in questions
    }
    assert predictions.header.model == "OpenAI moderation (omni-moderation-latest)"
    assert all(row.score is not None for row in predictions.rows.values())
    assert sorted(texts(llm)) == sorted(each.text for each in questions)
    assert seen[0] == 0 and seen[-1] == 10 and seen == sorted(seen)


def test_another_run_asks_only_what_is_new(start, llm, ask):
    start([ask("good 1"), ask("bad 2")])
    tally, _ = start([ask("good 1"), ask("bad 2"), ask("bad 3")])
    assert (tally.rows, tally.known, tally.judged) == (3, 2, 1) and texts(llm).count("bad 2") == 1
    assert start([ask("bad 3")])[0].known == 1 and len(llm.calls) == 3


def test_predictions_with_other_options_are_not_mixed(start, ask):
    start([ask("good 1")])
    with pytest.raises(DataError, match="another model or settings"):
        start([ask("good 2")], count="any")


def test_predictions_of_another_model_are_an_error_before_it_is_loaded(start, ask, tmp_path):
    _, out = start([ask("good 1")])
    guard = BASELINES["llama-guard"]
    with pytest.raises(DataError, match="another model or settings"):
        run(guard, guard.options(model=str(tmp_path / "no model")), [ask("good 2")], out)


def test_an_error_of_one_row_is_an_invalid_one(start, llm, fake, ask):
    def some(call):
        return (
            fake.Reply(400, {"error": "too long"}) if "long" in call.body["input"] else answer(fake, call.body["input"])
        )

    llm.answer = some
    tally, out = start([ask("long 1"), ask("bad 2"), ask("long 3"), ask("good 4")], concurrency=1)
    assert (tally.judged, tally.flagged, tally.invalid) == (2, 1, 2)
    notes = {row.note: row.flagged for row in read_predictions(out).rows.values() if row.invalid}
    assert notes == {"turned down with status 400: too long": None}


def test_a_service_that_takes_no_row_ends_the_run(start, llm, fake, ask):
    llm.answer = lambda call: fake.Reply(400, {"error": "no such version"})
    with pytest.raises(RequestRejected, match="no such version"):
        start([ask(f"text {n}") for n in range(50)], concurrency=1)
    assert len(llm.calls) == MOST_REJECTED
    with pytest.raises(RequestRejected):
        start([ask("text")])


def test_a_row_that_gets_no_answer_is_invalid_and_can_be_asked_again(start, llm, fake, ask):
    def some(call):
        return fake.Reply(500, {"error": "boom"}) if "odd" in call.body["input"] else answer(fake, call.body["input"])

    llm.answer = some
    questions = [ask("good 1"), ask("odd bad 2"), ask("good 3")]
    tally, out = start(questions, retries=1, concurrency=1)
    assert (tally.judged, tally.invalid) == (2, 1)
    assert [row.note for row in read_predictions(out).rows.values() if row.invalid] == ["no answer: status 500 (boom)"]
    assert start(questions)[0].known == 3  # not by itself
    llm.answer = lambda call: answer(fake, call.body["input"])
    assert forget_unanswered(out) == 1 and forget_unanswered(out) == 0
    tally, _ = start(questions)
    assert (tally.known, tally.judged, tally.flagged) == (2, 1, 1)


def test_a_service_that_falls_silent_ends_the_run(start, llm, fake, ask):
    llm.script = [answer(fake, "good")]
    llm.answer = lambda call: fake.Reply(500, {"error": "down"})
    with pytest.raises(NoAnswer, match="down"):
        start([ask(f"text {n}") for n in range(50)], retries=0, concurrency=1)
    assert len(llm.calls) == 1 + MOST_SILENT


def test_a_limit_of_the_rate_ends_the_run_and_counts_against_nobody(start, llm, fake, ask, tmp_path):
    llm.script = [answer(fake, "good"), *[fake.Reply(429, {"error": "slow down"})] * 3]
    with pytest.raises(NoAnswer, match="slow down"):
        start([ask(f"text {n}") for n in range(5)], retries=1, concurrency=1)
    assert not any(row.invalid for row in read_predictions(tmp_path / "predictions.jsonl").rows.values())
    assert start([ask(f"text {n}") for n in range(5)])[0].judged == 4


def test_a_server_that_is_not_there_ends_the_run(start, ask, tmp_path):
    with pytest.raises(NoAnswer, match="Check that the server runs"):
        start([ask("text")], endpoint="http://127.0.0.1:9/v1")


def test_the_first_of_several_failures_is_raised_and_the_others_are_stopped(start, llm, fake, ask, caplog):
    llm.answer = lambda call: fake.Reply(401, {"error": "who are you"}, delay=0.05)
    with pytest.raises(EndpointError, match="who are you"):
        start([ask(f"text {n}") for n in range(20)], concurrency=4)
    assert len(llm.calls) <= 8 and "never retrieved" not in caplog.text


def test_rows_ahead_are_bounded(start, llm, fake, ask):
    llm.answer = lambda call: fake.Reply(body=answer(fake, call.body["input"]).body, delay=0.02)
    start([ask(f"text {n}") for n in range(9)], concurrency=2)
    assert llm.busiest == 2


def test_other_errors_end_the_run_too(ask, llm, fake, tmp_path):
    llm.answer = lambda call: fake.chat("Safe")
    chat = BASELINES["chat"]
    options = chat.options(endpoint=llm.url, model="m", logprobs=True)
    with pytest.raises(RecipeError, match="log-probabilities"):
        run(chat, options, [ask(f"text {n}") for n in range(20)], tmp_path / "p.jsonl")


def test_a_cut_line_is_asked_again(start, llm, ask):
    _, out = start([ask("good 1"), ask("bad 2")], concurrency=1)
    whole = out.read_bytes()
    out.write_bytes(whole[:-20])
    assert forget_unanswered(out) == 0
    tally, _ = start([ask("good 1"), ask("bad 2")], concurrency=1)
    assert (tally.known, tally.judged) == (1, 1) and out.read_bytes().count(b"\n") == whole.count(b"\n")
    assert all(json.loads(line) for line in out.read_text(encoding="utf-8").splitlines())


def test_forgetting_needs_no_file(tmp_path):
    assert forget_unanswered(tmp_path / "none.jsonl") == 0


async def test_the_event_loop_is_free_while_a_model_thinks(make_writer, opened, ask):
    folder = str(make_writer("yes", "no", after={"<|assistant|>": "Harmful request: "}))
    async with opened("wildguard", model=folder) as adapter:
        ticks, judging = 0, asyncio.ensure_future(adapter.judge(ask("bad")))
        while not judging.done():
            await asyncio.sleep(0.001)
            ticks += 1
    assert ticks > 2
