"""Inner maximisation: the numbers of the specification, and what holds for any model."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from unigurd_trainer.losses.alice import CleanPass, alice, radius  # noqa: E402
from unigurd_trainer.losses.bernoulli import bernoulli_kl, cross_entropy, symmetric_kl  # noqa: E402
from unigurd_trainer.losses.perturbation import Ball, Released, ascend  # noqa: E402
from unigurd_trainer.recipe import PerturbationRecipe  # noqa: E402

DIFFERENCE = torch.tensor([-1.0, 1.0, 2.0], dtype=torch.float64)  # second row minus first of W = [[1,0,-1],[0,1,1]]
HIDDEN = torch.tensor([[0.5, -0.2, 0.1]], dtype=torch.float64)
START = 1e-5 * torch.tensor([[1.0, -1.0, 2.0]], dtype=torch.float64)
ONE, EXACT = torch.ones(1, dtype=torch.long), 1e-8


class From(Ball):
    """A ball whose ascent starts where the noise is."""

    def start(self, noise):
        return noise


def linear(hidden):
    """The specification's two-class model as one logit: [V, 1, 3] to [V, 1]."""
    return hidden @ DIFFERENCE


def clean():
    return linear(HIDDEN[None])[0]


def virtual(logits):
    return bernoulli_kl(clean(), logits)


def gold(logits):
    return cross_entropy(logits, torch.ones_like(logits))


def gradient_of(loss):
    delta = START.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(linear((HIDDEN + delta)[None])[0]).sum(), delta)
    return gradient


def near(tensor, *values, tolerance=EXACT):
    return tensor.flatten().tolist() == pytest.approx(list(values), abs=tolerance)


def test_the_clean_model_is_that_of_the_specification():
    assert near(clean().sigmoid(), 0.37754067)
    assert near(gold(clean()), 0.97407698)


def test_the_virtual_perturbation_of_the_specification():
    assert near(gradient_of(virtual), -4.70008576e-06, 4.70008576e-06, 9.40017151e-06, tolerance=1e-14)
    found = ascend(linear, HIDDEN, ONE, [virtual], START, From(0.01))
    assert near(found.delta, -0.005, 0.005, 0.01)
    moved = linear(HIDDEN + found.delta)[0]
    assert near(bernoulli_kl(clean(), moved), 1.06007403e-04)
    assert near(symmetric_kl(clean(), moved), 2.12267224e-04)


def test_the_gold_perturbation_of_the_specification():
    assert near(gradient_of(gold), 0.62245463, -0.62245463, -1.24490926)
    found = ascend(linear, HIDDEN, ONE, [gold], START, From(0.01))
    assert near(found.delta, 0.005, -0.005, -0.01)
    assert near(gold(linear(HIDDEN + found.delta)[0]), 0.99285625)


def test_both_terms_of_the_specification_in_one_ascent():
    found = ascend(linear, HIDDEN, ONE, [gold, virtual], START, From(0.01))
    assert near(found.delta, 0.005, -0.005, -0.01, -0.005, 0.005, 0.01)
    assert found.usable.tolist() == [True, True]


def test_the_released_step_of_the_specification():
    class Given(Released):
        def start(self, noise):
            return noise

    found = ascend(linear, HIDDEN, ONE, [virtual], 100 * START, Given())
    assert near(found.delta, 0.49928058, -0.49928058, 0.99950048)


def test_the_released_start_is_tiny_and_its_end_is_one_long_whatever_the_activations():
    noise = torch.randn(1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Released().start(noise), 1e-5 * noise)
    for scale in (1e-3, 1.0):
        found = ascend(linear, scale * HIDDEN, ONE, [gold], noise, Released())
        assert found.delta.abs().max().item() == pytest.approx(1.0, abs=1e-2)


# What holds for any model: a small nonlinear one over several tokens, some of them padding.

TOKENS, TEXTS, SIZE = 7, 4, 5
MASK = torch.tensor([1, 1, 1, 0, 1, 0, 1])


