"""What each term of the pretraining loss costs, and how strong the perturbations are that Alice finds.

    python benchmarks/loss_terms.py --data DATA [--precision bf16 --precision fp32] [--start base --start uniguard]
        [--rounds 1] [--episodes 2] [--cost out.json] [--strength out.json]

Cost: CPU time of forward and backward of steps of the mixture, on one thread, over that of the plain loss on the same
step. A round has a step for every layer of the encoder, as `layers = "random"` draws each equally often. Strength: mean
losses in nats at the perturbation found, without dropout, of one search for both terms and of one search each.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import torch
import typer

from timing import report
from unigurd_trainer.batching import Batch
from unigurd_trainer.corpus import Corpus
from unigurd_trainer.feeding import Feed
from unigurd_trainer.gip import build, build_head, mixture_settings
from unigurd_trainer.losses.total import total_loss
from unigurd_trainer.objective import autocast
from unigurd_trainer.recipe import GipRecipe
from unigurd_trainer.starts import find_start
from unigurd_trainer.views import views_of

Losses = Mapping[str, Any]

TERMS: dict[str, Losses] = {
    "plain": {},
    "+ MLM": {"mlm": 0.1},
    "+ Alice": {"alice": 1.0},
    "+ Alice, two searches": {"alice": 1.0, "perturbation": {"shared": False}},
    "+ Alice, label term only": {"alice": 1.0, "perturbation": {"virtual": 0.0}},
    "+ Alice, virtual term only": {"alice": 1.0, "perturbation": {"label": "off"}},
}
SEARCHES: dict[str, Losses] = {
    f"{name}, {steps} step{'s' * (steps > 1)}": {"shared": shared, "ascent": steps}
    for name, shared in (("one search", True), ("two searches", False))
    for steps in (1, 3)
}


def main(
    data: Annotated[Path, typer.Option(envvar="UNIGURD_DATA", help="Data folder.")],
    precision: Annotated[list[str], typer.Option(help="bf16 or fp32; repeatable.")] = ["bf16", "fp32"],  # noqa: B006
    start: Annotated[list[str], typer.Option(help="base, or a checkpoint; repeatable.")] = ["base", "uniguard"],  # noqa: B006
    rounds: Annotated[int, typer.Option(help="Steps at each layer.")] = 1,
    episodes: Annotated[int, typer.Option(help="Episodes of about 16 texts a step.")] = 2,
    cost: Annotated[Path | None, typer.Option(help="Also write the table of costs to this file.")] = None,
    strength: Annotated[Path | None, typer.Option(help="Also write the table of strengths to this file.")] = None,
) -> None:
    """Measure both."""
    torch.set_num_threads(1)
    steps = list(read_steps(data, rounds, episodes))
    report("CPU time of a step over that of the plain loss", [costs(steps, each) for each in precision], cost)
    report("Losses at the perturbation", [row for name in start for row in strengths(steps, name)], strength)


def recipe(loss: Losses, precision: str = "fp32", layer: int = 0) -> GipRecipe:
    """A recipe with this loss, at one layer."""
    values: dict[str, Any] = {"name": "terms", "steps": 1, "optim": {"precision": precision}}
    perturbation = {"layers": [layer], **loss.get("perturbation", {})}
    return GipRecipe.model_validate(values | {"loss": {**loss, "perturbation": perturbation}})


def read_steps(data: Path, rounds: int, episodes: int) -> Iterator[Batch]:
    """Collate steps of the mixture, with masked rows."""
    settings = recipe({"mlm": 0.1})
    model, collate = build(settings)
    mixture = Corpus.read(data).mixture(seed=settings.seed, **mixture_settings(settings.data))
    views = views_of(settings, collate, model.config.encoder.positions)
    feed = Feed(mixture, collate, episodes, views=views)
    for number in range(rounds * model.config.encoder.num_hidden_layers):
        (batch,) = feed[number]
        yield batch


def costs(steps: Sequence[Batch], precision: str) -> dict[str, Any]:
    """Ratios to the plain loss, over all steps."""
    model, _ = build(recipe({}))
    head = build_head(recipe({"mlm": 0.1}), model)
    seconds = dict.fromkeys(TERMS, 0.0)
    for number, batch in enumerate(steps):
        for name, loss in TERMS.items():
            settings = recipe(loss, precision, number % model.config.encoder.num_hidden_layers)
            seen = batch if "mlm" in loss else replace(batch, masked=None)
            begin = time.process_time()
            with autocast(precision):
                losses = total_loss(model.train(), head, seen, settings, number)
            model.zero_grad()
            losses.total.backward()  # type: ignore[no-untyped-call]
            seconds[name] += time.process_time() - begin
    return {"precision": precision} | {name: taken / seconds["plain"] for name, taken in seconds.items()}


def strengths(steps: Sequence[Batch], start: str) -> Iterator[dict[str, Any]]:
    """Mean clean, label and virtual loss by search, over all steps."""
    model = find_start(start).model.eval()
    for name, perturbation in SEARCHES.items():
        rows = []
        for number, batch in enumerate(steps):
            layer = number % model.config.encoder.num_hidden_layers
            settings = recipe({"alice": 1.0, "perturbation": perturbation}, layer=layer)
            losses = total_loss(model, None, replace(batch, masked=None), settings, number)
            rows.append((losses.verdict, losses.others["alice_label"], losses.others["alice_virtual"]))
        clean, label, virtual = (f"{mean(column):.4f}" for column in zip(*rows, strict=True))
        yield {"start": start, "search": name, "clean": clean, "label": label, "virtual": virtual}


if __name__ == "__main__":
    typer.run(main)
