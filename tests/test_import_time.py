"""Importing the client costs little: nothing heavy is loaded before it is used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROBE = """
import json, sys, time
before = set(sys.modules)
started = time.perf_counter()
{statement}
seconds = time.perf_counter() - started
loaded = sorted({{name.partition(".")[0] for name in set(sys.modules) - before}})
print(json.dumps({{"milliseconds": seconds * 1000, "loaded": loaded}}))
"""
NEVER = {"huggingface_hub", "langchain", "onnx", "onnxruntime", "openai", "sklearn", "torch", "transformers"}
LATER = {"confusable_homoglyphs", "numpy", "pydantic", "rich", "safetensors", "tokenizers", "typer", "yaml"}
NOT_AT_IMPORT = NEVER | LATER


def loaded_by(statement: str) -> set[str]:
    command = [sys.executable, "-c", PROBE.format(statement=statement)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    print(f"{statement}: {report['milliseconds']:.0f} ms")
    return set(report["loaded"])


def test_importing_the_package_loads_no_third_party_module():
    loaded = loaded_by("import unigurd_sdk")
    assert "unigurd_sdk" in loaded
    assert loaded & NOT_AT_IMPORT == set()


@pytest.mark.parametrize(
    "statement",
    [
        "from unigurd_sdk import Guard, Policy",
        "import unigurd_sdk.cli",
        "import unigurd_sdk.errors",
    ],
)
def test_the_public_names_load_no_heavy_module(statement: str):
    assert loaded_by(statement) & NEVER == set()


def test_the_probe_sees_a_heavy_import():
    assert "numpy" in loaded_by("import numpy")
