"""NeMo Guardrails: the checks endpoint, and configurations that hold one policy each."""

from __future__ import annotations

import jinja2
import pytest
import yaml

from unigurd_sdk.policy import Policy
from unigurd_sdk.registry import PolicyRegistry
from unigurd_trainer.baselines.nemo_config import write_configs


@pytest.mark.parametrize(
    ("role", "rail", "messages"),
    [
        ("user", "input", [{"role": "user", "content": "a text"}]),
        ("document", "input", [{"role": "user", "content": "a text"}]),
        ("assistant", "output", [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "a text"}]),
    ],
)
async def test_the_rails_of_the_side_are_run(llm, fake, judge, ask, role, rail, messages):
    llm.script = [fake.Reply(body={"status": "passed", "content": "a text"})]
    question = ask("a text", policy="tax", role=role, prompt="Why?" if role == "assistant" else None)
    judgement = await judge("nemo-guardrails", question, endpoint=llm.url.removesuffix("/v1"))
    assert not judgement.flagged and llm.calls[0].path == "/v1/checks"
    guardrails = {"config_id": "tax", "rail_types": [rail]}
    assert llm.calls[0].body == {"model": "gpt-4o", "messages": messages, "guardrails": guardrails}


@pytest.mark.parametrize(
    ("status", "flagged"), [("passed", False), ("success", False), ("blocked", True), ("modified", True)]
)
async def test_a_rail_that_intervenes_flags(llm, fake, judge, ask, status, flagged):
    llm.script = [fake.Reply(body={"status": status, "content": "x", "rail": "self check input" if flagged else None})]
    judgement = await judge("nemo-guardrails", ask(), config_id="mine", path="/v1/guardrail/checks")
    assert (judgement.flagged, judgement.label) == (flagged, status)
    assert llm.calls[0].path == "/v1/v1/guardrail/checks" and llm.calls[0].body["guardrails"]["config_id"] == "mine"


def test_a_configuration_holds_a_policy(tmp_path):
    tax = PolicyRegistry()["tax"]
    (folder,) = write_configs([tax], tmp_path, model="gpt-4o-mini")
    config = yaml.safe_load((folder / "config.yml").read_text(encoding="utf-8"))
    assert folder.name == "tax" and config["models"] == [{"type": "main", "engine": "openai", "model": "gpt-4o-mini"}]
    assert config["rails"] == {"input": {"flows": ["self check input"]}, "output": {"flows": ["self check output"]}}
    tasks = yaml.safe_load((folder / "prompts.yml").read_text(encoding="utf-8"))["prompts"]
    contents = {each["task"]: each["content"] for each in tasks}
    asked = jinja2.Template(contents["self_check_input"]).render(user_input="How do I deduct my car?")
    answered = jinja2.Template(contents["self_check_output"]).render(bot_response="Deduct it all.")
    assert 'User: "How do I deduct my car?"' in asked and 'Application: "Deduct it all."' in answered
    assert all(line in asked for line in (tax.description, *tax.disallowed, *tax.allowed))


def test_a_policy_that_speaks_of_templates_stays_as_it_is(tmp_path):
    policy = Policy(name="templates", description="No {{ jinja }} and no {% if %} in what users write.")
    (folder,) = write_configs([policy], tmp_path, model="m")
    content = yaml.safe_load((folder / "prompts.yml").read_text(encoding="utf-8"))["prompts"][0]["content"]
    assert policy.description in jinja2.Template(content).render(user_input="x")
