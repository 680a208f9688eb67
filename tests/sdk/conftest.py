"""A checkpoint whose model is simple enough to know the right answer: it looks for the policy's words."""

from __future__ import annotations

import numpy as np
import pytest

from unigurd_sdk.checkpoint import write_manifest
from unigurd_sdk.engine import Engine
from unigurd_sdk.guard import Guard
from unigurd_sdk.manifest import Manifest
from unigurd_sdk.policy import Policy

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ("bomb", "cake", "recipe", "query", "response", "document", "filler", "gun")
VOCABULARY = (*SPECIALS, *LETTERS, *("##" + letter for letter in LETTERS), *WORDS, *":.,!?[]")
LENGTH, OVERLAP, TEMPERATURE = 32, 8, 2.0
GAIN, BIAS = 8.0, -4.0
BOMB = Policy(name="no-bombs", description="no weapons", disallowed=("bomb",))


@pytest.fixture
def guard_policies():
    """The policies that the guards of a module are loaded with; a module may have others."""
    return [BOMB]


@pytest.fixture
def load(keyword_checkpoint, guard_policies):
    """Open guards that find words; they are closed after the test."""
    opened = []

    def load(**options):
        opened.append(Guard.from_pretrained(keyword_checkpoint, threads=1, **{"policies": guard_policies, **options}))
        return opened[-1]

    yield load
    for each in opened:
        each.close()


@pytest.fixture
def guard(load):
    return load()


@pytest.fixture
def judged(monkeypatch):
    """What any guard was asked: (role, text, prompt), as it is asked."""
    asked: list[tuple[str, str, str | None]] = []
    answer = Engine.answer

    def record(self, texts, prompts, request):
        asked.extend((request.role, text, prompt) for text, prompt in zip(texts, prompts, strict=True))
        return answer(self, texts, prompts, request)

    monkeypatch.setattr(Engine, "answer", record)
    return asked


@pytest.fixture(scope="session")
def keyword_checkpoint(tmp_path_factory):
    """Logit = 8 * (disallowed words in the text - allowed words in the text) - 4; see `keyword_logit`."""
    folder = tmp_path_factory.mktemp("keyword")
    write_tokenizer(folder / "tokenizer.json")
    write_graphs(folder)
    manifest = Manifest(
        name="keyword",
        interaction="lines",
        base_model="none",
        base_licence="Apache-2.0",
        max_length=LENGTH,
        line_length=16,
        overlap=OVERLAP,
        temperature=TEMPERATURE,
        weights={"onnx": {"policy": "policy.onnx", "text": "text.onnx"}},
        state=("words",),
    )
    write_manifest(folder, manifest)
    return folder


def write_tokenizer(path):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocabulary = {token: index for index, token in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.save(str(path))


def write_graphs(folder):
    """Write the two graphs: which words each policy line has, and which of them a text has."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    size = len(VOCABULARY)
    words = np.zeros((size, size), dtype=np.float32)
    for word in WORDS[:3] + WORDS[-1:]:
        words[VOCABULARY.index(word), VOCABULARY.index(word)] = 1.0
    constants = {
        "words_table": words,
        "signs": np.array([0.0, -1.0, 1.0], dtype=np.float32),
        "last": np.array([-1]),
        "one": np.array([1]),
        "gain": np.array(GAIN, dtype=np.float32),
        "bias": np.array(BIAS, dtype=np.float32),
    }
    tensors = {name: numpy_helper.from_array(value, name) for name, value in constants.items()}
    node, info = helper.make_node, helper.make_tensor_value_info
    present = [
        node("Gather", ["words_table", "input_ids"], ["rows"]),
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["mask", "last"], ["column"]),
        node("Mul", ["rows", "column"], ["masked"]),
        node("ReduceMax", ["masked", "one"], ["present"], keepdims=0),
    ]
    policy = [
        *present,
        node("Gather", ["signs", "polarity"], ["sign"]),
        node("Unsqueeze", ["sign", "last"], ["sign_column"]),
        node("Mul", ["present", "sign_column"], ["words"]),
    ]
    text = [
        *present,
        node("Unsqueeze", ["words_mask", "last"], ["line_column"]),
        node("Mul", ["words", "line_column"], ["lines"]),
        node("ReduceSum", ["lines", "one"], ["weights"], keepdims=0),
        node("Transpose", ["weights"], ["weights_t"]),
        node("MatMul", ["present", "weights_t"], ["hits"]),
        node("Mul", ["hits", "gain"], ["gained"]),
        node("Add", ["gained", "bias"], ["logits"]),
    ]
    ids, real = TensorProto.INT64, TensorProto.FLOAT
    graphs = {
        "policy": (
            policy,
            [
                info("input_ids", ids, ["L", "P"]),
                info("attention_mask", ids, ["L", "P"]),
                info("polarity", ids, ["L"]),
            ],
            [info("words", real, ["L", size])],
            ("words_table", "signs", "last", "one"),
        ),
        "text": (
            text,
            [
                info("input_ids", ids, ["B", "T"]),
                info("attention_mask", ids, ["B", "T"]),
                info("words", real, ["K", "N", size]),
                info("words_mask", real, ["K", "N"]),
            ],
            [info("logits", real, ["B", "K"])],
            ("words_table", "last", "one", "gain", "bias"),
        ),
    }
    for name, (nodes, inputs, outputs, used) in graphs.items():
        graph = helper.make_graph(nodes, name, inputs, outputs, [tensors[key] for key in used])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        checker.check_model(model)
        save(model, str(folder / f"{name}.onnx"))
