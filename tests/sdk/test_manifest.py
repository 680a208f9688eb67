"""The manifest reads what it writes and refuses what it cannot vouch for."""

from __future__ import annotations

import json

import pytest

from unigurd_sdk.errors import ModelCorrupt, ModelIncompatible
from unigurd_sdk.manifest import FORMAT_VERSION, FileEntry, Manifest, relative_name
from unigurd_sdk.template import TEMPLATE_VERSION


def make(**fields) -> Manifest:
    given = {
        "name": "tiny",
        "interaction": "lines-read",
        "base_model": "none",
        "base_licence": "Apache-2.0",
        "max_length": 64,
        "overlap": 16,
        "weights": {"onnx": {"policy": "policy.onnx", "text": "text.onnx"}, "torch": "model.safetensors"},
        "config": {"head_size": 8, "dropout": 0.1, "encoder.activation": "gelu", "reads": True},
        "thresholds": {"tax": 0.25},
        "scores": {"validation": {"f1": 0.5}},
    }
    return Manifest.model_validate(given | fields)


def raw(**fields) -> str:
    return json.dumps(json.loads(make().dump()) | fields)


def test_dump_and_parse_are_inverse():
    manifest = make(files={"text.onnx": FileEntry(sha256="0" * 64, bytes=3)}, sources=("a",), seed=1)
    assert Manifest.parse(manifest.dump()) == manifest


def test_config_keeps_the_types_of_its_values():
    config = Manifest.parse(make().dump()).config
    assert [type(value) for value in config.values()] == [int, float, str, bool]


@pytest.mark.parametrize("content", ["", "{", "\xff", "[1]", "null"])
def test_content_that_is_no_json_object_is_corrupt(content):
    with pytest.raises(ModelCorrupt) as caught:
        Manifest.parse(content)
    assert caught.value.file.name == "guard.json"


def test_an_unknown_field_is_corrupt_and_named():
    with pytest.raises(ModelCorrupt, match="thresold"):
        Manifest.parse(raw(thresold=0.4))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0.0),
        ("threshold", 1.5),
        ("thresholds", {"tax": -0.1}),
        ("max_length", 4),
        ("overlap", 33),
        ("labels", ["unsafe", "safe"]),
        ("format_version", "one"),
        ("files", {"a.onnx": {"sha256": "zz", "bytes": 1}}),
    ],
)
def test_a_value_that_breaks_a_rule_is_corrupt_and_its_field_is_named(field, value):
    with pytest.raises(ModelCorrupt, match=field):
        Manifest.parse(raw(**{field: value}))


def test_nan_is_not_a_temperature():
    with pytest.raises(ModelCorrupt):
        Manifest.parse(raw(temperature=float("nan")))


@pytest.mark.parametrize(
    ("field", "ours"), [("format_version", FORMAT_VERSION), ("template_version", TEMPLATE_VERSION)]
)
def test_a_newer_version_asks_for_an_upgrade_even_with_fields_unknown_today(field, ours):
    with pytest.raises(ModelIncompatible, match="pip install --upgrade"):
        Manifest.parse(raw(**{field: ours + 1, "from_the_future": 1}))


def test_an_older_template_asks_for_a_new_export():
    with pytest.raises(ModelIncompatible, match="Export the checkpoint again"):
        Manifest.parse(raw(template_version=TEMPLATE_VERSION - 1))


@pytest.mark.parametrize(
    "name",
    ["../x.onnx", "a/../../x.onnx", "/etc/x.onnx", "C:\\x.onnx", "C:x.onnx", "a\\..\\x.onnx", "", "a\0.onnx"],
)
def test_names_that_leave_the_folder_are_refused(name):
    with pytest.raises(ValueError, match="leaves the checkpoint folder"):
        relative_name(name)
    with pytest.raises(ModelCorrupt, match="leaves the checkpoint folder"):
        Manifest.parse(raw(files={name: {"sha256": "0" * 64, "bytes": 1}}))
    with pytest.raises(ModelCorrupt, match="leaves the checkpoint folder"):
        Manifest.parse(raw(weights={"torch": name}))


def test_names_inside_the_folder_are_kept():
    assert relative_name("onnx/text.onnx") == "onnx/text.onnx"


def test_weights_are_found_by_variant_and_role():
    manifest = make()
    assert manifest.weight_file("onnx", "text") == "text.onnx"
    assert manifest.weight_file("torch") == "model.safetensors"
    assert manifest.weight_files() == ("policy.onnx", "text.onnx", "model.safetensors")


@pytest.mark.parametrize(("variant", "role"), [("tensorrt", ""), ("onnx", "image"), ("onnx", "")])
def test_weights_that_are_not_there_are_incompatible(variant, role):
    with pytest.raises(ModelIncompatible, match="only for onnx, torch"):
        make().weight_file(variant, role)
