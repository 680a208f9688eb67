"""Briefs: harmless prompts as people paste them: task briefs, agent instructions, JSON specifications, other languages.

Like personas (`unigurd_trainer.personas`), they look like what attacks look like in public data (long, imperative,
structured, full of rules) and ask for nothing that any policy of ours forbids.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources

import yaml

__all__ = ["brief"]

PLACEHOLDERS = ("${%s}", "${%s:default}", "{{%s}}", "[%s]", "<%s>", "{%s}")
BULLETS = ("- ", "* ", "• ", "1. ", "– ", "")


def brief(rng: random.Random) -> str:
    """Return a harmless structured prompt of 20 to 400 words."""
    return rng.choice(FORMS)(rng)


def _assignment(rng: random.Random) -> str:
    """Act as ... Your task is to: bullets. Rules: bullets."""
    opener = rng.choice(("Act as {}.", "You are {}.", "Act as {} with ten years of practice.", "Role: {}", "As {},"))
    start = opener.format(_role(rng))
    lead = rng.choice(("Your task is to:", "You will:", "You must:", "Your goals:", "This should:", "Please:"))
    parts = [start, rng.choice(("", _sentence(rng), _purpose(rng))), lead + "\n" + _bullets(rng, _task)]
    if rng.random() < 0.6:
        parts.append(rng.choice(("Rules:", "Constraints:", "Guidelines:", "Important:")) + "\n" + _bullets(rng, _rule))
    return rng.choice(("\n\n", "\n", " ")).join(part for part in parts if part)


def _document(rng: random.Random) -> str:
    """Markdown with sections, as agents and skills are described."""
    mark = rng.choice(("# ", "## ", "### ", "**"))
    sections = []
    for heading in rng.sample(_words("headings"), rng.randint(2, 6)):
        body = rng.choice((_sentence(rng), _bullets(rng, _task), _bullets(rng, _rule), _bullets(rng, _variable)))
        sections.append(f"{mark}{heading}{'**' if mark == '**' else ''}\n{body}")
    return "\n\n".join(sections)


def _prose(rng: random.Random) -> str:
    return " ".join(rng.choice((_sentence, _purpose))(rng) for _ in range(rng.randint(2, 6)))


def _specification(rng: random.Random) -> str:
    tree = {key: _node(rng, 1) for key in rng.sample(_words("keys"), rng.randint(2, 7))}
    if rng.random() < 0.75:
        return json.dumps(tree, indent=rng.choice((None, 1, 2, 2, 4)), ensure_ascii=False)
    return str(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))


def _node(rng: random.Random, depth: int) -> object:
    draw = rng.random()
    if depth < 3 and draw < 0.35:
        return {key: _node(rng, depth + 1) for key in rng.sample(_words("keys"), rng.randint(1, 5))}
    if draw < 0.5:
        return [_value(rng) for _ in range(rng.randint(1, 4))]
    return rng.choice((_value(rng), _value(rng), rng.randint(0, 100), rng.random() < 0.5, _placeholder(rng)))


def _foreign(rng: random.Random) -> str:
    lines = rng.sample(_words("foreign"), rng.randint(1, 3))
    return rng.choice((" ", "\n", "\n- ")).join(lines).replace("{o}", rng.choice(_words("objects")))


FORMS: Sequence[Callable[[random.Random], str]] = (
    _assignment,
    _assignment,
    _document,
    _prose,
    _specification,
    _foreign,
)


def _bullets(rng: random.Random, line: Callable[[random.Random], str]) -> str:
    bullet = rng.choice(BULLETS)
    return "\n".join(bullet + line(rng) for _ in range(rng.randint(2, 6)))


def _task(rng: random.Random) -> str:
    verb = str(rng.choice(_words("verbs")))
    tail = rng.choice(
        ("", f" for {rng.choice(_words('audiences'))}", f" based on {_placeholder(rng)}", f" and {_rule(rng)}")
    )
    return f"{verb.capitalize() if rng.random() < 0.8 else verb} {_thing(rng)}{tail}"


def _rule(rng: random.Random) -> str:
    rule = str(rng.choice(_words("rules")))
    return rule[:1].upper() + rule[1:]


def _variable(rng: random.Random) -> str:
    return f"{rng.choice(_words('variables'))}: {rng.choice((_placeholder(rng), _value(rng)))}"


def _sentence(rng: random.Random) -> str:
    return f"{_task(rng)}. " + rng.choice(("", _rule(rng) + ".", f"Make it {rng.choice(_words('adjectives'))}."))


def _purpose(rng: random.Random) -> str:
    start = rng.choice(("You specialise in", "The goal is", "We need", "I want", "Design", "You are creating", "Use"))
    return f"{start} {_thing(rng)} for {rng.choice(_words('audiences'))}."


def _thing(rng: random.Random) -> str:
    adjectives = rng.sample(_words("adjectives"), rng.choice((0, 1, 1, 2)))
    return " ".join((rng.choice(("a", "the", "one")), ", ".join(adjectives), rng.choice(_words("objects")))).replace(
        "  ", " "
    )


def _role(rng: random.Random) -> str:
    field = str(rng.choice(_words("objects")))
    made = (
        f"a {field} specialist",
        f"an expert in every kind of {field}",
        f"a senior {field} designer",
        f"the {field} assistant",
    )
    return rng.choice(made)


def _value(rng: random.Random) -> str:
    return ", ".join(map(str, rng.sample(_words("values"), rng.randint(1, 3))))


def _placeholder(rng: random.Random) -> str:
    return rng.choice(PLACEHOLDERS) % rng.choice(_words("variables"))


def _words(kind: str) -> Sequence[str]:
    return _vocabulary()[kind]


@cache
def _vocabulary() -> Mapping[str, Sequence[str]]:
    text = resources.files("unigurd_trainer").joinpath("briefs.yaml").read_text(encoding="utf-8")
    vocabulary: Mapping[str, Sequence[str]] = yaml.safe_load(text)
    return vocabulary
