"""The three tiers over any rows: which to keep, which to drop and for which, and which pairs a person should see.

    outcome = deduplicate([of_sample(sample) for sample in samples], embedder=GuardEmbedder.bundled())
    kept = [sample for sample, keep in zip(samples, outcome.keeps, strict=True) if keep]

The rows are ordered by confidence, then id. Duplicates of one label form components, over all tiers, and the first
row of each is kept, so that the outcome does not depend on the order in which rows come. (Nearly: an embedder may
round differently in other company, which can move a pair that stands exactly on `tau`.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.errors import ConfigError
from unigurd_trainer.dedup.components import Nodes
from unigurd_trainer.dedup.entry import Entry
from unigurd_trainer.dedup.greedy import BATCH, greedy
from unigurd_trainer.dedup.lexical import THRESHOLD
from unigurd_trainer.dedup.links import TIERS, Links, Pairs
from unigurd_trainer.dedup.reading import Reading
from unigurd_trainer.dedup.semantic import REVIEW, TAU, Vectors, alike, alike_across, checked
from unigurd_trainer.errors import DataError
from unigurd_trainer.sdg.embedding import Embedder

__all__ = ["Drop", "Options", "Outcome", "Review", "deduplicate"]

_EMBEDDED = 1024  # texts handed to the embedder at once
EXACT_TIER, LEXICAL_TIER, SEMANTIC_TIER = range(len(TIERS))


@dataclass(frozen=True, slots=True)
class Options:
    """How alike is too alike.

    Attributes:
        jaccard: Least similarity of the word 3-grams of lexical duplicates.
        tau: Least cosine of semantic duplicates.
        review: Least cosine of two texts of different labels that a person should see.
        greedy: Whether the semantic tier is the paper's greedy one, in mini-batches of `batch`.
    """

    jaccard: float = THRESHOLD
    tau: float = TAU
    review: float = REVIEW
    greedy: bool = False
    batch: int = BATCH

    def __post_init__(self) -> None:
        for name in ("jaccard", "tau", "review"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"{name} must be above 0 and at most 1, not {getattr(self, name)}.")
        if self.batch < 2:
            raise ConfigError(f"batch must be at least 2, not {self.batch}.")


@dataclass(frozen=True, slots=True)
class Drop:
    """A row that is dropped: its number in input order and its id, the tier that says so, and what is kept for it."""

    row: int
    id: str
    tier: str
    kept_row: int
    kept: str


@dataclass(frozen=True, slots=True)
class Review:
    """Two kept rows of different labels that are alike: a wrong label, or a fine line."""

    rows: tuple[int, int]
    ids: tuple[str, str]
    tier: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to become of N rows.

    Attributes:
        ids: The rows' ids, in input order.
        owner: [N] the number of the row that is kept for this one; its own if it is kept.
        tier: [N] index into `TIERS` of the tier that dropped it; -1 if it is kept.
        reviews: What a person should see.
    """

    ids: tuple[str, ...]
    owner: Nodes
    tier: NDArray[np.int8]
    reviews: tuple[Review, ...]

    @property
    def keeps(self) -> NDArray[np.bool_]:
        """[N] whether a row is kept."""
        return np.asarray(self.tier < 0)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows there are, how many are kept, how many each tier drops, and how many pairs to review."""
        dropped = {tier: int((self.tier == number).sum()) for number, tier in enumerate(TIERS)}
        return {"rows": len(self.ids), "kept": int(self.keeps.sum()), **dropped, "review": len(self.reviews)}

    def drops(self) -> Iterator[Drop]:
        """Yield the dropped rows, in input order."""
        for row in np.flatnonzero(~self.keeps).tolist():
            owner = int(self.owner[row])
            yield Drop(row, self.ids[row], TIERS[self.tier[row]], owner, self.ids[owner])


def deduplicate(
    entries: Iterable[Entry], *, embedder: Embedder | None = None, options: Options | None = None
) -> Outcome:
    """Find the duplicates among rows.

    Args:
        entries: The rows; read twice if there is an embedder, so an iterator will not do. Texts are not held.
        embedder: Makes the vectors of the semantic tier; without one, there are the first two tiers only.
        options: How alike is too alike.

    Raises:
        ConfigError: `entries` is an iterator, or an option is out of range.
        DataError: `entries` differ at the second reading, or the embedder's vectors are not of length 1.
        MissingExtra: The extra `sdg` is not installed.
    """
    if isinstance(entries, Iterator):
        raise ConfigError("De-duplication reads its rows twice: give it a list, or an object that can be read again.")
    options = options or Options()
    reading = Reading(options.jaccard)
    reading.read(entries)
    order = reading.order()
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    links = Links(reading.labels[order])
    links.add(EXACT_TIER, reading.exact.pairs().of(rank))
    _link_lexical(links, reading, rank)
    if embedder is not None:
        _link_semantic(links, reading.scopes[order], _vectors(entries, rank, links, embedder), options)
    return _outcome(links, reading.ids, order, rank)


def _link_lexical(links: Links, reading: Reading, rank: Nodes) -> None:
    names = rank[reading.lexical_rows]

    def settled(left: Nodes, right: Nodes) -> NDArray[np.bool_]:
        return links.settled(names[left], names[right])

    for pairs in reading.lexical.pairs(names, settled):
        links.add(LEXICAL_TIER, pairs.of(names))


def _vectors(entries: Iterable[Entry], rank: Nodes, links: Links, embedder: Embedder) -> Vectors:
    """Embed the rows that are still kept: [kept, D], in order of rank."""
    place = np.cumsum(links.kept) - 1
    found: Vectors | None = None
    for ranks, texts in _kept_texts(entries, rank, links.kept):
        part = checked(embedder.embed(texts))
        if found is None:
            found = np.zeros((int(links.kept.sum()), part.shape[1]), np.float32)
        found[place[ranks]] = part
    return np.zeros((0, 1), np.float32) if found is None else found


def _kept_texts(entries: Iterable[Entry], rank: Nodes, kept: NDArray[np.bool_]) -> Iterator[tuple[Nodes, list[str]]]:
    ranks: list[int] = []
    texts: list[str] = []
    row = -1
    for row, entry in enumerate(entries):
        if row < len(rank) and kept[rank[row]]:
            ranks.append(rank[row])
            texts.append(entry.text)
        if len(texts) == _EMBEDDED:
            yield np.array(ranks, np.int64), texts
            ranks, texts = [], []
    if row + 1 != len(rank):
        raise DataError(f"{len(rank)} rows were read first and {row + 1} then; leave the data alone meanwhile")
    if texts:
        yield np.array(ranks, np.int64), texts


def _link_semantic(links: Links, scopes: Nodes, vectors: Vectors, options: Options) -> None:
    """Compare the kept rows of each scope, within each label and across labels."""
    ranks = np.flatnonzero(links.kept)
    labels, scopes = links.labels[ranks], scopes[ranks]
    by_scope = np.argsort(scopes, kind="stable")
    for members in np.split(by_scope, np.flatnonzero(np.diff(scopes[by_scope])) + 1):
        safe, unsafe = members[labels[members] == 0], members[labels[members] == 1]
        across = alike_across(vectors[safe], vectors[unsafe], options.review)
        for side in (safe, unsafe):
            links.add(SEMANTIC_TIER, _within(vectors[side], options).of(ranks[side]))
        links.add(SEMANTIC_TIER, Pairs(ranks[safe[across.left]], ranks[unsafe[across.right]], across.similarity))


def _within(vectors: Vectors, options: Options) -> Pairs:
    if not options.greedy:
        return alike(vectors, options.tau)
    owners = greedy(vectors, options.tau, batch=options.batch)
    dropped = np.flatnonzero(owners != np.arange(len(owners)))
    cosines = np.einsum("nd,nd->n", vectors[dropped], vectors[owners[dropped]])
    return Pairs(dropped, owners[dropped], cosines.astype(np.float64))


def _outcome(links: Links, ids: list[str], order: Nodes, rank: Nodes) -> Outcome:
    tiers, pairs = links.reviews()
    pairs = pairs.of(order)
    columns = (tiers.tolist(), pairs.left.tolist(), pairs.right.tolist(), pairs.similarity.tolist())
    reviews = tuple(
        Review((left, right), (ids[left], ids[right]), TIERS[tier], round(similarity, 4))
        for tier, left, right, similarity in zip(*columns, strict=True)
    )
    return Outcome(tuple(ids), order[links.components.roots[rank]], links.tier[rank], reviews)
