"""The guard model: an encoder, the vote head, and the contract `encode_policy` once, `score` often.

The interaction of text and policy is one of

- ``lines``: lines vote, knowing only the text's sentence embedding (a bi-encoder with a head);
- ``lines-read``: lines vote after reading the text's tokens (the text is encoded once for any number of policies);
- ``prefix-lines``: text tokens also attend to the policy's cached keys and values in every encoder layer;
- ``full``: policy and text as one sequence, the paper's form; nothing can be cached. For ablations and teachers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from unigurd_sdk.errors import ModelIncompatible
from unigurd_sdk.nn.encoder import Encoded, Encoder, EncoderConfig, Prefix, Segments, mean_pool
from unigurd_sdk.nn.head import HeadConfig, LineStates, VoteHead

Interaction = Literal["lines", "lines-read", "prefix-lines", "full"]
POLICY_TYPE, TEXT_TYPE = 0, 1
_WORDS, _TYPES = (f"embeddings.{kind}_embeddings.weight" for kind in ("word", "token_type"))


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything that is needed to build the modules of a checkpoint."""

    interaction: Interaction = "lines-read"
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    head_size: int = 192
    head_heads: int = 6
    policy_blocks: int = 2
    decision_blocks: int = 2
    dropout: float = 0.1

    @property
    def head(self) -> HeadConfig:
        """Sizes of the vote head."""
        reads = self.interaction in ("lines-read", "prefix-lines")
        return HeadConfig(
            hidden_size=self.encoder.hidden_size,
            size=self.head_size,
            heads=self.head_heads,
            policy_blocks=self.policy_blocks,
            decision_blocks=self.decision_blocks,
            reads=reads,
            dropout=self.dropout,
        )

    def flat(self) -> dict[str, int | float | str]:
        """Flatten for the manifest: encoder sizes under ``encoder.``."""
        own = {key: value for key, value in asdict(self).items() if key != "encoder"}
        return own | {f"encoder.{key}": value for key, value in asdict(self.encoder).items()}

    @classmethod
    def from_flat(cls, flat: dict[str, Any]) -> ModelConfig:
        """Undo `flat`; unknown keys raise TypeError, an unknown interaction ValueError."""
        own = {key: value for key, value in flat.items() if not key.startswith("encoder.")}
        sizes = {key.removeprefix("encoder."): value for key, value in flat.items() if key.startswith("encoder.")}
        config = cls(encoder=EncoderConfig(**sizes), **own)
        if config.interaction not in get_args(Interaction):
            raise ValueError(f"unknown interaction {config.interaction!r}; known: {', '.join(get_args(Interaction))}")
        return config


@dataclass(frozen=True, slots=True)
class TextStates:
    """Encoded texts: `hidden` [B, T, D], `mask` [B, T], unit `pooled` [B, D]."""

    hidden: Tensor
    mask: Tensor
    pooled: Tensor


