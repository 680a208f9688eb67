"""The loop: it learns, stops when told, and continues after an interruption as if nothing had happened."""

from __future__ import annotations

import json
import math
import time

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from unigurd_trainer import loop  # noqa: E402
from unigurd_trainer.checkpointing import Progress  # noqa: E402
from unigurd_trainer.errors import RecipeError, TrainerError  # noqa: E402
from unigurd_trainer.loop import finished, make_optimizer, read_log, schedule, train  # noqa: E402
from unigurd_trainer.losses.total import total_loss  # noqa: E402
from unigurd_trainer.objective import objective  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")
ALWAYS = 1e-9  # seconds between states


def weights(setup):
    return {key: value.clone() for key, value in setup.model.state_dict().items()}


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def scripted(*scores):
    """A validation that gives these scores, one after the other."""
    rest = iter(scores)
    return lambda model: {"score": next(rest)}


@pytest.mark.parametrize(
    ("interaction", "precision"), [("lines-read", "fp32"), ("lines-read", "bf16"), ("lines", "fp32")]
)
def test_the_loss_falls(make_setup, toy, interaction, precision):
    optim = {"encoder_lr": 1e-3, "head_lr": 5e-3, "precision": precision}
    setup = make_setup(steps=60, model={"interaction": interaction}, optim=optim)
    unseen = setup.feed.collate([toy().episode(10_000 + i) for i in range(8)])

    def loss():
        setup.model.eval()
        with torch.no_grad():
            return objective(setup.model, unseen, line_loss=0.3)

    before = loss()
    progress = train(setup)
    after = loss()
    assert after.verdict < 0.8 * before.verdict
    assert after.line < 0.8 * before.line
    assert (progress.step, progress.examples) == (60, 60 * 2 * 8)
    assert progress.tokens > progress.examples


def test_each_step_takes_the_next_episodes_once(make_setup, toy):
    source = toy()
    train(make_setup(steps=3, episodes=2, source=source))
    assert source.asked == list(range(6))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("stop_at", [3, 8, 9])
def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    make_setup, toy, tmp_path, precision, stop_at
):
    recipe = {"steps": 7, "checkpoint_seconds": ALWAYS, "validate_every": 2, "optim": {"precision": precision}}
    whole = make_setup(tmp_path / "whole", **recipe)
    expected = train(whole)
    with pytest.raises(KeyboardInterrupt):
        train(make_setup(tmp_path / "cut", toy(stop_at=stop_at), **recipe))
    torch.manual_seed(12345)
    resumed = make_setup(tmp_path / "cut", **recipe)
    progress = train(resumed)
    assert same(weights(resumed), weights(whole))
    assert (progress.step, progress.examples, progress.tokens) == (7, expected.examples, expected.tokens)
    assert progress.runs == 2
    states = [load_file(tmp_path / name / "state" / "optimizer.safetensors") for name in ("whole", "cut")]
    assert same(*states)


def test_what_was_done_since_the_last_state_is_done_again(make_setup, toy, tmp_path):
    recipe = {"steps": 4, "checkpoint_seconds": 1e9}
    with pytest.raises(KeyboardInterrupt):
        train(make_setup(source=toy(stop_at=5), **recipe))
    resumed = make_setup(**recipe)
    train(resumed)
    whole = make_setup(tmp_path / "whole", **recipe)
    train(whole)
    assert same(weights(resumed), weights(whole))


def test_a_finished_run_is_not_trained_again(make_setup):
    first = make_setup(steps=2)
    train(first)
    second = make_setup(steps=2)
    progress = train(second)
    assert (progress.step, progress.runs) == (2, 2)
    assert same(weights(first), weights(second))


def test_another_recipe_does_not_touch_the_folder(make_setup, tmp_path):
    train(make_setup(steps=2))
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(RecipeError, match="another output folder"):
        train(make_setup(steps=2, optim={"head_lr": 0.5}))
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


def test_a_finished_run_goes_on_if_the_recipe_asks_for_more_steps(make_setup):
    train(make_setup(steps=2))
    progress = train(make_setup(steps=3))
    assert (progress.step, progress.runs) == (3, 2)


