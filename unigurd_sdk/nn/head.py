"""The vote head: every policy line votes on the text, weighted by how well it matches.

Line i of a policy has a vector b_i (its sentence embedding), a valence v_i in (-1, 1) (disallowed lines push up,
allowed lines push down) and meets the text's embedding t with similarity s_i = cos(t, b_i). A *null line* stands for
"nothing matches" and carries the policy's default: off-topic is fine under a ban and a violation under a scope. The
logit is ``scale * sum_i softmax(sharpness * s + ds)_i * (v_i + dv_i)``. The corrections ds and dv come from two small
transformer blocks in which the lines read the text's tokens and each other; they start at zero, so the untrained
model already ranks by similarity with polarity, and training only has to improve on that. The softmax weights say
which line decided.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from unigurd_sdk.nn.encoder import attention_bias, multi_head

NULL_POLARITY = 3
"""Polarity id of the null line, after description, allowed and disallowed."""

_VALENCES = (0.5, -1.5, 1.5, -0.5)


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """Sizes of the head; `reads` lets lines attend to the text's tokens."""

    hidden_size: int = 384
    size: int = 192
    heads: int = 6
    policy_blocks: int = 2
    decision_blocks: int = 2
    reads: bool = True
    dropout: float = 0.1
    max_lines: int = 64


@dataclass(frozen=True, slots=True)
class LineStates:
    """Lines of N policies, null line first: `vectors` [N, L, D], `context` [N, L, d], `valence`, `mask` [N, L]."""

    vectors: Tensor
    context: Tensor
    valence: Tensor
    mask: Tensor

    def rows(self, index: Tensor) -> LineStates:
        """Take the policies at `index` [B]."""
        return LineStates(self.vectors[index], self.context[index], self.valence[index], self.mask[index])


