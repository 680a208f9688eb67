"""Prose: pieces of harmless documents, and a text set into one, as a guard meets it that reads mails, files and pages.

Public data show attacks alone. In a document they are outvoted by the sentences around them, and a harmless document of
a form that training never had is taken for an attack; both are learnt from pieces that fill a window.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from unigurd_trainer.contexts import slice_of
from unigurd_trainer.rows import Document

__all__ = ["Prose"]

WORDS = (12, 170)
"""Words of a piece; the longest fills a window of 256 tokens."""

ROOM = 1100
"""Characters of a piece with a text in it, about 250 tokens."""

_BREAK = re.compile(r"(?<=[.!?:])\s+|\n+")
_JOINTS = ("\n", "\n", "\n\n", " ")


@dataclass(frozen=True, slots=True)
class Prose:
    """Draws from documents, each as often as its source has a share: sources are drawn first, alike.

    Attributes:
        documents: The documents by source.
    """

    documents: tuple[tuple[Document, ...], ...] = ()

    @classmethod
    def of(cls, documents: Sequence[Document]) -> Prose:
        """Group documents by source."""
        sources = sorted({each.source for each in documents})
        return cls(tuple(tuple(each for each in documents if each.source == source) for source in sources))

    def __bool__(self) -> bool:
        return bool(self.documents)

    def piece(self, rng: random.Random) -> Document:
        """Return a run of words of one document."""
        document = rng.choice(rng.choice(self.documents))
        return Document(slice_of(document.text, rng, rng.randint(*WORDS)).strip(), document.source, document.licence)

    def around(self, text: str, rng: random.Random) -> str:
        """Return a piece with the text between two of its sentences, or before or behind it; the text alone if long."""
        host = self.piece(rng).text[: max(ROOM - len(text), 0)]
        if len(host) < ROOM // 12:
            return text
        places = [0, *(match.end() for match in _BREAK.finditer(host)), len(host)]
        at, joint = rng.choice(places), rng.choice(_JOINTS)
        return joint.join(part for part in (host[:at].rstrip(), text, host[at:].lstrip()) if part)
