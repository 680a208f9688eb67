"""Forms: changes to how a text is written that keep what it asks, each with a name that samples record."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from unigurd_trainer.augment import augment

__all__ = ["FORMS", "reform"]

PARAPHRASES = (
    "I was wondering: {}",
    "A friend asked me this and I could not answer: {}",
    "Here is what I need. {}",
    "Could you take this one? {}",
    "Not sure who to ask, so I ask you. {}",
    "Short version, I'm on my phone: {}",
    "For my notes: {}",
    "One more thing before I go. {}",
)
BEFORE = (
    "Hi, I have been a customer for some years and was always happy with you.",
    "Sorry for the long message, it has been one of those days and I am typing this on the train.",
    "I looked on the website first but could not find what I was after, so I am writing here.",
    "Good morning! I hope that you are well and that this is the right place to ask.",
    "My sister told me about this chat, and it is my first time here.",
)
AFTER = (
    "Thanks in advance, and have a nice day.",
    "No rush, whenever you find the time.",
    "Let me know if you need anything else from me.",
    "I will be back in the afternoon.",
)
OPENERS = (
    ("Hello!", "Hello! How can I help you today?"),
    ("hi, are you there?", "Yes, I am here. What can I do for you?"),
    ("Thanks, that was all clear.", "You are welcome. Is there anything else?"),
    ("What are you able to do?", "I can answer questions. What is yours?"),
)
LOOKALIKES = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"})


def reform(text: str, name: str, rng: random.Random) -> str:
    """Return the text in the form of this name; KeyError if there is none."""
    return FORMS[name](text, rng)


def _paraphrased(text: str, rng: random.Random) -> str:
    return rng.choice(PARAPHRASES).replace("{}", text)


def _obfuscated(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    for at in rng.sample(range(len(words)), max(1, len(words) // 3)):
        spaced = rng.random() < 0.3 and len(words[at]) > 3
        words[at] = " ".join(words[at]) if spaced else words[at].translate(LOOKALIKES)
    return " ".join(words)


def _in_context(text: str, rng: random.Random) -> str:
    return f"{rng.choice(BEFORE)} {text} {rng.choice(AFTER)}"


def _in_turns(text: str, rng: random.Random) -> str:
    user, assistant = rng.choice(OPENERS)
    return f"User: {user}\nAssistant: {assistant}\nUser: {text}"


FORMS: Mapping[str, Callable[[str, random.Random], str]] = {
    "typing": augment,
    "paraphrase": _paraphrased,
    "obfuscation": _obfuscated,
    "context": _in_context,
    "turns": _in_turns,
}
"""Name -> change: typing (spelling, casing, marks, politeness), a frame around it, letters replaced, a longer message
around it, or a conversation before it."""
