"""Tiny encoders on disk, with random weights and real tokenizers of each kind, for tests that need one."""

from __future__ import annotations

import importlib.util
import json
import socket
from pathlib import Path
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

SENTENCES = [" ".join(WORDS[at : at + 7]) + "." for at in range(len(WORDS))] * 3 + [" ".join(VOCABULARY[8:])]
FAMILIES = {  # kind of tokenizer, prefix of the weights' names, what the configuration says
    "bert": ("wordpiece", "", {"model_type": "bert"}),
    "e5": ("unigram", "", {"model_type": "bert", "pad_token_id": 1}),
    "roberta": ("bpe", "roberta.", {"model_type": "roberta", "pad_token_id": 1, "type_vocab_size": 1}),
    "xlm-roberta": ("unigram", "roberta.", {"model_type": "xlm-roberta", "pad_token_id": 1, "type_vocab_size": 1}),
}


@pytest.fixture(scope="session")
def fake_hub():
    """The module `fake_hub`: a Hub to be filled and served; test folders are no packages."""
    spec = importlib.util.spec_from_file_location("fake_hub", Path(__file__).with_name("fake_hub.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def unreachable(monkeypatch):
    """The Hub is at an address where nobody answers."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        yield


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
def tokenizer_file_of(tiny_tokenizer_file, tmp_path_factory):
    """`tokenizer.json` by kind: as BERT, RoBERTa (`bpe`; `bpe-space` puts a space in front), XLM-R or E5 have it."""
    made = {"wordpiece": tiny_tokenizer_file}

    def make(kind):
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind) / "tokenizer.json"
            _train_tokenizer(kind).save(str(made[kind]))
        return made[kind]

    return make


def _train_tokenizer(kind):
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    specials = ["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True)]
    common: dict[str, Any] = {"special_tokens": specials, "show_progress": False}
    if kind.startswith("bpe"):
        space = kind == "bpe-space"
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=space)
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=space)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer: Any = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, **common)
    else:
        split = pre_tokenizers.Metaspace()
        words = [pre_tokenizers.WhitespaceSplit(), split]
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(words) if kind == "unigram-words" else split
        trainer = trainers.UnigramTrainer(vocab_size=200, unk_token="<unk>", **common)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


@pytest.fixture(scope="session")
def base_of(tokenizer_file_of, tmp_path_factory):
    """Folders as Hugging Face has them, with random weights: `base_of("roberta")`, see `FAMILIES`."""
    made: dict[str, Any] = {}

    def make(family):
        if family not in made:
            made[family] = tmp_path_factory.mktemp(f"tiny-{family}")
            _write_base(made[family], tokenizer_file_of(FAMILIES[family][0]), *FAMILIES[family][1:])
        return made[family]

    return make


def _write_base(folder, tokenizer_file, prefix, described):
    """Write a base as its family publishes it, pooler and all."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file
    from tokenizers import Tokenizer

    from unigurd_sdk.nn.encoder import Encoder, EncoderConfig

    sizes = SIZES | {"vocab_size": Tokenizer.from_file(str(tokenizer_file)).get_vocab_size()}
    if described["model_type"] != "bert":
        sizes |= {"max_position_embeddings": 66, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
    (folder / "config.json").write_text(json.dumps(sizes | {"hidden_act": "gelu"} | described), encoding="utf-8")
    (folder / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = {prefix + name: tensor for name, tensor in Encoder(EncoderConfig(**sizes)).state_dict().items()}
    save_file(weights | {f"{prefix}pooler.dense.bias": torch.zeros(32)}, folder / "model.safetensors")


@pytest.fixture(scope="session")
def tiny_base(base_of):
    """The folder of a tiny BERT: `config.json`, `tokenizer.json`, `model.safetensors`."""
    return base_of("bert")


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
