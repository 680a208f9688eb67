"""Rendering: chosen texts as samples, with a rationale, the control that they fulfil, and now and then another form."""

from __future__ import annotations

import random
from dataclasses import dataclass

from unigurd_sdk.policy import Policy
from unigurd_trainer.sdg.choosing import Choice
from unigurd_trainer.sdg.forms import FORMS, reform
from unigurd_trainer.sdg.samples import Control, Provenance, Sample, sample_id

__all__ = ["Renderer"]

FRAME_CONFIDENCE, EXAMPLE_CONFIDENCE = 0.5, 1.0
FAR_FORMS = ("context", "turns", "obfuscation")
"""The forms of second samples: de-duplication would take the others for repetitions."""

SECOND = 0.9
"""What a second sample's confidence is of the first one's."""

MEDIUM, LONG = 20, 60
"""Words from which a text is of medium length, and long."""


@dataclass(frozen=True, slots=True)
class Renderer:
    """Turns choices into samples of one policy.

    Attributes:
        version: Version of the packaged material.
        augment: Share of texts that get another form.
    """

    policy: Policy
    version: str
    augment: float

    def render(self, choice: Choice, rng: random.Random) -> Sample:
        """Return a choice as a sample; user examples keep their form."""
        form = self._form(choice, rng)
        text = reform(choice.text.text, form, rng) if form else choice.text.text
        return Sample(
            policy=self.policy.name,
            text=text,
            label=choice.label,
            rationale=choice.rationale or _rationale(choice),
            provenance=Provenance(
                "offline", template=self.version, source=choice.text.source, licence=choice.text.licence
            ),
            control=_control(choice, text, form),
            policy_version=self.policy.version,
            group=choice.text.group or sample_id(choice.text.text),
            confidence=_confidence(choice),
        )

    def _form(self, choice: Choice, rng: random.Random) -> str:
        if choice.again:
            return rng.choice(FAR_FORMS)
        return rng.choice(tuple(FORMS)) if choice.kind != "example" and rng.random() < self.augment else ""


def _rationale(choice: Choice) -> str:
    if choice.target is not None:
        side = "disallows" if choice.label else "allows"
        return f"The policy {side} this: {choice.target.line}"
    about = "close to what the policy lists, but" if choice.kind == "sibling" else "about something else, and"
    outcome = "permits only what it lists" if choice.label else "does not forbid it"
    return f"This is {about} the policy {outcome}."


def _control(choice: Choice, text: str, form: str) -> Control:
    words = len(text.split())
    hard = "adversarial" if form == "obfuscation" else "borderline" if choice.kind == "sibling" else "plain"
    return Control(
        behaviour=choice.target.line if choice.target else "",
        listed=choice.target.listed if choice.target else "none",
        difficulty=hard,
        length="long" if words >= LONG else "medium" if words >= MEDIUM else "short",
        language=choice.text.lang,
        style=choice.kind,
        augment=form,
    )


def _confidence(choice: Choice) -> float:
    fixed = {"example": EXAMPLE_CONFIDENCE, "frame": FRAME_CONFIDENCE}
    confidence = fixed.get(choice.kind, min(1.0, max(0.0, choice.confidence)))
    return round(confidence * (SECOND if choice.again else 1.0), 3)
