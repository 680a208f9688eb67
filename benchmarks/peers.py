"""A check beside other ways to judge one prompt in a process of one's own, by turns in one process.

    python benchmarks/peers.py [CHECKPOINT] [--tokens 32 128] [--threads 1] [--json out.json]

`pipeline` is transformers' pipeline for text classification on the same base encoder, in torch. It reads the prompt
alone, which is what a classifier for one fixed policy does, or policy and prompt as one sequence (the paper's form),
which is what a classifier for any policy has to do; `check` reads any policy at the price of the prompt.
`alt-profanity-check` is a linear model over words, `forcefield` has patterns and a small classifier of injections,
`nanoguard` (`metatronnanoguard` on PyPI) is a transformer of 17 M parameters for injections; where they are installed.

    python benchmarks/peers.py --data DATA

says instead what those that know injections find of 200 attacks, and how many benign texts they flag.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hostile_texts import attacks, reported
from latency import POLICY, text_of
from timing import LEAST_ROUNDS, interleaved, report
from unigurd_sdk import Guard
from unigurd_sdk.registry import builtin_policies
from unigurd_sdk.template import policy_lines

CHECK = "check"


def main() -> None:
    """Measure the median milliseconds of a verdict."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("checkpoint", nargs="?", type=Path, default=Path("unigurd_sdk/models/uniguard"))
    parser.add_argument("--tokens", nargs="+", type=int, default=[32, 128], help="lengths of the prompt")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS)
    parser.add_argument("--data", type=Path, help="the data folder: say what is found, not how fast")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    args = parser.parse_args()
    if args.data is not None:
        report("200 attacks found and benign texts flagged, %", found(args.checkpoint, args.data), args.json)
        return
    rows = [row for tokens in args.tokens for row in measure(args.checkpoint, tokens, args.threads, args.rounds)]
    report(f"One prompt, {args.threads} thread(s) (medians)", rows, args.json)


def measure(folder: Path, tokens: int, threads: int, rounds: int) -> list[dict[str, Any]]:
    """Measure everything that is installed on one prompt."""
    text = text_of(folder, tokens)
    with Guard.from_pretrained(folder, threads=threads, runtime="onnx") as guard:
        calls: dict[str, Callable[[], object]] = {
            CHECK: partial(guard.check, text, policy=POLICY),
            **pipelines(guard.checkpoint.manifest.base_model, text, threads),
            **{name: partial(ask, text) for name, ask in models().items()},
        }
        taken = interleaved(calls, rounds)
    return [{"": name, "tokens": tokens, "ms": ms, "check / it": ms / taken[CHECK]} for name, ms in taken.items()]


def pipelines(base: str, text: str, threads: int) -> Mapping[str, Callable[[], object]]:
    """Build the pipeline on the base encoder; its classifier is untrained, which costs the same."""
    if not find_spec("transformers") or not find_spec("torch"):
        return {}
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, logging, pipeline

    from unigurd_trainer.base import find_base

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(threads)
    source = find_base(base).folder
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=2)
    classify = pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(source))
    policy = "\n".join(line.text for line in policy_lines(builtin_policies()[POLICY]))
    return {
        "pipeline, prompt alone": partial(classify, text),
        "pipeline, policy and prompt": partial(classify, {"text": policy, "text_pair": text}, truncation=True),
    }


def models() -> dict[str, Callable[[str], bool]]:
    """Open the packages that are installed; each says whether it flags a text."""
    return {name: opening() for name, (module, opening) in MODELS.items() if find_spec(module)}


def profanity() -> Callable[[str], bool]:
    """A linear classifier of one fixed subject."""
    predict = import_module("profanity_check").predict
    return lambda text: bool(predict([text])[0])


def forcefield() -> Callable[[str], bool]:
    """Patterns, and a classifier that comes with them."""
    peer = import_module("forcefield").Guard()
    return lambda text: bool(peer.scan(text).blocked)


def nanoguard() -> Callable[[str], bool]:
    """A transformer for injections, in torch."""
    peer = import_module("nanoguard").NanoGuard(device="cpu")
    return lambda text: bool(peer.scan(text).is_injection)


MODELS: dict[str, tuple[str, Callable[[], Callable[[str], bool]]]] = {
    "alt-profanity-check": ("profanity_check", profanity),
    "forcefield": ("forcefield", forcefield),
    "nanoguard": ("nanoguard", nanoguard),
}
"""Packages that judge a prompt offline: what to import, and how to open them."""

INJECTIONS = ("forcefield", "nanoguard")
"""Those that know injections."""


def found(folder: Path, data: Path) -> list[dict[str, Any]]:
    """Say what each finds of attacks alone and flags of benign texts, in percent."""
    kinds = {"attacks": attacks(data, 200), **{kind: each[:200] for kind, each in reported(data).items()}}
    with Guard.from_pretrained(folder, runtime="onnx") as guard:
        asked = {CHECK: lambda text: guard.check(text, policy=POLICY).unsafe}
        asked |= {name: ask for name, ask in models().items() if name in INJECTIONS}
        return [
            {"": name} | {kind: 100 * sum(map(ask, texts)) / len(texts) for kind, texts in kinds.items()}
            for name, ask in asked.items()
        ]


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
