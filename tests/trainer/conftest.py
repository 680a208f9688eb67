"""Small things to train on, such as a recipe on the tiny base, episodes and a data folder; and a local server."""

from __future__ import annotations

import gzip
import importlib.util
import json
import random
import sys
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DOMAINS = {  # the last one is held out as a domain
    "home": "lamp door oven sofa window carpet kettle mirror".split(),
    "bank": "loan card account transfer cheque branch interest deposit".split(),
    "car": "brake wheel engine tyre horn clutch bonnet seat".split(),
    "travel": "hotel flight passport luggage visa ferry cruise airport".split(),
}
FRAMES = ("tell me about my {}", "{} please", "no {} now", "asking for {}", "my {} only", "about {}")
SKELETONS = (
    ("ban", "No {disallowed}.", {"disallowed": "semicolons"}, "allowed"),
    ("scope", "Only {allowed}.", {"allowed": "semicolons"}, "disallowed"),
    ("mixed", "Only {allowed}, no {disallowed}.", dict.fromkeys(("allowed", "disallowed"), "semicolons"), "allowed"),
)


def _load(name: str) -> ModuleType:
    """Import a module beside this file; test folders are no packages."""
    spec = importlib.util.spec_from_file_location(f"trainer_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def fake():
    """The module `fake_llm`: replies and how to make them."""
    return _load("fake_llm")


@pytest.fixture
def llm(fake, monkeypatch):
    """A local server that answers as OpenAI does."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = fake.FakeLlm()
    yield server
    server.close()


class Toy:
    """Episodes whose policy lists one word on each side; a text is about one of the two."""

    def __init__(self, texts=8, stop_at=None):
        self.texts, self.stop_at = texts, stop_at
        self.asked: list[int] = []

    def episode(self, index):
        from unigurd_sdk.policy import Policy
        from unigurd_trainer.rows import Episode, Example

        self.asked.append(index)
        if index == self.stop_at:
            raise KeyboardInterrupt
        rng = random.Random(f"toy:{index}")
        sides = rng.sample(DOMAINS["home"], 2)
        policy = Policy(name="toy", description="No such thing.", allowed=sides[:1], disallowed=sides[1:])
        labels = [n % 2 for n in range(self.texts)]
        rows = [Example(rng.choice(FRAMES).format(sides[x]), x, "toy", "MIT", matched=x) for x in labels]
        return Episode(policy, tuple(rows), "composed")


@pytest.fixture(scope="session")
def toy():
    return Toy


@pytest.fixture
def one_thread():
    """Sums of floats are the same every time on one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_recipe(tiny_base):
    """Build recipes: `tiny_recipe(steps=3, optim={...})` on a mapping of small defaults."""

    def make(**changes):
        from unigurd_trainer.recipe import GipRecipe

        values: dict[str, Any] = {
            "name": "tiny", "steps": 4, "episodes": 2, "validate_every": 100, "validation_rows": 32,
            "model": {"base": str(tiny_base), "head_size": 24, "policy_blocks": 1, "decision_blocks": 1},
            "data": {"texts": 8, "max_text": 32, "max_line": 16},
            "optim": {"precision": "fp32"},
        }  # fmt: skip
        for key, change in changes.items():
            values[key] = {**values[key], **change} if isinstance(values.get(key), dict) else change
        return GipRecipe.model_validate(values)

    return make


@pytest.fixture
def make_setup(tiny_recipe, tmp_path):
    """Build what `train` takes: `make_setup(out=..., source=..., validate=..., **recipe)`."""

    def make(out=None, source=None, validate=lambda model: {"score": 0.5}, **changes):
        from unigurd_trainer.feeding import Feed
        from unigurd_trainer.gip import build
        from unigurd_trainer.loop import Setup

        recipe = tiny_recipe(**changes)
        model, collate = build(recipe)
        return Setup(recipe, out or tmp_path / "out", model, Feed(source or Toy(), collate, recipe.episodes), validate)

    return make


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


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    """A data folder as its README describes it, with something for every evaluation set but no benchmark."""
    data = tmp_path_factory.mktemp("data")
    for name, rows in (
        ("gip/behaviours.jsonl", _behaviours()),
        ("intents/clinc150.jsonl.gz", _intents()),
        ("policies/written.jsonl", [{"name": n, "description": f"No {n}."} for n in ("tax", "vat", "hate")]),
        ("sdg/written.jsonl", _written()),
        ("pool/hate.jsonl.gz", _pool()),
    ):
        _write(data / name, rows)
    fields = {"forms": ["gerund", "noun", "clause", "bullet"], "min_items": 1, "max_items": 3}
    skeletons = [
        {"id": kind, "kind": kind, "text": text, "join": join, "unlisted": unlisted, **fields}
        for kind, text, join, unlisted in SKELETONS
    ]
    (data / "gip" / "skeletons.json").write_text(json.dumps({"skeletons": skeletons}), encoding="utf-8")
    return data


def _write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = gzip.open(path, "wt", encoding="utf-8") if path.suffix == ".gz" else path.open("w", encoding="utf-8")
    with opened as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def _behaviours():
    for domain, words in DOMAINS.items():
        for word in words:
            phrasings = [f"asking for {word}", word, f"my {word}", f"{word} now"]
            place = {"source": "clinc150", "domain": domain, "intent": word}
            yield place | {"behaviours": phrasings, "groups": [word], "topic": domain, "usable": True}


def _intents():
    for domain, words in DOMAINS.items():
        for word, frame, split in product(words, FRAMES, ("train", "test")):
            place = {"intent": word, "domain": domain, "source": "clinc150", "split": split}
            yield place | {"text": f"{frame.format(word)} {split}"}


def _written():
    for policy, seen in (("tax", "seen"), ("vat", "unseen")):
        for number, (word, label) in enumerate(product(DOMAINS["bank"] + DOMAINS["car"][:4], ("safe", "unsafe"))):
            row = {"policy": policy, "text": f"{('my', 'no')[label == 'safe']} {policy} {word}", "label": label}
            split = "dev" if number < 8 else "train"
            yield row | {"kind": "direct", "group": f"{policy}/{word}", "split": split, "policy_split": seen}


def _pool():
    kinds = (("unsafe", "hate", "hate"), ("safe", "hate", "kind"), ("", "", "zebra stripes"))
    words = [*DOMAINS["home"], *DOMAINS["travel"]]
    for split, (label, policy, opening), word in product(("train", "dev"), kinds, words):
        row = {"text": f"{opening} {word} {split}", "label": label, "policy": policy}
        yield row | {"category": "", "source": "toy", "lang": "en", "split": split}
