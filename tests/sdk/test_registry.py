"""The registry: what ships, how policies are added and found, and what stands in for a name."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from unigurd_sdk.errors import ConfigError, InvalidPolicy, PolicyConflict, UnknownPolicy
from unigurd_sdk.policy import Policy
from unigurd_sdk.registry import PolicyRegistry, builtin_policies, example_policies

TEA = Policy(name="tea", description="Only tea.")
COFFEE = Policy(name="tea", description="Only coffee.")
BUILTIN = {
    "cyber",
    "finance",
    "harassment",
    "hate",
    "illicit",
    "indirect-injection",
    "legal",
    "medical",
    "misinformation",
    "politics",
    "privacy",
    "prompt-injection",
    "safety",
    "self-harm",
    "sexual",
    "system-prompt-leak",
    "tax",
    "toxicity",
    "violence",
    "weapons",
}


def test_the_shipped_policies_are_complete():
    assert set(builtin_policies()) == BUILTIN
    for name, policy in builtin_policies().items():
        assert policy.name == name
        assert policy.title
        assert policy.allowed
        assert policy.disallowed


def test_the_examples_are_of_every_kind_and_clash_with_no_builtin():
    examples = example_policies()
    assert len(examples) == 5
    assert {policy.kind for policy in examples.values()} == {"ban", "scope", "mixed"}
    assert not set(examples) & BUILTIN


def test_every_shipped_policy_reads_differently_and_its_file_is_named_after_it():
    shipped = {**builtin_policies(), **example_policies()}
    assert len({policy.fingerprint for policy in shipped.values()}) == len(shipped)
    folder = Path(__file__).parents[2] / "unigurd_sdk" / "policies"
    assert {path.stem for path in folder.rglob("*.yaml")} == set(shipped)


def test_the_shipped_policies_are_read_once_and_read_only():
    assert builtin_policies() is builtin_policies()
    with pytest.raises(TypeError):
        builtin_policies()["tax"] = TEA  # type: ignore[index]


def test_a_registry_is_a_mapping():
    registry = PolicyRegistry([TEA])
    assert set(registry) == BUILTIN | set(example_policies()) | {"tea"}
    assert len(registry) == len(list(registry)) == len(BUILTIN) + 6
    assert registry["tea"] is TEA
    assert "tea" in registry
    assert "taxx" not in registry
    assert registry.get("taxx") is None
    assert dict(PolicyRegistry([TEA], builtin=False)) == {"tea": TEA}


def test_sources_tell_examples_from_builtin_and_added():
    registry = PolicyRegistry([TEA])
    registry.add(Policy(name="milk", description="No milk."), source="milk.yaml")
    sources = [registry.source(name) for name in ("tax", "weather-only-bot", "tea", "milk")]
    assert sources == ["built-in", "example", "code", "milk.yaml"]


def test_a_taken_name_is_a_conflict_that_names_both_sources():
    registry = PolicyRegistry(builtin=False)
    registry.add(TEA, source="one.yaml")
    with pytest.raises(PolicyConflict) as caught:
        registry.add(COFFEE, source="two.yaml")
    assert (caught.value.name, caught.value.existing, caught.value.incoming) == (
        "tea",
        "one.yaml",
        "two.yaml",
    )
    assert registry["tea"] is TEA


def test_replacing_must_be_asked_for_and_the_same_policy_is_no_conflict():
    registry = PolicyRegistry([TEA], builtin=False)
    registry.add(TEA.model_copy())
    registry.add(COFFEE, replace=True, source="new")
    assert registry["tea"] is COFFEE
    assert registry.source("tea") == "new"


def test_registries_do_not_share_what_is_added():
    PolicyRegistry().add(TEA)
    assert "tea" not in PolicyRegistry()


@pytest.mark.parametrize(
    ("name", "close"),
    [("taxx", "tax"), ("Tax", "tax"), ("prompt_injection", "prompt-injection"), ("selfharm", "self-harm")],
)
def test_unknown_names_come_with_close_ones(name: str, close: str):
    with pytest.raises(UnknownPolicy) as caught:
        PolicyRegistry()[name]
    assert caught.value.close[0] == close
    assert set(caught.value.known) >= BUILTIN


def test_resolve_takes_a_policy_a_name_a_path_and_a_sentence(tmp_path: Path):
    registry = PolicyRegistry([TEA])
    path = tmp_path / "tea.yaml"
    COFFEE.save(path)
    assert registry.resolve(COFFEE) is COFFEE
    assert registry.resolve("tea") is TEA
    assert registry.resolve(path) == registry.resolve(str(path)) == COFFEE
    assert registry.resolve("Never mention milk.").description == "Never mention milk."
    assert len(registry) == len(BUILTIN) + 6


@pytest.mark.parametrize("name", ["taxx", "", "Prompt Injection", "prompt injection"])
def test_resolve_takes_no_name_for_a_sentence(name: str):
    with pytest.raises(UnknownPolicy):
        PolicyRegistry().resolve(name)


def test_resolve_reports_bad_files_and_types(tmp_path: Path):
    with pytest.raises(InvalidPolicy, match="does not exist"):
        PolicyRegistry().resolve(str(tmp_path / "no.yaml"))
    with pytest.raises(ConfigError, match="not int"):
        PolicyRegistry().resolve(7)  # type: ignore[arg-type]


def test_resolve_sees_a_changed_file(tmp_path: Path):
    path = tmp_path / "tea.yaml"
    TEA.save(path)
    registry = PolicyRegistry()
    first = registry.resolve(path)
    assert registry.resolve(path) is first
    COFFEE.save(path)
    os.utime(path, ns=(1, 1))
    assert registry.resolve(path) == COFFEE


def test_threads_can_add_and_iterate_together():
    registry = PolicyRegistry(builtin=False)
    failures: list[BaseException] = []

    def add(worker: int) -> None:
        try:
            for number in range(50):
                registry.add(Policy(name=f"p-{worker}-{number}", description="x"))
                assert len(list(registry)) <= 200
        except BaseException as error:  # a failure must reach the main thread
            failures.append(error)

    threads = [threading.Thread(target=add, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(registry) == 200
