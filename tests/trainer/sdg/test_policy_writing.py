"""New policies from a model: complete, new, never paid for twice, and with texts where they are wanted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter

import pytest

from unigurd_sdk.policy import Policy
from unigurd_sdk.registry import builtin_policies
from unigurd_trainer.errors import DataError, RecipeError
from unigurd_trainer.http.errors import EndpointError
from unigurd_trainer.sdg.llm import JOURNAL, STATISTICS
from unigurd_trainer.sdg.policy_drafting import PER_REQUEST
from unigurd_trainer.sdg.policy_writing import FRUITLESS, write_llm_policies
from unigurd_trainer.sdg.samples import read_samples
from unigurd_trainer.sdg.shards import shard_paths

SORRY = "I'm sorry, but I can't help with that."


@pytest.fixture
def write(tmp_path, make_options, policy):
    """Have policies written: `write(count, texts=..., **options)` gives the account."""

    def run(count, *, folder=tmp_path, seeds=(policy,), texts=0, seed=0, **changes):
        return write_llm_policies(count, folder, make_options(**changes), seeds, texts=texts, seed=seed)

    return run


def policies_in(folder):
    lines = [line for path in shard_paths(folder / "policies") for line in path.read_text("utf-8").splitlines()]
    return [Policy(**json.loads(line)) for line in lines]


def samples_in(folder):
    return [*read_samples(shard_paths(folder / "samples"))]


def test_policies_are_written_to_shards_with_an_account(write, llm, tmp_path):
    result = write(10)
    made = policies_in(tmp_path)
    assert len({each.fingerprint for each in made}) == len({each.name for each in made}) == 10
    assert {each.kind for each in made} <= {"ban", "scope", "mixed"} and all(each.domain for each in made)
    assert (result["policies"], result["samples"], result["rejected"]) == (10, 0, {})
    assert result["requests"] == len(llm.calls) == 3 and result["asked"] == 12
    record = json.loads((tmp_path / STATISTICS).read_text())
    assert record["policies"]["usable"] == 12 and record["complete"] and record["seconds"] > 0


def test_requests_differ_in_field_and_kind_and_show_the_seeds(write, llm, policy):
    write(40)
    asked = {call.user.partition("WHAT TO DRAFT")[2] for call in llm.calls}
    assert len(asked) == 10 and all(policy.description in call.user for call in llm.calls)


def test_the_shipped_policies_can_be_the_seeds(write, llm):
    seeds = [*builtin_policies().values()]
    assert write(4, seeds=seeds)["policies"] == 4
    assert any(seed.disallowed[0] in llm.calls[0].user for seed in seeds)


def test_bad_repeated_and_known_policies_are_left_out_and_counted(write, llm, fake, policy, tmp_path):
    seed = policy.model_dump(include={"title", "description", "allowed", "disallowed"})

    def mixed(call):
        good, twin, *_ = fake.policies_for(call)
        return fake.chat(fake.items([good, {**twin, "disallowed": []}, {"title": "None"}, seed, good]))

    llm.answer = mixed
    result = write(12)
    made = policies_in(tmp_path)
    assert len(made) == 12 and policy.fingerprint not in {each.fingerprint for each in made}
    assert set(result["rejected"]) <= {"list"} and result["rejected"]["list"] > 0
    assert result["proposed"] > 12


def test_texts_are_written_for_each_policy_and_balanced(write, llm, fake, tmp_path):
    result = write(6, texts=4, reflection_rounds=1)
    made, samples = {each.name: each for each in policies_in(tmp_path)}, samples_in(tmp_path)
    assert result["samples"] == len(samples) == 24
    assert Counter((sample.policy, sample.label) for sample in samples) == {
        (name, label): 2 for name in made for label in (0, 1)
    }
    assert [sample.policy for sample in samples] == [name for name in made for _ in range(4)]
    for sample in samples:
        assert fake.is_bad(sample.text) == sample.label and sample.provenance.generator == "llm:tiny"
        lines = made[sample.policy].disallowed if sample.label else made[sample.policy].allowed
        assert sample.control.behaviour in ("", *lines)
    assert llm.kinds()["verdicts"] == 6 and llm.kinds()["policy"] == 0
    record = json.loads((tmp_path / STATISTICS).read_text())
    assert record["made"] == record["wanted"] == {"safe": 12, "unsafe": 12}
    assert [(each["round"], each["total"], each["judged"]) for each in record["reflection"]] == [(0, 24, 24)]
    assert result["requests"] == record["requests"] == len(llm.calls)


def test_texts_of_several_policies_are_written_at_the_same_time(write, llm, fake):
    llm.answer = lambda call: fake.Reply(body=fake.honest(call).body, delay=0.02)
    write(8, texts=1, concurrency=6)
    assert llm.busiest > 2


def test_texts_that_are_refused_are_reported_with_their_rate(write, llm, fake, tmp_path):
    llm.answer = lambda call: fake.chat(SORRY) if call.kind == "texts" and call.unsafe else fake.honest(call)
    result = write(4, texts=4, extra_rounds=0)
    assert result["samples"] == 8 and result["refusal_rate"] == {"safe": 0.0, "unsafe": 1.0}
    assert any("refused 100% of the unsafe texts" in warning for warning in result["warnings"])


def test_policies_that_are_refused_are_counted_and_others_take_their_place(write, llm, fake):
    llm.script = [fake.chat(SORRY), fake.chat(None, refusal=SORRY), fake.chat("Nice weather.")]
    result = write(8, concurrency=1)
    assert (result["policies"], result["refused"], result["asked"]) == (8, 2 * PER_REQUEST, 5 * PER_REQUEST)


def test_a_model_that_writes_no_policy_ends_the_run(write, llm, fake, tmp_path):
    llm.answer = lambda call: fake.chat("Nice weather.")
    with pytest.raises(DataError, match="held no usable policy"):
        write(8, concurrency=2)
    assert FRUITLESS <= len(llm.calls) <= FRUITLESS + 2
    assert policies_in(tmp_path) == []


def test_a_model_that_repeats_itself_ends_the_run_and_keeps_what_there_is(write, llm, fake, tmp_path):
    rows = fake.policies_for(fake.Call({}, {}), 5)
    llm.answer = lambda call: fake.chat(fake.items(rows))
    with pytest.raises(RecipeError, match="no new policy"):
        write(8)
    assert len(policies_in(tmp_path)) == 5


def test_a_repeated_run_pays_nothing_and_changes_nothing(write, llm, tmp_path):
    write(6, texts=2)
    calls, before = len(llm.calls), {path: path.read_bytes() for path in tmp_path.rglob("shard-*")}
    result = write(6, texts=2)
    assert len(llm.calls) == calls and (result["requests"], result["replayed"]) == (0, calls)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("shard-*")}


def test_more_of_the_same_pays_for_the_rest_only(write, llm, tmp_path):
    write(8, texts=2)
    first, calls = policies_in(tmp_path), len(llm.calls)
    result = write(12, texts=2)
    assert policies_in(tmp_path)[:8] == first and result["samples"] == len(samples_in(tmp_path)) == 24
    assert result["replayed"] == calls and max(llm.answered.values()) == 1


@pytest.mark.parametrize("change", [{"seed": 1}, {"model": "large"}, {"seeds": ()}], ids=["seed", "model", "seeds"])
def test_another_run_does_not_use_the_folder(write, change):
    write(4)
    with pytest.raises(RecipeError, match="belongs to another run"):
        write(4, **change)


def test_another_number_of_texts_is_refused(write):
    write(4, texts=2)
    with pytest.raises(RecipeError, match="another texts"):
        write(4, texts=4)


def test_a_failing_server_ends_the_run_and_the_next_goes_on(write, llm, fake, tmp_path):
    llm.script, llm.answer = [fake.honest] * 9, lambda call: fake.Reply(500, {})
    with pytest.raises(EndpointError, match="same command goes on"):
        write(20, texts=2, retries=0, concurrency=1)
    llm.answer = fake.honest
    assert write(20, texts=2)["replayed"] == 9
    assert len(policies_in(tmp_path)) == 20 and len(samples_in(tmp_path)) == 40
    assert max(llm.answered.values()) == 1
    assert [each for each in threading.enumerate() if each.name == "unigurd-background"] == []


CHILD = """
    import signal, sys
    from pathlib import Path
    from unigurd_sdk.policy import Policy
    from unigurd_trainer.sdg.llm import LlmOptions
    from unigurd_trainer.sdg.policy_writing import write_llm_policies

    signal.signal(signal.SIGINT, signal.default_int_handler)
    url, folder, seed = sys.argv[1], Path(sys.argv[2]), Policy.from_source(sys.argv[3])
    options = LlmOptions(endpoint=url, model="tiny", concurrency=4, backoff=0.001, reflection_rounds=1)
    write_llm_policies(40, folder, options, [seed], texts=3)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_goes_on_without_paying_twice(write, policy, tmp_path, llm, fake, how):
    llm.answer = lambda call: fake.Reply(body=fake.honest(call).body, delay=0.03)
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), llm.url, str(tmp_path / "parts"), policy.to_source()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    while len(llm.calls) < 24 and time.monotonic() < deadline:
        time.sleep(0.005)
    child.send_signal(how)
    _, error = child.communicate(timeout=15)
    assert child.returncode != 0 and (how == signal.SIGKILL or b"KeyboardInterrupt" in error)
    before = len(llm.calls)
    assert (tmp_path / "parts" / JOURNAL).exists() and before >= 24

    llm.answer = fake.honest
    result = write(40, folder=tmp_path / "parts", texts=3, reflection_rounds=1)
    assert result["replayed"] >= before - 4 and max(llm.answered.values()) <= 2
    assert sum(times > 1 for times in llm.answered.values()) <= 4  # those in flight
    write(40, folder=tmp_path / "whole", texts=3, reflection_rounds=1)
    assert policies_in(tmp_path / "parts") == policies_in(tmp_path / "whole")
    assert samples_in(tmp_path / "parts") == samples_in(tmp_path / "whole")
