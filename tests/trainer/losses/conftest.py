"""What the loss of a step needs, on the tiny base: a model, its head, and steps with rationales."""

from __future__ import annotations

from dataclasses import replace

import pytest


@pytest.fixture(scope="session")
def explained(toy):
    """Make sources: the toy's episodes, in which every other text has a rationale that states its label."""

    class Explained:
        def __init__(self, stop_at=None):
            self.toy = toy(stop_at=stop_at)

        def episode(self, index):
            episode = self.toy.episode(index)
            words = ("kind", "hate")
            rows = [
                replace(row, rationale=f"{words[row.label]} {words[row.label]}") if at % 4 < 2 else row
                for at, row in enumerate(episode.examples)
            ]
            return replace(episode, examples=tuple(rows))

    return Explained


@pytest.fixture(scope="session")
def make_parts(tiny_recipe, explained):
    """Build (recipe, model, head, feed): `make_parts(loss={...}, model={...})`."""

    def make(**changes):
        from unigurd_trainer.feeding import Feed
        from unigurd_trainer.gip import build, build_head
        from unigurd_trainer.views import views_of

        recipe = tiny_recipe(**changes)
        model, collate = build(recipe)
        views = views_of(recipe, collate, model.config.encoder.positions)
        return recipe, model, build_head(recipe, model), Feed(explained(), collate, recipe.episodes, 0, views)

    return make
