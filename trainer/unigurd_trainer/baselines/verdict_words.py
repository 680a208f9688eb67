"""The two words that a judging model answers with, in its text and among the probabilities of its tokens."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["SAFE_UNSAFE", "YES_NO", "VerdictWords"]

STARTS = ("", " ", "\n", "\n\n", ">", "> ")
"""What may stand before a verdict; tokenizers glue it to the word."""

SPELLINGS: tuple[Callable[[str], str], ...] = (str.lower, str.capitalize, str.upper)


@dataclass(frozen=True, slots=True)
class VerdictWords:
    """A pair of words; case does not matter in texts.

    Attributes:
        unsafe: The word for a violation.
        safe: The other one.
        exact: Whether only the tokens of the words as they stand here count, not those of other spellings.
    """

    unsafe: str
    safe: str
    exact: bool = False

    def read(self, text: str) -> bool | None:
        """Read a verdict that stands at the beginning and ends there: "Unsafe", "**Safe**.", "unsafe", newline, "S1".

        Anything else is None: "Safe to say that it violates the policy" or "not safe" must not count as safe.
        """
        found = re.match(rf"\W*({self.unsafe}|{self.safe})(?=\s*(?:[\n.,:;!*\"'`)<\]-]|$))", text, re.IGNORECASE)
        return None if found is None else found[1].casefold() == self.unsafe.casefold()

    def probability(self, steps: Iterable[Mapping[str, float]]) -> float | None:
        """Return P(unsafe) of the two at the first token that begins one of them; None if no token does.

        Args:
            steps: For each token of an answer, in order, log-probabilities of the likeliest tokens by their text.
        """
        for step in steps:
            if step and self._side(max(step, key=lambda token: step[token])) is not None:
                mass = {True: 0.0, False: 0.0}
                for token, logprob in step.items():
                    side = self._side(token)
                    if side is not None:
                        mass[side] += math.exp(logprob)
                return mass[True] / (mass[True] + mass[False])
        return None

    def token_ids(self, encode: Callable[[str], Sequence[int]]) -> tuple[list[int], list[int]]:
        """Return the tokens at which the two part, of the unsafe and of the safe word, however they are spelt.

        Args:
            encode: The tokenizer, without special tokens.
        """
        sides: tuple[set[int], set[int]] = (set(), set())
        for spell in (str,) if self.exact else SPELLINGS:
            for before in ("",) if self.exact else STARTS:
                pair = [[*encode(before + spell(word)), -1] for word in (self.unsafe, self.safe)]
                parts = next((tokens for tokens in zip(*pair, strict=False) if tokens[0] != tokens[1]), (-1, -1))
                for side, token in zip(sides, parts, strict=True):
                    side.add(token)
        both = (sides[0] & sides[1]) | {-1}
        return sorted(sides[0] - both), sorted(sides[1] - both)

    def _side(self, token: str) -> bool | None:
        """Say which word a token begins: True for the unsafe one, None for neither or both."""
        start = token.strip().casefold()
        fits = [bool(start) and word.casefold().startswith(start) for word in (self.unsafe, self.safe)]
        return fits[0] if fits[0] != fits[1] else None


SAFE_UNSAFE = VerdictWords("unsafe", "safe")
YES_NO = VerdictWords("yes", "no")
