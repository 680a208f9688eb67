"""A BERT or RoBERTa encoder in plain torch, with the parameter names of Hugging Face's `BertModel`.

Our own because three things are needed that library models do not offer together: linear layers in bfloat16 with
attention in float32 (on a CPU, bf16 attention is 2.5 times slower than fp32 while bf16 linear layers are twice as
fast), a cached prefix of policy keys and values, and an attention written out in matmul and softmax for export, so
that ONNX Runtime can fuse it. Papers: BERT, https://arxiv.org/abs/1810.04805; RoBERTa, whose positions begin later,
https://arxiv.org/abs/1907.11692.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

MULTIPLE = 256
"""Height of packed matrices is a multiple of this."""


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Sizes of the encoder, under the names of Hugging Face's `config.json`; `dropout` works while training only.

    `position_offset` is the row of the first position: 0 for BERT, 2 for RoBERTa and XLM-R, which leave out the rows up
    to that of the padding token.
    """

    vocab_size: int = 30522
    hidden_size: int = 384
    num_hidden_layers: int = 6
    num_attention_heads: int = 12
    intermediate_size: int = 1536
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    dropout: float = 0.0
    position_offset: int = 0

    @property
    def positions(self) -> int:
        """Tokens of the longest row that the encoder can read."""
        return self.max_position_embeddings - self.position_offset


@dataclass(frozen=True, slots=True)
class Segments:
    """Rows of about one length: `input_ids` and `mask` [B, T], all of one token type."""

    input_ids: Tensor
    mask: Tensor
    token_type: int


@dataclass(frozen=True, slots=True)
class Prefix:
    """Keys and values of a policy for every layer: each [B, P, D]; `mask` [B, P] is 1 where a token stands."""

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    mask: Tensor


@dataclass(frozen=True, slots=True)
class Packed:
    """Batches on their way through the layers: their tokens one after the other, and what attention needs of each.

    `hidden` [M + filler, D]; for every batch its `shapes` (B, T) and `biases` [B, 1, 1, T], M being the sum of B * T.
    """

    hidden: Tensor
    shapes: tuple[torch.Size, ...]
    biases: tuple[Tensor, ...]

    @property
    def tokens(self) -> Tensor:
        """The hidden states [M, D] without the filler."""
        return self.hidden[: sum(shape.numel() for shape in self.shapes)]

    def batches(self) -> list[Tensor]:
        """The hidden states of each batch [B, T, D]."""
        return _unpack(self.hidden, self.shapes)

    def versions(self, tokens: Tensor) -> Packed:
        """Go on with V versions of the tokens [V, M, D]: a batch has V * B rows then, version by version."""
        count = len(tokens)
        sizes = [shape.numel() for shape in self.shapes]
        parts = [part.flatten(0, 1) for part in torch.split(tokens, sizes, dim=1)]
        shapes = tuple(torch.Size((count * rows, length)) for rows, length in self.shapes)
        biases = tuple(bias.repeat(count, 1, 1, 1) for bias in self.biases)
        return Packed(_fill(torch.cat(parts)), shapes, biases)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Hidden states [B, T, D] of the last layer, and each layer's keys and values."""

    hidden: Tensor
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]


