"""Wordings: short descriptions for policies with lists, and how a listed behaviour is put."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CATCH_ALL", "DESCRIPTIONS", "listed_line", "topic_name"]

DESCRIPTIONS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("ban", "allowed"): (
        "The assistant must not help with some {topic} matters. Everything else is fine.",
        "Some {topic} requests are off limits here; all other requests are welcome.",
        "Block the requests listed as disallowed and let everything else through.",
        "Only the listed requests are refused.",
        "The assistant declines a few kinds of {topic} request and answers the rest.",
        "Keeps the assistant away from certain {topic} matters.",
        "A message violates this policy if it asks for something on the disallowed list.",
        "You are a helpful assistant. Turn down what is listed as disallowed, nothing more.",
        "Avoid the {topic} requests on the disallowed list",
        "There are things about {topic} that this bot does not do.",
    ),
    ("scope", "disallowed"): (
        "The assistant only helps with the matters listed as allowed. Anything else is off topic.",
        "The {topic} assistant has a narrow job: whatever is not listed as allowed is refused.",
        "Answer nothing but the allowed requests.",
        "This bot is for a few {topic} tasks and for nothing else.",
        "A message complies only if it falls under an allowed behaviour.",
        "Keeps the assistant on topic.",
        "Stay within the permitted {topic} matters; decline all other requests, however harmless.",
        "You handle the listed {topic} requests. Every other message is out of scope.",
    ),
    ("mixed", "allowed"): (
        "Some {topic} requests are fine and some are not. What is on neither list is permitted.",
        "Refuse what is listed as disallowed. What is listed as allowed passes, and so does the rest.",
        "The disallowed {topic} requests are blocked. Everything else may be answered.",
    ),
    ("mixed", "disallowed"): (
        "Answer what is listed as allowed. Refuse the disallowed requests and anything on neither list.",
        "The assistant serves the allowed {topic} matters only; other matters, listed or not, are refused.",
        "Default deny: a {topic} request passes only if it is listed as allowed.",
    ),
    ("mixed", "unspecified"): (
        "The assistant may help with some {topic} requests and must refuse others.",
        "What the {topic} assistant does and does not do.",
        "Allowed and disallowed requests are listed.",
        "Tell apart the {topic} requests that we take from those that we leave to others.",
    ),
}
"""(kind, what unlisted texts are) -> descriptions; ``{topic}`` is replaced."""

CATCH_ALL = (
    "Anything else",
    "Everything else",
    "All other requests",
    "Any other topic",
    "Requests about anything not listed",
)
"""Lines that stand for every text that matches no other line."""

ABOUT = ("Requests about {}", "Messages about {}", "Anything about {}")
REQUEST_WORDS = frozenset(
    (
        "questions",
        "requests",
        "enquiries",
        "queries",
        "orders",
        "commands",
        "reports",
        "instructions",
        "checks",
    )
)


PAIRS = frozenset(
    (
        "bills-payments calendar-reminders cooking-nutrition credit-loans events-places fraud-disputes "
        "games-fun investing-business maths-units messaging-email movies-books music-audio time-alarms"
    ).split()
)
"""Topics that name two things."""


def topic_name(topic: str) -> str:
    """Return a topic in words, such as 'games and fun'."""
    return topic.replace("-", " and " if topic in PAIRS else " ")


def listed_line(phrase: str, form: str, style: int) -> str:
    """Return a behaviour as a line of a list, as 'Requests about ...' only where that reads well.

    Args:
        phrase: The behaviour.
        form: Its form (``gerund``, ``noun``, ``clause`` or ``bullet``).
        style: 0 as it is, 1 capitalised, 2 with a full stop, 3 and up with words before it.
    """
    if style == 0:
        return phrase
    first = phrase.split(" ", 1)[0]
    if style > 2 and form in ("noun", "bullet") and first not in REQUEST_WORDS and not first.endswith("ing"):
        return ABOUT[style % len(ABOUT)].format(phrase)
    if style > 2 and form == "gerund":
        return f"Users {phrase}"
    return phrase[:1].upper() + phrase[1:] + ("." if style == 2 else "")
