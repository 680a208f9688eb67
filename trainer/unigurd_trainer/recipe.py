"""Recipes: what a training run is, as a typed TOML file that is committed and hashed."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unigurd_sdk.nn.model import Interaction
from unigurd_trainer.errors import RecipeError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


_LENGTH = {"steps", "max_seconds", "patience", "validate_every", "validation_rows", "checkpoint_seconds"}


_CAME_LATER = ("only", "documents")
"""Settings of the data that older recipes do not have; unset, they do not change a hash."""

Kind = TypeVar("Kind", bound=BaseModel)


class Strict(BaseModel):
    """A recipe, or a part of one: nothing unknown, nothing changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRecipe(Strict):
    """The model: base encoder and how text and policy interact (see `unigurd_sdk.nn.model`)."""

    base: str = "sentence-transformers/all-MiniLM-L6-v2"
    revision: str | None = None
    interaction: Interaction = "lines-read"
    head_size: int = Field(default=192, gt=0, multiple_of=6)
    policy_blocks: int = Field(default=2, ge=0)
    decision_blocks: int = Field(default=2, ge=0)
    dropout: float = Field(default=0.1, ge=0, lt=1, description="of the head")
    encoder_dropout: float = Field(default=0.0, ge=0, lt=1)
    freeze_words: bool = True


class DataRecipe(Strict):
    """The mixture: shares of episodes by kind (see `unigurd_trainer.mixture`), their texts, and how these appear."""

    composed: float = Field(default=0.42, ge=0)
    conditioned: float = Field(default=0.25, ge=0)
    pool: float = Field(default=0.28, ge=0)
    cross: float = Field(default=0.05, ge=0)
    texts: int = Field(default=16, gt=1)
    max_text: int = Field(default=192, ge=16, description="tokens; longer training texts are cut, checks never are")
    max_line: int = Field(default=64, ge=8, description="tokens; longer policy lines become several")
    augment: float = Field(default=0.2, ge=0, le=1, description="share of written texts that are changed lightly")
    strangers: float = Field(default=0.0, ge=0, le=0.5, description="share of other policies' texts, presumed safe")
    contexts: float = Field(default=0.0, ge=0, le=1, description="share of texts put among harmless ones")
    personas: float = Field(default=0.0, ge=0, le=1, description="share of public texts set into a role instruction")
    chat_personas: float = Field(default=0.0, ge=0, le=1, description="the same for presumed-safe chat")
    slices: float = Field(default=0.0, ge=0, le=1, description="share of long safe texts shown in part")
    briefs: float = Field(default=0.0, ge=0, le=1, description="share of chat that gives way to structured prompts")
    chat_share: float = Field(default=0.2, ge=0, le=0.5, description="share of presumed-safe chat in pool episodes")
    documents: float = Field(default=0.0, ge=0, le=1, description="share of public texts and of chat set in documents")
    policies: int | None = Field(default=None, gt=0, description="distinct composed policies; without it all are new")
    holdout_seed: int = 0
    exclude: tuple[str, ...] = Field(
        default=(), description="policies none of whose written or public rows train: for measuring zero-shot use"
    )
    only: tuple[str, ...] = Field(default=(), description="policies whose written and public rows alone train")

    @property
    def shares(self) -> dict[str, float]:
        """Shares by kind."""
        kinds = ("composed", "conditioned", "pool", "cross")
        return {kind: share for kind in kinds if (share := float(getattr(self, kind))) > 0}


class OptimRecipe(Strict):
    """AdamW, linear warm-up, cosine decay to a tenth, gradient clipping."""

    encoder_lr: float = Field(default=1e-4, gt=0)
    head_lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.03, ge=0, le=1, description="share of the steps")
    clip: float = Field(default=1.0, gt=0)
    line_loss: float = Field(
        default=0.3, ge=0, description="weight of the cross-entropy that points at the matched line"
    )
    smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    precision: str = Field(default="bf16", pattern="^(bf16|fp32)$")


class MaskingRecipe(Strict):
    """Masked language modelling: which tokens are hidden, and the head that finds them again."""

    share: float = Field(default=0.15, gt=0, lt=1, description="of the ordinary tokens of a row; at least one")
    transform: bool = Field(default=True, description="dense, gelu and norm in front of the tied word embeddings")
    every: int = Field(default=1, gt=0, description="steps")


