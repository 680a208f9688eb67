"""The generator `offline`: silver data for a new policy from packaged texts, without an LLM.

Texts near a behaviour take its label, near siblings and off-topic texts are the hard and easy ones of the other side,
and a guard gives a second opinion. Where no packaged text is near a behaviour, requests are made of its own words, and
the statistics say so.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from math import ceil
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from unigurd_sdk.policy import Policy
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.sdg import packaged
from unigurd_trainer.sdg.choosing import Choice, choose_listed, choose_siblings
from unigurd_trainer.sdg.coverage import Coverage, OfflineStatistics, coverage_of
from unigurd_trainer.sdg.dealing import Shares, deal
from unigurd_trainer.sdg.embedding import Embedder, EmbedderName, find_embedder
from unigurd_trainer.sdg.hooks import Request
from unigurd_trainer.sdg.matching import Matcher, Matches, cache_folder
from unigurd_trainer.sdg.packaged import Material
from unigurd_trainer.sdg.referee import GuardReferee, Referee
from unigurd_trainer.sdg.rendering import Renderer
from unigurd_trainer.sdg.samples import LABELS, Sample
from unigurd_trainer.sdg.shelves import Shelf, chat_of, shelves_of
from unigurd_trainer.sdg.targets import Target, Targets, targets_of

__all__ = ["OfflineGenerator", "OfflineOptions"]

OFF_TOPIC = 0.3
"""Greatest cosine of an off-topic text with any line."""

SURPLUS = 2.0
"""How many times the texts that are wanted go before the referee."""

FLOORS: Mapping[EmbedderName, float] = {"guard": 0.45, "minilm": 0.35}
"""Least nearness by embedder: where about as many unseen policies get data (`benchmarks/offline_sdg.py`)."""

MOST_SEEDS = 24
"""Examples of the policy that texts are looked for by."""

LEAST_DEPTH, DEPTH = 120, 8
"""Packaged texts looked at for each behaviour: at least, and for each text that is wanted of it."""


class OfflineOptions(BaseModel):
    """What users may set.

    Attributes:
        augment: Share of the texts whose form is changed.
        floor: Least nearness of a text to a behaviour; None is what suits the embedder (`FLOORS`).
        referee: Share of the candidates of each label that are dropped, those that the guard agrees with least;
            half of it where candidates are scarce; 0 asks no guard.
        agreement: Least probability that the guard gives to a candidate's label; it goes where there is less.
        frames: Share of each behaviour's texts that are made of its own words, even where there are near texts.
        siblings: Where the policy says what unlisted texts are: share of that label's texts that are near the other.
        off_topic: Likewise, share of them that are about something else.
        embedder: Compares texts: ``guard`` is the bundled checkpoint; ``minilm`` (extras minilm and torch) its base
            encoder, whose cosines are lower.
        threads: CPU threads of embedder and guard; 0 is one per core. Decides nothing about the data.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    augment: float = Field(default=0.3, ge=0, le=1)
    floor: float | None = Field(default=None, ge=0, le=1)
    referee: float = Field(default=0.4, ge=0, lt=1)
    agreement: float = Field(default=0.6, ge=0, lt=1)
    frames: float = Field(default=0.1, ge=0, lt=1)
    siblings: float = Field(default=0.3, ge=0, le=1)
    off_topic: float = Field(default=0.2, ge=0, le=1)
    embedder: EmbedderName = "guard"
    threads: int = Field(default=0, ge=0)

    @property
    def least_nearness(self) -> float:
        """The floor that was asked for, or that of the embedder."""
        return FLOORS[self.embedder] if self.floor is None else self.floor


