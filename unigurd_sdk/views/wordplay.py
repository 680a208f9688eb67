"""Writing that plays with words: letters apart, digits for letters, words backwards or upside down, rot13.

Any text can be read in these ways, so each applies only where the outcome has common English words and the text as it
stands has not.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product

from unigurd_sdk.views.rewrite import Rewrite, replace_spans, substitute
from unigurd_sdk.views.words import cover, is_word, split_words

__all__ = ["joined_words", "leetspeak", "reversed_text", "reversed_words", "rot13", "spacing", "upside_down"]

_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")
_SPACED = re.compile(r"(?<![^\W_])[^\W_](?:[\s._*|/\\,+~\u00b7\u2022-]{1,4}[^\W_](?![^\W_])){4,}")
_JOINED = re.compile(r"(?<![A-Za-z])[A-Za-z]{16,}(?![A-Za-z])")
_GAP = re.compile(r"[\W_]+")
_LEET_WORD = re.compile(r"(?<![\w@$!])(?=[\d@$!]*[A-Za-z])[\w@$!]*[\d@$!][\w@$!]*")
_LEET = str.maketrans("03456789@$", "oeasgtbgas")
_SEVERAL = {"1": "il", "!": "i", "2": "z"}
_TURNED_LETTERS = "".join(map(chr, (
    0x250, 0x254, 0x1DD, 0x25F, 0x183, 0x253, 0x265, 0x131, 0x1D09, 0x27E, 0x27F, 0x29E, 0xA781, 0x26F, 0x279, 0x287,
    0x28C, 0x28D, 0x28E,
)))  # fmt: skip
_TURNED = str.maketrans(f"{_TURNED_LETTERS}qdpbunmw", "acefgghiijjklmrtvwybpdqnuwm")
_TURNED_LETTER = re.compile(f"[{_TURNED_LETTERS}]")
_LINE = re.compile("[^\n]+")
_LETTERS = 4  # of a word whose reverse or rotation counts
_FOUND = 3
_SILENT = 5
_COVERED = 0.6
_NEARLY_ALL = 0.9


def spacing(text: str) -> Rewrite | None:
    """Join letters that stand apart ("i g n o r e"), and find the words where nothing parts these."""
    return substitute(_SPACED, text, _joined)


def joined_words(text: str) -> Rewrite | None:
    """Part words that are written as one of sixteen letters or more."""
    return substitute(_JOINED, text, _parted)


def leetspeak(text: str) -> Rewrite | None:
    """Write digits and signs that stand for letters as these, in words that are common then.

    Where one word is, so are the others that have a digit between letters.
    """
    found = [(match, _unleet(match[0])) for match in _LEET_WORD.finditer(text)]
    if not any(plain for _, plain in found):
        return None
    return replace_spans(text, ((m.start(), m.end(), plain or _unleet_inside(m[0])) for m, plain in found))


def reversed_words(text: str) -> Rewrite | None:
    """Turn words that are spelled backwards around, one by one."""
    return replace_spans(text, ((a, b, _WORD.sub(_backwards, text[a:b])) for a, b in _runs(text, _reverse)))


def reversed_text(text: str) -> Rewrite | None:
    """Turn passages that are written from their end to their start around."""
    return replace_spans(text, ((a, b, text[a:b][::-1]) for a, b in _runs(text, _reverse)))


def rot13(text: str) -> Rewrite | None:
    """Rotate passages by thirteen letters."""
    return replace_spans(text, ((a, b, _rotate(text[a:b])) for a, b in _runs(text, _rotate)))


def upside_down(text: str) -> Rewrite | None:
    """Turn passages around, in a line, that are written with letters that look like turned ones."""
    if text.isascii() or not _TURNED_LETTER.search(text):
        return None
    return replace_spans(text, filter(None, map(_turned, _LINE.finditer(text))))


def _joined(match: re.Match[str]) -> str | None:
    """Join what the usual gap parts, and part where another gap is; or else find the words by their letters."""
    gaps, letters = _GAP.findall(match[0]), _GAP.split(match[0])
    usual = Counter(gaps).most_common(1)[0][0]
    rest = (letter if gap == usual else f" {letter}" for gap, letter in zip(gaps, letters[1:], strict=True))
    words = [_unleet(word) or word for word in "".join((letters[0], *rest)).split()]
    if cover(words) < _COVERED:
        words = split_words("".join(letters).translate(_LEET).replace("1", "i"))
    return " ".join(words) if cover(words) >= _COVERED else None


def _parted(match: re.Match[str]) -> str | None:
    words = split_words(match[0])
    known = not is_word(match[0]) and len(words) > 2 and cover(words) >= _NEARLY_ALL
    return " ".join(words) if known else None


def _unleet(word: str) -> str | None:
    """Read a word of at least three letters without its digits and signs, if it is a common word then."""
    core = word.rstrip("!")
    places = [at for at, char in enumerate(core) if char in _SEVERAL]
    if len(core) < 3 or len(places) > 4 or core.isalpha():
        return None
    letters = list(core.translate(_LEET))
    for choice in product(*(_SEVERAL[core[at]] for at in places)):
        for at, letter in zip(places, choice, strict=True):
            letters[at] = letter
        if is_word("".join(letters)):
            return "".join(letters) + word[len(core) :]
    return None


def _unleet_inside(word: str) -> str | None:
    """Read the digits between the letters of an uncommon word as letters."""
    core = word.strip("0123456789!")
    plain = core.translate(_LEET).replace("1", "i").replace("!", "i")
    return word.replace(core, plain) if plain != core and plain.isalpha() else None


def _turned(line: re.Match[str]) -> tuple[int, int, str] | None:
    """Turn what is between the first and the last word of a line that have turned letters."""
    places = [match.start() for match in _TURNED_LETTER.finditer(line[0])]
    if len(places) < _FOUND:
        return None
    start, end = line[0].rfind(" ", 0, places[0]) + 1, line[0].find(" ", places[-1])
    end = end if end >= 0 else len(line[0])
    plain = line[0][start:end].translate(_TURNED)[::-1]
    return (line.start() + start, line.start() + end, plain) if cover(_WORD.findall(plain)) >= _COVERED else None


def _runs(text: str, undo: Callable[[str], str]) -> Iterator[tuple[int, int]]:
    """Find passages whose words become common by `undo` and are not so as they are.

    A passage has at least three words of four or more letters that do; it ends where a word is common as it is, or
    where several words in a row say nothing.
    """
    start = end = hidden = silent = 0
    for match in _WORD.finditer(text):
        sign = _sign(match[0], undo)
        if sign < 0 or silent >= _SILENT:
            if hidden >= _FOUND:
                yield start, end
            start = end = hidden = silent = 0
        if sign < 0:
            continue
        start, end = (start if end else match.start()), match.end()
        hidden, silent = (hidden + 1, 0) if sign > 0 else (hidden, silent + 1)
    if hidden >= _FOUND:
        yield start, end


def _sign(word: str, undo: Callable[[str], str]) -> int:
    """1 if `undo` makes the word common, -1 if it is common as it is, 0 if it says nothing."""
    as_it_is = is_word(word)
    undone = is_word(undo(word))
    if as_it_is == undone or len(word) < 3:
        return 0
    if as_it_is:
        return -1
    return 1 if len(word) >= _LETTERS else 0


def _reverse(word: str) -> str:
    return word[::-1]


def _backwards(match: re.Match[str]) -> str:
    return match[0][::-1]


def _rotate(text: str) -> str:
    return codecs.encode(text, "rot13")
