"""Parity with mergekit on a part of the reference; `benchmarks/merging_parity.py` made it, and checks the whole."""

import importlib.util
import sys
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("torch")

HERE = Path(__file__).resolve().parent
SCRIPT = HERE.parents[2] / "benchmarks" / "merging_parity.py"


@pytest.fixture(scope="module")
def parity():
    spec = importlib.util.spec_from_file_location("merging_parity", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def reference():
    with np.load(HERE / "parity.npz") as arrays:
        return dict(arrays)


def test_every_method_gives_what_mergekit_gives(parity, reference):
    rows = parity.compare(reference)
    assert {row["job"] for row in rows} == {key.split("/")[1] for key in reference if key.startswith("out/")}
    assert [row for row in rows if not row["within"]] == []


def test_a_difference_is_noticed(parity, reference):
    name = "encoder.layer.0.output.dense.bias"
    changed = {key: array.copy() for key, array in reference.items()}
    for job in parity.JOBS:
        changed[f"out/{job}/{name}"][:5] += 1e-3
    drawn = {key: array * 1.1 if key.startswith("out/dare") else array for key, array in changed.items()}
    assert not any(row["within"] for row in parity.compare(drawn))


def test_the_extract_is_small(parity, reference):
    assert (HERE / "parity.npz").stat().st_size < 500_000
    assert set(parity.extract(reference)) == set(reference)