class Embeddings(nn.Module):
    """Word, position and token type embeddings with layer norm."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_offset = config.position_offset
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, input_ids: Tensor, token_type: int) -> Tensor:
        """Embed ids [B, T] into [B, T, D]; the whole row has one token type."""
        first = self.position_offset
        positions = self.position_embeddings.weight[first : first + input_ids.shape[1]]
        summed = self.word_embeddings(input_ids) + positions + self.token_type_embeddings.weight[token_type]
        return self.dropout(self.LayerNorm(summed))  # type: ignore[no-any-return]

    def packed(self, batches: Sequence[Segments]) -> Tensor:
        """Embed the tokens of all rows of several batches, one after the other: [M, D].

        In one look-up, so that the words have one gradient (the size of the vocabulary) and not one for each batch.
        """
        ids = torch.cat([batch.input_ids.flatten() for batch in batches])
        places = torch.cat([self._places(batch.input_ids) for batch in batches])
        types = torch.cat([torch.full_like(batch.input_ids, batch.token_type).flatten() for batch in batches])
        summed = self.word_embeddings(ids) + self.position_embeddings(places) + self.token_type_embeddings(types)
        return self.dropout(self.LayerNorm(summed))  # type: ignore[no-any-return]

    def _places(self, input_ids: Tensor) -> Tensor:
        """Rows of the position embeddings of ids [B, T]: [B * T]."""
        rows, length = input_ids.shape
        return torch.arange(length, device=input_ids.device).add(self.position_offset).repeat(rows)


class SelfAttention(nn.Module):
    """Multi-head attention of each row over itself and, where given, over a policy prefix in front of it."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self, hidden: Tensor, bias: Tensor, past: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend within rows [B, T, D], bias [B, 1, 1, past + T]; returns the context and the rows' keys and values."""
        query, key, value = self.query(hidden), self.key(hidden), self.value(hidden)
        keys = key if past is None else torch.cat((past[0], key), dim=1)
        values = value if past is None else torch.cat((past[1], value), dim=1)
        return multi_head(query, keys, values, bias, self.heads).to(hidden.dtype), key, value

    def packed(self, hidden: Tensor, shapes: Sequence[torch.Size], biases: Sequence[Tensor]) -> Tensor:
        """Attend within the rows of several batches whose tokens [M, D] lie one after the other."""
        columns = (_unpack(linear(hidden), shapes) for linear in (self.query, self.key, self.value))
        parts = [multi_head(q, k, v, bias, self.heads) for q, k, v, bias in zip(*columns, biases, strict=True)]
        context = torch.cat([part.flatten(0, 1) for part in parts])
        return functional.pad(context, (0, 0, 0, len(hidden) - len(context))).to(hidden.dtype)


class Layer(nn.Module):
    """One transformer layer, post-norm, with the names of `BertLayer`."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        size, inner = config.hidden_size, config.intermediate_size
        self.attention = nn.ModuleDict({"self": SelfAttention(config), "output": _Output(size, config)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(size, inner)})
        self.output = _Output(inner, config)

    def attend_packed(self, hidden: Tensor, shapes: Sequence[torch.Size], biases: Sequence[Tensor]) -> Tensor:
        """Context of packed rows (see `SelfAttention.packed`)."""
        attention = self.attention["self"]
        assert isinstance(attention, SelfAttention)
        return attention.packed(hidden, shapes, biases)

    def after(self, context: Tensor, hidden: Tensor) -> Tensor:
        """Finish the layer once attention has given its context; both [..., D]."""
        hidden = self.attention["output"](context, hidden)
        return self.output(functional.gelu(self.intermediate["dense"](hidden)), hidden)  # type: ignore[no-any-return]


class _Output(nn.Module):
    """Dense, dropout, residual, layer norm."""

    def __init__(self, inner: int, config: EncoderConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(inner, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, inner: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(inner)) + residual)  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """The BERT encoder without its pooler."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))})

    @property
    def layers(self) -> list[Layer]:
        """The transformer layers, first to last."""
        layers = self.encoder["layer"]
        assert isinstance(layers, nn.ModuleList)
        return [layer for layer in layers if isinstance(layer, Layer)]

    def forward(self, segments: Segments, prefix: Prefix | None = None) -> Encoded:
        """Encode rows; with a prefix every token also sees the policy's tokens."""
        return self.through(self.embeddings(segments.input_ids, segments.token_type), segments.mask, prefix)

    def through(
        self, hidden: Tensor, mask: Tensor, prefix: Prefix | None = None, *, first: int = 0, last: int | None = None
    ) -> Encoded:
        """Take hidden states [B, T, D] that enter the layer `first` through it and those that follow, up to `last`."""
        bias = attention_bias(mask if prefix is None else torch.cat((prefix.mask.to(mask.dtype), mask), dim=1))
        keys: list[Tensor] = []
        values: list[Tensor] = []
        for index, layer in list(enumerate(self.layers))[first:last]:
            past = None if prefix is None else (prefix.keys[index], prefix.values[index])
            context, key, value = layer.attention["self"](hidden, bias, past)
            hidden = layer.after(context, hidden)
            keys.append(key)
            values.append(value)
        return Encoded(hidden, tuple(keys), tuple(values))

    def packed(self, batches: Sequence[Segments], multiple: int = MULTIPLE) -> list[Tensor]:
        """Encode several batches in one pass, as `forward` would each of them; returns their hidden states [B, T, D].

        The tokens of all batches go through the linear layers as one matrix whose height is a multiple of `multiple`:
        large products of few different shapes, which is what matrix units are fast at. Only attention goes batch by
        batch.
        """
        return self.through_packed(self.pack(batches, multiple)).batches()

    def pack(self, batches: Sequence[Segments], multiple: int = MULTIPLE) -> Packed:
        """Embed several batches; what comes back enters layer 0."""
        shapes = tuple(batch.input_ids.shape for batch in batches)
        biases = tuple(attention_bias(batch.mask) for batch in batches)
        return Packed(_fill(self.embeddings.packed(batches), multiple), shapes, biases)

    def through_packed(self, packed: Packed, *, first: int = 0, last: int | None = None) -> Packed:
        """Take packed batches that enter the layer `first` through it and those that follow, up to `last`."""
        hidden = packed.hidden
        for layer in self.layers[first:last]:
            hidden = layer.after(layer.attend_packed(hidden, packed.shapes, packed.biases), hidden)
        return replace(packed, hidden=hidden)


