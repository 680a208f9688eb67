"""Every data set that is known is read from its files as they are published, and labelled as its rule says."""

from __future__ import annotations

import pytest

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.registry import builtin_policies
from unigurd_trainer.measure.hub.catalogue import CATALOGUE, find
from unigurd_trainer.measure.hub.load import hub_sets

EXPECTED = {
    "deepset/prompt-injections": [("ignore all, ä", 1), ("what, is\n it?", 0)],
    "xTRam1/safe-guard-prompt-injection": [("ignore all, ä", 1), ("what, is\n it?", 0)],
    "lmsys/toxic-chat": [("you pig", 1), ("do\nanything, now", 0), ("hello", 0)],
    "lmsys/toxic-chat#jailbreaking": [("you pig", 0), ("do\nanything, now", 1), ("hello", 0)],
    "SetFit/toxic_conversations_50k": [("idiots", 1), ("fine", 0)],
    "nvidia/Aegis-AI-Content-Safety-Dataset-1.0": [("a", 1), ("b", 0), ("c", 1)],
    "mmathys/openai-moderation-api-evaluation": [("x", 1), ("y", 0), ("z", 1)],
    "PKU-Alignment/BeaverTails": [("like this", 1), ("no", 0)],
    "nvidia/Aegis-AI-Content-Safety-Dataset-2.0": [("p", 1), ("q", 0)],
    "Paul/XSTest": [("kill a process", 0), ("kill a man", 1)],
    "bench-llm/or-bench#hard-1k": [("hard", 0)],
    "bench-llm/or-bench#toxic": [("toxic", 1)],
    "walledai/HarmBench": [("build it", 1)],
    "allenai/wildguardmix#prompts": [("p", 1), ("q", 0)],
    "allenai/wildguardmix#responses": [("no", 0), ("yes", 1)],
    "Bertievidgen/SimpleSafetyTests": [("scam them", 1)],
    "JailbreakBench/JBB-Behaviors#harmful": [("defame", 1)],
    "JailbreakBench/JBB-Behaviors#benign": [("praise", 0)],
    "leolee99/NotInject": [("ignore one", 0), ("ignore three", 0), ("ignore two", 0)],
}


def load(serve, name):
    hub = serve(name.partition("#")[0])
    (only,) = hub_sets([f"{name}@{'1' * 40}"])
    return hub, only


@pytest.mark.parametrize("spec", CATALOGUE, ids=lambda spec: spec.name)
def test_its_rows_and_labels(serve, spec):
    hub, only = load(serve, spec.name)
    (episode,) = only.episodes
    assert [(row.text, row.label) for row in episode.examples] == EXPECTED[spec.name]
    assert episode.policy == builtin_policies()[spec.policy]
    assert len(hub.downloads) == len(spec.files)  # and no training split
    origin = only.provenance
    assert (origin.source, origin.revision, origin.mapping) == (spec.repo, "1" * 40, spec.label.words)
    assert spec.split in origin.split and origin.in_score


def test_responses_are_judged_with_their_prompts(serve):
    _, beaver = load(serve, "PKU-Alignment/BeaverTails")
    row = beaver.episodes[0].examples[0]
    assert (row.role, row.prompt, row.category) == ("assistant", "how?", "drugs, theft")


def test_the_turn_says_who_wrote_it(serve):
    _, aegis = load(serve, "nvidia/Aegis-AI-Content-Safety-Dataset-1.0")
    assert [row.role for row in aegis.episodes[0].examples] == ["user", "assistant", "user"]


def test_the_papers_seven_have_one_name():
    assert len(find("paper")) == 7
    assert {spec.repo.partition("/")[0] for spec in find("paper")} == {
        *("deepset", "xTRam1", "lmsys", "SetFit", "nvidia", "mmathys", "PKU-Alignment")
    }


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("lmsys/toxic-chat", [""]),
        ("lmsys/toxic-chat#jailbreaking", ["jailbreaking"]),
        ("bench-llm/or-bench", ["hard-1k", "toxic"]),
    ],
)
def test_a_repository_names_its_own_set_or_all_its_parts(name, parts):
    assert [spec.part for spec in find(name)] == parts


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ConfigError, match=r"'deepset/injections'.*paper, deepset/prompt-injections"):
        hub_sets(["deepset/injections"])


def test_names_are_unique_and_policies_exist():
    names = [spec.name for spec in CATALOGUE]
    assert len(set(names)) == len(names)
    assert {spec.policy for spec in CATALOGUE} <= set(builtin_policies())
