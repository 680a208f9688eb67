"""Urn: public rows drawn at random under their fixed policy, balanced by label and tempered by source."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from unigurd_trainer.rows import PoolRow

__all__ = ["Urn"]

MINORITY = 0.05
"""Least share of the rarer label that a language must have; else the language would give the label away."""

TEMPER = 0.7
"""Exponent of the size of a source: below one, small sources are drawn more often than their size asks."""

INSTRUCTIONS = frozenset(
    {"gpteacher", "ifeval_prompts", "mt_bench_vicuna", "oasst_eval_prompts", "self_instruct", "ultrachat_prompts"}
)
"""Sources of ordinary instructions, safe under their own policy and presumed safe, like chat, under the others."""


class Urn:
    """Labelled rows by policy and label, and chat: unlabelled rows and ordinary instructions.

    Rows are left out where their language has (nearly) only one label under their policy.

    Args:
        rows: The rows.
    """

    def __init__(self, rows: Iterable[PoolRow]) -> None:
        self._rows: defaultdict[tuple[str, int], defaultdict[str, list[PoolRow]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self.chat: list[PoolRow] = []
        rows = tuple(rows)
        telling = _telling_languages(rows)
        for row in rows:
            if row.label is None or (row.label == 0 and row.source in INSTRUCTIONS):
                self.chat.append(row)
            if row.label is not None and (row.policy, row.lang) not in telling:
                self._rows[row.policy, row.label][row.source].append(row)

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of the policies that have rows, sorted."""
        return tuple(sorted({policy for policy, _ in self._rows}))

    def draw(self, rng: random.Random, policy: str, label: int, count: int) -> list[PoolRow]:
        """Return up to ``count`` distinct rows; none if the policy has no rows of this label."""
        by_source = self._rows.get((policy, label))
        if not by_source:
            return []
        sources = tuple(by_source)
        weights = [len(by_source[source]) ** TEMPER for source in sources]
        drawn = {}
        for source in rng.choices(sources, weights, k=count):
            row = rng.choice(by_source[source])
            drawn[row.text] = row
        return list(drawn.values())

    def draw_chat(self, rng: random.Random, count: int) -> list[PoolRow]:
        """Return up to ``count`` distinct chat rows."""
        return rng.sample(self.chat, min(count, len(self.chat)))

    def describe(self) -> Mapping[str, int]:
        """Return the number of rows by policy and label, and of chat."""
        counts = {
            f"pool/{policy}/{'unsafe' if label else 'safe'}": sum(map(len, by_source.values()))
            for (policy, label), by_source in sorted(self._rows.items())
        }
        return counts | {"pool/chat": len(self.chat)}


def _telling_languages(rows: Sequence[PoolRow]) -> frozenset[tuple[str, str]]:
    """Return the (policy, language) pairs whose rows nearly all have one label, English excepted."""
    counts = Counter((row.policy, row.lang, row.label) for row in rows)
    pairs = {(row.policy, row.lang) for row in rows if row.lang != "en"}
    shares = {(name, lang): (counts[name, lang, 0], counts[name, lang, 1]) for name, lang in pairs}
    return frozenset(pair for pair, both in shares.items() if min(both) < MINORITY * sum(both))