class GuardModel(nn.Module):
    """Encoder and head; parameter names start with `bert.` and `head.`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = Encoder(config.encoder)
        self.head = VoteHead(config.head)
        if config.interaction == "full":
            self.head = nn.Sequential(nn.Linear(config.encoder.hidden_size, 1))  # type: ignore[assignment]

    def line_vectors(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """Unit sentence embeddings [N, D] of policy lines [N, P]."""
        return unit_pool(self.bert(Segments(input_ids, mask, POLICY_TYPE)).hidden, mask)

    def policies(self, vectors: Tensor, polarity: Tensor, layout: Tensor) -> LineStates:
        """Group lines [N, D] into G policies: `layout` [G, L] holds line numbers (-1 for none), `polarity` [G, L]."""
        present, index = layout >= 0, layout.clamp(min=0)
        return self.head.policy(vectors[index] * present.unsqueeze(-1), polarity, present.long())

    def encode_texts(self, input_ids: Tensor, mask: Tensor, prefix: Prefix | None = None) -> TextStates:
        """Encode texts [B, T]."""
        hidden = self.bert(Segments(input_ids, mask, TEXT_TYPE), prefix).hidden
        return TextStates(hidden, mask, unit_pool(hidden, mask))

    def encode_together(
        self, lines: Sequence[tuple[Tensor, Tensor]], texts: Sequence[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, list[TextStates]]:
        """Encode buckets (ids, mask) of lines and of texts in one pass: line vectors [N, D] and the texts' states."""
        rows = [Segments(*bucket, POLICY_TYPE) for bucket in lines] + [Segments(*bucket, TEXT_TYPE) for bucket in texts]
        hidden = self.bert.packed(rows)
        pooled = [unit_pool(states, row.mask) for states, row in zip(hidden, rows, strict=True)]
        count = len(lines)
        states = zip(hidden[count:], (row.mask for row in rows[count:]), pooled[count:], strict=True)
        return torch.cat(pooled[:count]), [TextStates(*state) for state in states]

    def decide(self, texts: TextStates, lines: LineStates) -> tuple[Tensor, Tensor]:
        """Logits [N] and line log-weights [N, 1 + L] of N texts under the N policies beside them, in float32."""
        with torch.autocast(texts.hidden.device.type, enabled=False):
            return self.head(texts.hidden.float(), texts.mask, texts.pooled, lines)  # type: ignore[no-any-return]

    def policy_prefix(self, input_ids: Tensor, mask: Tensor, layout: Tensor) -> tuple[Tensor, Prefix]:
        """Line vectors [N, D] and the key-value prefix of G policies (interaction ``prefix-lines``)."""
        encoded = self.bert(Segments(input_ids, mask, POLICY_TYPE))
        return unit_pool(encoded.hidden, mask), prefix_of(encoded, mask, layout)

    def score_full(self, rows: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
        """Logits [B] of buckets (ids, mask) of policy and text in one sequence [B, S] (interaction ``full`` only)."""
        hidden = self.bert.packed([Segments(*bucket, TEXT_TYPE) for bucket in rows])
        with torch.autocast(hidden[0].device.type, enabled=False):
            pooled = [mean_pool(states, mask) for states, (_, mask) in zip(hidden, rows, strict=True)]
            return [self.head(each).squeeze(-1) for each in pooled]


def unit_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean-pooled and normalised embedding [B, D], float32."""
    return functional.normalize(mean_pool(hidden, mask), dim=-1)


def prefix_of(encoded: Encoded, mask: Tensor, layout: Tensor) -> Prefix:
    """Group the keys and values of encoded lines [N, P] into those of G policies; `layout` [G, L] as in `policies`."""
    present, index = layout >= 0, layout.clamp(min=0)
    tokens = (mask[index] * present.unsqueeze(-1)).flatten(1)
    keys, values = (tuple(x[index].flatten(1, 2) for x in side) for side in (encoded.keys, encoded.values))
    return Prefix(keys, values, tokens)


def prefix_rows(prefix: Prefix, index: Tensor) -> Prefix:
    """Take the prefixes at `index` [B]."""
    return Prefix(
        tuple(key[index] for key in prefix.keys), tuple(value[index] for value in prefix.values), prefix.mask[index]
    )


def load_base(model: GuardModel, weights: Mapping[str, Tensor]) -> None:
    """Load the weights of a Hugging Face BERT or RoBERTa into the encoder, whatever stands in front of their names.

    Both token types start as the first one of the base. So texts and policy lines are in one embedding space at the
    start (sentence encoders only know type 0; RoBERTa has no other), and learn to differ.

    Raises:
        ModelIncompatible: Weights are missing, or have other sizes than the model's config.
    """
    wanted = model.bert.state_dict()
    named = _bert_names(weights)
    missing = sorted(set(wanted) - set(named))
    if missing:
        raise ModelIncompatible(f"the base encoder has no {', '.join(missing[:3])}; use a BERT-like encoder")
    named[_TYPES] = named[_TYPES][:1].repeat(len(wanted[_TYPES]), 1)
    differing = [name for name, tensor in wanted.items() if tensor.shape != named[name].shape]
    if differing:
        shapes = [f"{name} {list(named[name].shape)} and not {list(wanted[name].shape)}" for name in differing[:3]]
        raise ModelIncompatible(f"the weights of the base encoder do not fit its config.json: {'; '.join(shapes)}")
    model.bert.load_state_dict({key: named[key] for key in wanted})


def _bert_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name weights as `Encoder` does: without a prefix such as `roberta.`, and with today's names of layer norms."""
    prefix = next((key.removesuffix(_WORDS) for key in weights if key.endswith(_WORDS)), "")
    names = {key: key.removeprefix(prefix) for key in weights if key.startswith(prefix)}
    return {
        name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias"): weights[key]
        for key, name in names.items()
    }
