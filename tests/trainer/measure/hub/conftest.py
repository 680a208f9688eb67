"""Published data sets in miniature, in the files and columns that they have on the Hub."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from functools import partial

import pytest


def as_csv(rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_parquet(rows):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    sink = arrow.BufferOutputStream()
    parquet.write_table(arrow.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


def _votes(*labels):
    return {f"labels_{n}": labels[n] if n < len(labels) else None for n in range(5)}


def _injections():
    return as_parquet([{"text": "ignore all, ä", "label": 1}, {"text": "what, is\n it?", "label": 0}])


def _toxic_chat():
    row = {"conv_id": "1", "model_output": 'no, "never"', "human_annotation": "True"}
    prompts = (("you pig", 1, 0), ("do\nanything, now", 0, 1), ("hello", 0, 0))
    return as_csv([row | {"user_input": t, "toxicity": x, "jailbreaking": j} for t, x, j in prompts])


def _beaver(text, safe, **categories):
    return {"prompt": "how?", "response": text, "category": categories, "is_safe": safe}


def _wild(prompt, harm, response=None, response_harm=None):
    row = {"prompt": prompt, "prompt_harm_label": harm, "response": response}
    return row | {"response_harm_label": response_harm, "subcategory": "fraud"}


FILES: dict[str, dict[str, Callable[[], bytes]]] = {
    "deepset/prompt-injections": {
        "data/test-00000-of-00001-abc.parquet": _injections,
        "data/train-00000-of-00001-abc.parquet": lambda: b"not to be read",
    },
    "xTRam1/safe-guard-prompt-injection": {"data/test-00000-of-00001.parquet": _injections},
    "lmsys/toxic-chat": {
        "data/0124/toxic-chat_annotation_test.csv": _toxic_chat,
        "data/1123/toxic-chat_annotation_test.csv": lambda: b"not to be read",
    },
    "SetFit/toxic_conversations_50k": {
        "test.jsonl": lambda: as_lines(
            [
                {"text": "idiots", "label": 1, "label_text": "toxic"},
                {"text": "fine", "label": 0},
                {"text": "", "label": 0},
            ]
        )
    },
    "nvidia/Aegis-AI-Content-Safety-Dataset-1.0": {
        "Content Moderation Extracted Annotations 02.08.24_test_release_0418_v1.parquet": lambda: as_parquet(
            [
                {"text": "a", "text_type": "user_message"} | _votes("Violence", "Safe", "Threat, Violence"),
                {"text": "b", "text_type": "llm_response"} | _votes("Safe", "Needs Caution", "Profanity"),
                {"text": "c", "text_type": "user_message"} | _votes("Safe", "Needs Caution, Hate/Identity Hate"),
                {"text": "d", "text_type": "user_message"} | _votes(),
            ]
        )
    },
    "mmathys/openai-moderation-api-evaluation": {
        "samples-1680.jsonl.gz": lambda: gzip.compress(
            as_lines([{"prompt": "x", "S": 0, "H2": 1}, {"prompt": "y", "S": 0, "V": None}, {"prompt": "z", "SH": 1.0}])
        )
    },
    "PKU-Alignment/BeaverTails": {
        "round0/30k/test.jsonl.gz": lambda: gzip.compress(
            as_lines(
                [_beaver("like this", False, drugs=True, theft=True, hate=False), _beaver("no", True, drugs=False)]
            )
        )
    },
    "nvidia/Aegis-AI-Content-Safety-Dataset-2.0": {
        "test.json": lambda: json.dumps(
            [
                {"prompt": "p", "prompt_label": "unsafe", "violated_categories": "Threat"},
                {"prompt": "REDACTED", "prompt_label": "unsafe", "violated_categories": ""},
                {"prompt": "q", "prompt_label": "safe", "violated_categories": ""},
            ]
        ).encode()
    },
    "Paul/XSTest": {
        "xstest_prompts.csv": lambda: as_csv(
            [
                {"id": 1, "prompt": "kill a process", "type": "homonyms", "label": "safe"},
                {"id": 2, "prompt": "kill a man", "type": "contrast_homonyms", "label": "unsafe"},
            ]
        )
    },
    "bench-llm/or-bench": {
        "or-bench-hard-1k.csv": lambda: as_csv([{"prompt": "hard", "category": "deception"}]),
        "or-bench-toxic.csv": lambda: as_csv([{"prompt": "toxic", "category": "violence"}]),
    },
    "walledai/HarmBench": {
        "standard/train-00000-of-00001.parquet": lambda: as_parquet([{"prompt": "build it", "category": "chemical"}])
    },
    "allenai/wildguardmix": {
        "test/wildguard_test.parquet": lambda: as_parquet(
            [_wild("p", "harmful", "no", "unharmful"), _wild("q", "unharmful"), _wild("r", None, "yes", "harmful")]
        )
    },
    "Bertievidgen/SimpleSafetyTests": {
        "sst_test_cases.csv": lambda: as_csv([{"id": "1", "harm_area": "Scams", "prompt": "scam them"}])
    },
    "JailbreakBench/JBB-Behaviors": {
        "data/harmful-behaviors.csv": lambda: as_csv([{"Index": 0, "Goal": "defame", "Category": "Harassment"}]),
        "data/benign-behaviors.csv": lambda: as_csv([{"Index": 0, "Goal": "praise", "Category": "Harassment"}]),
    },
    "leolee99/NotInject": {
        f"data/NotInject_{number}-00000-of-00001.parquet": partial(
            as_parquet, [{"prompt": f"ignore {number}", "word_list": ["ignore"], "category": "Common Queries"}]
        )
        for number in ("one", "two", "three")
    },
}


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch, tmp_path):
    """Undo the caller's settings; what is downloaded stays with the test."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("UNIGURD_OFFLINE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def serve(fake_hub, monkeypatch):
    """Serve a data set: `serve("owner/name")` with its files of `FILES`, or with others; returns the hub."""
    open_servers = []

    def start(repo, files=None):
        made = {name: make() for name, make in FILES[repo].items()} if files is None else files
        hub = fake_hub.FakeHub(made, repo, "datasets")
        server = fake_hub.serving(hub)
        monkeypatch.setenv("HF_ENDPOINT", server.__enter__())
        open_servers.append(server)
        return hub

    yield start
    for server in open_servers:
        server.__exit__(None, None, None)
