"""How a TaskGuard is trained: the recipe of `unigurd-train finetune`, and its translation for the training loop."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unigurd_trainer.recipe import DataRecipe, GipRecipe, LossRecipe, OptimRecipe, Strict

__all__ = ["Balance", "Mode", "TaskRecipe"]

Mode = Literal["full", "head", "output"]
"""What trains: all weights (FFT), the classification head over a frozen encoder (CFT), or the head's last layer."""

Balance = Literal["even", "natural"]
"""Whether an episode has as many safe as unsafe texts, or the classes as often as the data have them."""

_HEAD_LR = {"full": 3e-4, "head": 1e-3, "output": 1e-2}


class TaskRecipe(Strict):
    """How a TaskGuard is trained.

    Texts over `max_text` tokens are cut in training, never in a check.
    """

    mode: Mode = "full"
    epochs: int = Field(default=8, gt=0)
    patience: int = Field(default=2, ge=0, description="epochs without a better score before stopping; 0 never stops")
    seed: int = 0
    episodes: int = Field(default=2, gt=0, description="episodes of `texts` texts a step")
    texts: int = Field(default=16, gt=1, multiple_of=2)
    max_text: int = Field(default=256, ge=16)
    balance: Balance = "even"
    plain: bool = Field(default=False, description="read the text alone, not the policy")
    encoder_lr: float = Field(default=5e-5, gt=0)
    head_lr: float | None = Field(default=None, gt=0, description="3e-4 for full, 1e-3 for head, 1e-2 for output")
    smoothing: float = Field(default=0.02, ge=0, lt=0.5)
    noise: float = Field(default=0.0, ge=0, lt=0.5, description="share of labels that is presumed to be wrong")
    augment: float = Field(default=0.1, ge=0, le=1, description="share of lightly changed texts; only in mode full")
    precision: Literal["bf16", "fp32"] = "bf16"

    @property
    def changes(self) -> float:
        """Share of texts that are changed; a frozen encoder is to see each text once."""
        return self.augment if self.mode == "full" else 0.0

    @property
    def name(self) -> str:
        """What the loop's own settings do not say of the run; another name may not resume it."""
        return f"{self.mode}-{self.balance}{'-plain' if self.plain else ''}"

    def loop(self, name: str, epoch: int, max_line: int) -> GipRecipe:
        """The settings of the training loop, for epochs of `epoch` steps."""
        return GipRecipe(
            name=name,
            seed=self.seed,
            steps=epoch * self.epochs,
            episodes=self.episodes,
            validate_every=epoch,
            patience=self.patience,
            data=DataRecipe(texts=self.texts, max_text=self.max_text, max_line=max_line, augment=self.changes),
            optim=OptimRecipe(
                encoder_lr=self.encoder_lr,
                head_lr=self.head_lr or _HEAD_LR[self.mode],
                line_loss=0.0,
                smoothing=self.smoothing,
                precision=self.precision,
            ),
            loss=LossRecipe(noise=self.noise),
        )
