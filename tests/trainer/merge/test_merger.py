"""The merger: merge types, what is not merged, modules in place, and preparations that trials share."""

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from unigurd_trainer.errors import DataError, TrainerError  # noqa: E402
from unigurd_trainer.merge import magnitude, ties  # noqa: E402
from unigurd_trainer.merge.dare import Dare  # noqa: E402
from unigurd_trainer.merge.ingredients import Ingredients  # noqa: E402
from unigurd_trainer.merge.merger import Merger, Preparations  # noqa: E402
from unigurd_trainer.merge.slerp import Slerp  # noqa: E402
from unigurd_trainer.merge.soup import Average  # noqa: E402
from unigurd_trainer.merge.stored import Stored  # noqa: E402
from unigurd_trainer.merge.task_vectors import TaskArithmetic  # noqa: E402
from unigurd_trainer.merge.ties import Ties  # noqa: E402

QUERY = "bert.encoder.layer.0.attention.self.query.weight"
DENSE = "bert.encoder.layer.0.attention.output.dense.weight"
INNER = "bert.encoder.layer.0.intermediate.dense.weight"
HEAD = "head.line_in.weight"
METHODS = (Average(), Slerp(), TaskArithmetic(), Ties(), Ties(scope="global"), Dare(), Dare(combination="ties"))


