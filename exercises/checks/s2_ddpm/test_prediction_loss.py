"""The checks of prediction_loss."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from exercises.checks import cases, expect
from exercises.checks.callers import left_to_the_caller
from exercises.checks.cases import Case, numbers, tracked
from exercises.checks.expect import left_alone
from exercises.checks.rules import EACH, KEEP, SINGLE
from exercises.checks.s2_ddpm.formulas import jump, roots
from exercises.checks.s2_ddpm.rules import KINDS, NAMED, UNKNOWN
from exercises.checks.spies import Spy

TARGETS = {"eps": "ε", "x0": "x_0", "v": "v = √ᾱ_t ε - √(1-ᾱ_t) x_0"}
WEIGHTS = {"eps": "min(SNR, γ) / SNR", "x0": "min(SNR, γ)", "v": "min(SNR, γ) / (SNR + 1)"}


def target_slopes(case: Case, kind: str) -> tuple[Tensor, Tensor]:
    """What multiplies x0, and what multiplies the noise, in the target of this kind."""
    signal, static = roots(case)
    one, zero = torch.ones_like(signal), torch.zeros_like(signal)
    return {"eps": (zero, one), "x0": (one, zero), "v": (-static, signal)}[kind]


def target_of(case: Case, kind: str) -> Tensor:
    of_x0, of_noise = target_slopes(case, kind)
    return of_x0 * case.x0 + of_noise * case.noise


def weight_of(case: Case, kind: str, gamma: float | None) -> Tensor:
    a = case.at(case.alpha_bar)
    if gamma is None:
        return torch.ones_like(a)
    ratio = a / (1 - a)
    return {"eps": (gamma / ratio).clamp(max=1), "x0": ratio.clamp(max=gamma), "v": ratio.clamp(max=gamma) * (1 - a)}[kind]  # fmt: skip


def loss_of(case: Case, kind: str = "eps", gamma: float | None = None) -> Tensor:
    """The loss of a `Spy`."""
    error = target_of(case, kind) - (0.75 * jump(case) + 0.25)
    return (weight_of(case, kind, gamma) * error.square()).mean()


class Knowing(nn.Module):
    """A model that gives this answer."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer, self.gain = answer, nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.gain * self.answer


def test_prediction_loss_by_hand_at_snr_4_and_one_quarter(code):
    """Numbers that can be worked out by hand, at SNR 4 and 1/4."""
    x0, noise = numbers(1.0)[None].expand(2, 1), torch.zeros(2, 1, dtype=torch.float64)
    t, alpha_bar = torch.tensor([0, 1]), numbers(0.8, 0.2)
    model = Knowing(torch.zeros(2, 1, dtype=torch.float64))
    for kind, first, second in (("x0", 1.0, 0.25), ("v", 1 / 5 * 0.2, 0.25 / 1.25 * 0.8)):
        got = code.prediction_loss(model, x0, t, noise, alpha_bar, kind, 1)
        why = f"SNR = 4 and 1/4 with γ = 1: {WEIGHTS[kind]} times the square of the target of {kind}, the mean of both"
        expect.close(got, numbers((first + second) / 2)[0], why)
    got = code.prediction_loss(model, torch.zeros_like(x0), t, x0, alpha_bar, "eps", 1)
    expect.close(got, numbers((0.25 + 1.0) / 2)[0], f"SNR = 4 and 1/4 with γ = 1: {WEIGHTS['eps']} is 1/4 and 1")


def test_prediction_loss_calls_the_model_once_with_the_noised_data_and_its_levels(code, rng):
    """The model is called once, with the noised data and its levels."""
    for number, case in enumerate(cases.corners(rng)):
        model, kind, gamma = Spy(), KINDS[number % 3], (None, 5)[number % 2]
        got = code.prediction_loss(model, case.x0, case.t, case.noise, case.alpha_bar, kind, gamma)
        expect.equal(len(model.seen), 1, "one call of the model is enough", of="calls of the model")
        expect.close(model.seen[0].x_t, jump(case), "the model sees x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε, whatever it predicts")
        expect.close(model.seen[0].t, case.t, "the model is told the level of each sample, t itself")
        expect.close(got, loss_of(case, kind, gamma), EACH)


@given(case=cases.batches())
def test_prediction_loss_is_the_mean_squared_error_against_its_own_target(code, case):
    """It is the mean squared error against the kind's own target."""
    args = case.x0, case.t, case.noise, case.alpha_bar
    expect.close(code.prediction_loss(Spy(), *args), loss_of(case), "without a kind the model guesses the noise, ε")
    for kind in KINDS:
        why = f"the loss is the mean over every element of (target - prediction)², the target of {kind} is {TARGETS[kind]}"
        expect.close(code.prediction_loss(Spy(), *args, kind=kind), loss_of(case, kind), why)


