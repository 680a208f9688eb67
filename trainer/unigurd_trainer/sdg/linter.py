"""Linter: what in a policy will confuse a generator, a guard or a reader, found before any data is made."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unigurd_sdk.policy import Policy
from unigurd_trainer.bank import content_words
from unigurd_trainer.errors import RecipeError
from unigurd_trainer.sdg.embedding import Embedder
from unigurd_trainer.sdg.targets import FORBIDS, ONLY, SENTENCE, is_catch_all, targets_of

__all__ = ["Finding", "Severity", "lint"]

Severity = Literal["error", "warning"]

SAME, ALIKE = 0.95, 0.85
"""Cosines from which two behaviours mean the same, and from which they may."""

MARGIN = 0.15
"""By how much an example is nearer to the other side before that is worth a word."""

LONG_LINE, LONG_DESCRIPTION = 45, 160
NEGATED = re.compile(
    r"^(do not|don't|does not|must not|should not|may not|never|not|no|avoid|refuse to|refrain)\b", re.I
)
VAGUE = re.compile(
    r"\b(bad (things?|stuff)|inappropriate|and so on|etc\.?|harmful (things?|stuff|content)|anything (bad|wrong|weird)|"
    r"whatever|things like that|stuff)(\W|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the linter found.

    Attributes:
        severity: ``error`` (data made of this would contradict itself) or ``warning``.
        code: A short name, such as ``contradiction``.
        message: What is wrong, and what to do.
        lines: The places concerned, dotted as in errors of policies: ``disallowed.2``.
    """

    severity: Severity
    code: str
    message: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    place: str
    text: str

    @property
    def side(self) -> str:
        return self.place.partition(".")[0]

    @property
    def key(self) -> str:
        """The words alone: two lines that agree in them say the same."""
        return " ".join(re.findall(r"\w+", self.text.casefold()))


def lint(policy: Policy, embedder: Embedder | None = None) -> tuple[Finding, ...]:
    """Check a policy; errors come first.

    Args:
        policy: The policy.
        embedder: Compares behaviours by meaning; without one, only by their words.
    """
    lines = [*_lines(policy, "allowed"), *_lines(policy, "disallowed")]
    found = [finding for check in WORD_CHECKS for finding in check(policy, lines)]
    if embedder is not None and lines:
        vectors = embedder.embed([line.text for line in lines])
        known = {place for finding in found for place in finding.lines if finding.code in ("contradiction", "repeated")}
        readable = [line for line in lines if line.place not in known and _readable(line.text)]
        found += _alike(readable, lines, vectors)
        found += _examples(policy, lines, vectors, embedder)
        found += _sentences(policy, lines, vectors, embedder)
    return tuple(sorted(found, key=lambda finding: finding.severity != "error"))


def _readable(text: str) -> bool:
    """Say whether a text is mostly in Latin script; the bundled encoder tells no others apart."""
    letters = [letter for letter in text if letter.isalpha()]
    return 2 * sum(letter < "\u0250" for letter in letters) >= len(letters)


def _lines(policy: Policy, side: str) -> Iterator[_Line]:
    return (_Line(f"{side}.{at}", text) for at, text in enumerate(getattr(policy, side)))


def _empty(policy: Policy, lines: Sequence[_Line]) -> Iterator[Finding]:
    if not lines:
        try:
            targets_of(policy)
        except RecipeError as error:
            yield Finding("error", "empty", str(error), ("description",))
            return
        yield Finding("warning", "empty", "Both lists are empty; behaviours in lists make better data.", ("allowed",))
    elif policy.kind == "scope" and not policy.allowed:
        yield Finding("warning", "empty", "A scope lives by its allowed list, and that is empty.", ("allowed",))
    elif policy.kind == "ban" and not policy.disallowed:
        yield Finding("warning", "empty", "A ban lives by its disallowed list, and that is empty.", ("disallowed",))


def _repeated(policy: Policy, lines: Sequence[_Line]) -> Iterator[Finding]:
    by_key: defaultdict[str, list[_Line]] = defaultdict(list)
    for line in lines:
        by_key[line.key].append(line)
    for same in by_key.values():
        places = tuple(line.place for line in same)
        if len({line.side for line in same}) == 2:
            message = f"{same[0].text!r} is both allowed and disallowed; keep it on one side."
            yield Finding("error", "contradiction", message, places)
        elif len(same) > 1:
            yield Finding("warning", "repeated", f"{same[0].text!r} is listed twice; remove one.", places)
    catch_all = [line for line in lines if is_catch_all(line.text)]
    if len({line.side for line in catch_all}) == 2:
        message = "'Anything else' stands in both lists; a text that is in neither would be both."
        yield Finding("error", "contradiction", message, tuple(line.place for line in catch_all))