def test_it_stops_when_patience_is_lost_and_keeps_the_best_weights(make_setup, tmp_path):
    seen = []
    scores = iter([0.5, 0.9, 0.7, 0.8])

    def validate(model):
        seen.append({key: value.clone() for key, value in model.state_dict().items()})
        return {"score": next(scores), "a/auc": 0.5}

    progress = train(make_setup(steps=50, validate_every=1, patience=2, validate=validate))
    assert (progress.step, progress.best, progress.best_step) == (4, 0.9, 2)
    assert progress.scores == {"score": 0.9, "a/auc": 0.5}
    best = load_file(tmp_path / "out" / "best.safetensors")
    assert same(best, seen[1])
    assert not same(best, seen[3])


def test_without_patience_it_goes_on(make_setup):
    setup = make_setup(steps=5, validate_every=1, validate=scripted(0.5, 0.4, 0.3, 0.2, 0.1))
    assert train(setup).step == 5


def test_the_last_step_is_validated_too(make_setup):
    progress = train(make_setup(steps=3, validate_every=2, validate=scripted(0.5, 0.6)))
    assert (progress.best, progress.best_step) == (0.6, 3)


def test_the_clock_ends_a_run(make_setup):
    progress = train(make_setup(steps=100_000, max_seconds=0.05))
    assert 0 < progress.step < 1000
    assert progress.best_step == progress.step


def test_a_loss_that_is_not_finite_ends_the_run_at_its_step(make_setup, tmp_path):
    setup = make_setup(steps=3)
    setup.model.head.scale.data.fill_(math.nan)
    with pytest.raises(TrainerError, match="step 0"):
        train(setup)
    assert not (tmp_path / "out" / "state").exists()


@pytest.mark.parametrize("frozen", [True, False])
def test_word_embeddings_stay_as_they_are_if_the_recipe_says_so(make_setup, frozen):
    setup = make_setup(steps=2, model={"freeze_words": frozen}, optim={"weight_decay": 0.5})
    before = weights(setup)
    train(setup)
    moved = {key for key, value in weights(setup).items() if not torch.equal(value, before[key])}
    assert ("bert.embeddings.word_embeddings.weight" in moved) is not frozen
    assert "bert.encoder.layer.0.attention.self.query.weight" in moved
    assert "head.scale" in moved


def test_biases_norms_and_scalars_do_not_decay(make_setup):
    model = make_setup().model
    recipe = make_setup(optim={"encoder_lr": 1e-4, "head_lr": 1e-3, "weight_decay": 0.1}).recipe.optim
    optimizer = make_optimizer(model, recipe, freeze_words=True)
    group_of = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        if name == "bert.embeddings.word_embeddings.weight":
            assert id(parameter) not in group_of
            continue
        group = group_of[id(parameter)]
        assert group["lr"] == (1e-4 if name.startswith("bert.") else 1e-3)
        assert group["weight_decay"] == (0.1 if parameter.ndim > 1 else 0.0)


@pytest.fixture
def rate(tiny_recipe):
    """The schedule's factor at a step of a run."""

    def make(step, seconds=0.0, **recipe):
        return schedule(tiny_recipe(**recipe), Progress(step=step, seconds=seconds))

    return make


def test_rates_warm_up_linearly_then_decay_to_a_tenth(rate):
    recipe = {"steps": 1000, "optim": {"warmup": 0.1}}
    assert [rate(step, **recipe) for step in (10, 50, 100)] == pytest.approx([0.1, 0.5, 1.0])
    assert rate(550, **recipe) == pytest.approx(0.55)
    assert rate(1000, **recipe) == pytest.approx(0.1)
    falling = [rate(step, **recipe) for step in range(100, 1001)]
    assert falling == sorted(falling, reverse=True)
    assert 0 < rate(0, **recipe) <= rate(1, **recipe)


@pytest.mark.parametrize("steps", [1, 2, 10, 33, 1000])
@pytest.mark.parametrize("warmup", [0.0, 0.03, 0.5, 1.0])
def test_no_rate_exceeds_the_recipes(rate, steps, warmup):
    factors = [rate(step, steps=steps, optim={"warmup": warmup}) for step in range(steps + 1)]
    assert 0 < min(factors)
    assert max(factors) <= 1