@given(case=cases.batches(), gamma=st.floats(0.01, 20))
def test_prediction_loss_weighs_each_sample_by_its_capped_snr(code, case, gamma):
    """Each sample is weighed by its SNR, capped at gamma."""
    for kind in KINDS:
        got = code.prediction_loss(Spy(), case.x0, case.t, case.noise, case.alpha_bar, kind, gamma)
        why = f"min-SNR-γ for {kind}: the squared errors of a sample weigh {WEIGHTS[kind]}, and then comes the mean"
        expect.close(got, loss_of(case, kind, gamma), why)


def test_prediction_loss_of_a_perfect_model_is_zero_at_snr_0_too(code, rng):
    """A perfect model has a loss of 0, at SNR 0 too."""
    case = cases.make((4, 3), cases.schedule(4, rng), rng)
    case.alpha_bar[-1] = 0.0
    for kind in ("x0", "v"):
        for gamma in (None, 5.0):
            model = Knowing(target_of(case, kind))
            got = code.prediction_loss(model, case.x0, case.t, case.noise, case.alpha_bar, kind, gamma)
            expect.close(got, numbers(0.0)[0], f"a model that answers {TARGETS[kind]} has nothing left to learn")
            got = code.prediction_loss(Spy(), case.x0, case.t, case.noise, case.alpha_bar, kind, gamma)
            expect.close(got, loss_of(case, kind, gamma), "a schedule may end at SNR 0 (only eps with γ divides by it)")


def test_prediction_loss_lets_gradients_through_to_model_and_data(code, rng):
    """Gradients flow back to the model and to the data."""
    case = cases.gradual(rng)
    (signal, static), x_t = roots(case), jump(case)
    for kind in KINDS:
        for gamma in (None, 0.5):
            model = Spy()
            x0, noise = tracked(case.x0, case.noise)
            got = code.prediction_loss(model, x0, case.t, noise, case.alpha_bar, kind, gamma)
            pull = 2 * weight_of(case, kind, gamma) * (0.75 * x_t + 0.25 - target_of(case, kind)) / x_t.numel()
            of_x0, of_noise = target_slopes(case, kind)
            expect.gradients(
                got,
                numbers(1.0)[0],
                "the loss is differentiable in the model's parameters, in data and in noise",
                weight=(model.weight, (pull * x_t).sum()),
                bias=(model.bias, pull.sum()),
                x0=(x0, pull * (0.75 * signal - of_x0)),
                noise=(noise, pull * (0.75 * static - of_noise)),
            )


def test_prediction_loss_keeps_the_dtype_its_arguments_and_the_model(code, rng):
    """The result has the data's dtype; the arguments and the model stay as they are."""
    for case in cases.precisions(rng):
        for kind, gamma, training in (("eps", None, True), ("x0", 2.0, False), ("v", 2.0, False)):
            model = Spy().train(training)
            got = expect.untouched(
                lambda *arguments, model=model, rest=(kind, gamma): code.prediction_loss(model, *arguments, *rest),
                KEEP, x0=case.x0, t=case.t, noise=case.noise, alpha_bar=case.alpha_bar,
            )  # fmt: skip
            expect.close(got, loss_of(case.exactly(), kind, gamma).to(case.x0.dtype), KEEP, **SINGLE)
            expect.equal(len(model.seen), 1, "one call of the model is enough", of="calls of the model")
            expect.tensor(model.seen[0].x_t, "the model works in the data's dtype: x_t keeps it", dtype=case.x0.dtype)
            left_alone(model)


def test_prediction_loss_refuses_an_unknown_kind(code, rng):
    """A kind that is not known is refused."""
    case = cases.make((2, 3), cases.schedule(3, rng), rng)
    for kind in UNKNOWN:
        for gamma in (None, 5.0):

            def lose(kind: str = kind, gamma: float | None = gamma) -> Tensor:
                return code.prediction_loss(Spy(), case.x0, case.t, case.noise, case.alpha_bar, kind, gamma)

            expect.raises(ValueError, lose, NAMED, naming="kind")


def test_prediction_loss_leaves_mode_and_gradients_to_the_caller(code, rng):
    """A loss computes and no more: the model's mode and its gradients stay as they are."""
    case, model = cases.gradual(rng), Spy()
    left_to_the_caller(lambda: code.prediction_loss(model, case.x0, case.t, case.noise, case.alpha_bar), model)