@pytest.fixture(scope="module")
def states():
    return torch.randn(TOKENS, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def noise():
    return torch.randn(TOKENS, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def tail():
    """Every logit depends on every token, padding included, so that only the mask keeps padding still."""
    first, second = (
        torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        for seed, size in ((3, (TOKENS * SIZE, 16)), (4, (16, TEXTS)))
    )
    return lambda hidden: (hidden.flatten(1) @ first / 6).tanh() @ second


LABELS = torch.tensor([0.0, 1.0, 1.0, 0.0])


def losses_of(tail, states):
    fixed = tail(states[None])[0]
    return [lambda z: cross_entropy(z, LABELS), lambda z: bernoulli_kl(fixed, z)]


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("norm", ["inf", "2", "sign"])
def test_perturbations_stay_in_the_ball_and_padding_stays_where_it_is(tail, states, noise, norm, steps):
    delta = ascend(tail, states, MASK, losses_of(tail, states), noise, Ball(0.05, norm), steps).delta
    assert delta.shape == (2, TOKENS, SIZE)
    assert torch.equal(delta[:, MASK == 0], torch.zeros(2, 2, SIZE, dtype=torch.float64))
    size = delta.norm(dim=-1) if norm == "2" else delta.abs().amax(-1)
    assert torch.allclose(size[:, MASK == 1], torch.tensor(0.05, dtype=torch.float64), atol=1e-12)
    if norm == "sign":
        assert set(delta[:, MASK == 1].abs().flatten().tolist()) == {0.05}


@pytest.mark.parametrize("mode", [Ball(0.03), Released()])
def test_released_padding_stays_too(tail, states, noise, mode):
    delta = ascend(tail, states, MASK, losses_of(tail, states), noise, mode).delta
    assert torch.equal(delta[:, MASK == 0], torch.zeros(2, 2, SIZE, dtype=torch.float64))
    assert delta.abs().sum() > 0


def test_the_direction_is_that_of_finite_differences(tail, states, noise):
    """The gradient at the start, entry by entry, from losses alone; then the same step by hand."""
    losses, step = losses_of(tail, states), 1e-6
    rule = Ball(0.05, xi=1e-2)
    start = torch.where(MASK[:, None] == 1, rule.start(noise), 0.0)
    found = ascend(tail, states, MASK, losses, noise, rule).delta
    for loss, delta in zip(losses, found, strict=True):
        for token in MASK.nonzero().flatten().tolist():
            slope = torch.zeros(SIZE, dtype=torch.float64)
            for entry in range(SIZE):
                nudge = torch.zeros_like(states)
                nudge[token, entry] = step
                up, down = (loss(tail((states + start + s * nudge)[None])[0]).sum() for s in (1, -1))
                slope[entry] = (up - down) / (2 * step)
            assert torch.allclose(delta[token], 0.05 * slope / slope.abs().max(), atol=1e-4)


@pytest.mark.parametrize("norm", ["inf", "2", "sign"])
def test_no_random_perturbation_of_the_same_size_is_worse(tail, states, noise, norm):
    losses = losses_of(tail, states)
    rule = Ball(0.01, norm)
    found = ascend(tail, states, MASK, losses, noise, rule, steps=5).delta
    worst = [loss(tail(delta[None] + states)[0]).sum() for loss, delta in zip(losses, found, strict=True)]
    generator = torch.Generator().manual_seed(9)
    for _ in range(200):
        other = torch.randn(states.shape, dtype=torch.float64, generator=generator)
        delta = torch.where(MASK[:, None] == 1, rule.at_random(other), 0.0)
        for loss, value in zip(losses, worst, strict=True):
            assert loss(tail((states + delta)[None])[0]).sum() <= value + 1e-9


def test_more_steps_do_not_find_a_lesser_maximum(tail, states, noise):
    losses, found = losses_of(tail, states), []
    for steps in (0, 1, 4):
        delta = ascend(tail, states, MASK, losses, noise, Ball(0.2), steps).delta
        found.append([loss(z).sum().item() for loss, z in zip(losses, tail(states + delta), strict=True)])
    for random, first, last in zip(*found, strict=True):
        assert random < first <= last + 1e-3


def test_a_shared_first_step_is_the_steps_apart(tail, states, noise):
    losses = losses_of(tail, states)
    for steps in (1, 3):
        both = ascend(tail, states, MASK, losses, noise, Ball(0.05), steps).delta
        apart = [ascend(tail, states, MASK, [loss], noise, Ball(0.05), steps).delta[0] for loss in losses]
        assert torch.allclose(both, torch.stack(apart), atol=1e-12)


def test_the_first_step_is_one_pass_for_both_terms(tail, states, noise):
    seen = []

    def counting(hidden):
        seen.append(len(hidden))
        return tail(hidden)

    ascend(counting, states, MASK, losses_of(tail, states), noise, Ball(0.05), 3)
    assert seen == [1, 2, 2]


def test_the_ascent_touches_no_gradient_of_model_or_states(states, noise):
    weight = torch.randn(SIZE, dtype=torch.float64, requires_grad=True)
    hidden = states.clone().requires_grad_()
    found = ascend(lambda h: (h @ weight)[:, :TEXTS], hidden, MASK, [lambda z: z**2], noise, Ball(0.05))
    assert not found.delta.requires_grad
    assert (weight.grad, hidden.grad) == (None, None)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_skips_its_loss_only(tail, states, noise, bad):
    fixed = tail(states[None])[0]
    losses = [lambda z: z * bad, lambda z: bernoulli_kl(fixed, z)]
    found = ascend(tail, states, MASK, losses, noise, Ball(0.05), 2)
    assert found.usable.tolist() == [False, True]
    assert torch.equal(found.delta[0], torch.zeros_like(states))
    assert found.delta[1].abs().max() > 0


def test_a_token_without_a_gradient_is_not_moved(states, noise):
    found = ascend(lambda h: h[:, :2].sum(-1), states, torch.ones(TOKENS), [torch.Tensor.exp], noise, Ball(0.05))
    assert found.delta[0, :2].abs().sum() > 0
    assert torch.equal(found.delta[0, 2:], torch.zeros(TOKENS - 2, SIZE, dtype=torch.float64))
    assert found.usable.all()


@pytest.mark.parametrize("norm", ["inf", "2", "sign"])
def test_a_tiny_gradient_still_has_a_direction(norm):
    hidden, noise = torch.zeros(1, 3), torch.ones(1, 3)
    slope = torch.tensor([1e-30, -2e-30, 0.0])
    delta = ascend(lambda h: h @ slope, hidden, ONE, [lambda z: z], noise, Ball(1.0, norm)).delta[0, 0]
    expected = {"inf": [0.5, -1, 0], "2": [0.2**0.5, -(0.8**0.5), 0], "sign": [1, -1, 0]}[norm]
    assert delta.tolist() == pytest.approx(expected, abs=1e-6)


# Alice on the small model.


def gold_of(logits):
    return cross_entropy(logits, LABELS)


def run(tail, states, clean=None, **options):
    """Both terms, each at its own perturbation, with the radius .05, unless the options say otherwise."""
    done = CleanPass(states, MASK, tail(states[None])[0] if clean is None else clean, tail, gold_of)
    return alice(
        done, PerturbationRecipe(**{"eps": 0.05, "shared": False, **options}), torch.Generator().manual_seed(5)
    )


def test_the_label_term_is_at_least_the_clean_loss_and_the_virtual_term_at_least_zero(tail, states):
    found = run(tail, states)
    assert found.label >= cross_entropy(tail(states[None])[0], LABELS).mean() - 1e-6
    assert found.virtual > 0
    assert found.skipped == 0


@pytest.mark.parametrize("divergence", ["symmetric", "one-sided"])
def test_a_constant_model_has_no_virtual_loss_and_skips_both_ascents(states, divergence):
    found = run(lambda h: 0 * h.sum((1, 2))[:, None] + torch.tensor([0.1, 1, -2, 0]).double(), states)
    assert (found.label, found.virtual, found.skipped) == (0, 0, 2)


def test_terms_are_those_of_a_plain_reference(tail, states):
    """Each term alone, by autograd, as one would write it down first."""
    found = run(tail, states)
    assert run(tail, states, virtual=0.5).virtual == found.virtual  # the weight is the caller's
    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(states.shape, generator=generator, dtype=torch.float64)
    start = 1e-3 * noise / noise.norm(dim=-1, keepdim=True) * MASK[:, None]
    z = tail(states[None])[0]
    terms = []
    for climbed, descended in (
        (lambda q: cross_entropy(q, LABELS), lambda q: cross_entropy(q, LABELS)),
        (lambda q: bernoulli_kl(z.detach(), q), lambda q: bernoulli_kl(z, q) + bernoulli_kl(q, z)),
    ):
        delta = start.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(climbed(tail((states + delta)[None])[0]).sum(), delta)
        worst = 0.05 * gradient / gradient.abs().amax(-1, keepdim=True) * MASK[:, None]
        terms.append(descended(tail((states + worst)[None])[0]).mean())
    assert (found.label.item(), found.virtual.item()) == pytest.approx([t.item() for t in terms], abs=1e-12)


@pytest.mark.parametrize(
    ("options", "has"),
    [({"label": "off"}, (0, 1)), ({"virtual": 0.0}, (1, 0)), ({"label": "clean"}, (1, 1)), ({}, (1, 1))],
)
def test_terms_can_be_left_out_and_the_others_stay(tail, states, options, has):
    full, found = run(tail, states), run(tail, states, **options)
    label = cross_entropy(tail(states[None])[0], LABELS).mean() if options.get("label") == "clean" else full.label
    assert found.label.item() == pytest.approx(has[0] * label.item(), abs=1e-12)
    assert found.virtual.item() == pytest.approx(has[1] * full.virtual.item(), abs=1e-12)


def test_a_clean_label_without_a_virtual_term_perturbs_nothing(states):
    clean = torch.zeros(TEXTS, dtype=torch.float64)
    found = run(lambda h: pytest.fail("no pass is needed"), states, clean, label="clean", virtual=0.0)
    assert found.label.item() == pytest.approx(0.69314718)


@pytest.mark.parametrize(("divergence", "size"), [("symmetric", 2.0), ("one-sided", 1.0)])
def test_the_one_sided_divergence_is_about_half_of_the_symmetric_one(tail, states, divergence, size):
    base = run(tail, states, eps=1e-3, divergence="one-sided").virtual
    found = run(tail, states, eps=1e-3, divergence=divergence).virtual
    assert (found / base).item() == pytest.approx(size, rel=1e-2)


@pytest.mark.parametrize("divergence", ["symmetric", "one-sided"])
def test_gradients_flow_through_the_states_and_the_clean_logits(tail, states, divergence):
    hidden = states.clone().requires_grad_()
    clean = tail(states[None])[0].detach().requires_grad_()
    found = run(tail, hidden, clean, divergence=divergence)
    found.virtual.backward(retain_graph=True)
    assert clean.grad.abs().sum() > 0
    assert hidden.grad.abs().sum() > 0
    before = clean.grad.clone()
    found.label.backward()
    assert torch.equal(clean.grad, before)


def test_a_shared_perturbation_is_the_label_terms_and_costs_one_ascent(tail, states):
    seen = []

    def counting(hidden):
        seen.append(len(hidden))
        return tail(hidden)

    apart = run(counting, states)
    assert seen == [1, 1, 2]  # clean, ascent, both perturbed
    seen.clear()
    found = run(counting, states, shared=True)
    assert seen == [1, 1, 1]
    assert found.label == apart.label
    assert 0 < found.virtual


def test_for_one_text_the_two_perturbations_differ_by_their_sign_only(states, noise):
    """The claim on which `shared` rests: with one logit, both gradients are multiples of dz/dh."""
    weight = torch.randn(TOKENS * SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(8))

    def one(hidden):
        return (hidden.flatten(1) @ weight).tanh()[:, None]

    fixed = one(states[None])[0]
    losses = [lambda z: cross_entropy(z, torch.ones(1)), lambda z: bernoulli_kl(fixed, z)]
    label, virtual = ascend(one, states, MASK, losses, noise, Ball(0.01, xi=1e-6)).delta
    assert min((label - virtual).abs().max(), (label + virtual).abs().max()) < 1e-4


def test_under_autocast_the_search_is_in_float32(states):
    """In bfloat16 the start would vanish in h + d: then no divergence has a gradient."""
    model = torch.nn.Linear(TOKENS * SIZE, TEXTS)
    kinds = []

    def layers(hidden):
        logits = model(hidden.flatten(1))
        kinds.append(logits.dtype)
        return logits

    hidden = 10 * states.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = run(layers, hidden)
    full, half = torch.float32, torch.bfloat16
    assert kinds == [half, full, full, half]  # the clean pass; clean and ascent of the search; both terms
    assert found.skipped == 0
    assert found.virtual > 0


def test_the_radius_follows_the_size_of_the_real_tokens():
    hidden = torch.tensor([[1.0, -3.0], [3.0, 4.0], [100.0, 100.0]])
    mask = torch.tensor([1, 1, 0])
    assert radius(hidden, mask, 0.1, "inf").item() == pytest.approx(0.1 * 11 / 4)
    assert radius(hidden, mask, 0.1, "sign").item() == pytest.approx(0.1 * 11 / 4)
    assert radius(hidden, mask, 0.1, "2").item() == pytest.approx(0.1 * (10**0.5 + 5) / 2)