def test_with_a_time_limit_rates_follow_the_clock(rate):
    recipe = {"steps": 1000, "max_seconds": 100.0, "optim": {"warmup": 0.1}}
    assert rate(1, seconds=5.0, **recipe) == pytest.approx(0.5)
    assert rate(1, seconds=55.0, **recipe) == pytest.approx(0.55)
    assert rate(1, seconds=1000.0, **recipe) == pytest.approx(0.1)
    assert rate(1000, seconds=1.0, **recipe) == pytest.approx(0.1)


def test_a_run_is_finished_by_steps_by_time_or_by_patience(tiny_recipe):
    recipe = tiny_recipe(steps=10, max_seconds=5.0, patience=3)
    assert not finished(recipe, Progress(step=9, seconds=4.9, stale=2))
    for over in ({"step": 10}, {"seconds": 5.0}, {"stale": 3}):
        assert finished(recipe, Progress(**over))


def test_the_log_has_losses_and_scores_and_observers_see_it_all(make_setup, tmp_path):
    seen: list[dict[str, object]] = []
    train(make_setup(steps=40, validate_every=25, validate=scripted(0.5, 0.75)), seen.append)
    records = list(read_log(tmp_path / "out" / "log.jsonl"))
    assert records == seen
    assert [record["step"] for record in records] == [20, 25, 40, 40]
    losses = records[0]
    assert losses["examples"] == 20 * 2 * 8
    assert losses["examples_per_second"] > 0
    assert 0 <= losses["padding"] < 1
    assert all(math.isfinite(losses[key]) for key in ("verdict_loss", "line_loss", "tokens_per_second", "seconds"))
    assert [record["score"] for record in records if "score" in record] == [0.5, 0.75]


def test_validation_does_not_count_as_training_time(make_setup, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def validate(model):
        now[0] += 1000.0
        return {"score": 0.5}

    assert train(make_setup(steps=3, validate_every=1, validate=validate)).seconds == 0.0


def test_weights_cut_off_while_they_are_written_do_not_replace_the_best(make_setup, tmp_path, monkeypatch):
    def half(tensors, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    setup = make_setup(steps=1, validate=scripted(0.5))
    train(setup)
    best = weights(setup)
    monkeypatch.setattr(loop, "save_file", half)
    with pytest.raises(KeyboardInterrupt):
        loop.judge(make_setup(validate=scripted(0.9)), Progress(step=2, best=0.5), loop.Log(tmp_path / "log", print))
    assert same(load_file(tmp_path / "out" / "best.safetensors"), best)


def test_a_half_written_line_is_left_out_and_later_ones_are_not(make_setup, tmp_path):
    log = tmp_path / "out" / "log.jsonl"
    log.parent.mkdir()
    log.write_text('{"step": 20}\n{"step": 40, "verd')
    assert list(read_log(log)) == [{"step": 20}]
    train(make_setup(steps=20))
    assert [record["step"] for record in read_log(log)] == [20, 20, 20]


def test_every_line_of_a_log_is_json(make_setup, tmp_path):
    train(make_setup(steps=20))
    for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines():
        assert json.loads(line, parse_constant=pytest.fail)


def fail_at(number, error, monkeypatch):
    def failing(model, head, batch, recipe, step):
        return error() if step == number else total_loss(model, head, batch, recipe, step)

    monkeypatch.setattr(loop, "total_loss", failing)


def out_of_memory():
    raise MemoryError


@pytest.mark.parametrize("error", [out_of_memory, lambda: torch.empty(1 << 60)], ids=["python", "torch"])
def test_a_run_out_of_memory_says_so_and_can_be_resumed(make_setup, tmp_path, monkeypatch, error):
    recipe = {"steps": 5, "checkpoint_seconds": ALWAYS}
    with monkeypatch.context() as patch:
        fail_at(3, error, patch)
        with pytest.raises(TrainerError, match=r"at step 3\..*--parts"):
            train(make_setup(**recipe))
    resumed, whole = make_setup(**recipe), make_setup(tmp_path / "whole", **recipe)
    assert train(resumed).runs == 2
    train(whole)
    assert same(weights(resumed), weights(whole))


def test_other_errors_stay_what_they_are(make_setup, monkeypatch):
    fail_at(1, lambda: torch.zeros(2) @ torch.zeros(3), monkeypatch)
    with pytest.raises(RuntimeError, match="size"):
        train(make_setup(steps=3))
