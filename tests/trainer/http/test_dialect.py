"""What servers take and how they answer: shapes of OpenAI, vLLM, Ollama, LM Studio and llama.cpp."""

from __future__ import annotations

import pytest

from unigurd_trainer.http.dialect import Answer, Ask, Dialect, is_unknown_model, read_answer
from unigurd_trainer.http.reply import error_reason

ASK = Ask([{"role": "user", "content": "x" * 40}], "texts", {"type": "object"}, "tiny", 7, 1.0, 100)


def response(message, *, finish="stop", usage=None, **fields):
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": usage, **fields}


def test_everything_is_asked_for_at_first():
    body = Dialect(extra={"top_p": 0.9}).body(ASK)
    assert body["model"] == "tiny" and body["messages"] == ASK.messages
    assert (body["seed"], body["temperature"], body["max_tokens"], body["top_p"]) == (7, 1.0, 100, 0.9)
    schema = {"name": "texts", "schema": {"type": "object"}, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": schema}


def test_what_is_not_set_is_not_sent():
    assert set(Dialect(structure="none").body(Ask([], "n", {}, "tiny"))) == {"model", "messages"}


def test_structured_output_is_given_up_in_steps():
    dialect: Dialect | None = Dialect()
    formats = []
    while dialect:
        formats.append(dialect.body(ASK).get("response_format", {}).get("type"))
        dialect = dialect.simpler(400, "response_format is not supported")
    assert formats == ["json_schema", "json_object", None]


@pytest.mark.parametrize(
    ("reason", "gone", "there"),
    [
        ("Unsupported value: 'temperature' does not support 0", "temperature", "seed"),
        ("unknown field `seed`", "seed", "temperature"),
        (
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            "max_tokens",
            "max_completion_tokens",
        ),
    ],
)
def test_a_parameter_that_is_named_is_left_out_or_renamed(reason, gone, there):
    simpler = Dialect().simpler(400, reason)
    assert simpler is not None
    body = simpler.body(ASK)
    assert gone not in body and there in body
    assert body["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize("status", [401, 413, 500])
def test_other_errors_are_not_about_the_dialect(status):
    assert Dialect().simpler(status, "response_format") is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (response({"content": "hi"}, usage={"prompt_tokens": 3, "completion_tokens": 2}), Answer("hi", "stop", 3, 2)),
        (response({"content": "hi"}, timings={"predicted_n": 2}), Answer("hi", "stop", 10, 1, estimated=True)),
        (response({"content": None, "refusal": "I won't."}), Answer("I won't.", "stop", 10, 0, True, True)),
        (response({"content": "", "reasoning_content": '{"a": 1}'}), Answer('{"a": 1}', "stop", 10, 2, True)),
        (response({"content": "hi", "reasoning_content": '{"a": 1}'}), Answer("hi", "stop", 10, 1, True)),
        (response({"content": None, "reasoning": '{"draft": 1}'}, finish="length"), Answer("", "length", 10, 0, True)),
        (response({"content": [{"type": "text", "text": "h"}, {"text": "i"}]}), Answer("hi", "stop", 10, 1, True)),
        (response({"content": ""}, finish="content_filter"), Answer("", "content_filter", 10, 0, True, True)),
        (response({"content": "hi"}, finish=None, usage={}), Answer("hi", "stop", 10, 1, True)),
    ],
    ids=["openai", "llama.cpp", "refusal", "vllm-reasoning", "both", "cut-thoughts", "parts", "azure", "ollama"],
)  # fmt: skip
def test_answers_are_read(data, expected):
    assert read_answer(data, ASK) == expected


@pytest.mark.parametrize("data", [None, [], {}, {"error": "x"}, {"choices": []}, {"choices": [{}]}, {"choices": "x"}])
def test_what_is_no_answer(data):
    assert read_answer(data, ASK) is None


def test_an_answer_survives_the_journal():
    answer = Answer("é \ud83d", "length", 1, 2, True, True)
    assert Answer.from_json(answer.to_json()) == answer


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"error": {"message": "Slow down", "code": "rate_limit"}}', "rate_limit: Slow down"),
        ('{"error": {"code": 503, "message": "Loading model", "type": "x"}}', "503: Loading model"),
        ('{"error": "no such thing"}', "no such thing"),
        ('{"object": "error", "message": "bad", "code": 404}', "404: bad"),
        ('{"detail": "Not Found"}', "Not Found"),
        ("<html><h1>502</h1> Bad\n Gateway</html>", "502 Bad Gateway"),
        ("", ""),
    ],
    ids=["openai", "llama.cpp", "lm-studio", "vllm", "fastapi", "proxy", "empty"],
)
def test_the_reason_of_an_error(body, reason):
    assert error_reason(body) == reason


@pytest.mark.parametrize(
    "reason",
    [
        "model_not_found: The model `x` does not exist or you do not have access to it.",
        "404: The model `x` does not exist.",
        'model "x" not found, try pulling it first',
        "No models loaded. Please load a model.",
        "invalid model ID",
    ],
)
def test_an_unknown_model_is_recognised(reason):
    assert is_unknown_model(404, reason)
    assert not is_unknown_model(500, reason)


@pytest.mark.parametrize(
    "reason", ["response_format is not supported by this model", "Not Found", "context is too long"]
)
def test_other_reasons_are_not_about_the_name_of_the_model(reason):
    assert not is_unknown_model(400, reason)
