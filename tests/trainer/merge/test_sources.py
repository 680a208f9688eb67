"""Models to merge: runs, checkpoints and base encoders give the tensors they hold; those that read otherwise differ."""

import json
import shutil

import pytest

torch = pytest.importorskip("torch")

from unigurd_sdk.checkpoint import Checkpoint, write_manifest  # noqa: E402
from unigurd_sdk.errors import ModelNotFound  # noqa: E402
from unigurd_sdk.runtime.torch import load_model  # noqa: E402
from unigurd_trainer.errors import DataError, TrainerError  # noqa: E402
from unigurd_trainer.merge.sources import find_source, require_compatible  # noqa: E402


def same(model, other):
    return list(model) == list(other) and all(torch.equal(model[name], other[name]) for name in other)


@pytest.mark.parametrize("int8", [False, True])
def test_a_checkpoint_gives_the_weights_that_the_runtime_loads(make_guard, int8):
    folder = make_guard(1, int8=int8)
    checkpoint = Checkpoint.open(folder)
    source = find_source(str(folder))
    assert same(source.model, load_model(checkpoint).state_dict())
    assert source.sha256 == checkpoint.manifest.files["model.safetensors"].sha256
    assert source.manifest() == checkpoint.manifest


def test_a_run_gives_its_best_or_its_last_weights(make_run, make_model):
    from safetensors.torch import load_file, save_file

    folder = make_run(1)
    best = load_file(folder / "best.safetensors")
    (folder / "state").mkdir()
    save_file({name: tensor + 1 for name, tensor in best.items()}, folder / "state" / "model.safetensors")
    assert same(find_source(str(folder)).model, best)
    assert torch.equal(find_source(str(folder), "last").model["head.scale"], best["head.scale"] + 1)
    assert find_source(str(folder)).manifest().data_hash == "d1"


def test_a_base_encoder_is_what_training_starts_from_without_a_head(tiny_base, make_model):
    before = torch.get_rng_state()
    source = find_source(f"base:{tiny_base}")
    assert torch.equal(torch.get_rng_state(), before)
    encoder = {name: each for name, each in make_model().state_dict().items() if name.startswith("bert.")}
    assert same(source.model, encoder)
    with pytest.raises(TrainerError, match="is not trained yet"):
        source.manifest()


def test_what_is_not_there_is_refused(tmp_path, make_run):
    with pytest.raises(ModelNotFound):
        find_source(str(tmp_path / "nothing"))
    folder = make_run(1)
    (folder / "result.json").unlink()
    with pytest.raises(DataError, match="result.json"):
        find_source(str(folder))


def test_runs_and_checkpoints_of_one_form_go_together(make_guard, make_run, tiny_base):
    places = [make_guard(1), make_guard(2, int8=True), f"base:{tiny_base}"]
    require_compatible([find_source(str(place)) for place in places])
    require_compatible([find_source(str(make_run(seed))) for seed in (1, 2)])


def test_models_that_read_otherwise_are_refused_with_what_differs(make_run, make_guard, tmp_path):
    one, other = make_run(1), make_run(2, model={"interaction": "lines"})
    with pytest.raises(
        TrainerError, match=r"run-1 and .*run-2 cannot be merged; .*interaction \(lines-read and lines\)"
    ):
        require_compatible([find_source(str(one)), find_source(str(other))])
    plain = shutil.copytree(make_guard(1), tmp_path / "plain")
    write_manifest(plain, Checkpoint.open(plain).manifest.model_copy(update={"plain": True}))
    with pytest.raises(TrainerError, match=r"differ in plain \(False and True\)"):
        require_compatible([find_source(str(make_guard(2))), find_source(str(plain))])


def test_another_tokenizer_is_refused(make_run, tiny_base, tmp_path):
    from tokenizers import Tokenizer

    base = shutil.copytree(tiny_base, tmp_path / "base")
    spelled = json.loads((base / "tokenizer.json").read_text())
    vocabulary = spelled["model"]["vocab"]
    vocabulary["lamp"], vocabulary["door"] = vocabulary["door"], vocabulary["lamp"]
    Tokenizer.from_str(json.dumps(spelled)).save(str(base / "tokenizer.json"))
    pair = [find_source(str(make_run(1))), find_source(str(make_run(2, model={"base": str(base)})))]
    with pytest.raises(TrainerError, match="they differ in tokenizer"):
        require_compatible(pair)
