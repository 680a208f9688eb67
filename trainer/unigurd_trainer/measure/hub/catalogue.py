"""The data sets that the loader knows: the paper's seven and the ones that other guards are compared on.

Files and columns are those of the repositories in 2025 and 2026; a revision that has others is an error that names
them. Labels follow the paper where it says how; where it does not, the choice stands in the label's words.
"""

from __future__ import annotations

from collections.abc import Mapping

from unigurd_sdk.errors import ConfigError
from unigurd_sdk.template import Role
from unigurd_trainer.measure.hub.labels import Always, AnyOf, Column, Votes
from unigurd_trainer.measure.hub.spec import HubSpec

__all__ = ["CATALOGUE", "PAPER", "find"]

PAPER = "paper"
"""Names the paper's seven sets."""

_TURNS: Mapping[str, Role] = {"llm_response": "assistant"}
_HARMFUL = Column("prompt_harm_label", unsafe="harmful", safe="unharmful")

CATALOGUE: tuple[HubSpec, ...] = (
    HubSpec(
        repo="deepset/prompt-injections",
        files=("data/test-*.parquet",),
        split="test",
        text="text",
        label=Column("label", unsafe="1", safe="0"),
        policy="prompt-injection",
        relatives={"deepset_prompt_injections": "train-split"},
        paper=True,
    ),
    HubSpec(
        repo="xTRam1/safe-guard-prompt-injection",
        files=("data/test-*.parquet",),
        split="test",
        text="text",
        label=Column("label", unsafe="1", safe="0"),
        policy="prompt-injection",
        paper=True,
    ),
    HubSpec(
        repo="lmsys/toxic-chat",
        config="toxicchat0124",
        files=("data/0124/toxic-chat_annotation_test.csv",),
        split="test",
        text="user_input",
        label=Column("toxicity", unsafe="1", safe="0"),
        policy="toxicity",
        paper=True,
    ),
    HubSpec(
        repo="lmsys/toxic-chat",
        part="jailbreaking",
        config="toxicchat0124",
        files=("data/0124/toxic-chat_annotation_test.csv",),
        split="test",
        text="user_input",
        label=Column("jailbreaking", unsafe="1", safe="0"),
        policy="prompt-injection",
    ),
    HubSpec(
        repo="SetFit/toxic_conversations_50k",
        files=("test.jsonl",),
        split="test",
        text="text",
        label=Column("label", unsafe="1", safe="0"),
        policy="toxicity",
        relatives={"civil_toxic_spans": "related"},
        paper=True,
    ),
    HubSpec(
        repo="nvidia/Aegis-AI-Content-Safety-Dataset-1.0",
        files=("*_test_*.parquet",),
        split="test",
        text="text",
        label=Votes(tuple(f"labels_{n}" for n in range(5)), harmless=("Safe", "Needs Caution")),
        policy="safety",
        role_column="text_type",
        roles=_TURNS,
        paper=True,
    ),
    HubSpec(
        repo="mmathys/openai-moderation-api-evaluation",
        files=("samples-1680.jsonl.gz",),
        split="train (the only one)",
        text="prompt",
        label=AnyOf(("S", "H", "V", "HR", "SH", "S3", "H2", "V2")),
        policy="safety",
        paper=True,
    ),
    HubSpec(
        repo="PKU-Alignment/BeaverTails",
        files=("round0/30k/test.jsonl.gz",),
        split="30k_test",
        text="response",
        prompt="prompt",
        role="assistant",
        label=Column("is_safe", unsafe="False", safe="True"),
        policy="safety",
        category="category",
        paper=True,
    ),
    HubSpec(
        repo="nvidia/Aegis-AI-Content-Safety-Dataset-2.0",
        files=("test.json",),
        split="test",
        text="prompt",
        label=Column("prompt_label", unsafe="unsafe", safe="safe"),
        policy="safety",
        category="violated_categories",
        dropped=frozenset({"REDACTED"}),
    ),
    HubSpec(
        repo="Paul/XSTest",
        files=("*.csv",),
        split="train (the only one)",
        text="prompt",
        label=Column("label", unsafe="unsafe", safe="safe"),
        policy="safety",
        category="type",
    ),
    HubSpec(
        repo="bench-llm/or-bench",
        part="hard-1k",
        config="or-bench-hard-1k",
        files=("or-bench-hard-1k.csv",),
        split="train (the only one)",
        text="prompt",
        label=Always(0),
        policy="safety",
        category="category",
    ),
    HubSpec(
        repo="bench-llm/or-bench",
        part="toxic",
        config="or-bench-toxic",
        files=("or-bench-toxic.csv",),
        split="train (the only one)",
        text="prompt",
        label=Always(1),
        policy="safety",
        category="category",
    ),
    HubSpec(
        repo="walledai/HarmBench",
        config="standard",
        files=("standard/train-*.parquet",),
        split="train (the only one)",
        text="prompt",
        label=Always(1),
        policy="safety",
        category="category",
        gated=True,
    ),
    HubSpec(
        repo="allenai/wildguardmix",
        part="prompts",
        config="wildguardtest",
        files=("test/wildguard_test.parquet",),
        split="test",
        text="prompt",
        label=_HARMFUL,
        policy="safety",
        category="subcategory",
        gated=True,
    ),
    HubSpec(
        repo="allenai/wildguardmix",
        part="responses",
        config="wildguardtest",
        files=("test/wildguard_test.parquet",),
        split="test",
        text="response",
        prompt="prompt",
        role="assistant",
        label=Column("response_harm_label", unsafe="harmful", safe="unharmful"),
        policy="safety",
        category="subcategory",
        gated=True,
    ),
    HubSpec(
        repo="Bertievidgen/SimpleSafetyTests",
        files=("sst_test_cases.csv",),
        split="test",
        text="prompt",
        label=Always(1),
        policy="safety",
        category="harm_area",
    ),
    HubSpec(
        repo="JailbreakBench/JBB-Behaviors",
        part="harmful",
        config="behaviors",
        files=("data/harmful-behaviors.csv",),
        split="harmful",
        text="Goal",
        label=Always(1),
        policy="safety",
        category="Category",
        relatives={"jailbreakbench_artifacts": "related"},
    ),
    HubSpec(
        repo="JailbreakBench/JBB-Behaviors",
        part="benign",
        config="behaviors",
        files=("data/benign-behaviors.csv",),
        split="benign",
        text="Goal",
        label=Always(0),
        policy="safety",
        category="Category",
    ),
    HubSpec(
        repo="leolee99/NotInject",
        files=tuple(f"data/NotInject_{number}-*.parquet" for number in ("one", "two", "three")),
        split="NotInject_one, _two and _three",
        text="prompt",
        label=Always(0),
        policy="prompt-injection",
        category="category",
    ),
)


def find(name: str) -> list[HubSpec]:
    """Return the sets of a name: ``paper``, ``repository#part``, or a repository: its own set, or else all parts.

    Raises:
        ConfigError: There is none; the message lists what there is.
    """
    exact = [spec for spec in CATALOGUE if spec.name == name or (name == PAPER and spec.paper)]
    found = exact or [spec for spec in CATALOGUE if spec.repo == name]
    if not found:
        known = ", ".join([PAPER, *(spec.name for spec in CATALOGUE)])
        raise ConfigError(f"There is no loader for the data set {name!r}. There are: {known}.")
    return found
