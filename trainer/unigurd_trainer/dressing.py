"""Dressing: the form in which training shows a public text, so that form alone tells nothing.

A text appears alone, among harmless texts, or as the request of a persona; a long harmless one also by a part of it.
Some chat gives way to harmless structured prompts. None of this changes a label, since what is added is harmless under
every policy with presumed-safe chat.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from unigurd_trainer.briefs import brief
from unigurd_trainer.contexts import among, slice_of
from unigurd_trainer.personas import in_persona, persona
from unigurd_trainer.prose import Prose
from unigurd_trainer.rows import Example
from unigurd_trainer.urn import Urn

__all__ = ["Dressing"]

ROOM = 800
"""Characters of a dressed text at most, about 200 tokens: what decides its label must not fall to the cut."""

SLICE_WORDS = 160

_JOINT, _WORD = 8, 7  # characters between two texts at most, and of a word on average


@dataclass(frozen=True, slots=True)
class Dressing:
    """Dresses examples.

    Attributes:
        urn: Where harmless texts come from.
        prose: Where documents come from.
        contexts: Probability that a text is put among others.
        personas: Probability that a text becomes the request of a persona.
        chat_personas: The same for chat; half of these are a persona alone.
        briefs: Probability that chat gives way to a composed brief, and that one stands among the others.
        slices: Probability that a long safe text is shown by a part of it.
        documents: Probability that a text stands in a document, and that chat gives way to a piece of one.
    """

    urn: Urn
    prose: Prose = Prose()
    contexts: float = 0.0
    personas: float = 0.0
    chat_personas: float = 0.0
    slices: float = 0.0
    briefs: float = 0.0
    documents: float = 0.0

    def chat(self, rng: random.Random, example: Example) -> Example:
        """Return a chat example, perhaps with a persona around it, or a brief or a persona instead of it."""
        if self.documents and rng.random() < self.documents:
            piece = self.prose.piece(rng)
            return _placed(rng, replace(example, text=piece.text, source=piece.source, licence=piece.licence, lang=""))
        draw = rng.random()
        if draw >= self.briefs + self.chat_personas:
            return self.text(rng, example)
        if draw >= self.briefs and rng.random() < 0.5:
            return replace(example, text=_part(in_persona(example.text, rng), rng))
        made = brief(rng) if draw < self.briefs else persona(rng)
        return replace(example, text=_part(made, rng), source="composed briefs", licence="Apache-2.0", lang="")

    def text(self, rng: random.Random, example: Example) -> Example:
        """Return a labelled example, perhaps in part, among others or as a request."""
        text = example.text
        if example.label == 0 and len(text) > ROOM and rng.random() < self.slices:
            text = slice_of(text, rng, SLICE_WORDS)
        if self.documents and rng.random() < self.documents:
            return _placed(rng, replace(example, text=self.prose.around(text, rng)))
        draw = rng.random()
        if draw < self.contexts:
            text = self._among(rng, text)
        elif draw < self.contexts + self.personas:
            made = in_persona(text, rng)
            text = made if len(made) <= ROOM else text
        return replace(example, text=text)

    def _among(self, rng: random.Random, text: str) -> str:
        """Put a text among as many harmless ones as there is room for."""
        others, room = [], ROOM - len(text)
        for row in self.urn.draw_chat(rng, rng.randint(1, 8)):
            room -= len(row.text) + _JOINT
            if room < 0:
                break
            others.append(row.text)
        if others and rng.random() < self.briefs:
            others[0] = slice_of(brief(rng), rng, max(1, len(others[0]) // _WORD))
        return among(text, others, rng)


def _placed(rng: random.Random, example: Example) -> Example:
    """Let the text of a document be the user's, as often as not."""
    return replace(example, role=rng.choice(("user", "document")))


def _part(text: str, rng: random.Random) -> str:
    """Return the text, or now and then a part as a window would cut it."""
    return slice_of(text, rng, rng.randint(20, SLICE_WORDS)) if rng.random() < 0.3 else text
