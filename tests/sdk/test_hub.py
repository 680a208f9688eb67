"""Names become folders: bundled, local, or downloaded from a Hub (here a real HTTP server)."""

from __future__ import annotations

import logging
import socket

import pytest

from unigurd_sdk import hub
from unigurd_sdk.checkpoint import Checkpoint, write_manifest
from unigurd_sdk.errors import ConfigError, ModelCorrupt, ModelError, ModelNotFound
from unigurd_sdk.hub import locate
from unigurd_sdk.manifest import Manifest

REPO = "acme/guard"
FIRST, SECOND = "1" * 40, "2" * 40


def checkpoint_files(folder, weights=b"weights"):
    folder.mkdir()
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "README.md").write_text("card")
    manifest = Manifest(
        name="acme",
        interaction="lines",
        base_model="none",
        base_licence="MIT",
        max_length=64,
        weights={"torch": "model.safetensors"},
    )
    write_manifest(folder, manifest)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch):
    """Undo the caller's settings, and keep the Hub's client from asking the real Hub for its own purposes."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    for name in ("UNIGURD_OFFLINE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def files(tmp_path):
    unwanted = {
        "pytorch_model.bin": b"pickle",
        "model.pt": b"pickle",
        "code.py": b"import os",
        "x.onnx.py": b"",
    }
    return checkpoint_files(tmp_path / "source") | unwanted


@pytest.fixture
def fake(files, fake_hub, monkeypatch):
    fake = fake_hub.FakeHub(files, REPO)
    with fake_hub.serving(fake) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        yield fake


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def test_a_pinned_download_gives_a_checkpoint_that_opens(fake, cache):
    folder = locate(REPO, FIRST, cache_dir=cache)
    assert Checkpoint.open(folder).manifest.name == "acme"


def test_only_files_of_a_checkpoint_are_downloaded(fake, cache):
    folder = locate(REPO, FIRST, cache_dir=cache)
    expected = ["README.md", "guard.json", "model.safetensors", "tokenizer.json"]
    assert sorted(path.name for path in folder.iterdir()) == expected
    assert fake.downloads == expected


def test_a_pinned_download_is_found_again_without_a_request(fake, cache):
    folder = locate(REPO, FIRST, cache_dir=cache)
    fake.requests.clear()
    assert locate(REPO, FIRST, offline=True, cache_dir=cache) == folder
    assert fake.requests == []


def test_a_pinned_download_survives_that_the_hub_is_gone(fake, cache, monkeypatch):
    folder = locate(REPO, FIRST, cache_dir=cache)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert locate(REPO, FIRST, cache_dir=cache) == folder


def test_without_a_pin_the_cache_is_used_when_the_hub_is_gone_and_that_is_logged(fake, cache, monkeypatch, caplog):
    folder = locate(REPO, cache_dir=cache)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with caplog.at_level(logging.WARNING, "unigurd_sdk"):
        assert locate(REPO, cache_dir=cache) == folder
    assert "using the copy" in caplog.text


def test_a_copy_in_the_cache_that_lacks_a_file_is_completed(fake, cache):
    folder = locate(REPO, FIRST, cache_dir=cache)
    (folder / "model.safetensors").unlink()
    assert Checkpoint.open(locate(REPO, FIRST, cache_dir=cache)).manifest.name == "acme"


def test_a_hub_that_accepts_and_never_answers_is_given_up(cache, monkeypatch):
    monkeypatch.setattr(hub, "_TIMEOUT", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ModelNotFound, match="could not be reached"):
            locate(REPO, FIRST, cache_dir=cache)


def test_a_pinned_revision_does_not_follow_the_branch(fake, cache, tmp_path):
    fake.commits[SECOND] = checkpoint_files(tmp_path / "newer", b"newer weights")
    fake.branches["main"] = SECOND
    assert (locate(REPO, FIRST, cache_dir=cache) / "model.safetensors").read_bytes() == b"weights"
    assert (locate(REPO, SECOND, cache_dir=cache) / "model.safetensors").read_bytes() == b"newer weights"


@pytest.mark.parametrize("revision", [None, "main"])
def test_a_name_that_is_not_pinned_is_resolved_to_a_commit_and_logged(fake, cache, caplog, revision):
    with caplog.at_level(logging.WARNING, "unigurd_sdk"):
        folder = locate(REPO, revision, cache_dir=cache)
    assert folder.name == FIRST
    assert f"revision='{FIRST}'" in caplog.text


def test_a_pinned_name_logs_nothing(fake, cache, caplog):
    with caplog.at_level(logging.DEBUG, "unigurd_sdk"):
        locate(REPO, FIRST, cache_dir=cache)
    assert caplog.text == ""


def test_a_file_that_was_tampered_with_is_found_when_the_checkpoint_is_opened(fake, cache):
    fake.commits[FIRST]["model.safetensors"] = b"WEIGHTS"
    folder = locate(REPO, FIRST, cache_dir=cache)
    with pytest.raises(ModelCorrupt, match=r"model\.safetensors"):
        Checkpoint.open(folder)


def test_a_repository_that_does_not_exist_is_not_found(fake, cache):
    with pytest.raises(ModelNotFound, match="Check the spelling") as caught:
        locate("acme/other", FIRST, cache_dir=cache)
    assert caught.value.name == "acme/other"


def test_a_revision_that_does_not_exist_is_not_found_and_named(fake, cache):
    with pytest.raises(ModelNotFound, match=SECOND):
        locate(REPO, SECOND, cache_dir=cache)


def test_a_private_repository_asks_for_a_login(fake, cache):
    fake.refusal = (401, "RepoNotFound")
    with pytest.raises(ModelNotFound, match="HF_TOKEN"):
        locate(REPO, FIRST, cache_dir=cache)


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_repository_says_where_to_ask_for_access(fake, cache, status):
    fake.refusal = (status, "GatedRepo")
    with pytest.raises(ModelError, match="gated") as caught:
        locate(REPO, FIRST, cache_dir=cache)
    assert not isinstance(caught.value, ModelNotFound)


def test_a_hub_that_fails_is_an_error_that_says_so(fake, cache):
    fake.refusal = (500, "")
    with pytest.raises(ModelError, match="answered 500"):
        locate(REPO, FIRST, cache_dir=cache)


def test_a_hub_that_cannot_be_reached_names_it_and_the_cache(unreachable, cache):
    with pytest.raises(ModelNotFound, match="could not be reached") as caught:
        locate(REPO, FIRST, cache_dir=cache)
    assert str(cache) in caught.value.looked_in
    assert any(place.startswith("http://127.0.0.1") for place in caught.value.looked_in)


@pytest.mark.parametrize("switch", ["UNIGURD_OFFLINE", "HF_HUB_OFFLINE", None])
@pytest.mark.parametrize("revision", [None, FIRST])
def test_offline_opens_no_connection_and_the_error_says_why(cache, monkeypatch, switch, revision):
    opened = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: opened.append(address))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", False)
    if switch is not None:
        monkeypatch.setenv(switch, "1")
    with pytest.raises(ModelNotFound, match="Offline mode is on"):
        locate(REPO, revision, offline=None if switch else True, cache_dir=cache)
    assert opened == []


def test_the_parameter_wins_over_the_environment(fake, cache, monkeypatch):
    monkeypatch.setenv("UNIGURD_OFFLINE", "1")
    assert locate(REPO, FIRST, offline=False, cache_dir=cache).name == FIRST


@pytest.mark.parametrize("value", ["0", "", "false"])
def test_a_switch_that_is_off_is_off(fake, cache, monkeypatch, value):
    monkeypatch.setenv("UNIGURD_OFFLINE", value)
    assert locate(REPO, FIRST, cache_dir=cache).name == FIRST


def test_a_folder_is_its_own_place(tmp_path):
    assert locate(tmp_path) == tmp_path
    assert locate(str(tmp_path)) == tmp_path


def test_a_folder_has_no_revision(tmp_path):
    with pytest.raises(ConfigError, match="revision"):
        locate(tmp_path, FIRST)


def test_a_folder_that_looks_like_a_repository_comes_first_unless_a_revision_is_given(
    fake, cache, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / REPO).mkdir(parents=True)
    assert locate(REPO, cache_dir=cache).resolve() == (tmp_path / REPO).resolve()
    assert locate(REPO, FIRST, cache_dir=cache).name == FIRST


@pytest.fixture
def bundled(tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "BUNDLED", tmp_path / "models")
    for name in ("uniguard", "unfinished"):
        (tmp_path / "models" / name).mkdir(parents=True)
    (tmp_path / "models" / "uniguard" / "guard.json").write_text("{}")
    return tmp_path / "models"


def test_a_bundled_name_is_found_in_the_package_before_a_folder_of_that_name(bundled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "uniguard").mkdir()
    assert locate("uniguard") == bundled / "uniguard"


def test_a_misspelt_name_suggests_the_bundled_one_and_says_where_it_looked(bundled):
    with pytest.raises(ModelNotFound, match="'uniguard'") as caught:
        locate("unigard")
    assert str(bundled) in caught.value.looked_in


@pytest.mark.parametrize(
    "name", ["", "unfinished", "a/b/c", "../nowhere/", "acme/", "acme/..%2f", "https://hub/acme/guard"]
)
def test_other_names_are_not_found_and_ask_no_hub(bundled, fake, name):
    with pytest.raises(ModelNotFound):
        locate(name)
    assert fake.requests == []
