"""From episodes to tensors: each policy line is encoded once per step, texts are bucketed by length.

A step holds a few episodes. Their distinct policy lines form one set, encoded once and shared by every text of the
step; texts are sorted by length and cut into buckets of few lengths, so that padding stays small (`Batch.padding`
says how small).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from unigurd_sdk.policy import Policy
from unigurd_sdk.segments import Segmenter
from unigurd_sdk.template import Polarity, policy_lines
from unigurd_sdk.tokenizer import GuardTokenizer, pad_rows
from unigurd_trainer.rows import Episode, Example

SLACK = 1.15
"""Slack of length buckets on a CPU (see `Collator`)."""

_LEAST_ROWS = 2


@dataclass(frozen=True, slots=True)
class LineBucket:
    """Distinct policy lines of about one length: `input_ids` and `mask` [N, P]."""

    input_ids: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> LineBucket:
        """Copy to a device."""
        return LineBucket(self.input_ids.to(device, non_blocking=True), self.mask.to(device, non_blocking=True))


@dataclass(frozen=True, slots=True)
class TextBucket:
    """Texts of about one length.

    `input_ids` and `mask` [B, T]; `policy` [B] is the row of the layout; `labels` [B] float;
    `targets` [B, 1 + L] marks the lines that may carry the decision (null line first), all zero where unknown.
    """

    input_ids: Tensor
    mask: Tensor
    policy: Tensor
    labels: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> TextBucket:
        """Copy to a device."""
        return TextBucket(*(getattr(self, each.name).to(device, non_blocking=True) for each in fields(self)))


@dataclass(frozen=True, slots=True)
class MaskedRows:
    """Rows with hidden tokens, those of policy lines and those of texts, and what was hidden.

    All tokens of all rows lie one after the other, padding included, lines first; `places` [K] are the hidden ones
    among them and `targets` [K] their ids. In the interaction ``full`` there are no lines, and a text's row has its
    policy in front.
    """

    lines: tuple[LineBucket, ...]
    texts: tuple[LineBucket, ...]
    policy: tuple[Tensor, ...]
    places: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> MaskedRows:
        """Copy to a device."""
        lines, texts = (tuple(bucket.to(device) for bucket in side) for side in (self.lines, self.texts))
        places, targets = (each.to(device, non_blocking=True) for each in (self.places, self.targets))
        return MaskedRows(lines, texts, tuple(each.to(device) for each in self.policy), places, targets)


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts that the means of a step are taken over.

    Attributes:
        examples: Texts.
        known: Texts of which it is known which line decides.
        hidden: Tokens that masked language modelling is to find again.
        tokens: Real tokens, policy lines included.
    """

    examples: int
    known: int
    hidden: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One step, or a part of one that is computed apart.

    Line buckets (N lines), the `layout` [G, L] of policies and its `polarity`, and text buckets; `examples` counts the
    texts, `known` those whose deciding line is known, `tokens` the real tokens, policy lines included, and `places` the
    tokens with padding. `masked` are the rows of masked language modelling, in steps that have it. `step` are the
    totals of the step, where this is a part of it.
    """

    lines: tuple[LineBucket, ...]
    polarity: Tensor
    layout: Tensor
    texts: tuple[TextBucket, ...]
    examples: int
    known: int
    tokens: int
    places: int
    masked: MaskedRows | None = None
    step: Totals | None = None

    @property
    def own(self) -> Totals:
        """What is in this batch."""
        hidden = 0 if self.masked is None else len(self.masked.targets)
        return Totals(self.examples, self.known, hidden, self.tokens)

    @property
    def totals(self) -> Totals:
        """What is in the whole step: losses are divided by it, so that those of the parts add up."""
        return self.step or self.own

    @property
    def padding(self) -> float:
        """Share of padding among all positions."""
        return 1 - self.tokens / self.places

    def to(self, device: torch.device) -> Batch:
        """Copy to a device."""
        return replace(
            self,
            lines=tuple(bucket.to(device) for bucket in self.lines),
            texts=tuple(bucket.to(device) for bucket in self.texts),
            polarity=self.polarity.to(device),
            layout=self.layout.to(device),
            masked=None if self.masked is None else self.masked.to(device),
        )


@dataclass(frozen=True, slots=True)
class _Rendered:
    """A policy as rows of ids, and for each behaviour the rows that stand for it."""

    rows: tuple[tuple[int, ...], ...]
    polarity: tuple[int, ...]
    behaviours: tuple[tuple[int, ...], ...]


class Collator:
    """Turns episodes into a `Batch`; texts over `max_text` tokens are cut (in training only; a check never cuts).

    A bucket's longest row is at most `slack` times its shortest. Small buckets pad little, which a CPU likes; few large
    ones launch few kernels, which a GPU likes.

    Rationales are not read, unless `max_rationale` says how many tokens of them: they stand behind the text, apart from
    it (see `text_ids`).
    """

    def __init__(
        self,
        tokenizer: GuardTokenizer,
        *,
        max_text: int = 256,
        max_line: int = 64,
        slack: float = SLACK,
        max_rationale: int = 0,
    ) -> None:
        self.tokenizer, self.max_line, self.slack, self.max_rationale = tokenizer, max_line, slack, max_rationale
        self._segmenter = Segmenter(tokenizer, max_text, overlap=0)
        self._line_ids = lru_cache(maxsize=200_000)(self._encode_line)

    def __call__(self, episodes: Sequence[Episode]) -> Batch:
        """Collate the episodes of one step."""
        policies = [self._render(episode.policy) for episode in episodes]
        order = sorted({row for policy in policies for row in policy.rows}, key=len)
        number = {row: index for index, row in enumerate(order)}
        width = max(len(policy.rows) for policy in policies)
        layout = torch.full((len(policies), width), -1, dtype=torch.long)
        polarity = torch.full_like(layout, 0)
        for index, policy in enumerate(policies):
            layout[index, : len(policy.rows)] = torch.tensor([number[row] for row in policy.rows])
            polarity[index, : len(policy.rows)] = torch.tensor(policy.polarity)
        lines = tuple(LineBucket(*self._pad(rows)) for rows in _buckets(order, self.slack))
        texts = tuple(self._texts(episodes, policies, width))
        masks = [bucket.mask for bucket in lines] + [bucket.mask for bucket in texts]
        return Batch(
            lines,
            polarity,
            layout,
            texts,
            examples=sum(len(bucket.labels) for bucket in texts),
            known=sum(int((bucket.targets.sum(1) > 0).sum()) for bucket in texts),
            tokens=sum(int(mask.sum()) for mask in masks),
            places=sum(mask.numel() for mask in masks),
        )

    def _texts(self, episodes: Sequence[Episode], policies: Sequence[_Rendered], width: int) -> Iterable[TextBucket]:
        pairs = [(index, example) for index, episode in enumerate(episodes) for example in episode.examples]
        ids = [self.text_ids(example) for _, example in pairs]
        order = sorted(range(len(pairs)), key=lambda row: len(ids[row]))
        for group in _buckets([(*ids[row], row) for row in order], self.slack):
            chosen = [pairs[row[-1]] for row in group]
            input_ids, mask = self._pad([row[:-1] for row in group])
            targets = torch.stack([_targets(policies[index], example, width) for index, example in chosen])
            yield TextBucket(
                input_ids,
                mask,
                torch.tensor([index for index, _ in chosen]),
                torch.tensor([float(example.label) for _, example in chosen]),
                targets,
            )

    def text_ids(self, example: Example) -> tuple[int, ...]:
        """Encode a text as a check would, but only its first window of `max_text` tokens.

        A rationale that is read follows as a part of its own: `[CLS] text [SEP] rationale [SEP]`. A text cannot forge
        one, since none can contain a special token.
        """
        ids = self._segmenter.cut(example.text, example.role, example.prompt).ids[0]
        if not (self.max_rationale and example.rationale):
            return tuple(ids)
        return (*ids, *self.tokenizer.encode(example.rationale).ids[: self.max_rationale], self.tokenizer.end)

    def _render(self, policy: Policy) -> _Rendered:
        lines = policy_lines(policy)
        encoded = [self._line_ids(line.text) for line in lines]
        starts = [sum(map(len, encoded[:index])) for index in range(len(lines))]
        spans = [tuple(range(start, start + len(rows))) for start, rows in zip(starts, encoded, strict=True)]
        behaviours = [span for span, line in zip(spans, lines, strict=True) if line.polarity != Polarity.DESCRIPTION]
        polarity = [int(line.polarity) for line, rows in zip(lines, encoded, strict=True) for _ in rows]
        return _Rendered(tuple(row for rows in encoded for row in rows), tuple(polarity), tuple(behaviours))

    def _encode_line(self, text: str) -> tuple[tuple[int, ...], ...]:
        return tuple(map(tuple, self.tokenizer.line_ids(text, self.max_line)))

    def _pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        ids, mask = pad_rows(rows, self.tokenizer.pad)
        return torch.from_numpy(ids), torch.from_numpy(mask)


def widened_lines(buckets: Sequence[LineBucket]) -> tuple[Tensor, Tensor]:
    """Put buckets of lines into one, padded to the longest: ids and mask [N, P]."""
    width = max(bucket.mask.shape[1] for bucket in buckets)
    missing = [(0, width - bucket.mask.shape[1]) for bucket in buckets]
    ids = [functional.pad(bucket.input_ids, sides) for bucket, sides in zip(buckets, missing, strict=True)]
    masks = [functional.pad(bucket.mask, sides) for bucket, sides in zip(buckets, missing, strict=True)]
    return torch.cat(ids), torch.cat(masks)


def _targets(policy: _Rendered, example: Example, width: int) -> Tensor:
    """Mark the lines that may decide: the matched behaviour, or without one the null line and the description."""
    target = torch.zeros(1 + width)
    if example.matched is None or not policy.behaviours:
        return target
    if example.matched >= 0:
        target[[1 + row for row in policy.behaviours[example.matched]]] = 1.0
        return target
    target[0] = 1.0
    target[1 : 1 + policy.polarity.count(int(Polarity.DESCRIPTION))] = 1.0
    return target


def _buckets(rows: Sequence[tuple[int, ...]], slack: float) -> list[list[tuple[int, ...]]]:
    """Cut rows sorted by length where the padding of a bucket would pass the slack; all but the last have two rows."""
    groups: list[list[tuple[int, ...]]] = []
    for row in rows:
        if groups and (len(groups[-1]) < _LEAST_ROWS or len(row) <= len(groups[-1][0]) * slack + 1):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups
