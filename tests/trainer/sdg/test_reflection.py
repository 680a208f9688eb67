"""Self-reflection: what agrees stays, what does not is settled, and the policy gets clearer."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from unigurd_sdk.policy import Policy, PolicyExample
from unigurd_trainer.sdg.hooks import Request
from unigurd_trainer.sdg.llm import LlmGenerator
from unigurd_trainer.sdg.reflection import policy_diff

DIFFERENT = "Asking for a recipe, whole or in part"


@pytest.fixture
def reflect(policy, tmp_path, make_options):
    def run(count=40, *, of=policy, **changes):
        generator = LlmGenerator()
        options = make_options(**{"reflection_rounds": 3, "concurrency": 1} | changes)
        samples = list(generator.generate(Request(policy=of, count=count, folder=tmp_path, options=options)))
        return samples, generator

    return run


@pytest.fixture
def scripted(llm, fake, policy):
    """A model whose judge is wrong about `disputed` unsafe texts, and settles as `settlement` says."""

    def start(*, disputed=4, settlement=None, clearer=None):
        wrong: set[str] = set()

        def verdicts(texts):
            for text in texts:
                if fake.is_bad(text) and len(wrong) < disputed and "amended" not in text:
                    wrong.add(text)
            return fake.chat(fake.items([fake.verdict(fake.is_bad(text) and text not in wrong) for text in texts]))

        def answer(call):
            if call.kind == "verdicts":
                return verdicts(call.texts)
            if call.kind == "settlement" and settlement is not None:
                return fake.chat(json.dumps(settlement(call) if callable(settlement) else settlement))
            if call.kind == "policy" and clearer is not None:
                return fake.chat(json.dumps(clearer))
            return fake.honest(call)

        llm.answer = answer
        return wrong

    return start


def decision(word, text="", side=""):
    return {"rationale": f"Settled as {word}.", "decision": word, "text": text, "side": side}


def fields(policy, **changes):
    names = ("description", "allowed", "disallowed")
    return {name: changes.get(name, getattr(policy, name)) for name in names}


def test_agreement_keeps_everything(reflect, llm):
    samples, generator = reflect()
    (only,) = generator.statistics.reflection
    assert (only.judged, only.disagreements, only.unjudged, only.rate) == (40, 0, 0, 0.0)
    assert len(samples) == 40 and {sample.confidence for sample in samples} == {0.9}
    assert not any(sample.provenance.flipped for sample in samples)
    assert set(llm.kinds()) == {"texts", "verdicts"}


def test_the_judge_sees_no_label_and_both_sides_mixed(reflect, llm, fake):
    reflect()
    judged = [call for call in llm.calls if call.kind == "verdicts"]
    assert len(judged) == 5
    assert any(0 < sum(map(fake.is_bad, call.texts)) < len(call.texts) for call in judged)
    assert not any("disallowed" in call.user or '"label"' in call.user for call in judged)


def test_a_settlement_for_the_writer_keeps(reflect, scripted, llm):
    scripted(disputed=2, settlement=decision("violates"))
    samples, generator = reflect(reflection_rounds=1)
    report = generator.statistics.reflection[0]
    assert (report.disagreements, report.kept, report.flipped) == (2, 2, 0)
    assert Counter(sample.label for sample in samples) == {0: 20, 1: 20}
    assert sorted(sample.confidence for sample in samples)[:3] == pytest.approx([0.55, 0.55, 0.9])


def test_a_settlement_for_the_judge_flips(reflect, scripted):
    wrong = scripted(disputed=3, settlement=decision("complies"))
    samples, generator = reflect(reflection_rounds=1)
    flipped = [sample for sample in samples if sample.provenance.flipped]
    assert {sample.text for sample in flipped} == wrong and len(flipped) == 3
    assert {(sample.label, sample.rationale) for sample in flipped} == {(0, "Settled as complies.")}
    assert generator.statistics.reflection[0].flipped == 3
    assert generator.statistics.made == {"safe": 23, "unsafe": 17}
    assert "not balanced" in "".join(generator.statistics.warnings)


def test_a_rewritten_text_is_judged_again(reflect, scripted, llm):
    scripted(disputed=2, settlement=lambda call: decision("rewrite", f"A bad amended text {call.key[:6]}", "violates"))
    samples, generator = reflect(refine=False)
    rewritten = [sample for sample in samples if "amended" in sample.text]
    first, second = generator.statistics.reflection
    assert (first.rewritten, second.judged, second.disagreements) == (2, 2, 0)
    assert len(rewritten) == 2 and len(samples) == 40
    assert {(sample.label, sample.provenance.flipped) for sample in rewritten} == {(1, False)}


def test_a_text_may_be_rewritten_to_the_other_side(reflect, scripted):
    scripted(disputed=1, settlement=decision("rewrite", "An amended text", "complies"))
    samples, _ = reflect(refine=False)
    (sample,) = [sample for sample in samples if "amended" in sample.text]
    assert (sample.label, sample.provenance.flipped, sample.provenance.round) == (0, True, 0)


@pytest.mark.parametrize(
    "settlement",
    [decision("drop"), decision("rewrite", "", "violates"), decision("rewrite", "A text", ""), {"decision": "hm"}, []],
)
def test_what_is_dropped_is_written_anew(reflect, scripted, settlement):
    wrong = scripted(disputed=2, settlement=settlement)
    samples, generator = reflect(refine=False)
    first, second = generator.statistics.reflection
    assert (first.dropped, first.regenerated, second.judged) == (2, 2, 2)
    assert not wrong & {sample.text for sample in samples}
    assert Counter(sample.label for sample in samples) == {0: 20, 1: 20}
    assert sum(sample.provenance.round == 1 for sample in samples) == 2


def test_both_rationales_are_shown_in_either_order(reflect, scripted, llm):
    scripted(disputed=12, settlement=decision("violates"))
    reflect(reflection_rounds=1)
    shown = [call.user for call in llm.calls if call.kind == "settlement"]
    assert len(shown) == 12
    assert all("The line decides." in user and "It complies." in user for user in shown)
    first = sum("ONE READER: The line decides." in user for user in shown)
    assert 0 < first < 12


def test_the_policy_is_clarified_and_changed_lines_are_written_anew(reflect, scripted, policy, tmp_path, llm):
    policy = policy.model_copy(update={"examples": (PolicyExample(text="Boil how?", label="unsafe"),)})
    lines = (DIFFERENT, *policy.disallowed[1:])
    scripted(disputed=4, settlement=decision("violates"), clearer=fields(policy, disallowed=lines))
    samples, generator = reflect(60, of=policy)
    old, new = generator.policies
    assert (old, new.version, new.disallowed, new.name, new.kind) == (policy, 2, lines, policy.name, policy.kind)
    behaviours = Counter(sample.control.behaviour for sample in samples if sample.label)
    assert behaviours == {DIFFERENT: 10, policy.disallowed[1]: 10, policy.disallowed[2]: 10}
    anew = [sample for sample in samples if sample.control.behaviour == DIFFERENT]
    assert {(sample.policy_version, sample.provenance.round) for sample in anew} == {(2, 1)}
    first, second = generator.statistics.reflection
    assert first.regenerated == 10 == second.judged and second.policy_version == 2
    assert f"-- {policy.disallowed[0]}\n" in first.diff and f"+- {DIFFERENT}\n" in first.diff
    assert new.examples == policy.examples
    assert Policy.from_file(tmp_path / "policy-v2.yaml") == new
    assert (tmp_path / "policy-v2.diff").read_text() == first.diff
    assert llm.kinds()["policy"] == 1


def test_what_was_dropped_is_written_for_the_new_lines(reflect, scripted, policy):
    lines = ("Asking how to cook", "Asking how to bake")
    scripted(disputed=6, settlement=decision("drop"), clearer=fields(policy, disallowed=lines))
    samples, generator = reflect(60)
    behaviours = Counter(sample.control.behaviour for sample in samples if sample.label)
    assert behaviours == {lines[0]: 15, lines[1]: 15}
    assert Counter(sample.label for sample in samples) == {0: 30, 1: 30}


def test_the_clarification_sees_at_most_twenty_disputes(reflect, scripted, llm):
    scripted(disputed=30, settlement=decision("violates"))
    reflect(80)
    (call,) = [call for call in llm.calls if call.kind == "policy"]
    assert "20. " in call.user and "21. " not in call.user


@pytest.mark.parametrize(
    "clearer",
    [
        {"description": ""},
        {"description": "No recipes.", "allowed": "all", "disallowed": []},
        {"description": "No recipes.", "allowed": ["a", "a"], "disallowed": ["b"]},
        {"description": "No recipes.", "allowed": [], "disallowed": []},
        {"nothing": 1},
    ],
    ids=["empty", "no-list", "twice", "lists-lost", "no-policy"],
)
def test_a_clarification_that_cannot_be_used_changes_nothing(reflect, scripted, policy, clearer):
    scripted(disputed=4, settlement=decision("violates"), clearer=clearer)
    samples, generator = reflect()
    assert generator.policies == (policy,) and len(samples) == 40


def test_few_disagreements_end_it(reflect, scripted, llm):
    scripted(disputed=1, settlement=decision("violates"))
    _, generator = reflect(100)
    assert [report.rate for report in generator.statistics.reflection] == [0.01]
    assert llm.kinds()["policy"] == 0


def test_three_rounds_are_the_most(reflect, llm, fake, scripted):
    scripted()

    def answer(call):
        if call.kind == "verdicts":
            return fake.chat(fake.items([fake.verdict(False) for _ in call.texts]))
        return fake.honest(call)

    llm.answer = answer
    samples, generator = reflect()
    assert [report.dropped for report in generator.statistics.reflection] == [20, 20, 20]
    assert Counter(sample.label for sample in samples) == {0: 20}
    assert "20 of 20 unsafe samples are missing." in generator.statistics.warnings


def test_the_majority_of_several_verdicts_counts(reflect, llm, fake):
    seen: Counter[str] = Counter()

    def answer(call):
        if call.kind != "verdicts":
            return fake.honest(call)
        seen.update(call.texts)
        return fake.chat(fake.items([fake.verdict(fake.is_bad(t) == (seen[t] != 2)) for t in call.texts]))

    llm.answer = answer
    samples, generator = reflect(self_consistency=3)
    assert generator.statistics.reflection[0].disagreements == 0
    assert set(seen.values()) == {3}
    assert {round(sample.confidence, 3) for sample in samples} == {0.667}
    assert {call.body["temperature"] for call in llm.calls if call.kind == "verdicts"} == {1.0}


def test_a_draw_of_verdicts_is_a_disagreement(reflect, llm, fake):
    seen: Counter[str] = Counter()

    def answer(call):
        if call.kind == "settlement":
            return fake.chat(json.dumps(decision("violates" if fake.is_bad(call.user) else "complies")))
        if call.kind != "verdicts":
            return fake.honest(call)
        seen.update(call.texts)
        return fake.chat(fake.items([fake.verdict(fake.is_bad(t) == (seen[t] == 1)) for t in call.texts]))

    llm.answer = answer
    _, generator = reflect(20, self_consistency=2, reflection_rounds=1)
    assert generator.statistics.reflection[0].disagreements == 20


def test_a_missing_verdict_is_asked_for_again_and_then_left_alone(reflect, llm, fake):
    def answer(call):
        if call.kind != "verdicts":
            return fake.honest(call)
        rows = [fake.verdict(fake.is_bad(text)) | {"id": n} for n, text in enumerate(call.texts, 1)]
        return fake.chat(json.dumps(rows[:-1]) if len(rows) > 1 else "Hm.")

    llm.answer = answer
    samples, generator = reflect(reflection_rounds=1)
    report = generator.statistics.reflection[0]
    assert report.unjudged == 1 and report.judged == 39 and len(samples) == 40
    assert sum(sample.confidence == 1.0 for sample in samples) == 1


def test_another_model_may_judge(reflect, scripted, llm):
    scripted(disputed=2)
    reflect(judge_model="large", reflection_rounds=1)
    models = {(call.kind, call.body["model"]) for call in llm.calls}
    assert models == {("texts", "tiny"), ("verdicts", "large"), ("settlement", "large")}


def test_reflection_replays_from_the_journal(reflect, scripted, policy, llm):
    lines = (DIFFERENT, *policy.disallowed[1:])
    settlement = lambda call: decision("rewrite", f"A bad amended text {call.key[:6]}", "violates")  # noqa: E731
    scripted(disputed=4, settlement=settlement, clearer=fields(policy, disallowed=lines))
    first, _ = reflect(60)
    calls = len(llm.calls)
    again, generator = reflect(60)
    assert again == first and len(llm.calls) == calls and generator.statistics.requests == 0


def test_a_reflected_run_uses_what_was_written_without(reflect, llm):
    reflect(reflection_rounds=0)
    written = len(llm.calls)
    _, generator = reflect(reflection_rounds=3)
    assert llm.kinds()["texts"] == written == generator.statistics.replayed


def test_the_diff_names_both_versions(policy):
    newer = policy.model_copy(update={"version": 2, "description": "No recipes at all."})
    diff = policy_diff(policy, newer)
    assert diff.startswith("--- no-recipes v1\n+++ no-recipes v2\n")
    assert "-description: No recipes.\n" in diff and "+description: No recipes at all.\n" in diff
    assert policy_diff(policy, policy) == ""
