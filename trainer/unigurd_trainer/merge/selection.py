"""Which parameters are merged: merge types, by the names that Hugging Face and our guard give them.

Source: paper, sections 3.4 and 5. `attention` takes query, key, value, the output layer and its norm; `attn_output_fc`
only the output layer; `no_classifier` all but the classification layer, which in our guard is the whole vote head.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, get_args

from unigurd_trainer.errors import TrainerError

__all__ = ["MERGE_TYPES", "MergeType", "is_classifier", "select"]

MergeType = Literal["all", "attention", "attention_qkv", "attn_output_fc", "ffn", "no_classifier", "non_attention"]
MERGE_TYPES: tuple[MergeType, ...] = get_args(MergeType)

_ATTENTION = re.compile(r"\.attention\.|\.attn\.|self_attn")
_QKV = re.compile(r"\.attention\.self\.|\.attn\.W?qkv\.|\.attention\.[qkv]_lin\.|self_attn\.[qkv]_proj\.")
_OUTPUT = re.compile(r"\.attention\.output\.dense\.|\.attn\.Wo\.|\.attention\.out_lin\.|self_attn\.o(?:ut)?_proj\.")
_FFN = re.compile(r"\.intermediate\.dense\.|(?<!\.attention)\.output\.dense\.|\.mlp\.|\.ffn\.")
_CLASSIFIER = re.compile(r"^(?:classifier|score|head|pre_classifier)\b")


def is_classifier(name: str) -> bool:
    """Whether a parameter belongs to the classification layer."""
    return _CLASSIFIER.search(name) is not None


_RULES: Mapping[MergeType, Callable[[str], bool]] = {
    "all": lambda name: True,
    "attention": lambda name: _ATTENTION.search(name) is not None,
    "attention_qkv": lambda name: _QKV.search(name) is not None,
    "attn_output_fc": lambda name: _OUTPUT.search(name) is not None,
    "ffn": lambda name: _FFN.search(name) is not None,
    "no_classifier": lambda name: not is_classifier(name),
    "non_attention": lambda name: _ATTENTION.search(name) is None,
}


def select(names: Iterable[str], merge_type: MergeType) -> tuple[str, ...]:
    """Keep the names that a merge type merges, in their order; none, or an unknown type, raises `TrainerError`."""
    rule = _RULES.get(merge_type)
    if rule is None:
        raise TrainerError(f"There is no merge type {merge_type!r}; there are: {', '.join(MERGE_TYPES)}.")
    selected = tuple(name for name in names if rule(name))
    if not selected:
        raise TrainerError(f"The models have no parameter of the merge type {merge_type!r}.")
    return selected
