"""What policies are about: fields of life, who runs the assistant, what is at stake, and what kind of rule it is.

An endless, seeded series of commissions covers all fields and kinds evenly before any of them comes again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from unigurd_trainer.sdg.controls import endless

__all__ = ["CONCERNS", "DOMAINS", "KINDS", "OPERATORS", "Commission", "Kind", "commissions"]

Kind = Literal["ban", "scope", "mixed"]
KINDS: tuple[Kind, ...] = get_args(Kind)

DOMAINS = (
    "banking", "credit and debt", "investing", "insurance", "taxes", "accounting", "property and renting",
    "home improvement", "construction sites", "energy and utilities", "telecoms", "internet providers",
    "software development", "data analysis", "cloud operations", "information security", "consumer electronics",
    "video games", "films and television", "music", "books and publishing", "news and journalism", "social media",
    "dating", "weddings and events", "parenting", "schools", "universities", "language learning", "exams and tests",
    "career advice", "recruiting", "human resources", "legal services", "courts and police", "immigration",
    "public administration", "elections and politics", "charities", "religion", "medicine", "mental health",
    "pharmacies", "dentistry", "nutrition", "fitness", "elder care", "veterinary care", "pets", "farming",
    "gardening", "cooking", "restaurants", "groceries", "fashion", "beauty", "furniture", "second-hand trade",
    "parcel delivery", "logistics", "manufacturing", "chemistry", "laboratories", "engineering", "cars",
    "car sharing", "public transport", "air travel", "hotels", "tourism", "outdoor sports", "team sports",
    "gambling", "alcohol and tobacco", "museums and history", "fine arts", "photography", "marketing",
    "customer loyalty", "market research", "translation", "emergency services", "weather and climate", "space",
)  # fmt: skip

OPERATORS = (
    "the customer chat of a company", "an internal assistant for employees", "a mobile app for beginners",
    "a service for licensed professionals", "a public authority's help desk", "a school's or university's tutor",
    "a community forum's helper bot", "a voice assistant in a device", "an agent that acts with tools on its own",
    "a small family business", "a non-profit's advice line", "a marketplace between strangers",
)  # fmt: skip

CONCERNS = (
    "advice that only a licensed person may give", "private data of the user or of others", "physical safety",
    "fraud and abuse of the service", "children among the users", "staying with the job and nothing else",
    "confidential business information", "claims and promises that the company cannot keep",
    "respectful language", "competitors and the reputation of the brand", "the law of the trade",
    "attempts to steer or misuse the assistant", "decisions that a person has to take",
    "fairness towards groups of people",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Commission:
    """What a policy is wanted for: the field, the kind of rule, who runs the assistant, and what is at stake."""

    domain: str
    kind: Kind
    operator: str
    concern: str


def commissions(seed: int) -> Iterator[Commission]:
    """Yield commissions without end, the same for the same seed."""
    cells = endless([*product(DOMAINS, KINDS)], random.Random(f"cells:{seed}"))
    operators = endless(OPERATORS, random.Random(f"operators:{seed}"))
    concerns = endless(CONCERNS, random.Random(f"concerns:{seed}"))
    for (domain, kind), operator, concern in zip(cells, operators, concerns, strict=False):
        yield Commission(domain, kind, operator, concern)