def state(make_model, seed):
    model = make_model(trained=True, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    return {
        name: each + 0.05 * torch.randn(each.shape, generator=generator) for name, each in model.state_dict().items()
    }


@pytest.fixture(scope="module")
def base(make_model):
    return dict(make_model().state_dict())


@pytest.fixture(scope="module")
def models(make_model):
    return [state(make_model, seed) for seed in (1, 2, 3)]


def changed(merged, other):
    return {name for name in merged if not torch.equal(merged[name], other[name])}


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize(
    ("merge_type", "names"), [("attention_qkv", {QUERY}), ("attn_output_fc", {DENSE}), ("ffn", {INNER})]
)
def test_only_the_merge_type_is_merged_and_the_rest_is_the_best_models(models, base, method, merge_type, names):
    merged = dict(Merger(Ingredients.of(models, base, rest_from=1), method).merge([0.5, 0.3, 0.2], merge_type))
    assert list(merged) == list(models[0])
    got = changed(merged, models[1])
    assert got >= names and not got & ({QUERY, DENSE, INNER} - names)
    whole = Merger(Ingredients.of(models, base), method).merge([0.5, 0.3, 0.2])
    if method != Ties(scope="global"):  # which cuts among what is merged
        assert all(torch.equal(merged[name], whole[name]) for name in names)


def test_the_rest_may_come_from_the_base(models, base):
    merged = Merger(Ingredients.of(models, base, rest_from="base"), Average()).merge([1, 1, 1], "attention")
    assert torch.equal(merged[HEAD], base[HEAD]) and torch.equal(merged[INNER], base[INNER])
    without_head = {name: each for name, each in base.items() if not name.startswith("head.")}
    merged = Merger(Ingredients.of(models, without_head, rest_from="base"), Average()).merge([1, 1, 1], "attention")
    assert torch.equal(merged[HEAD], models[0][HEAD]) and torch.equal(merged[INNER], base[INNER])


def test_bad_places_for_the_rest_are_refused(models, base):
    with pytest.raises(TrainerError, match='rest_from="base" needs a base'):
        Ingredients.of(models, rest_from="base")
    for index in (3, -1):
        with pytest.raises(TrainerError, match=f"index from 0 to 2, not {index}"):
            Ingredients.of(models, base, rest_from=index)


def test_a_module_is_filled_in_place(models, base, make_model):
    merger, model = Merger(Ingredients.of(models, base), Ties()), make_model()
    places = {name: each.data_ptr() for name, each in model.state_dict().items()}
    merger.into(model, [0.5, 0.3, 0.2], "attention")
    expected = merger.merge([0.5, 0.3, 0.2], "attention")
    assert changed(model.state_dict(), expected) == set()
    assert {name: each.data_ptr() for name, each in model.state_dict().items()} == places


def test_a_module_of_another_build_stays_as_it_is(models, base, make_model):
    model = make_model(interaction="lines")
    before = {name: each.clone() for name, each in model.state_dict().items()}
    with pytest.raises(TrainerError, match="differ in head.decision_blocks"):
        Merger(Ingredients.of(models, base), Average()).into(model, [1, 1, 1])
    assert changed(model.state_dict(), before) == set()


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_a_second_merge_is_that_of_a_fresh_merger(models, base, method):
    merger = Merger(Ingredients.of(models, base), method)
    first = dict(merger.merge([1, 0, 0]))
    again, fresh = merger.merge([0.2, 0.3, 0.5]), Merger(Ingredients.of(models, base), method).merge([0.2, 0.3, 0.5])
    assert changed(dict(again), dict(fresh)) == set()
    assert QUERY in changed(dict(again), first)


def test_trims_are_found_once_for_all_weights_and_options(models, base, monkeypatch):
    found = []

    def find(vectors, keep):
        found.append(keep)
        return magnitude.find_cuts(vectors, keep)

    monkeypatch.setattr(ties, "find_cuts", find)
    merger = Merger(Ingredients.of(models, base), Ties())
    dict(merger.merge([1, 1, 1]))
    count = len(found)
    assert count == 3 * len(base)
    dict(merger.merge([3, 2, 1]))
    dict(merger.merge([1, 2, 3], "attention"))
    dict(merger.using(Ties(scale=0.5, elect="vote", mean="plain")).merge([1, 1, 1]))
    assert len(found) == count
    dict(merger.using(Ties(density=0.3)).merge([1, 1, 1]))
    assert len(found) == 2 * count


def test_a_global_trim_belongs_to_its_merge_type(models, base):
    merger = Merger(Ingredients.of(models, base), Ties(scope="global", density=0.05))
    everything, attention = dict(merger.merge([1, 1, 1])), dict(merger.merge([1, 1, 1], "attention"))
    alone = Merger(Ingredients.of(models, base), merger.method).merge([1, 1, 1], "attention")
    assert changed(attention, dict(alone)) == set()
    assert QUERY in changed(attention, everything)


def test_the_oldest_preparation_is_dropped():
    kept = Preparations(2)
    for key in ("a", "b"):
        kept.add(key, survey=key)
    assert kept.find("a") is not None
    kept.add("c", survey="c")
    assert [kept.find(key) is not None for key in ("a", "b", "c")] == [True, False, True]


def test_files_are_read_tensor_by_tensor_and_give_the_same(models, base, tmp_path):
    for number, each in enumerate([*models, base]):
        save_file(each, tmp_path / f"{number}.safetensors")
    *stored, stored_base = (Stored(tmp_path / f"{number}.safetensors") for number in range(4))
    merged = Merger(Ingredients.of(stored, stored_base), Ties()).merge([0.5, 0.3, 0.2])
    expected = Merger(Ingredients.of(models, base), Ties()).merge([0.5, 0.3, 0.2])
    assert all(torch.equal(merged[name], expected[name]) for name in base)


def test_stored_tensors_are_those_of_the_file(tmp_path):
    tensors = {
        "half": torch.tensor([1.5, -2.0]).half(), "brain": torch.tensor([[1.0], [2.0]]).bfloat16(),
        "whole": torch.arange(7), "flags": torch.tensor([True, False]), "scalar": torch.tensor(2.0),
        "none": torch.zeros(0, 3), "tiny": torch.tensor([3], dtype=torch.int8),
    }  # fmt: skip
    save_file(tensors, tmp_path / "a.safetensors")
    stored = Stored(tmp_path / "a.safetensors")
    assert set(stored) == set(tensors) and len(stored) == len(tensors)
    assert all(stored[name].dtype == each.dtype and torch.equal(stored[name], each) for name, each in tensors.items())
    stored["whole"][0] = 9
    assert stored["whole"][0] == 0  # the file is not written to
    with pytest.raises(KeyError):
        stored["other"]


def test_a_file_of_another_kind_is_refused_by_name(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"not a header")
    with pytest.raises(DataError, match=r"a\.safetensors: not a safetensors file"):
        Stored(tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="missing.safetensors"):
        Stored(tmp_path / "missing.safetensors")
    save_file({"a": torch.zeros(2).to(torch.float8_e4m3fn)}, tmp_path / "f8.safetensors")
    with pytest.raises(DataError, match="a is of type F8_E4M3"):
        Stored(tmp_path / "f8.safetensors")["a"]


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_the_bits_do_not_depend_on_threads(method):
    base = {"w": torch.randn(200_000, generator=torch.Generator().manual_seed(0))}
    models = [{"w": base["w"] + 0.1 * torch.randn(200_000)} for _ in range(2)]
    before = torch.get_num_threads()
    try:
        merged = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            merged.append(Merger(Ingredients.of(models, base), method).merge([0.6, 0.4])["w"])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*merged)
