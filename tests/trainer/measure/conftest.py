"""A checkpoint that says the number it reads, and a data folder that is small and whole."""

from __future__ import annotations

import json

import numpy as np
import pytest

from unigurd_sdk.checkpoint import write_manifest
from unigurd_sdk.manifest import Manifest
from unigurd_sdk.registry import builtin_policies

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
GRADES = {f"{sign}{size}": (size if sign == "p" else -size) / 4 for sign in "mp" for size in range(1, 33)}
MARKERS = {"document": 20.0, "response": 40.0}
VOCABULARY = (*SPECIALS, *GRADES, *MARKERS, ":")
DOMAINS = ("home", "bank", "car", "travel")
SKELETONS = {
    "ban": ("No {disallowed}.", ["disallowed"], "allowed"),
    "scope": ("Only {allowed}.", ["allowed"], "disallowed"),
    "mixed": ("Yes {allowed}, no {disallowed}.", ["allowed", "disallowed"], "allowed"),
}


@pytest.fixture
def graded_checkpoint(tmp_path):
    """Logit = the sum of the words' grades ("p6" is 6/4, "m6" is -6/4), +20 for a document, +40 for a response."""
    folder = tmp_path / "graded"
    folder.mkdir()
    _write_tokenizer(folder / "tokenizer.json")
    _write_graphs(folder)
    manifest = Manifest(
        name="graded",
        interaction="none",
        base_model="none",
        base_licence="Apache-2.0",
        max_length=64,
        weights={"onnx": {"policy": "policy.onnx", "text": "text.onnx"}},
        state=("nothing",),
    )
    write_manifest(folder, manifest)
    return folder


@pytest.fixture
def data(tmp_path):
    """A data folder: unsafe rows say "p6" and safe rows "m6"; other words are there to differ only.

    Dev rows: 400 for hate from public data, 40 each for hate and tax that were written for them, and all 80 of vat,
    which is held out.
    """
    folder = tmp_path / "data"
    write_rows(folder / "policies/all.jsonl", [_policy(name) for name in ("hate", "tax", "vat")])
    pool = [
        {"text": _text(n, f"pool {split}"), "label": _label(n), "policy": "hate", "source": "s", "split": split}
        for split in ("train", "dev")
        for n in range(400)
    ]
    chat = [{"text": f"zebra {n}", "label": "", "policy": "", "source": "chat", "split": "dev"} for n in range(40)]
    write_rows(folder / "pool/all.jsonl", pool + chat)
    write_rows(
        folder / "sdg/all.jsonl",
        [
            {"policy": name, "text": _text(n, f"{name} {split}"), "label": _label(n), "split": split}
            | {"group": f"{name}/{split}/{n // 2}", "policy_split": seen}
            for name, seen in (("tax", "seen"), ("hate", "seen"), ("vat", "unseen"))
            for split in ("train", "dev")
            for n in range(40)
        ],
    )
    _write_intents(folder)
    return folder


def write_rows(file, rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _text(number, rest):
    return f"{'p' if number % 2 else 'm'}6 {rest} {number}"


def _label(number):
    return "unsafe" if number % 2 else "safe"


def _policy(name):
    shipped = builtin_policies().get(name)
    return {"name": name, "description": f"No {name}."} if shipped is None else shipped.model_dump(mode="json")


def _write_intents(folder):
    forms = ["gerund", "noun", "clause", "bullet"]
    cells = [(domain, f"{domain}-{number}") for domain in DOMAINS for number in range(8)]
    write_rows(
        folder / "gip/behaviours.jsonl",
        [
            {"source": "s", "domain": domain, "intent": name, "topic": domain, "groups": [name]}
            | {"behaviours": [f"{form} of {name}" for form in forms]}
            for domain, name in cells
        ],
    )
    write_rows(
        folder / "intents/all.jsonl",
        [
            {"text": f"{name} {split} {n}", "intent": name, "domain": domain, "source": "s", "split": split}
            for domain, name in cells
            for split in ("train", "test")
            for n in range(10)
        ],
    )
    skeletons = [
        {"id": kind, "kind": kind, "text": text, "join": dict.fromkeys(places, "semicolons"), "forms": forms}
        | {"min_items": 1, "max_items": 4, "unlisted": unlisted}
        for kind, (text, places, unlisted) in SKELETONS.items()
    ]
    (folder / "gip/skeletons.json").write_text(json.dumps({"skeletons": skeletons}), encoding="utf-8")


def _write_tokenizer(path):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = {token: index for index, token in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.save(str(path))


def _write_graphs(folder):
    from onnx import TensorProto, checker, helper, numpy_helper, save

    node, info, ids, real = helper.make_node, helper.make_tensor_value_info, TensorProto.INT64, TensorProto.FLOAT
    grades = np.array([{**GRADES, **MARKERS}.get(word, 0.0) for word in VOCABULARY], dtype=np.float32)
    constants = {"grades": grades, "one": np.array([1]), "last": np.array([-1])}
    tensors = {name: numpy_helper.from_array(value, name) for name, value in constants.items()}
    policy = [
        node("Cast", ["polarity"], ["real"], to=real),
        node("Unsqueeze", ["real", "last"], ["nothing"]),
    ]
    text = [
        node("Gather", ["grades", "input_ids"], ["found"]),
        node("Cast", ["attention_mask"], ["mask"], to=real),
        node("Mul", ["found", "mask"], ["kept"]),
        node("ReduceSum", ["kept", "one"], ["sums"], keepdims=1),
        node("ReduceMax", ["nothing_mask", "one"], ["ones"], keepdims=0),
        node("Mul", ["sums", "ones"], ["logits"]),
    ]
    line, batch = [info("polarity", ids, ["L"])], [info(n, ids, ["B", "T"]) for n in ("input_ids", "attention_mask")]
    state, mask = info("nothing", real, ["L", 1]), info("nothing_mask", real, ["K", "N"])
    graphs = {
        "policy": (policy, line, state, ("last",)),
        "text": (text, [*batch, mask], info("logits", real, ["B", "K"]), ("grades", "one")),
    }
    for name, (nodes, inputs, output, used) in graphs.items():
        graph = helper.make_graph(nodes, name, inputs, [output], [tensors[key] for key in used])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        checker.check_model(model)
        save(model, str(folder / f"{name}.onnx"))


@pytest.fixture
def make_judged():
    """Build answers: `make_judged(labels, scores, groups=..., policies=...)`; verdicts at .5 unless they are given."""
    from unigurd_trainer.measure.judged import Judged

    def make(labels, scores=None, *, flagged=None, groups=None, policies=None, languages=None, categories=None):
        size, said = len(labels), None if scores is None else np.asarray(scores, dtype=np.float64)
        names = (policies or ["p"] * size, languages or ["en"] * size, categories or [""] * size, groups or [""] * size)
        return Judged(
            np.asarray(labels, dtype=np.int64),
            np.asarray(flagged, dtype=bool) if said is None or flagged is not None else said >= 0.5,
            said,
            np.zeros(size, dtype=bool),
            np.full(size, np.nan),
            *(np.array(each, dtype=np.str_) for each in names),
        )

    return make
