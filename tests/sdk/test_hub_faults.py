"""What can go wrong while a checkpoint is downloaded or kept: kills, races, full disks, damage. Real processes."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from unigurd_sdk.checkpoint import Checkpoint, write_manifest
from unigurd_sdk.errors import ModelCorrupt, ModelError, ModelNotFound
from unigurd_sdk.guard import Guard
from unigurd_sdk.hub import open_checkpoint
from unigurd_sdk.manifest import Manifest

REPO, FIRST = "acme/guard", "1" * 40
WEIGHTS = "text.onnx"

OPEN = "from unigurd_sdk.hub import open_checkpoint; open_checkpoint({repo!r}, {commit!r}, cache_dir={cache!r})"
FORKED = """
import os, sys
from unigurd_sdk.hub import open_checkpoint
import huggingface_hub

read, write = os.pipe()
children = []
for _ in range(8):
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)  # returns when the parent closes its end: all begin together
        try:
            open_checkpoint({repo!r}, {commit!r}, cache_dir={cache!r})
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    children.append(child)
os.close(write)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""
SMALL_FILES = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    for name in ("UNIGURD_OFFLINE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fake(tmp_path, fake_hub, monkeypatch):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "tokenizer.json").write_text("{}")
    (folder / WEIGHTS).write_bytes(b"weights " * 25_000)
    (folder / "policy.onnx").write_bytes(b"policy")
    weights: dict[str, str | dict[str, str]] = {"onnx": {"policy": "policy.onnx", "text": WEIGHTS}}
    manifest = Manifest(
        name="acme",
        interaction="lines",
        base_model="none",
        base_licence="MIT",
        max_length=64,
        weights=weights,
        state=("words",),
    )
    write_manifest(folder, manifest)
    fake = fake_hub.FakeHub({path.name: path.read_bytes() for path in folder.iterdir()}, REPO)
    with fake_hub.serving(fake) as url:
        monkeypatch.setenv("HF_ENDPOINT", url)
        yield fake
        fake.go_on.set()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def start(program, cache):
    code = program.format(repo=REPO, commit=FIRST, cache=str(cache))
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)


def downloads(fake, name):
    return sum(line.startswith("GET") and line.endswith(f"/{name}") for line in fake.requests)


