"""New policies at scale (the paper has 251,000): composed offline, or written by whatever is called, without twins.

Policies are streamed to shards, with or without texts for each. Memory does not grow with the texts; it grows by less
than a kilobyte per policy, the signature that de-duplication compares by.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.policy import Policy
from unigurd_trainer.bank import Bank
from unigurd_trainer.compose import Composer, ComposeSettings
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.leakage import normalised
from unigurd_trainer.rows import Episode, Example
from unigurd_trainer.sdg.packaged import Material
from unigurd_trainer.sdg.samples import Control, Provenance, Sample, sample_id, to_record
from unigurd_trainer.sdg.shards import ShardWriter

__all__ = ["ComposedSource", "Novelty", "PolicySource", "TextSource", "write_policies"]

BANDS, ROWS_PER_BAND = 6, 5
"""MinHash of word 3-grams: texts of Jaccard .9 meet in a band with probability .995, of .8 with .91, of .5 with .17."""

ALIKE = 0.8
STALE = 1000
"""Proposals in a row that are nothing new, after which a source is taken to be exhausted."""


class PolicySource(Protocol):
    """Proposes policies."""

    def episode(self, index: int) -> Episode:
        """Return the proposal of this index, with texts or without; the same index gives the same one."""
        ...


class TextSource(Protocol):
    """Writes texts for policies that others proposed."""

    @property
    def ahead(self) -> int:
        """Policies whose texts are begun before those of the first are waited for."""
        ...

    def begin(self, policy: Policy) -> Callable[[], Sequence[Sample]]:
        """Begin to write the texts of a policy; what is returned waits for them."""
        ...


class ComposedSource:
    """Composes policies from the packaged intents and wordings.

    Args:
        material: What to compose from.
        texts: Labelled texts to draw for each policy.
        seed: Another seed composes others.

    Attributes:
        identity: What makes the policies.
    """

    def __init__(self, material: Material, *, texts: int = 16, seed: int = 0) -> None:
        chat = [row for row in material.pool if row.label is None]
        bank = Bank(material.behaviours, material.intents, chat)
        settings = ComposeSettings(texts=max(2, texts))
        self._composer = Composer(bank, material.skeletons, seed=seed, settings=settings)
        self._texts = texts
        self.identity = {"source": f"composed:{material.version}", "seed": str(seed), "texts": str(texts)}

    def episode(self, index: int) -> Episode:
        """Return the composed policy of this index and its texts."""
        episode = self._composer.episode(index)
        return episode if self._texts else Episode(episode.policy, (), episode.kind)


@dataclass(slots=True)
class Novelty:
    """Remembers policies by what the model reads of them, and says whether another one is new.

    Two are the same if their words are, or if the Jaccard similarity of their word 3-grams, estimated from 30
    hashes, is at least `alike`.
    """

    alike: float = ALIKE
    _exact: set[int] = field(default_factory=set)
    _signatures: list[NDArray[np.uint32]] = field(default_factory=list)
    _bands: dict[int, int] = field(default_factory=dict)

    def take(self, policy: Policy) -> bool:
        """Say whether a policy is new, and remember it if so."""
        text = normalised("\n".join((policy.description, *policy.allowed, "", *policy.disallowed)))
        key = _hash(text)
        if key in self._exact:
            return False
        self._exact.add(key)
        signature = _signature(text)
        bands = [hash((at, band.tobytes())) for at, band in enumerate(signature.reshape(BANDS, ROWS_PER_BAND))]
        met = {self._bands[band] for band in bands if band in self._bands}
        if any((signature == self._signatures[other]).mean() >= self.alike for other in met):
            return False
        self._bands.update(dict.fromkeys(bands, len(self._signatures)))
        self._signatures.append(signature)
        return True


def write_policies(
    source: PolicySource,
    count: int,
    folder: Path,
    *,
    texts: TextSource | None = None,
    known: Iterable[Policy] = (),
    identity: Mapping[str, str] | None = None,
    form: str = "jsonl",
    rows_per_shard: int = 5000,
    observe: Callable[[int], None] = lambda written: None,
) -> dict[str, Any]:
    """Write `count` new policies to `folder`/policies and their texts, if any, to `folder`/samples.

    An interrupted run goes on where the last complete shard ends: proposals before it are made again, for
    de-duplication, but not written again.

    Args:
        source: Proposes the policies.
        count: How many are wanted.
        folder: Where they go.
        texts: Writes texts for each policy; without one, the texts of the proposals are taken.
        known: Policies that are not new.
        identity: What the source is made of: name -> value. A folder with another identity is refused.
        form: ``jsonl`` or ``parquet``.
        rows_per_shard: Rows of a shard, at most.
        observe: Is told how many policies there are.

    Raises:
        RecipeError: The source has nothing new any more, or the folder is that of another source.
        TrainerError: The disk is full; what was written before is complete.
    """
    proposed = 0
    with (
        ShardWriter(folder / "policies", form=form, rows_per_shard=rows_per_shard) as policies,
        ShardWriter(folder / "samples", form=form, rows_per_shard=rows_per_shard) as samples,
    ):
        _require_same(policies, {"form": form, **(identity or {})}, folder)
        done, had, at = policies.index.rows, samples.index.rows, 0
        for number, draft in enumerate(_drafts(islice(_new(source, known), count), texts)):
            proposed = draft.index + 1
            if number >= done:
                policies.write(draft.policy.model_dump(mode="json"))
            for sample in draft.samples():
                if at >= had:
                    samples.write(to_record(sample))
                at += 1
            observe(number + 1)
    return {"policies": max(count, done), "samples": samples.index.rows, "proposed": proposed}


@dataclass(frozen=True, slots=True)
class _Draft:
    """A new policy, the index of its proposal, and its texts, which may have to be waited for."""

    policy: Policy
    index: int
    samples: Callable[[], Sequence[Sample]]


def _drafts(new: Iterable[tuple[Episode, int]], texts: TextSource | None) -> Iterator[_Draft]:
    """Yield policies with their texts; those of a few policies are begun ahead."""
    begun: deque[_Draft] = deque()
    for episode, index in new:
        samples = partial(_samples, episode) if texts is None else texts.begin(episode.policy)
        begun.append(_Draft(episode.policy, index, samples))
        if len(begun) > (texts.ahead if texts else 0):
            yield begun.popleft()
    yield from begun


def _new(source: PolicySource, known: Iterable[Policy]) -> Iterator[tuple[Episode, int]]:
    """Yield the new ones among all proposals, with their index."""
    novelty, index, last = Novelty(), 0, 0
    for policy in known:
        novelty.take(policy)
    while index - last < STALE:
        episode = source.episode(index)
        if novelty.take(episode.policy):
            last = index
            yield episode, index
        index += 1
    raise RecipeError(f"{STALE} proposals in a row brought no new policy; ask for fewer, or change the seed.")


def _require_same(writer: ShardWriter, identity: dict[str, str], folder: Path) -> None:
    """Note what the folder is made of, or refuse if it is of something else."""
    there: Mapping[str, str] = writer.state.setdefault("identity", identity)
    names = sorted(name for name in there.keys() | identity if there.get(name) != identity.get(name))
    if writer.index.rows and names:
        raise RecipeError(
            f"{folder} holds policies of a run with another {', '.join(names)}; "
            "choose another folder, or delete this one."
        )
    writer.state["identity"] = identity


def _samples(episode: Episode) -> list[Sample]:
    return [_sample(episode.policy, example) for example in episode.examples]


def _sample(policy: Policy, example: Example) -> Sample:
    lines = policy.allowed + policy.disallowed
    at = example.matched
    line = lines[at] if at is not None and at >= 0 else ""
    listed = "none" if not line else "allowed" if at is not None and at < len(policy.allowed) else "disallowed"
    side = "disallows" if example.label else "allows"
    rationale = f"The policy {side} this: {line}" if line else f"The policy {side} what is about none of its lines."
    return Sample(
        policy=policy.name,
        text=example.text,
        label=example.label,
        rationale=rationale if lines else "Follows from the description of the policy.",
        provenance=Provenance("composed", source=example.source, licence=example.licence),
        control=Control(behaviour=line, listed=listed),
        group=sample_id(example.text),
    )


def _signature(text: str) -> NDArray[np.uint32]:
    """Return [30] the least of each hash over all word 3-grams."""
    words = text.split()
    shingles = [_hash(" ".join(words[at : at + 3])) for at in range(max(1, len(words) - 2))]
    mixed = np.array(shingles, dtype=np.uint64)[:, None] * FACTORS + OFFSETS
    signature: NDArray[np.uint32] = (mixed >> np.uint64(32)).min(axis=0).astype(np.uint32)
    return signature


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


FACTORS = np.array([_hash(f"factor {at}") | 1 for at in range(BANDS * ROWS_PER_BAND)], dtype=np.uint64)
OFFSETS = np.array([_hash(f"offset {at}") for at in range(BANDS * ROWS_PER_BAND)], dtype=np.uint64)
