"""A checkpoint opens only if every file is what the manifest says, and never from a pickle."""

from __future__ import annotations

import hashlib
import json
import os
import pickle

import pytest

from unigurd_sdk.checkpoint import Checkpoint, write_manifest
from unigurd_sdk.errors import ConfigError, ModelCorrupt, ModelIncompatible, ModelNotFound
from unigurd_sdk.manifest import Manifest

MANIFEST = Manifest(
    name="tiny",
    interaction="lines",
    base_model="none",
    base_licence="MIT",
    max_length=64,
    weights={"onnx": {"policy": "policy.onnx", "text": "onnx/text.onnx"}},
)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "checkpoint"
    (root / "onnx").mkdir(parents=True)
    (root / "policy.onnx").write_bytes(b"policy" * 500_000)
    (root / "onnx" / "text.onnx").write_bytes(b"text")
    (root / "tokenizer.json").write_text("{}")
    (root / "README.md").write_text("a card")
    write_manifest(root, MANIFEST)
    return root


def edit(folder, **fields):
    path = folder / "guard.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_write_manifest_hashes_every_file_of_the_checkpoint_and_nothing_else(folder):
    files = json.loads((folder / "guard.json").read_text())["files"]
    assert sorted(files) == ["onnx/text.onnx", "policy.onnx", "tokenizer.json"]
    assert files["onnx/text.onnx"] == {"sha256": hashlib.sha256(b"text").hexdigest(), "bytes": 4}


def test_write_manifest_leaves_no_temporary_file(folder):
    assert sorted(os.listdir(folder)) == ["README.md", "guard.json", "onnx", "policy.onnx", "tokenizer.json"]


def test_write_manifest_again_gives_the_same_manifest(folder):
    assert write_manifest(folder, MANIFEST) == Checkpoint.open(folder).manifest


def test_write_manifest_refuses_a_pickle(folder):
    (folder / "model.pt").write_bytes(pickle.dumps(1))
    with pytest.raises(ModelIncompatible, match="model.pt"):
        write_manifest(folder, MANIFEST)


def test_write_manifest_refuses_weights_without_a_file_and_keeps_the_old_manifest(folder):
    before = (folder / "guard.json").read_bytes()
    (folder / "policy.onnx").unlink()
    with pytest.raises(ModelIncompatible, match=r"policy\.onnx"):
        write_manifest(folder, MANIFEST)
    assert (folder / "guard.json").read_bytes() == before


def test_open_returns_the_manifest_and_paths_of_listed_files(folder):
    checkpoint = Checkpoint.open(folder)
    assert checkpoint.manifest.name == "tiny"
    assert checkpoint.file("onnx/text.onnx").read_bytes() == b"text"


@pytest.mark.parametrize("name", ["README.md", "guard.json", "../secret"])
def test_a_file_that_is_not_listed_has_no_path(folder, name):
    with pytest.raises(ModelIncompatible, match="does not list"):
        Checkpoint.open(folder).file(name)


def test_the_id_changes_with_any_file(folder):
    before = Checkpoint.open(folder).id
    (folder / "onnx" / "text.onnx").write_bytes(b"texts")
    write_manifest(folder, MANIFEST)
    assert Checkpoint.open(folder).id != before


def test_a_changed_byte_is_corrupt_and_named_with_both_hashes(folder):
    (folder / "onnx" / "text.onnx").write_bytes(b"tent")
    with pytest.raises(ModelCorrupt) as caught:
        Checkpoint.open(folder)
    assert caught.value.file.as_posix() == "onnx/text.onnx"
    assert hashlib.sha256(b"text").hexdigest() in caught.value.expected
    assert hashlib.sha256(b"tent").hexdigest() in caught.value.actual


def test_a_truncated_file_is_corrupt_even_when_only_sizes_are_checked(folder):
    (folder / "policy.onnx").write_bytes(b"policy")
    with pytest.raises(ModelCorrupt, match="3000000 bytes, found 6 bytes"):
        Checkpoint.open(folder, verify="size")


def test_checking_sizes_only_does_not_read_the_content(folder):
    (folder / "onnx" / "text.onnx").write_bytes(b"tent")
    assert Checkpoint.open(folder, verify="size").manifest.name == "tiny"


def test_a_missing_file_is_corrupt_and_named(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelCorrupt, match=r"tokenizer\.json"):
        Checkpoint.open(folder)


def test_a_directory_in_place_of_a_file_is_corrupt(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").mkdir()
    with pytest.raises(ModelCorrupt, match=r"tokenizer\.json"):
        Checkpoint.open(folder)


def test_a_broken_manifest_is_corrupt(folder):
    (folder / "guard.json").write_text("{")
    with pytest.raises(ModelCorrupt, match=r"guard\.json"):
        Checkpoint.open(folder)


def test_a_folder_that_does_not_exist_is_not_found(tmp_path):
    with pytest.raises(ModelNotFound) as caught:
        Checkpoint.open(tmp_path / "nowhere")
    assert caught.value.looked_in == (str(tmp_path / "nowhere"),)


def test_a_folder_without_a_manifest_is_incompatible_and_its_pickle_is_not_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "exploded"),))

    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ModelIncompatible, match=r"pytorch_model\.bin"):
        Checkpoint.open(tmp_path)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".pkl", ".ckpt", ".pth", ".PT", ".py", ""])
def test_a_manifest_that_lists_an_unsafe_format_is_incompatible_before_anything_is_read(folder, suffix):
    edit(folder, files={f"model{suffix}": {"sha256": "0" * 64, "bytes": 1}}, weights={})
    with pytest.raises(ModelIncompatible, match="never opened"):
        Checkpoint.open(folder)


def test_weights_that_are_not_verified_are_refused(folder):
    (folder / "other.onnx").write_bytes(b"not listed")
    edit(folder, weights={"onnx": {"policy": "policy.onnx", "text": "other.onnx"}})
    with pytest.raises(ModelIncompatible, match=r"other\.onnx"):
        Checkpoint.open(folder)


def test_a_manifest_cannot_reach_outside_the_folder(folder):
    (folder.parent / "secret.json").write_text("secret")
    entry = {"sha256": hashlib.sha256(b"secret").hexdigest(), "bytes": 6}
    edit(folder, files={"../secret.json": entry}, weights={})
    with pytest.raises(ModelCorrupt, match="leaves the checkpoint folder"):
        Checkpoint.open(folder)


def test_an_unknown_way_to_verify_is_a_config_error(folder):
    with pytest.raises(ConfigError, match="verify"):
        Checkpoint.open(folder, verify="none")  # type: ignore[arg-type]