def damage(path: Path):
    """Change bytes of a cached file, of which the snapshot has a link, but not its size."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    os.chmod(path.resolve(), 0o644)
    path.resolve().write_bytes(content)


def test_a_kill_in_the_middle_of_a_download_leaves_no_broken_checkpoint(fake, cache):
    fake.stalled = WEIGHTS
    process = start(OPEN, cache)
    assert fake.stalls.wait(60)
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    with pytest.raises(ModelNotFound, match="no complete copy"):
        open_checkpoint(REPO, FIRST, offline=True, cache_dir=cache)
    fake.stalled = ""
    fake.go_on.set()
    assert open_checkpoint(REPO, FIRST, cache_dir=cache).manifest.name == "acme"
    assert open_checkpoint(REPO, FIRST, offline=True, cache_dir=cache).manifest.name == "acme"
    process.communicate()


def test_a_kill_while_a_damaged_copy_is_replaced_leaves_no_broken_checkpoint(fake, cache):
    folder = open_checkpoint(REPO, FIRST, cache_dir=cache).folder
    damage(folder / WEIGHTS)
    fake.stalled = WEIGHTS
    process = start(OPEN, cache)
    assert fake.stalls.wait(60)
    process.kill()
    process.communicate()
    fake.stalled = ""
    fake.go_on.set()
    assert open_checkpoint(REPO, FIRST, cache_dir=cache).manifest.name == "acme"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_eight_processes_that_need_a_checkpoint_at_once_download_it_once(fake, cache):
    process = start(FORKED, cache)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert downloads(fake, WEIGHTS) == 1
    assert Checkpoint.open(next(cache.glob("models--*/snapshots/*"))).manifest.name == "acme"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit of file sizes")
def test_a_full_disk_is_named_and_leaves_no_broken_checkpoint(fake, cache):
    process = start(SMALL_FILES + OPEN, cache)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"cannot be written to the cache {cache}" in errors
    assert "could not be reached" not in errors
    assert open_checkpoint(REPO, FIRST, cache_dir=cache).manifest.name == "acme"


def test_a_cache_that_cannot_be_written_is_named(fake, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ModelError, match=r"cannot be written to the cache .*HF_HOME"):
        open_checkpoint(REPO, FIRST, cache_dir=tmp_path / "file" / "cache")


def test_a_copy_in_a_cache_that_cannot_be_written_is_used(fake, cache, monkeypatch):
    open_checkpoint(REPO, FIRST, cache_dir=cache)

    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    for name in ("mkdir", "makedirs", "open", "symlink", "replace", "rename", "unlink"):
        monkeypatch.setattr(f"os.{name}", refuse)
    assert open_checkpoint(REPO, FIRST, cache_dir=cache).manifest.name == "acme"


def test_a_local_checkpoint_needs_no_home(keyword_checkpoint):
    code = (
        "from unigurd_sdk import Guard, Policy\n"
        f"guard = Guard.from_pretrained({str(keyword_checkpoint)!r})\n"
        "print(guard.check('a bomb', Policy(name='p', description='x', disallowed=('bomb',))).unsafe)\n"
    )
    nowhere = {"HOME": "/proc/none", "HF_HOME": "/proc/none", "XDG_CACHE_HOME": "/proc/none", "TMPDIR": "/proc/none"}
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], env=os.environ | nowhere, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.parametrize("name", [WEIGHTS, "tokenizer.json", "guard.json"])
def test_a_damaged_copy_is_named_and_replaced(fake, cache, name, caplog):
    folder = open_checkpoint(REPO, FIRST, cache_dir=cache).folder
    damage(folder / name)
    with caplog.at_level(logging.WARNING, "unigurd_sdk"):
        assert open_checkpoint(REPO, FIRST, cache_dir=cache).manifest.name == "acme"
    assert name in caplog.text and "damaged" in caplog.text
    assert downloads(fake, WEIGHTS) == 2
    fake.requests.clear()
    open_checkpoint(REPO, FIRST, cache_dir=cache)
    assert fake.requests == []


def test_a_copy_that_was_cut_off_is_replaced(fake, cache):
    folder = open_checkpoint(REPO, FIRST, cache_dir=cache).folder
    (folder / WEIGHTS).resolve().write_bytes(b"weights")
    assert open_checkpoint(REPO, FIRST, cache_dir=cache).manifest.name == "acme"


def test_a_guard_replaces_a_damaged_copy(fake, cache, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    damage(open_checkpoint(REPO, FIRST, cache_dir=cache).folder / WEIGHTS)
    assert Guard.from_pretrained(REPO, revision=FIRST).checkpoint.manifest.name == "acme"


@pytest.mark.parametrize("offline", [True, False])
def test_a_damaged_copy_that_cannot_be_replaced_is_an_error(fake, cache, monkeypatch, offline):
    damage(open_checkpoint(REPO, FIRST, cache_dir=cache).folder / WEIGHTS)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="damaged" if offline else "could not be reached"):
        open_checkpoint(REPO, FIRST, offline=offline, cache_dir=cache)


def test_a_repository_whose_files_are_not_what_it_says_is_an_error_after_one_more_try(fake, cache):
    fake.commits[FIRST][WEIGHTS] = b"WEIGHTS " * 25_000
    with pytest.raises(ModelCorrupt, match=WEIGHTS):
        open_checkpoint(REPO, FIRST, cache_dir=cache)
    assert downloads(fake, WEIGHTS) == 2


def test_a_damaged_folder_of_the_user_is_left_alone(fake, tmp_path):
    source = tmp_path / "source"
    damage(source / WEIGHTS)
    with pytest.raises(ModelCorrupt, match=WEIGHTS):
        open_checkpoint(source)
    assert (source / WEIGHTS).is_file()
    assert fake.requests == []
