"""What a server of the OpenAI chat protocol understands and how it answers.

OpenAI, vLLM, Ollama, LM Studio and llama.cpp differ in the structured output they offer, the parameters they take,
and in the fields of answers and errors. A `Dialect` starts with everything and gets simpler by what is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

__all__ = ["STRUCTURES", "Answer", "Ask", "Dialect", "Message", "is_content_filter", "is_unknown_model", "read_answer"]

Message = dict[str, str]
"""Keys ``role`` and ``content``."""

STRUCTURES = ("json_schema", "json_object", "none")
Structure = Literal["json_schema", "json_object", "none"]

BYTES_PER_TOKEN = 4
"""For the estimate where a server does not count."""

_UNKNOWN_MODEL = re.compile(
    r"model_not_found|model\b.{0,120}?\b(?:not found|not exist|no such|unknown|not loaded|not available|invalid)"
    r"|(?:unknown|invalid|no such|no) models?\b",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: the messages, the form of the answer, and what is drawn at random.

    Attributes:
        name: Name of the schema.
        schema: JSON schema of the answer.
        model: The model.
        seed: Passed on to servers that take one.
        temperature: None leaves it to the server.
        max_tokens: Limit of the answer; None leaves it to the server.
        alternatives: For each token of the answer, how many of the likeliest ones to report; 0 is none.
    """

    messages: Sequence[Message]
    name: str
    schema: Mapping[str, Any]
    model: str
    seed: int | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    alternatives: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back and what it cost.

    Attributes:
        text: What the model wrote; empty if it wrote nothing.
        finish: Why it ended: ``stop``, ``length`` (cut), ``content_filter``, ...
        estimated: Whether the server left out the usage and the tokens are an estimate.
        refused: Whether the server marks it as a refusal.
        top: For each token of the text, log-probabilities of the likeliest ones, where they were asked for.
        seconds: How long the try took that brought it.
    """

    text: str
    finish: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    refused: bool = False
    top: Sequence[Mapping[str, float]] = ()
    seconds: float = field(default=0.0, compare=False)

    def to_json(self) -> str:
        """Render for the journal."""
        return json.dumps(asdict(self), ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str) -> Answer:
        """Undo `to_json`."""
        values = json.loads(text)
        return cls(**values | {"top": tuple(values.get("top", ()))})


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a server is known to take.

    Attributes:
        structure: The structured output to ask for.
        without: Parameters to leave out.
        new_limit: Whether the limit is called ``max_completion_tokens``.
        extra: Further fields of every request.
    """

    structure: str = "json_schema"
    without: frozenset[str] = frozenset()
    new_limit: bool = False
    extra: Mapping[str, Any] | None = None

    def body(self, ask: Ask) -> dict[str, Any]:
        """Render a request."""
        limit = "max_completion_tokens" if self.new_limit else "max_tokens"
        optional: dict[str, Any] = {"seed": ask.seed, "temperature": ask.temperature, limit: ask.max_tokens}
        optional["response_format"] = self._response_format(ask)
        if ask.alternatives:
            optional |= {"logprobs": True, "top_logprobs": ask.alternatives}
        kept = {key: value for key, value in optional.items() if value is not None and key not in self.without}
        return {"model": ask.model, "messages": list(ask.messages)} | kept | dict(self.extra or {})

    def simpler(self, status: int, reason: str) -> Dialect | None:
        """Return what to try after a request was turned down with `status`; None if there is nothing left."""
        if status not in (400, 404, 422):
            return None
        for name in ("temperature", "seed"):
            if re.search(rf"\b{name}\b", reason) and name not in self.without:
                return replace(self, without=self.without | {name})
        if "max_completion_tokens" in reason and not self.new_limit:
            return replace(self, new_limit=True)
        weaker = STRUCTURES[STRUCTURES.index(self.structure) + 1 :]
        return replace(self, structure=weaker[0]) if weaker else None

    def _response_format(self, ask: Ask) -> dict[str, Any] | None:
        if self.structure == "none":
            return None
        if self.structure == "json_object":
            return {"type": "json_object"}
        schema = {"name": ask.name, "schema": dict(ask.schema), "strict": True}
        return {"type": "json_schema", "json_schema": schema}


def read_answer(data: object, ask: Ask) -> Answer | None:
    """Read the body of a good response; None if it is not an answer of the protocol."""
    choice = _first(data.get("choices")) if isinstance(data, dict) else None
    message = choice.get("message") if choice else None
    if not isinstance(data, dict) or choice is None or not isinstance(message, dict):
        return None
    finish = str(choice.get("finish_reason") or "stop")
    text, refusal = _text(message, finish), message.get("refusal")
    usage = data.get("usage") or {}
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    estimated = not (isinstance(prompt, int) and isinstance(completion, int))
    return Answer(
        text=text or (refusal if isinstance(refusal, str) else ""),
        finish=finish,
        prompt_tokens=prompt if isinstance(prompt, int) else _tokens("".join(each["content"] for each in ask.messages)),
        completion_tokens=completion if isinstance(completion, int) else _tokens(text),
        estimated=estimated,
        refused=bool(refusal) or finish == "content_filter",
        top=_alternatives(choice.get("logprobs")),
    )


def is_unknown_model(status: int, reason: str) -> bool:
    """Say whether an error is about the name of the model."""
    return status in (400, 404, 422) and bool(_UNKNOWN_MODEL.search(reason))


def is_content_filter(reason: str) -> bool:
    """Say whether an error is a filter of the provider that turned the request down."""
    return bool(re.search(r"content[_ ](?:filter|policy)|content management policy", reason, re.IGNORECASE))


def _first(value: object) -> dict[str, Any] | None:
    return value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else None


def _text(message: Mapping[str, Any], finish: str) -> str:
    """Return the content: text or parts of text; without any, JSON that a server put where the reasoning goes."""
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    if isinstance(content, str) and content.strip():
        return content
    thoughts = message.get("reasoning_content") or message.get("reasoning")
    return thoughts if isinstance(thoughts, str) and "{" in thoughts and finish == "stop" else ""


def _alternatives(logprobs: object) -> tuple[dict[str, float], ...]:
    """Read the log-probabilities of a choice; https://platform.openai.com/docs/api-reference/chat/object."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    steps = [step.get("top_logprobs") or [step] for step in content or () if isinstance(step, dict)]
    return tuple(
        {str(each["token"]): float(each["logprob"]) for each in step if "token" in each and "logprob" in each}
        for step in steps
    )


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)
