"""A tiny BERT on disk, with random weights and a real WordPiece tokenizer, for tests that need an encoder."""

from __future__ import annotations

import json
from typing import Any

import pytest

SPECIALS = ("[PAD]", "[unused1]", "[unused2]", "[unused3]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORDS = (
    "lamp door oven sofa window carpet kettle mirror loan card account transfer cheque branch interest deposit "
    "brake wheel engine tyre horn clutch bonnet seat hotel flight passport luggage visa ferry cruise airport "
    "query response document user please about my tell me now no only asking for zebra stripes hate kind tax vat"
).split()
VOCABULARY = (*SPECIALS, *CHARACTERS, *("##" + c for c in CHARACTERS), *WORDS, *":.,!?[]<>/-'\"")
SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}


@pytest.fixture(scope="session")
def tiny_tokenizer_file(tmp_path_factory):
    """`tokenizer.json` with the traps of published ones: it truncates, pads and adds special tokens."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    ids = {token: index for index, token in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=24, pad_token="[PAD]")
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_tokenizer_file):
    from unigurd_sdk.tokenizer import GuardTokenizer

    return GuardTokenizer.from_file(tiny_tokenizer_file)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory, tiny_tokenizer_file):
    """A folder as Hugging Face's BERT has it: `config.json`, `tokenizer.json`, `model.safetensors`."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    from unigurd_sdk.nn.encoder import Encoder, EncoderConfig

    folder = tmp_path_factory.mktemp("tiny-bert")
    sizes = SIZES | {"vocab_size": len(VOCABULARY)}
    config = sizes | {"model_type": "bert", "hidden_act": "gelu", "architectures": ["BertModel"]}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "tokenizer.json").write_bytes(tiny_tokenizer_file.read_bytes())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = Encoder(EncoderConfig(**sizes)).state_dict()
    pooler = {"pooler.dense.weight": torch.zeros(32, 32), "pooler.dense.bias": torch.zeros(32)}
    save_file(weights | pooler, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def make_model(tiny_base):
    """Build guards on the tiny base: `make_model(interaction=..., trained=...)`, in eval mode.

    The corrections of an untrained head are zero; `trained` gives every weight of the head a random value instead.
    """
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    from unigurd_sdk.nn.encoder import EncoderConfig
    from unigurd_sdk.nn.model import GuardModel, ModelConfig, load_base

    def make(interaction="lines-read", *, trained=False, seed=0):
        sizes = EncoderConfig(vocab_size=len(VOCABULARY), **SIZES)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = GuardModel(ModelConfig(interaction=interaction, encoder=sizes, head_size=24, head_heads=6))
            if trained:
                for parameter in model.head.parameters():
                    parameter.data += 0.1 * torch.randn_like(parameter)
        load_base(model, load_file(tiny_base / "model.safetensors"))
        return model.eval()

    return make


@pytest.fixture(scope="session")
def make_checkpoint(make_model, tiny_tokenizer_file, tmp_path_factory):
    """Export tiny guards with a trained head: the folder of `make_checkpoint(precision)`, made once each.

    It is shared, so a test that changes files does so in a copy.
    """
    pytest.importorskip("onnx")
    made: dict[str, Any] = {}

    def make(precision="fp32"):
        from unigurd_sdk.manifest import Manifest
        from unigurd_trainer.export import export

        if precision not in made:
            made[precision] = tmp_path_factory.mktemp(f"tiny-{precision}")
            manifest = Manifest(
                name="tiny", interaction="lines-read", base_model="none", base_licence="MIT",
                max_length=32, line_length=16, overlap=8,
            )  # fmt: skip
            export(make_model(trained=True), tiny_tokenizer_file, made[precision], manifest, precision)
        return made[precision]

    return make


@pytest.fixture(scope="session")
def tiny_checkpoint(make_checkpoint):
    """A checkpoint folder of the tiny guard in float32, with ONNX and torch weights."""
    return make_checkpoint("fp32")
