"""Emoji in words, for vocabularies that have none: to them "😂" is the same unknown token as every other emoji.

The words are the Unicode names of the running Python, in lower case; an emoji newer than that stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["spell_emoji"]

_EMOJI = re.compile("[\u2600-\u27bf\u2b05-\u2b55\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff]")
_LETTER = "REGIONAL INDICATOR SYMBOL LETTER "
_SKIN = "EMOJI MODIFIER FITZPATRICK TYPE-"
_TONES = {"1-2": "light", "3": "medium light", "4": "medium", "5": "medium dark", "6": "dark"}


def spell_emoji(text: str) -> tuple[str, list[int] | None]:
    """Write every emoji out, between spaces: "😂" as " face with tears of joy ", the two halves of a flag as letters.

    Returns the text, and for each of its characters the index of the character in `text` that it stands for (and one
    more, the end); None if nothing was written out.
    """
    found = list(_EMOJI.finditer(text))
    if not found:
        return text, None
    parts: list[str] = []
    origin: list[int] = []
    done = 0
    for match in found:
        words = _words(match.group())
        parts += [text[done : match.start()], words]
        origin += [*range(done, match.start()), *[match.start()] * len(words)]
        done = match.end()
    parts.append(text[done:])
    origin += range(done, len(text) + 1)
    return "".join(parts), origin


@lru_cache(maxsize=2048)
def _words(emoji: str) -> str:
    name = unicodedata.name(emoji, "")
    if not name:
        return emoji
    if name.startswith(_LETTER):
        return name.removeprefix(_LETTER).lower()
    if name.startswith(_SKIN):
        return f" {_TONES[name.removeprefix(_SKIN)]} skin tone "
    return f" {name.lower()} "
