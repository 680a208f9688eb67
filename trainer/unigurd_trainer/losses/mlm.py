"""Masked language modelling: a head that finds hidden tokens again, and its loss.

The head belongs to training: it is optimised and kept in the training state, and never exported.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["MlmHead", "mlm_loss"]

FIRST_SPREAD = 0.5
"""Standard deviation of the logits at the start, so that the first loss is about ln(size of the vocabulary)."""


class MlmHead(nn.Module):
    """BERT's head: dense, gelu, norm, then the word embeddings transposed (tied) and a bias by word.

    The dense layer is what takes the last hidden states, whose means are compared as sentence embeddings, into the
    space of the word embeddings. Without it (`transform` false) the encoder itself would have to turn its output there,
    against the comparison, all the more where word embeddings are frozen. Its parameters are named as in
    `BertLMPredictionHead`.
    """

    def __init__(self, words: Tensor, *, transform: bool = True) -> None:
        """Make a head for word embeddings [V, D]; they are passed again in each call, not held."""
        super().__init__()
        size = words.shape[1]
        self.bias = nn.Parameter(torch.zeros(words.shape[0]))
        self.dense = nn.Linear(size, size) if transform else None
        self.LayerNorm = nn.LayerNorm(size) if transform else None
        if self.dense is not None and self.LayerNorm is not None:
            nn.init.normal_(self.dense.weight, std=0.02)
            nn.init.zeros_(self.dense.bias)
            nn.init.constant_(self.LayerNorm.weight, FIRST_SPREAD / float(words.detach().norm(dim=1).mean()))

    def forward(self, hidden: Tensor, words: Tensor) -> Tensor:
        """Logits [K, V] of hidden states [K, D]."""
        if self.dense is not None and self.LayerNorm is not None:
            hidden = self.LayerNorm(functional.gelu(self.dense(hidden)))
        return functional.linear(hidden, words, self.bias.to(hidden.dtype))


def mlm_loss(head: MlmHead, hidden: Tensor, words: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats of the hidden tokens: states [K, D] at their places, ids `targets` [K]."""
    return functional.cross_entropy(head(hidden, words).float(), targets)
