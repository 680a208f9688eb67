"""Letters that look like others: compatibility forms, homoglyphs and diacritics, written as plain letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from unigurd_sdk.views.rewrite import Rewrite, substitute
from unigurd_sdk.views.words import is_word

__all__ = ["compatibility", "diacritics", "homoglyphs"]

_FOREIGN_WORD = re.compile(r"[^\W_]*[^\W_\x00-\x7f][^\W_]*")
_ACCENTED = re.compile(
    "[\u00c0-\u024f\u1e00-\u1eff][\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]*"
    "|(?<=[A-Za-z0-9])[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)
_WHERE_FORMS_ARE = ((0x80, 0x3400), (0xA640, 0xAC00), (0xF900, 0x10000), (0x1D400, 0x1D800), (0x1F100, 0x1F200))
_ENCLOSED = (0x1F150, 0x1F170)  # the first of the negative circled and squared letters, which NFKC leaves
_SMALL_CAPITAL = re.compile(r"LATIN (?:LETTER )?SMALL CAPITAL ([A-Z])")
_WHERE_SMALL_CAPITALS_ARE = ((0x250, 0x2B0), (0x1D00, 0x1D30), (0xA730, 0xA800))


def compatibility(text: str) -> Rewrite | None:
    """Write full-width, mathematical, circled and other compatibility forms of letters (NFKC), and small capitals."""
    return None if text.isascii() else substitute(_forms_pattern(), text, lambda match: match[0].translate(_forms()))


def homoglyphs(text: str) -> Rewrite | None:
    """Write letters that look like Latin ones as these, in words that mix them with Latin or are English then.

    The pairs are Unicode's confusables (https://www.unicode.org/reports/tr39/), from `confusable-homoglyphs`.
    """
    return None if text.isascii() else substitute(_FOREIGN_WORD, text, _folded)


def diacritics(text: str) -> Rewrite | None:
    """Take the marks off Latin letters."""
    return None if text.isascii() else substitute(_ACCENTED, text, lambda match: _bare(match[0]))


@lru_cache(maxsize=1)
def _forms() -> dict[int, str]:
    """Map the code point of every compatibility form that has a letter or a digit to what NFKC makes of it."""
    forms = {base + at: chr(ord("A") + at) for base in _ENCLOSED for at in range(26)} | _small_capitals()
    for start, stop in _WHERE_FORMS_ARE:
        for code in range(start, stop):
            plain = unicodedata.normalize("NFKC", chr(code))
            canonical = unicodedata.normalize("NFC", chr(code))
            if plain not in (chr(code), canonical) and any(map(str.isalnum, plain)):
                forms[code] = plain
    return forms


def _small_capitals() -> dict[int, str]:
    codes = (code for start, stop in _WHERE_SMALL_CAPITALS_ARE for code in range(start, stop))
    named = {code: _SMALL_CAPITAL.fullmatch(unicodedata.name(chr(code), "")) for code in codes}
    return {code: match[1].lower() for code, match in named.items() if match}


@lru_cache(maxsize=1)
def _forms_pattern() -> re.Pattern[str]:
    return re.compile(f"[{_ranges(sorted(_forms()))}]+")


def _ranges(codes: Iterable[int]) -> str:
    """Write sorted code points as the inside of a character class."""
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{re.escape(chr(first))}-{re.escape(chr(last))}" for first, last in ranges)


@lru_cache(maxsize=1)
def _lookalikes() -> dict[int, str]:
    """Map the code point of every letter that looks like an ASCII letter to that letter."""
    from confusable_homoglyphs.confusables import confusables_data

    found: dict[int, str] = {}
    for char, others in confusables_data.items():
        if len(char) > 1 or char.isascii() or not char.isalpha():
            continue
        latin = next((other["c"] for other in others if other["c"].isascii() and other["c"].isalpha()), None)
        if latin is not None:
            found[ord(char)] = "I" if latin == "l" and char.isupper() else latin
    return found


def _folded(match: re.Match[str]) -> str | None:
    word = match[0]
    plain = word.translate(_lookalikes())
    mixed = any(char.isascii() and char.isalpha() for char in word)
    return plain if mixed or (plain.isascii() and is_word(plain)) else None


def _bare(accented: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFD", accented) if not unicodedata.combining(char))