def _fill(tokens: Tensor, multiple: int = MULTIPLE) -> Tensor:
    """Fill tokens [M, D] up with zeros to a height that is a multiple."""
    return functional.pad(tokens, (0, 0, 0, -len(tokens) % multiple))


def _unpack(flat: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """Cut [M, D] into views [B, T, D]."""
    sizes = [shape.numel() for shape in shapes]
    parts = torch.split(flat[: sum(sizes)], sizes)
    return [part.view(*shape, -1) for part, shape in zip(parts, shapes, strict=True)]


def attention_bias(mask: Tensor) -> Tensor:
    """Turn a mask [B, S] into what is added to attention scores [B, 1, 1, S]: 0 where seen, very negative elsewhere."""
    return (1.0 - mask[:, None, None, :].float()) * -1e9


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Scaled dot-product attention over [B, H, T, d]; in float32 on a CPU, written out while exporting."""
    if query.is_cuda and query.dtype != torch.float32:
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
    with torch.autocast(query.device.type, enabled=False):
        query, key, value = query.float(), key.float(), value.float()
        if torch.onnx.is_in_onnx_export():
            scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + bias
            return scores.softmax(-1) @ value
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)


def multi_head(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, heads: int) -> Tensor:
    """Attention over [B, T, D] in `heads` heads."""
    return merge_heads(attend(split_heads(query, heads), split_heads(key, heads), split_heads(value, heads), bias))


def split_heads(hidden: Tensor, heads: int) -> Tensor:
    """[B, T, D] to [B, H, T, D/H]."""
    batch, length, size = hidden.shape
    return hidden.view(batch, length, heads, size // heads).transpose(1, 2)


def merge_heads(hidden: Tensor) -> Tensor:
    """[B, H, T, d] to [B, T, H*d]."""
    batch, heads, length, size = hidden.shape
    return hidden.transpose(1, 2).reshape(batch, length, heads * size)


def mean_pool(hidden: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens that stand: [B, T, D] and [B, T] to [B, D], float32."""
    weights = mask.float().unsqueeze(-1)
    return (hidden.float() * weights).sum(1) / weights.sum(1).clamp(min=1e-6)
