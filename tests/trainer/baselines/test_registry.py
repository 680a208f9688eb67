"""The baselines by name, their tables and their headers."""

from __future__ import annotations

import pytest

from unigurd_sdk.registry import builtin_policies
from unigurd_trainer.baselines.counting import Taxonomy
from unigurd_trainer.baselines.llama_guard import TAXONOMIES
from unigurd_trainer.baselines.registry import BASELINES, find_baseline
from unigurd_trainer.errors import RecipeError

EVERY = {f"{name}": each.taxonomy for name, each in BASELINES.items() if each.taxonomy}
EVERY |= {f"llama-guard {generation}": taxonomy for generation, taxonomy in TAXONOMIES.items()}
REQUIRED = {
    "chat": {"model": "m"}, "azure-content-safety": {"endpoint": "https://x.cognitiveservices.azure.com"},
    "azure-prompt-shields": {"endpoint": "https://x.cognitiveservices.azure.com"}, "bedrock": {"guardrail": "g"},
}  # fmt: skip


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(RecipeError, match=r"named 'llamaguard'\. Did you mean 'llama-guard'\? There are: aegis, azure"):
        find_baseline("llamaguard")


@pytest.mark.parametrize("name", EVERY)
def test_a_table_maps_policies_that_exist_to_categories_that_exist(name):
    taxonomy = EVERY[name]
    assert isinstance(taxonomy, Taxonomy) and set(taxonomy.policies) <= set(builtin_policies())
    assert all(set(each) <= set(taxonomy.categories) and each for each in taxonomy.policies.values())


def test_any_finding_counts_where_nothing_is_mapped():
    taxonomy = Taxonomy({"a": "A", "b": "B"}, {"hate": ("a",)})
    assert taxonomy.found(["a"], "hate", "mapped") and not taxonomy.found(["b"], "hate", "mapped")
    assert taxonomy.found(["b"], "hate", "any") and taxonomy.found(["b"], "tax", "mapped")
    assert not taxonomy.found([], "tax", "mapped") and not taxonomy.found([], "hate", "any")


@pytest.mark.parametrize("name", BASELINES)
def test_a_header_tells_answers_apart_and_holds_no_secret(name):
    baseline = BASELINES[name]
    options = baseline.options(**REQUIRED.get(name, {}))
    header = baseline.header(options)
    assert header.model and header.threshold_rule and header.settings["baseline"] == name
    assert not {"concurrency", "timeout", "device", "pool"} & set(header.settings)
    assert header == baseline.header(options.model_copy(update={"concurrency": 3, "device": "cpu"}))


def test_what_changes_answers_is_in_the_header():
    baseline = BASELINES["llama-guard"]
    first, second = (baseline.header(baseline.options(categories=each)) for each in ("own", "policy"))
    assert first != second and first.model == "Llama Guard (Llama-Guard-3-8B)"
    endpoint = BASELINES["openai-moderation"].options(endpoint="https://user:secret@host/v1?key=secret")
    assert "secret" not in BASELINES["openai-moderation"].header(endpoint).model_dump_json()


def test_which_policies_have_no_category():
    guard, moderation = BASELINES["llama-guard"], BASELINES["openai-moderation"]
    names = ["tax", "hate", "tax", "politics"]
    assert moderation.unmapped(moderation.options(), names) == ["politics", "tax"]
    assert guard.unmapped(guard.options(), names) == ["politics"]
    assert guard.unmapped(guard.options(generation=1), names) == ["politics", "tax"]
    assert guard.unmapped(guard.options(categories="policy"), names) == []
    assert BASELINES["chat"].unmapped(BASELINES["chat"].options(model="m"), names) == []
