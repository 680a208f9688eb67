"""The public names: sorted, complete, and free until they are used."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import unigurd_sdk
from unigurd_sdk import errors

HEAVY = ["torch", "transformers", "onnxruntime", "pydantic", "huggingface_hub", "numpy", "tokenizers", "yaml"]


def test_all_is_sorted_and_without_repeats():
    assert unigurd_sdk.__all__ == sorted(set(unigurd_sdk.__all__))


def test_every_name_of_all_can_be_had():
    assert {name for name in unigurd_sdk.__all__ if getattr(unigurd_sdk, name, None) is None} == set()


def test_all_has_the_main_names_and_every_error():
    assert set(unigurd_sdk.__all__) == {
        "Guard",
        "Policy",
        "Report",
        "Verdict",
        "__version__",
        *errors.__all__,
    }


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(unigurd_sdk.__file__).read_text(encoding="utf-8"))
    imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for a in node.names}
    assert set(unigurd_sdk.__all__) - imported == {"__version__"}


def test_names_are_the_objects_of_their_modules():
    from unigurd_sdk.guard import Guard

    assert unigurd_sdk.Guard is Guard
    assert unigurd_sdk.ModelCorrupt is errors.ModelCorrupt


def test_dir_lists_the_public_names():
    assert set(unigurd_sdk.__all__) <= set(dir(unigurd_sdk))


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Gaurd"):
        unigurd_sdk.Gaurd  # noqa: B018


def test_the_version_is_a_version():
    assert unigurd_sdk.__version__[0].isdigit()


def test_the_package_says_that_it_is_typed():
    assert Path(unigurd_sdk.__file__).with_name("py.typed").is_file()


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nimport json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_after("import unigurd_sdk") & {*HEAVY} == set()


def test_importing_the_guard_loads_no_model_library():
    loaded = loaded_after("from unigurd_sdk import Guard")
    assert loaded & {"torch", "transformers", "onnxruntime", "huggingface_hub", "tokenizers"} == set()
    assert "pydantic" in loaded