class PerturbationRecipe(Strict):
    """Alice: losses under a worst-case perturbation of the hidden states that enter a layer (see `losses.alice`).

    Where `layers` is ``random`` or a list, one of them is drawn for each step; ``embed`` is layer 0, ``top`` are the
    last `top_m`. `eps` is absolute; without it the radius is `eps_rel` times the size of the layer's states.
    """

    layers: Literal["random", "embed", "top"] | tuple[Annotated[int, Field(ge=0)], ...] = "random"
    top_m: int = Field(default=3, gt=0)
    label: Literal["adversarial", "clean", "off"] = "adversarial"
    virtual: float = Field(default=1.0, ge=0, description="weight a of the virtual term beside the label term")
    shared: bool = Field(default=True, description="one search for both terms: the label term's; else one each")
    divergence: Literal["symmetric", "one-sided"] = "symmetric"
    mode: Literal["vat", "released"] = "vat"
    ascent: int = Field(default=1, ge=0, description="gradient steps K of the inner maximisation; 0 is random")
    norm: Literal["inf", "2", "sign"] = "inf"
    eps: float | None = Field(default=None, gt=0)
    eps_rel: float = Field(default=0.03, gt=0)
    xi: float = Field(default=1e-3, gt=0, description="length of the random start, by token")
    eval_in_vat: bool = Field(default=False, description="without dropout")
    every: int = Field(default=1, gt=0, description="steps")

    @model_validator(mode="after")
    def _some_term(self) -> PerturbationRecipe:
        if self.label == "off" and not self.virtual:
            raise ValueError("neither the label nor the virtual term is on; set loss.alice = 0 instead")
        if self.layers == ():
            raise ValueError("the list of layers is empty")
        return self


class LossRecipe(Strict):
    """The pretraining loss ``mlm * MLM + alice * Alice + classification * classification`` (paper, equation 1).

    `rationale` says who reads why a text has its label: ``views``: masked language modelling only; ``literal``: every
    term; ``dropout``: every term, a share `keep_rationale` of the time; ``none``: no term.
    """

    mlm: float = Field(default=0.0, ge=0)
    alice: float = Field(default=0.0, ge=0)
    classification: float = Field(default=1.0, ge=0)
    pos_weight: float = Field(default=1.0, gt=0, description="weight of texts that violate")
    noise: float = Field(default=0.0, ge=0, lt=0.5, description="share of labels that is presumed to be wrong")
    rationale: Literal["views", "literal", "dropout", "none"] = "views"
    keep_rationale: float = Field(default=0.5, ge=0, le=1)
    max_rationale: int = Field(default=48, ge=8, description="tokens; longer rationales are cut")
    masking: MaskingRecipe = MaskingRecipe()
    perturbation: PerturbationRecipe = PerturbationRecipe()

    @property
    def reads_rationales(self) -> bool:
        """Whether any term reads rationales."""
        return self.rationale in ("literal", "dropout") or (self.rationale == "views" and self.mlm > 0)

    @model_validator(mode="after")
    def _some_term(self) -> LossRecipe:
        if not self.mlm + self.alice + self.classification:
            raise ValueError("all weights are 0; there is nothing to train")
        return self


class GipRecipe(Strict):
    """Guardrail instruction pretraining."""

    name: str
    seed: int = 0
    steps: int = Field(gt=0, description="optimiser steps")
    episodes: int = Field(default=6, gt=0, description="episodes a step")
    validate_every: int = Field(default=500, gt=0, description="steps")
    validation_rows: int = Field(default=1500, gt=0, description="rows of each validation set")
    patience: int = Field(
        default=0, ge=0, description="validations without a better score before stopping; 0 never stops"
    )
    checkpoint_seconds: float = Field(default=240.0, gt=0)
    max_seconds: float | None = Field(
        default=None, gt=0, description="for studies at equal time: decay and stop by the clock"
    )
    model: ModelRecipe = ModelRecipe()
    data: DataRecipe = DataRecipe()
    optim: OptimRecipe = OptimRecipe()
    loss: LossRecipe = LossRecipe()

    @property
    def fingerprint(self) -> str:
        """Sha256 (16 hex digits) of the recipe's values, in whatever order the file has them."""
        return recipe_hash(self._hashed())

    @property
    def resume_key(self) -> str:
        """Hash of what must not change when a run resumes; how long it runs and how often it looks up may."""
        return recipe_hash(self._hashed(*_LENGTH))

    @property
    def _unused(self) -> set[str]:
        """Parts that came later and are as if they were not there, so that older hashes hold."""
        return {"loss"} if self.loss == LossRecipe() else set()

    def _hashed(self, *without: str) -> dict[str, object]:
        values = self.model_dump(exclude=self._unused | set(without))
        for name in _CAME_LATER:
            if not getattr(self.data, name):
                del values["data"][name]
        return values


def recipe_hash(values: dict[str, object]) -> str:
    """Sha256 (16 hex digits) of values as JSON, in whatever order they are."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def load_recipe(path: Path, **changes: object) -> GipRecipe:
    """Read a TOML recipe; a bad one raises `RecipeError` that names the file and the field."""
    return read_recipe(path, GipRecipe, **changes)


def read_recipe(path: Path, kind: type[Kind], **changes: object) -> Kind:
    """Read a TOML recipe of any kind; a bad one raises `RecipeError` that names the file and the field."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        return kind.model_validate(raw | changes)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: {error}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise RecipeError(f"{path}: {problems}") from error
