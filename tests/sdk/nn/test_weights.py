"""The layout of the weights file: what is packed unpacks to the same model, and misfits are refused."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from unigurd_sdk.nn.weights import SCALE, pack, unpack  # noqa: E402


@pytest.fixture
def packed(make_model):
    return pack(make_model(trained=True))


def test_packed_weights_restore_the_model_exactly(make_model, packed):
    wanted, other = make_model(trained=True), make_model(seed=1)
    assert any(not torch.equal(a, b) for a, b in zip(other.parameters(), wanted.parameters(), strict=True))
    unpack(other, packed)
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), wanted.parameters(), strict=True))


def test_layout_is_the_one_of_the_graphs(make_model, packed):
    attention = make_model(trained=True).bert.layers[1].attention["self"]
    qkv = packed["bert.encoder.layer.1.attention.self.qkv.weight"]
    assert qkv.shape == (32, 96)
    assert torch.equal(qkv[:, 32:64], attention.key.weight.T)
    assert packed["bert.encoder.layer.0.intermediate.dense.weight"].shape == (32, 64)
    assert all(tensor.is_contiguous() and tensor.dtype == torch.float32 for tensor in packed.values())


def test_int8_is_multiplied_by_its_scale(make_model, packed):
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    values = torch.arange(-64, 64).repeat(16).view(32, 64).to(torch.int8)
    scale = torch.linspace(0.001, 0.01, 64)
    model = make_model()
    unpack(model, packed | {name: values, name + SCALE: scale})
    assert torch.equal(model.bert.layers[0].intermediate["dense"].weight, (values * scale).T)


def test_a_parameter_called_scale_is_not_taken_for_one_of_int8(make_model, packed):
    model = make_model()
    unpack(model, packed | {"head.scale": torch.tensor(7.0)})
    assert model.head.scale.item() == 7.0


@pytest.mark.parametrize("name", ["head.scale", "bert.encoder.layer.0.attention.self.qkv.weight", "head.qkv_in.weight"])
def test_missing_and_unknown_tensors_are_refused(make_model, packed, name):
    changed = {key: value for key, value in packed.items() if key != name}
    if name not in packed:
        changed[name] = torch.zeros(2, 2)
    with pytest.raises((KeyError, RuntimeError), match=name.rpartition(".")[0]):
        unpack(make_model(), changed)
