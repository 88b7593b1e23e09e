"""The checks of hutchinson_divergence."""

import math

import torch
from hypothesis import given, settings
from torch import Generator, Tensor, nn

from exercises.checks import cases, chance, expect
from exercises.checks.cases import numbers, tracked
from exercises.checks.expect import left_alone
from exercises.checks.s3_score_sde.inputs import seeds, shapes, times
from exercises.checks.s3_score_sde.rules import KEEP, SINGLE

PROBE = "the estimate is probe · (∂fn/∂x) probe for each sample, summed over all its axes, with the probe that is given"


class Field(nn.Module):
    """A function of a batch with a known Jacobian: offset + gain_b Σ_j M_ij sin(pitch x_j), a gain for each sample.

    Attributes:
        pulls: how often a gradient was sent back through it.
        places: where it was asked, of ordinary tensors.
    """

    def __init__(self, dims: int, gains: Tensor, rng: Generator, pitch: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.matrix = nn.Parameter(cases.normal((dims, dims), rng).to(gains.dtype))
        self.gains, self.pitch, self.offset, self.pulls = gains, pitch, offset, 0
        self.places: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        if not torch._C._functorch.is_functorch_wrapped_tensor(x):
            self.places.append(x.detach().clone())
        waves = torch.sin(self.pitch * x.flatten(1)) @ self.matrix.T
        answer = (self.gains[:, None] * waves).reshape(x.shape) + self.offset
        if answer.requires_grad:
            answer.register_hook(self._pulled)
        return answer

    def _pulled(self, grad: Tensor) -> None:
        self.pulls += 1

    def asked_beside(self, x: Tensor) -> bool:
        """Whether it was asked at x and at places near it, as for differences of its values."""
        apart = [float((place - x).abs().max()) for place in self.places if place.shape == x.shape]
        return len(apart) > 1 and 1e-6 < max(apart) < 1

    def estimate(self, x: Tensor, probe: Tensor) -> Tensor:
        """Of each sample probe · J probe, with J_ij = gain M_ij pitch cos(pitch x_j)."""
        slopes, probe = self.pitch * torch.cos(self.pitch * x.flatten(1)), probe.flatten(1)
        return self.gains.to(x) * (probe * ((slopes * probe) @ self.matrix.detach().to(x).T)).sum(1)


def _right(field: Field, x: Tensor, got: Tensor, want: Tensor, why: str, **near: float) -> None:
    """The estimate is right; of one that is not, because it is made of differences, that is told."""
    try:
        expect.close(got, want, why, **near)
    except expect.Mismatch:
        beside = "differences of fn's values in place of a vector-Jacobian product"
        expect.holds(
            not field.asked_beside(x), PROBE, got=beside, want="one vector-Jacobian product, with fn asked at x"
        )
        raise


def test_hutchinson_divergence_by_hand(code):
    """Numbers that can be worked out by hand."""
    matrix = torch.stack([numbers(1.0, 2.0), numbers(3.0, 4.0)])
    x, probe = numbers(5.0, 6.0)[None].expand(2, 2), torch.stack([numbers(1.0, -1.0), numbers(2.0, 1.0)])
    got = code.hutchinson_divergence(lambda x: x @ matrix.T, x, probe)
    why = "J = [[1, 2], [3, 4]]: (1, -1) · J (1, -1) = 1 - 2 - 3 + 4 = 0, and (2, 1) · J (2, 1) = 4 + 4 + 6 + 4 = 18"
    expect.close(got, numbers(0.0, 18.0), why)


@settings(max_examples=30)
@given(shape=shapes, seed=seeds)
def test_hutchinson_divergence_is_the_quadratic_form_of_the_jacobian(code, shape, seed):
    """It is zᵀ J z, with the Jacobian J and the probe z."""
    generator = Generator().manual_seed(seed)
    x, probe = cases.normal(shape, generator), cases.normal(shape, generator)
    field = Field(math.prod(shape[1:]), times(shape[0], generator), generator)
    expect.close(code.hutchinson_divergence(field, x, probe), field.estimate(x, probe), PROBE)


def test_hutchinson_divergence_works_on_any_shape_and_layout(code, rng):
    """It works on data of any shape, however it lies in memory."""
    for case in cases.corners(rng):
        field = Field(case.x0[0].numel(), times(len(case.x0), rng), rng)
        got = code.hutchinson_divergence(field, case.x_t, case.noise)
        expect.close(got, field.estimate(case.x_t, case.noise), PROBE)


def test_hutchinson_divergence_goes_backward_once(code, rng):
    """It goes backward once, whatever the dimension."""
    x, probe = cases.normal((2, 5, 4), rng), cases.normal((2, 5, 4), rng)
    field = Field(20, times(2, rng), rng, pitch=30.0, offset=1e8)  # differences of values would lose their digits
    got, want = code.hutchinson_divergence(field, x, probe), field.estimate(x, probe)
    _right(field, x, got, want, PROBE)
    why = "one vector-Jacobian product is enough: the Jacobian itself costs one for each of a sample's numbers"
    expect.holds(
        field.pulls <= 1, why, got=field.pulls, want="one backward pass", told=f"{field.pulls} backward passes"
    )


def test_hutchinson_divergence_keeps_the_dtype_and_leaves_no_trace(code, rng):
    """The result has the data's dtype, and no gradient is left anywhere."""
    for dtype in (torch.float32, torch.float64):
        x, probe = (cases.normal((3, 2, 2), rng).to(dtype) for _ in range(2))
        field = Field(4, times(3, rng).to(dtype), rng)
        for start in (x.clone(), *tracked(x)):
            flag, aim = start.requires_grad, probe.clone()
            got = code.hutchinson_divergence(field, start, aim)
            expect.tensor(got, KEEP, shape=(3,), dtype=dtype)
            _right(field, x, got, field.estimate(x.double(), probe.double()).to(dtype), KEEP, **SINGLE)
            expect.unchanged(KEEP, x=(x, start.detach()), probe=(probe, aim))
            expect.equal(start.requires_grad, flag, "x is the caller's: whether it takes gradients is not changed")
            expect.equal(start.grad is None, True, "no gradient is left on x: it is the caller's")
            left_alone(field)


def test_hutchinson_divergence_works_where_recording_is_off(code, rng):
    """Samplers and likelihoods run under no_grad; the divergence needs a gradient all the same."""
    x, probe = cases.normal((2, 3), rng), cases.normal((2, 3), rng)
    field = Field(3, times(2, rng), rng)
    why = "recording of gradients may be off where it is called, as in a likelihood: it has to be switched on inside"
    with torch.no_grad():
        try:
            got = code.hutchinson_divergence(field, x, probe)
        except NotImplementedError:  # a RuntimeError too: a stub's
            raise
        except RuntimeError as error:
            nothing = torch.full((2,), float("nan"), dtype=torch.float64)
            raise expect.Mismatch(why, nothing, f"an error: {error}", "the estimate") from None
    expect.close(got, field.estimate(x, probe), why)


def test_hutchinson_divergence_draws_nothing_of_its_own(code, rng):
    """The same arguments give the same estimate: the probe is given, and nothing else is drawn."""
    x, probe = cases.normal((3, 4), rng), cases.normal((3, 4), rng)
    field = Field(4, times(3, rng), rng)
    chance.nothing_drawn(lambda: code.hutchinson_divergence(field, x, probe), "the probe")
