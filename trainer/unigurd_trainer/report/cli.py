"""`unigurd-train data`: looks at data sets (`report`) and removes what repeats in them (`dedup`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from unigurd_sdk.policy import Policy
from unigurd_trainer.dedup.greedy import BATCH
from unigurd_trainer.dedup.lexical import THRESHOLD
from unigurd_trainer.dedup.semantic import REVIEW, TAU
from unigurd_trainer.report.measure import MOST, Scorer
from unigurd_trainer.row_files import SUFFIXES
from unigurd_trainer.sdg.embedding import Embedder

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Look at data sets and clean them.")
console = Console(stderr=True)

KINDS = ", ".join(f"*{suffix}" for suffix in SUFFIXES)
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 is one per core.")]
Semantic = Annotated[bool, typer.Option(help="Also compare meanings, with the encoder of the bundled guard.")]
Policies = Annotated[list[Path] | None, typer.Option("--policy", help="File of a policy that rows name; repeatable.")]


@app.command()
def report(
    places: Annotated[list[Path], typer.Argument(help=f"Folders and files ({KINDS}).", show_default=False)],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    card: Annotated[Path | None, typer.Option(help="Also write the card of the data set (Markdown).")] = None,
    json_: Annotated[Path | None, typer.Option("--json", help="Also write what was measured (JSON).")] = None,
    name: Annotated[str, typer.Option(help="Name of the data set; by default that of the first folder or file.")] = "",
    guard: Annotated[str | None, typer.Option(help="Trained guard whose disagreement hints at wrong labels.")] = None,
    policy: Policies = None,
    semantic: Semantic = True,
    texts: Annotated[bool, typer.Option(help="Show texts of the data in the report.")] = True,
    most: Annotated[int, typer.Option(min=1, help="Rows of the sample that models look at.")] = MOST,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    threads: Threads = 0,
) -> None:
    """Measure balance, lengths, languages, duplicates, shortcuts and label noise; write an HTML report."""
    from unigurd_trainer.report.card import card as write_card
    from unigurd_trainer.report.html import render
    from unigurd_trainer.report.measure import measure
    from unigurd_trainer.report.terminal import terminal

    policies = [Policy.from_file(path) for path in policy or ()]
    title = name or _stem(places[0].resolve().name)
    with console.status("measuring"):
        scorer = None if guard is None else _scorer(guard, policies, threads)
        measured = measure(places, embedder=_embedder(semantic, threads), scorer=scorer, most=most, seed=seed)
    out.write_text(render(measured, title=title, texts=texts), encoding="utf-8")
    if card is not None:
        card.write_text(write_card(measured, name=title, policies=policies), encoding="utf-8")
    if json_ is not None:
        json_.write_text(json.dumps(measured.to_dict(), indent=1) + "\n", encoding="utf-8")
    Console().print(terminal(measured))
    console.print(f"wrote {out}", highlight=False, markup=False)


@app.command()
def dedup(
    data: Annotated[Path, typer.Argument(metavar="IN", help=f"Folder or file ({KINDS}).")],
    out: Annotated[Path, typer.Argument(help="Folder to write; what was dropped and why is in OUT/dedup.")],
    tau: Annotated[float, typer.Option(help="Least cosine of semantic duplicates.")] = TAU,
    review: Annotated[
        float, typer.Option(help="Least cosine of texts of different labels to list for review.")
    ] = REVIEW,
    jaccard: Annotated[float, typer.Option(help="Least Jaccard similarity of lexical duplicates.")] = THRESHOLD,
    greedy: Annotated[bool, typer.Option(help="Compare meanings greedily in mini-batches, as in the paper.")] = False,
    batch: Annotated[int, typer.Option(help="Rows of such a mini-batch.")] = BATCH,
    semantic: Semantic = True,
    threads: Threads = 0,
) -> None:
    """Drop rows that repeat others; nearly equal texts with different labels are kept and listed for review."""
    from unigurd_trainer.dedup.files import run
    from unigurd_trainer.dedup.pipeline import Options

    options = Options(jaccard=jaccard, tau=tau, review=review, greedy=greedy, batch=batch)
    with console.status("comparing wordings") as status:

        def embedded(count: int) -> None:
            status.update(f"comparing meanings: {count:,} texts embedded")

        outcome = run([data], out, embedder=_watched(_embedder(semantic, threads), embedded), options=options)
    typer.echo(json.dumps(outcome.counts))
    if outcome.reviews:
        console.print(f"{len(outcome.reviews)} pairs to review: {out / 'dedup' / 'review.jsonl'}", markup=False)


def _stem(name: str) -> str:
    """Return the name of a file without what says its form."""
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def _embedder(semantic: bool, threads: int) -> Embedder | None:
    if not semantic:
        return None
    from unigurd_trainer.sdg.embedding import GuardEmbedder

    return GuardEmbedder.bundled(threads=threads or None)


@dataclass(slots=True)
class _Watched:
    """An embedder that says how many texts it has embedded."""

    embedder: Embedder
    observe: Callable[[int], None]
    count: int = 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        found = self.embedder.embed(texts)
        self.count += len(texts)
        self.observe(self.count)
        return found


def _watched(embedder: Embedder | None, observe: Callable[[int], None]) -> Embedder | None:
    return None if embedder is None else _Watched(embedder, observe)


def _scorer(name: str, policies: Sequence[Policy], threads: int) -> Scorer:
    from functools import partial

    from unigurd_sdk import Guard
    from unigurd_trainer.report.guarding import guard_scores

    return partial(
        guard_scores, Guard.from_pretrained(name, threads=threads or None, on_error="block"), policies=policies
    )
