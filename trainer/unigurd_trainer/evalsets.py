"""Evaluation sets: what was held out, as episodes; deterministic, bounded, without a text that trains."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from unigurd_sdk.policy import Policy
from unigurd_trainer.bank import Bank
from unigurd_trainer.compose import Composer, ComposeSettings
from unigurd_trainer.corpus import OFF_TOPIC_SOURCES, Corpus
from unigurd_trainer.holdout import Holdout
from unigurd_trainer.leakage import is_test_split
from unigurd_trainer.mixture import public_example, trainable_intents, written_example
from unigurd_trainer.rows import CellKey, ConditionedRow, Episode, Example, IntentRow, PoolRow

__all__ = ["build_evaluation_sets", "evaluation_sets"]

COMPOSED_TEXTS = 8
"""Texts per composed policy: few, so that many policies are measured."""

MOST_TEXTS = 64
"""Texts per episode of public rows at most; one policy has several episodes."""


def evaluation_sets(
    data: Path, holdout: Holdout | None = None, seed: int = 0, *, max_rows: int = 2000
) -> dict[str, list[Episode]]:
    """Read a data folder and return its evaluation sets; see `build_evaluation_sets`."""
    corpus = Corpus.read(data)
    return build_evaluation_sets(corpus, holdout or corpus.holdout, seed, max_rows=max_rows)


def build_evaluation_sets(
    corpus: Corpus, holdout: Holdout, seed: int = 0, *, max_rows: int = 2000
) -> dict[str, list[Episode]]:
    """Return the evaluation sets by name, each of at most ``max_rows`` texts (whole episodes).

    ``gip-unseen-policy``: new policies from intents that train, with official test texts.
    ``gip-unseen-intent`` and ``gip-unseen-domain``: policies about held-out intents and domains.
    ``sdg-dev``: dev rows of written policies that train. ``sdg-unseen``: written policies that do not.
    ``pool-dev/<policy>``: dev rows of public data.
    """
    seen, unseen = _split_written(corpus.conditioned, holdout)
    sets = {
        "gip-unseen-policy": _composed(corpus, holdout, holdout.train_cells, seed, max_rows),
        "gip-unseen-intent": _composed(corpus, holdout, holdout.intent_cells, seed, max_rows),
        "gip-unseen-domain": _composed(corpus, holdout, holdout.domain_cells, seed, max_rows),
        "sdg-dev": _written(seen, corpus.policies, seed, max_rows),
        "sdg-unseen": _written(unseen, corpus.policies, seed, max_rows),
    }
    dev = [row for row in corpus.pool if row.split != "train"]
    for name in sorted({row.policy for row in dev if row.policy}):
        rows = [row for row in dev if row.policy == name]
        sets[f"pool-dev/{name}"] = _public(rows, corpus.policies[name], seed, max_rows)
    return sets


def _composed(corpus: Corpus, holdout: Holdout, focus: frozenset[CellKey], seed: int, max_rows: int) -> list[Episode]:
    """Compose policies whose closed side is in ``focus``, with texts that do not train."""
    known = {row.text for row in trainable_intents(corpus.intents, holdout)}
    held = holdout.intent_cells | holdout.domain_cells | holdout.shadow_cells
    official = {row.key for row in corpus.intents if is_test_split(row.split)}
    texts = [
        row
        for row in corpus.intents
        if row.text not in known and (is_test_split(row.split) or (row.key in held and row.key not in official))
    ]
    chat: list[PoolRow | IntentRow] = [row for row in corpus.pool if row.split != "train" and row.label is None]
    chat += [row for row in texts if row.source in OFF_TOPIC_SOURCES]
    trained = {row.key for row in corpus.intents if not is_test_split(row.split)}
    seen_only = focus == holdout.train_cells
    closed = focus & trained if seen_only else focus
    cells = [cell for cell in corpus.behaviours if not seen_only or cell.key in closed]
    settings = ComposeSettings(texts=COMPOSED_TEXTS, augment=0.0)
    bank = Bank(cells, texts, chat, focus=closed)
    composer = Composer(bank, corpus.skeletons, seed=seed + 1_000_003, settings=settings)
    return list(composer.compose(max_rows // settings.texts))


def _split_written(
    rows: Iterable[ConditionedRow], holdout: Holdout
) -> tuple[list[ConditionedRow], list[ConditionedRow]]:
    seen, unseen = [], []
    for row in rows:
        if row.policy in holdout.policies:
            unseen.append(row)
        elif row.split != "train":
            seen.append(row)
    return seen, unseen


def _written(rows: Iterable[ConditionedRow], policies: Mapping[str, Policy], seed: int, max_rows: int) -> list[Episode]:
    by_policy: defaultdict[str, list[Example]] = defaultdict(list)
    for row in rows:
        by_policy[row.policy].append(written_example(row))
    episodes = [Episode(policies[name], tuple(rows), "conditioned") for name, rows in sorted(by_policy.items())]
    return _bounded(episodes, seed, max_rows)


def _public(rows: Sequence[PoolRow], policy: Policy, seed: int, max_rows: int) -> list[Episode]:
    chosen = random.Random(f"public:{seed}:{policy.name}").sample(rows, min(max_rows, len(rows)))
    examples = tuple(public_example(row) for row in chosen)
    return [Episode(policy, examples[at : at + MOST_TEXTS], "pool") for at in range(0, len(examples), MOST_TEXTS)]


def _bounded(episodes: list[Episode], seed: int, max_rows: int) -> list[Episode]:
    """Return episodes in a fixed random order as long as they fit."""
    random.Random(f"bounded:{seed}").shuffle(episodes)
    kept, total = [], 0
    for episode in episodes:
        if total + len(episode.examples) <= max_rows:
            kept.append(episode)
            total += len(episode.examples)
    return kept
