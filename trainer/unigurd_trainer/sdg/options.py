"""The options of the generator ``llm``: what it is asked for, beside where the model is and how it is called."""

from __future__ import annotations

from pydantic import Field

from unigurd_trainer.http.options import EndpointOptions
from unigurd_trainer.sdg.controls import DIFFICULTIES, Axes, Difficulty
from unigurd_trainer.sdg.parsing import MAX_CHARS

__all__ = ["LlmOptions"]


class LlmOptions(EndpointOptions):
    """How texts are written and reflected on, and the model that does it."""

    per_request: int = Field(default=8, ge=1, le=64, description="texts asked for in one request")
    temperature: float | None = Field(default=1.0, ge=0, description="of writing; None leaves it to the server")
    languages: tuple[str, ...] = Field(default=("en",), min_length=1, description="ISO 639-1 codes, dealt in turn")
    difficulties: tuple[Difficulty, ...] = Field(
        default=DIFFICULTIES, min_length=1, description="difficulties, dealt in turn"
    )
    examples: int = Field(default=3, ge=0, description="examples of the policy shown in a request")
    extra_rounds: int = Field(default=3, ge=0, description="rounds of asking again for texts that are missing")
    max_chars: int = Field(default=MAX_CHARS, ge=1, description="longer texts are turned down")
    reflection_rounds: int = Field(default=3, ge=0, description="rounds of self-reflection at most; 0 is none")
    reflection_stop: float = Field(default=0.02, ge=0, le=1, description="disagreement below which reflection ends")
    judge_model: str = Field(default="", description="model that judges; empty is the one that writes")
    judge_per_request: int = Field(default=8, ge=1, le=64, description="texts judged in one request")
    self_consistency: int = Field(default=1, ge=1, le=15, description="verdicts per text, of which the majority counts")
    refine: bool = Field(default=True, description="let the model clarify the policy from disagreements")

    def axes(self) -> Axes:
        """Return what the plan varies."""
        return Axes(difficulties=self.difficulties, languages=self.languages)

    def identity(self) -> dict[str, str]:
        """Return what makes the written texts: a journal with other values is another run's."""
        names = ("model", "per_request", "temperature", "languages", "difficulties", "examples", "max_tokens")
        return {name: str(getattr(self, name)) for name in names}