class OfflineGenerator:
    """Makes silver samples from the packaged material.

    Args:
        material: Texts to draw from; the packaged ones by default.
        embedder: Compares texts; that of the bundled checkpoint by default.
        referee: Gives the second opinion; the bundled guard by default.
        cache: Folder for vectors of the material; by default the user's cache.

    Attributes:
        statistics: The account of the latest run.
    """

    name = "offline"

    def __init__(
        self,
        material: Material | None = None,
        embedder: Embedder | None = None,
        referee: Referee | None = None,
        cache: Path | None = None,
    ) -> None:
        self._given, self._given_embedder, self._given_referee = material, embedder, referee
        self._cache, self._threads = cache, 0
        self._embedder: EmbedderName = "guard"
        self._matchers: dict[str, Matcher] = {}
        self.statistics = OfflineStatistics()

    def generate(self, request: Request) -> Iterator[Sample]:
        """Yield samples, half of them unsafe, in random order.

        Raises:
            RecipeError: The policy names no behaviour, no behaviour is near the packaged texts (and there are no
                examples), or the options are not `OfflineOptions`.
        """
        options, policy, half = _options(request), request.policy, ceil(request.count / 2)
        self._threads, self._embedder = options.threads, options.embedder
        rng = random.Random(f"offline:{request.seed}:{policy.fingerprint}")
        targets = targets_of(policy)
        candidates = self._candidates(policy, targets, options, half, rng)
        shares = Shares(options.frames, options.siblings, options.off_topic)
        renderer = Renderer(policy, self._material.version, options.augment)
        dealt = deal(policy, targets, candidates, shares, half, rng)[: request.count]
        _require_both(policy, candidates, dealt)
        for choice in dealt:
            sample = renderer.render(choice, rng)
            self.statistics.count(sample, choice.kind)
            yield sample
        self.statistics.close(request.count)

    @cached_property
    def _material(self) -> Material:
        return self._given or packaged.bundled()

    @cached_property
    def _shelves(self) -> tuple[Shelf, ...]:
        return shelves_of(self._material)

    @property
    def _matcher(self) -> Matcher:
        if self._embedder not in self._matchers:
            embedder = self._given_embedder or find_embedder(self._embedder, threads=self._threads or None)
            self._matchers[self._embedder] = Matcher(self._shelves, embedder, self._cache or cache_folder())
        return self._matchers[self._embedder]

    @cached_property
    def _referee(self) -> Referee:
        return self._given_referee or GuardReferee(threads=self._threads or None)

    def _candidates(
        self, policy: Policy, targets: Targets, options: OfflineOptions, half: int, rng: random.Random
    ) -> list[Choice]:
        depth = max(LEAST_DEPTH, DEPTH * half // len(targets.lines))
        seeded = Targets((*targets.lines, *_seeds(policy, targets, rng)), targets.unlisted)
        matches = self._matcher.match([target.line for target in seeded.lines], depth)
        listed = self._at_home(targets, choose_listed(seeded, matches, self._shelves, options.least_nearness))
        self.statistics = OfflineStatistics(_coverage(targets, matches, listed))
        _require_near(policy, self.statistics)
        chosen = [*chain.from_iterable(listed.values())]
        siblings = choose_siblings(seeded, matches, self._shelves, chosen, rng)
        most = ceil(SURPLUS * half)
        pools = [*listed.values(), siblings, self._off_topic(targets, most, rng)]
        candidates = [choice for pool in pools for choice in pool[:most]]
        return self._approved(policy, candidates, half, options)

    def _at_home(self, targets: Targets, chosen: dict[Target, list[Choice]]) -> dict[Target, list[Choice]]:
        """Give what was found by an example to the nearest behaviour of its side; nearest texts come first."""
        homes = {target: [*chosen[target]] for target in targets.lines}
        for seed in (target for target in chosen if target not in homes):
            side = [target for target in targets.lines if target.label == seed.label]
            cosines = self._matcher.cosines([seed.line], [target.line for target in side])
            home = side[int(cosines.argmax())]
            homes[home] += [replace(choice, target=home) for choice in chosen[seed]]
        return {target: sorted(found, key=lambda choice: -choice.nearness) for target, found in homes.items()}

    def _off_topic(self, targets: Targets, most: int, rng: random.Random) -> list[Choice]:
        """Draw texts that are about none of the lines, where the policy says what they are."""
        chat = chat_of(self._material)
        if targets.unlisted is None or not chat:
            return []
        drawn = rng.sample(chat, min(len(chat), 2 * most))
        cosines = self._matcher.cosines([row.text for row in drawn], [target.line for target in targets.lines])
        return [
            Choice(text, targets.unlisted, None, float(near), "off topic")
            for text, near in zip(drawn, cosines.max(axis=1), strict=True)
            if near < OFF_TOPIC
        ]

    def _approved(self, policy: Policy, candidates: list[Choice], half: int, options: OfflineOptions) -> list[Choice]:
        """Drop the candidates of each label that the referee agrees with least, and note how far it agrees.

        Where there are no more candidates than are wanted, only half as many go, and those that it takes for the other
        label, or is not sure of.
        """
        share = options.referee
        if not share or not candidates:
            return [replace(choice, confidence=choice.nearness or 0.5) for choice in candidates]
        scores = self._referee.scores([choice.text.text for choice in candidates], policy)
        labels = np.array([choice.label for choice in candidates])
        agreement = np.where(labels == 1, scores, 1 - scores)
        bars = {}
        for label in set(labels.tolist()):
            own = agreement[labels == label]
            least = np.quantile(own, min(share, max(share / 2, 1 - half / len(own))))
            bars[label] = max(least, options.agreement)
        approved = [
            replace(choice, confidence=float(agrees))
            for choice, agrees in zip(candidates, agreement, strict=True)
            if agrees >= bars[choice.label]
        ]
        self.statistics.agreed = Counter(choice.target.line for choice in approved if choice.target)
        self.statistics.doubted = len(candidates) - len(approved)
        return approved


def _options(request: Request) -> OfflineOptions:
    options = request.options or OfflineOptions()
    if not isinstance(options, OfflineOptions):
        raise RecipeError(f"The generator 'offline' takes OfflineOptions, not {type(options).__name__}.")
    return options


def _seeds(policy: Policy, targets: Targets, rng: random.Random) -> list[Target]:
    """Return examples to match by, as if they were lines; some of them if there are many."""
    labels = {target.label for target in targets.lines}
    seeds = [Target(example.text, LABELS.index(example.label)) for example in policy.examples]
    seeds = [*dict.fromkeys(seed for seed in seeds if seed.label in labels and seed not in targets.lines)]
    return rng.sample(seeds, min(len(seeds), MOST_SEEDS))


def _coverage(targets: Targets, matches: Matches, listed: dict[Target, list[Choice]]) -> tuple[Coverage, ...]:
    return tuple(
        coverage_of(target, len(listed[target]), float(matches.near[:, at].max(initial=0.0)), wording, similarity)
        for at, (target, wording, similarity) in enumerate(
            zip(targets.lines, matches.nearest, matches.shelf_near.max(axis=0).tolist(), strict=False)
        )
    )


def _require_both(policy: Policy, candidates: Sequence[Choice], dealt: Sequence[Choice]) -> None:
    if not dealt:
        labels = {choice.label for choice in candidates}
        missing = " and ".join(name for label, name in enumerate(LABELS) if label not in labels) or "either"
        raise RecipeError(
            f"The policy {policy.name!r} leaves no {missing} texts to choose from; list what is allowed as "
            "well as what is disallowed, or add examples of both."
        )


def _require_near(policy: Policy, statistics: OfflineStatistics) -> None:
    if policy.examples or any(row.covered for row in statistics.coverage):
        return
    raise RecipeError(
        f"No packaged text is near what the policy {policy.name!r} lists: {'; '.join(map(str, statistics.coverage))}. "
        "Let an LLM write the data (--endpoint), or add examples to the policy."
    )
