"""Views: what the terms of the loss read of a step's texts, with or without their rationales, and what is masked.

A rationale states the label ("This prompt is unsafe as ..."), so a classifier that reads it learns nothing else, and
never has it when it is used. By default there are two views of a text: masked language modelling reads the rationale,
classification and the adversarial terms do not (SPEC, section 2). The modes are those of `LossRecipe.rationale`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unigurd_sdk.tokenizer import GuardTokenizer
from unigurd_trainer.batching import Batch, Collator, LineBucket, MaskedRows
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.joint import MARKS, joint_rows
from unigurd_trainer.losses.masking import Masking, generator_of, seed_of
from unigurd_trainer.recipe import GipRecipe, LossRecipe
from unigurd_trainer.rows import Episode

__all__ = ["Views", "views_of"]


@dataclass(frozen=True, slots=True)
class Views:
    """Collates steps by number: the same step gives the same batch, in any process.

    `blind` never reads a rationale, `reading` does; `masking` is None where nothing is masked in a step but those
    that `every` divides.
    """

    blind: Collator
    reading: Collator
    recipe: LossRecipe
    seed: int
    masking: Masking | None = None
    joint: bool = False

    def __call__(self, step: int, episodes: Sequence[Episode]) -> Batch:
        """Collate the episodes of a step."""
        mode = self.recipe.rationale
        if mode == "dropout":
            episodes = self._thinned(step, episodes)
        batch = (self.reading if mode in ("literal", "dropout") else self.blind)(episodes)
        if self.masking is None or step % self.recipe.masking.every:
            return batch
        shown = self.reading(episodes) if mode == "views" and _explained(episodes) else batch
        return replace(batch, masked=self._masked(shown, self.masking, generator_of("mask", self.seed, step)))

    def _thinned(self, step: int, episodes: Sequence[Episode]) -> list[Episode]:
        """Keep the recipe's share of the rationales."""
        rng, share = random.Random(seed_of("rationale", self.seed, step)), self.recipe.keep_rationale
        return [
            replace(episode, examples=tuple(
                example if rng.random() < share else replace(example, rationale=None) for example in episode.examples
            ))
            for episode in episodes
        ]  # fmt: skip

    def _masked(self, batch: Batch, masking: Masking, generator: torch.Generator) -> MaskedRows:
        """Hide tokens of the policy lines and of the texts; in one row, if the model reads them so."""
        lines = () if self.joint else batch.lines
        texts = [LineBucket(*joint_rows(batch, each)) for each in batch.texts] if self.joint else list(batch.texts)
        rows = [LineBucket(bucket.input_ids, bucket.mask) for bucket in (*lines, *texts)]
        chosen = [masking.choose(row.input_ids, row.mask, generator) for row in rows]
        hidden = [
            LineBucket(masking.hide(row.input_ids, where, generator), row.mask)
            for row, where in zip(rows, chosen, strict=True)
        ]
        places = _flat(chosen).nonzero().squeeze(1)
        targets = _flat([row.input_ids for row in rows])[places]
        count = len(lines)
        policy = tuple(bucket.policy for bucket in batch.texts)
        return MaskedRows(tuple(hidden[:count]), tuple(hidden[count:]), policy, places, targets)


def views_of(recipe: GipRecipe, collate: Collator, positions: int) -> Views | None:
    """The views that a recipe asks for; None if they are what the collator gives anyway.

    Raises `RecipeError` where no position is left for a rationale behind the longest text.
    """
    loss = recipe.loss
    if not (loss.mlm or loss.reads_rationales):
        return None
    room = min(loss.max_rationale, positions - recipe.data.max_text - 1)
    if loss.reads_rationales and room < 8:
        raise RecipeError(
            f"data.max_text = {recipe.data.max_text} leaves no room for a rationale in {positions} positions; "
            'lower it, or set loss.rationale = "none".'
        )
    reading = Collator(
        collate.tokenizer,
        max_text=recipe.data.max_text,
        max_line=collate.max_line,
        slack=collate.slack,
        max_rationale=room,
    )
    joint = recipe.model.interaction == "full"
    masking = _masking(collate.tokenizer, loss.masking.share, MARKS if joint else ()) if loss.mlm else None
    return Views(collate, reading, loss, recipe.seed, masking, joint)


def _masking(tokenizer: GuardTokenizer, share: float, marks: Sequence[int]) -> Masking:
    """Every token may be hidden but special ones and the marks of the joint form."""
    ordinary = torch.ones(tokenizer.size, dtype=torch.bool)
    ordinary[[*tokenizer.specials, *marks]] = False
    return Masking(tokenizer.mask, ordinary, share)


def _explained(episodes: Sequence[Episode]) -> bool:
    return any(example.rationale for episode in episodes for example in episode.examples)


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])
