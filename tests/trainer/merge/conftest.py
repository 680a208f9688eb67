"""Runs and checkpoints in miniature to merge: alike but for their weights."""

from __future__ import annotations

import json
from typing import Any

import pytest


def perturbed(model, seed):
    """Change every weight of a model, the more the larger they are."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return model


@pytest.fixture
def make_run(tiny_recipe, tmp_path):
    """Write the folder of a finished run: `make_run(seed, name=..., model={...})`."""

    def make(seed, name=None, **changes):
        from safetensors.torch import save_file

        from unigurd_trainer.gip import build

        recipe, folder = tiny_recipe(**changes), tmp_path / (name or f"run-{seed}")
        model, _ = build(recipe)
        folder.mkdir()
        save_file(perturbed(model, seed).state_dict(), folder / "best.safetensors")
        progress = {
            "examples": 100 * seed,
            "tokens": 1000,
            "seconds": 2.0,
            "cpu_seconds": 3.0,
            "scores": {"a/auc": 0.5},
        }
        result = {"recipe_hash": "r", "data_hash": f"d{seed}", "seed": seed, "versions": {}, "progress": progress}
        (folder / "recipe.json").write_text(recipe.model_dump_json(), encoding="utf-8")
        (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
        return folder

    return make


@pytest.fixture(scope="session")
def make_guard(make_model, tiny_tokenizer_file, tmp_path_factory):
    """Write a checkpoint for torch, made once each: `make_guard(seed, int8=True)`."""
    made: dict[tuple[int, bool], Any] = {}

    def make(seed, *, int8=False):
        from safetensors.torch import save_file

        from unigurd_sdk.checkpoint import write_manifest
        from unigurd_sdk.manifest import Manifest
        from unigurd_sdk.nn.weights import pack

        if (seed, int8) in made:
            return made[seed, int8]
        folder = made[seed, int8] = tmp_path_factory.mktemp("guard")
        model = perturbed(make_model(trained=True), seed)
        save_file(quantised(pack(model)) if int8 else pack(model), folder / "model.safetensors")
        (folder / "tokenizer.json").write_bytes(tiny_tokenizer_file.read_bytes())
        manifest = Manifest(
            name=f"guard-{seed}", interaction="lines-read", base_model="none", base_licence="MIT",
            max_length=32, line_length=16, overlap=8, temperature=1.5, thresholds={"tax": 0.4},
            sources=(f"source-{seed}: MIT",), examples_seen=100 * seed, trained_seconds=1.0, data_hash=f"d{seed}",
            scores={"dev": {"auc": 0.9}}, weights={"torch": "model.safetensors"}, config=model.config.flat(),
        )  # fmt: skip
        write_manifest(folder, manifest)
        return folder

    return make


def quantised(packed):
    """Store the encoder's matrices as int8, with a scale for each column, and that of words for each row."""
    stored = {}
    for name, tensor in packed.items():
        if tensor.ndim < 2 or name.startswith("head."):
            stored[name] = tensor
            continue
        scale = tensor.abs().amax(1 if "embeddings" in name else 0, keepdim=True) / 127
        stored |= {name: (tensor / scale).round().char(), f"{name}_scale": scale}
    return stored
