"""The two graphs of the model contract, tensors in and tensors out.

They are what is exported to ONNX and what the torch runtime calls.

The policy graph reads the lines of one policy and gives its state, tensors with one row a line (the null line first).
The text graph scores B texts under K policies whose states were padded to one length. `STATE` names the tensors of a
state.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unigurd_sdk.nn.head import LineStates
from unigurd_sdk.nn.model import GuardModel

STATE = ("vectors", "context", "valence")
POLICY_INPUTS = ("input_ids", "attention_mask", "polarity")
TEXT_INPUTS = ("input_ids", "attention_mask", *STATE, "vectors_mask")


class PolicyGraph(nn.Module):
    """Lines of one policy to its state."""

    def __init__(self, model: GuardModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, polarity: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map ids and mask [L, P] and polarity [L] to vectors [1 + L, D], context [1 + L, d], valence [1 + L]."""
        vectors = self.model.line_vectors(input_ids, attention_mask)
        mask = torch.ones_like(polarity)[None]
        lines = self.model.head.policy(vectors[None], polarity[None], mask)
        return lines.vectors[0], lines.context[0], lines.valence[0]


class TextGraph(nn.Module):
    """Texts under policies to logits; the text is encoded once, however many policies there are."""

    def __init__(self, model: GuardModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        vectors: Tensor,
        context: Tensor,
        valence: Tensor,
        vectors_mask: Tensor,
    ) -> Tensor:
        """Map ids and mask [B, T] and K states ([K, L, D], [K, L, d], [K, L], mask [K, L]) to logits [B, K]."""
        texts = self.model.encode_texts(input_ids, attention_mask)
        batch, policies = input_ids.shape[0], vectors.shape[0]
        state = (_repeat(x, batch) for x in (vectors, context, valence, vectors_mask.float()))
        pooled = texts.pooled[:, None].expand(-1, policies, -1).flatten(0, 1)
        logits, _ = self.model.head(texts.hidden, texts.mask, pooled, LineStates(*state))
        return logits.view(batch, policies)  # type: ignore[no-any-return]


def _repeat(state: Tensor, batch: int) -> Tensor:
    """K states to B * K rows, the policies of a text side by side: [K, ...] to [B * K, ...]."""
    return state[None].expand(batch, *state.shape).flatten(0, 1)