def _wording(policy: Policy, lines: Sequence[_Line]) -> Iterator[Finding]:
    for line in lines:
        if line.side == "disallowed" and NEGATED.match(line.text):
            message = f"{line.text!r} forbids not to do it; list what is forbidden itself, without the negation."
            yield Finding("warning", "negated", message, (line.place,))
        words = len(line.text.split())
        if words > LONG_LINE:
            message = f"A behaviour of {words} words is read in part only; split it into several of one idea each."
            yield Finding("warning", "long", message, (line.place,))
        if not is_catch_all(line.text) and (VAGUE.search(line.text) or not _says_something(line.text)):
            message = f"{line.text!r} is vague; say what a user would ask for."
            yield Finding("warning", "vague", message, (line.place,))


def _says_something(text: str) -> bool:
    return bool(content_words(text)) or not text.isascii()


def _description(policy: Policy, lines: Sequence[_Line]) -> Iterator[Finding]:
    words = len(policy.description.split())
    if words > LONG_DESCRIPTION:
        message = f"The description has {words} words; move behaviours to the lists."
        yield Finding("warning", "long", message, ("description",))
    if policy.kind == "ban" and ONLY.search(policy.description) and not FORBIDS.search(policy.description):
        message = "The description permits one thing only, which is a scope, but the kind is 'ban'."
        yield Finding("warning", "kind", message, ("kind", "description"))


def _example_labels(policy: Policy, lines: Sequence[_Line]) -> Iterator[Finding]:
    labels: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for at, example in enumerate(policy.examples):
        labels[" ".join(example.text.casefold().split())].setdefault(example.label, f"examples.{at}")
    for text, places in labels.items():
        if len(places) == 2:
            message = f"The example {text!r} is both safe and unsafe; keep one."
            yield Finding("error", "example", message, tuple(places.values()))


WORD_CHECKS: tuple[Callable[[Policy, Sequence[_Line]], Iterable[Finding]], ...] = (
    _empty,
    _repeated,
    _wording,
    _description,
    _example_labels,
)


def _alike(fresh: Sequence[_Line], lines: Sequence[_Line], vectors: NDArray[np.float32]) -> Iterator[Finding]:
    places = {line.place: at for at, line in enumerate(lines)}
    for one, other in combinations(fresh, 2):
        cosine = float(vectors[places[one.place]] @ vectors[places[other.place]])
        pair = f"{one.text!r} and {other.text!r}"
        if one.side != other.side and cosine >= SAME:
            message = f"{pair} mean the same (similarity {cosine:.2f}) but are on different sides; say how they differ."
            yield Finding("error", "contradiction", message, (one.place, other.place))
        elif cosine >= ALIKE:
            kind = "overlap" if one.side == other.side else "close"
            advice = "merge them" if kind == "overlap" else "name in both what makes the difference"
            message = f"{pair} are much alike (similarity {cosine:.2f}); {advice}."
            yield Finding("warning", kind, message, (one.place, other.place))


def _examples(
    policy: Policy, lines: Sequence[_Line], vectors: NDArray[np.float32], embedder: Embedder
) -> Iterator[Finding]:
    if not policy.examples or not policy.allowed or not policy.disallowed:
        return
    near = embedder.embed([example.text for example in policy.examples]) @ vectors.T
    for at, (example, cosines) in enumerate(zip(policy.examples, near, strict=True)):
        own, other = ("allowed", "disallowed") if example.label == "safe" else ("disallowed", "allowed")
        best = {side: _nearest(lines, cosines, side) for side in (own, other)}
        if best[other][1] > best[own][1] + MARGIN:
            message = (
                f"The example is {example.label}, but its nearest behaviour is {best[other][0].text!r} "
                f"({other}, {best[other][1]:.2f}; {own} at most {best[own][1]:.2f}); check its label or the lists."
            )
            yield Finding("warning", "example", message, (f"examples.{at}", best[other][0].place))


def _sentences(
    policy: Policy, lines: Sequence[_Line], vectors: NDArray[np.float32], embedder: Embedder
) -> Iterator[Finding]:
    """Find sentences of the description that forbid what is listed as allowed."""
    sentences = [text for text in SENTENCE.split(policy.description) if FORBIDS.search(text) and not ONLY.search(text)]
    allowed = [at for at, line in enumerate(lines) if line.side == "allowed"]
    if not sentences or not allowed:
        return
    near = embedder.embed(sentences) @ vectors[allowed].T
    for sentence, cosines in zip(sentences, near, strict=True):
        at = int(cosines.argmax())
        if cosines[at] >= ALIKE:
            line = lines[allowed[at]]
            message = f"The description forbids what {line.text!r} allows: {sentence.strip()!r}."
            yield Finding("warning", "description", message, ("description", line.place))


def _nearest(lines: Sequence[_Line], cosines: NDArray[np.float32], side: str) -> tuple[_Line, float]:
    chosen = [at for at, line in enumerate(lines) if line.side == side]
    best = max(chosen, key=lambda at: cosines[at])
    return lines[best], float(cosines[best])
