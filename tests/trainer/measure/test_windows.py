"""How a checkpoint reads long texts is set in its manifest, within what the format allows."""

import json
import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from typer.testing import CliRunner  # noqa: E402

from unigurd_sdk import Guard, Policy  # noqa: E402
from unigurd_sdk.checkpoint import Checkpoint  # noqa: E402
from unigurd_sdk.errors import ConfigError  # noqa: E402
from unigurd_trainer.cli import app  # noqa: E402
from unigurd_trainer.measure.windows import set_windows  # noqa: E402

LAMPS = Policy(name="lamps", description="No lamps.")


@pytest.fixture
def folder(make_guard, tmp_path):
    return Path(shutil.copytree(make_guard(1), tmp_path / "guard"))


def test_close_windows_are_left_out_and_every_token_is_still_read(folder):
    reads = []
    for length in (16, 0):
        reads.append(set_windows(folder, close_length=length).reads_close)
        with Guard.from_pretrained(folder) as guard:
            tokens = guard.check("lamp " * 900, policy=LAMPS).tokens
        assert tokens.scanned == tokens.total == 900
    assert reads == [True, False]


def test_what_is_not_given_stays(folder):
    first = Checkpoint.open(folder).manifest
    set_windows(folder, window_slope=0.25, overlap=None)
    second = Checkpoint.open(folder).manifest
    assert second == first.model_copy(update={"window_slope": 0.25})


def test_impossible_windows_are_refused_and_nothing_is_written(folder):
    before = (folder / "guard.json").read_bytes()
    with pytest.raises(ConfigError, match="more than half of max_length"):
        set_windows(folder, overlap=100_000)
    assert (folder / "guard.json").read_bytes() == before


def test_the_command_prints_what_holds(folder):
    result = CliRunner().invoke(app, ["windows", str(folder), "--close-length", "0", "--slope", "0.5", "--most", "2"])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.output)
    assert (printed["close_length"], printed["window_slope"], printed["window_most"]) == (0, 0.5, 2.0)