class Block(nn.Module):
    """Pre-norm transformer block over lines; with `reads` they also attend to the text's tokens."""

    def __init__(self, size: int, heads: int, *, reads: bool, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.norm_self, self.norm_inner = nn.LayerNorm(size), nn.LayerNorm(size)
        self.qkv, self.out = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.up, self.down = nn.Linear(size, 2 * size), nn.Linear(2 * size, size)
        self.norm_read = nn.LayerNorm(size) if reads else None
        if reads:
            self.query, self.key_value, self.out_read = (
                nn.Linear(size, size),
                nn.Linear(size, 2 * size),
                nn.Linear(size, size),
            )

    def forward(
        self, lines: Tensor, bias: Tensor, text: Tensor | None = None, text_bias: Tensor | None = None
    ) -> Tensor:
        """Map lines [B * K, L, d] to the same shape; `text` [B, T, d] is what they read, K policies to a text."""
        query, key, value = self.qkv(self.norm_self(lines)).chunk(3, -1)
        lines = lines + self.dropout(self.out(self._attend(query, key, value, bias)))
        if self.norm_read is not None and text is not None and text_bias is not None:
            lines = lines + self.dropout(self.out_read(self._read(self.query(self.norm_read(lines)), text, text_bias)))
        return lines + self.dropout(self.down(functional.gelu(self.up(self.norm_inner(lines)))))  # type: ignore[no-any-return]

    def _read(self, query: Tensor, text: Tensor, bias: Tensor) -> Tensor:
        """Let lines [B * K, L, d] attend to text [B, T, d], the lines of a text's K policies side by side."""
        key, value = self.key_value(text).chunk(2, -1)
        beside = query.reshape(text.shape[0], -1, query.shape[-1])
        return self._attend(beside, key, value, bias).reshape(query.shape)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        return multi_head(query, key, value, bias, self.heads).to(query.dtype)


class VoteHead(nn.Module):
    """Turns line vectors and a text's hidden states into a logit (see the module docstring)."""

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        size = config.size
        self.polarity, self.position = nn.Embedding(4, size), nn.Embedding(config.max_lines, size)
        self.line_in, self.text_in = nn.Linear(config.hidden_size, size), nn.Linear(config.hidden_size, size)
        self.match_in, self.cosine_in = nn.Linear(config.hidden_size, size), nn.Linear(1, size)
        self.policy_blocks = self._blocks(config.policy_blocks, reads=False)
        self.decision_blocks = self._blocks(config.decision_blocks, reads=config.reads)
        self.policy_norm, self.decision_norm = nn.LayerNorm(size), nn.LayerNorm(size)
        self.valence_out, self.correction_out = _zero(nn.Linear(size, 1)), _zero(nn.Linear(size, 2))
        self.valence = nn.Parameter(torch.tensor(_VALENCES))
        self.null_cosine, self.sharpness, self.scale = (nn.Parameter(torch.tensor(x)) for x in (0.25, 12.0, 4.0))

    def _blocks(self, count: int, *, reads: bool) -> nn.ModuleList:
        config = self.config
        return nn.ModuleList(
            Block(config.size, config.heads, reads=reads, dropout=config.dropout) for _ in range(count)
        )

    def policy(self, vectors: Tensor, polarity: Tensor, mask: Tensor) -> LineStates:
        """Prepare policies: unit vectors [N, L, D], polarity, mask [N, L]; a null line is put in front of each."""
        vectors = functional.pad(vectors, (0, 0, 1, 0))
        polarity = functional.pad(polarity, (1, 0), value=NULL_POLARITY)
        mask = functional.pad(mask, (1, 0), value=1)
        positions = torch.arange(mask.shape[1], device=mask.device).clamp(max=self.config.max_lines - 1)
        lines = self.line_in(vectors * vectors.shape[-1] ** 0.5) + self.polarity(polarity) + self.position(positions)
        bias = attention_bias(mask)
        for block in self.policy_blocks:
            lines = block(lines, bias)
        context = self.policy_norm(lines)
        valence = torch.tanh(self.valence[polarity] + self.valence_out(context).squeeze(-1))
        return LineStates(vectors, context, valence, mask)

    def forward(self, hidden: Tensor, mask: Tensor, pooled: Tensor, lines: LineStates) -> tuple[Tensor, Tensor]:
        """Score B texts, each under K policies.

        Takes hidden [B, T, D], mask [B, T], and N = B * K rows of `pooled` [N, D] and lines.

        Returns logits [N] and log-weights [N, L] of the lines, the null line first.
        """
        cosine = (lines.vectors * pooled[:, None]).sum(-1) + self.null_cosine * _null(lines.mask)
        correction = self._corrections(hidden, mask, pooled, lines, cosine)
        scores = self.sharpness * cosine + correction[..., 0] + (1.0 - lines.mask.float()) * -1e9
        weights = scores.log_softmax(-1)
        logits = self.scale * (weights.exp() * (lines.valence + correction[..., 1])).sum(-1)
        return logits, weights

    def _corrections(self, hidden: Tensor, mask: Tensor, pooled: Tensor, lines: LineStates, cosine: Tensor) -> Tensor:
        match = lines.vectors * pooled[:, None] * lines.vectors.shape[-1]
        states = lines.context + self.match_in(match) + self.cosine_in(cosine.unsqueeze(-1))
        text = self.text_in(hidden) if self.config.reads else None
        bias, text_bias = attention_bias(lines.mask), attention_bias(mask)
        for block in self.decision_blocks:
            states = block(states, bias, text, text_bias)
        return self.correction_out(self.decision_norm(states)).float()  # type: ignore[no-any-return]


def _null(mask: Tensor) -> Tensor:
    """One at the null line, zero elsewhere: [1, L]."""
    return (torch.arange(mask.shape[1], device=mask.device) == 0).float()[None]


def _zero(linear: nn.Linear) -> nn.Linear:
    """Make a layer answer zero until it is trained."""
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
