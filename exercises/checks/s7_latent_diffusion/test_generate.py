"""The checks of generate."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from exercises.checks import cases, expect
from exercises.checks.callers import Gain, takes_any_model_in_half_precision
from exercises.checks.expect import left_alone
from exercises.checks.rules import AS_IT_IS, SINGLE
from exercises.checks.s7_latent_diffusion.evidence import in_its_dtype
from exercises.checks.s7_latent_diffusion.latents import Asked, Listener, Toy
from exercises.checks.s7_latent_diffusion.rules import KEEP

STEP = "DDIM: ẑ_0 = (z - √(1-ᾱ_t) ε) / √ᾱ_t, then √ᾱ_s ẑ_0 + √(1-ᾱ_s) ε at the next time s; after the last, ẑ_0 itself"
GUIDED = "ε = ε_null + guidance (ε_y - ε_null), whatever the guidance"
TIMES = "trailing times: round(T - i T / n) - 1 for i = 0, ..., n-1"
NEAR = {"rtol": 1e-5, "atol": 1e-5}
"""A number of 1e-8 added to a divisor, which costs nothing, and tables that were kept in float32."""
FEW = "n steps, each with one call on a doubled batch or with two calls"
GRIDS = ((8, 5), (11, 7), (10, 1), (10, 2), (9, 3), (10, 3), (6, 6), (1, 1), (17, 7))
"""T and n for which no T - i T / n is a half, which may be rounded either way. 17 / (17/7) is above 7 in floats."""


def trailing(T: int, n: int) -> list[int]:
    return [(2 * (T * n - i * T) + n) // (2 * n) - 1 for i in range(n)]


class Draw:
    """All that generate is given, but for the model and the autoencoder."""

    def __init__(
        self, rng: Generator, T: int = 10, n: int = 3, samples: int = 3, size: tuple[int, ...] = (2, 2, 3)
    ) -> None:
        self.z_T = cases.normal((samples, *size), rng)
        self.y = torch.randint(9, (samples,), generator=rng) + 1
        self.null, self.n, self.guidance, self.scale = 10, n, 2.5, 0.4
        self.alpha_bar = cases.alpha_bar_of(cases.schedule(T, rng, smallest=0.02))

    def states(self, model: Listener) -> list[Tensor]:
        """The latent before each step and after the last, in float64."""
        alpha_bar, z = self.alpha_bar.double(), self.z_T.double()
        times, found = trailing(len(alpha_bar), self.n), [z]
        for time, to in zip(times, [*times[1:], None], strict=True):
            t = torch.full((len(z),), time)
            with torch.no_grad():
                unlabelled = model.guess(z, t, torch.full_like(self.y, self.null))
                eps = unlabelled + self.guidance * (model.guess(z, t, self.y) - unlabelled)
            a, a_to = alpha_bar[time], alpha_bar[to] if to is not None else torch.ones((), dtype=torch.float64)
            z = a_to.sqrt() * (z - (1 - a).sqrt() * eps) / a.sqrt() + (1 - a_to).sqrt() * eps
            found.append(z)
        return found

    def picture(self, model: Listener) -> Tensor:
        with torch.no_grad():
            return Toy().picture(self.states(model)[-1] / self.scale).clamp(-1, 1)

    def draw(self, code, model: object, autoencoder: Toy, scale: object = None) -> Tensor:
        scale = self.scale if scale is None else scale
        got = code.generate(
            model, autoencoder, self.z_T, self.y, self.null, self.alpha_bar, scale, self.guidance, self.n
        )
        shape = (len(self.z_T), 1, 4 * self.z_T.shape[2], 4 * self.z_T.shape[3])
        expect.tensor(got, "pictures as decode gives them, in z_T's dtype", shape=shape, dtype=self.z_T.dtype)
        expect.finite(got, "pictures are finite")
        return got


def steps(model: Listener, draw: Draw) -> list[Asked]:
    """The calls, those of a step joined: 2 B rows each."""
    samples, calls = len(draw.z_T), model.calls
    rows = [len(call.z_t) for call in calls]
    wanted = [2 * samples] * draw.n
    fine = rows in (wanted, [samples] * 2 * draw.n)
    expect.holds(fine, FEW, got=f"{sum(rows) / samples:g} answers a latent", want=f"{2 * draw.n} answers a latent, in {draw.n} or {2 * draw.n} calls")  # fmt: skip
    for call in calls:
        expect.tensor(call.t, "t is an int64 tensor, one for each row of the batch", shape=(len(call.z_t),), dtype=torch.int64)  # fmt: skip
        expect.tensor(call.y, "y is a tensor of labels, one for each row of the batch", shape=(len(call.z_t),))
        expect.tensor(call.z_t, "the model sees latents of z_T's dtype", dtype=draw.z_T.dtype)
    if rows == wanted:
        return calls
    pairs = zip(calls[0::2], calls[1::2], strict=True)
    joined = []
    for one, two in pairs:
        parts = (torch.cat([a, b]) for a, b in ((one.z_t, two.z_t), (one.t, two.t), (one.y, two.y)))
        joined.append(Asked(*parts, one.tracked or two.tracked))
    return joined


def test_generate_asks_the_model_at_trailing_times_twice_for_each_latent(code, rng):
    """The n steps of the trailing grid, each latent asked for with its label and with none, whatever the guidance."""
    for T, n in GRIDS:
        for guidance in (2.5, 1.0, 0.0):
            draw, model = Draw(rng, T, n, 2), Listener()
            draw.guidance = guidance
            draw.draw(code, model, Toy())
            found = steps(model, draw)
            times = torch.stack([step.t for step in found])
            expect.close(times, torch.tensor(trailing(T, n))[:, None].expand(n, 4), TIMES)
            for step in found:
                labels = torch.tensor(sorted(step.y.tolist()))
                want = torch.tensor(sorted([*draw.y.tolist(), draw.null, draw.null]))
                expect.close(labels, want, "each latent is asked for twice, with its label y and with null; " + GUIDED)


def test_generate_shows_the_model_the_latents_on_their_way(code, rng):
    """The first state is z_T itself, and each next one a DDIM step further."""
    for T, n, guidance, channels in ((10, 3, 2.5, 2), (6, 6, -1.0, 5), (8, 5, 20.0, 1)):
        draw, model = Draw(rng, T, n, size=(channels, 2, 3)), Listener()
        draw.guidance = guidance
        draw.draw(code, model, Toy())
        for number, (step, want) in enumerate(zip(steps(model, draw), draw.states(model), strict=False)):
            labelled = step.y != draw.null
            where = f"the latent after step {number}; {GUIDED}; {STEP}" if number else "z_T itself at first"
            for name, rows in (("with its label", labelled), ("without one", ~labelled)):
                seen = step.z_t[rows]
                expect.given(z_t=seen)
                expect.close(seen, want, f"asked {name}, the model sees {where}", **NEAR)


def test_generate_decodes_once_at_the_end_what_it_has_unscaled(code, rng):
    """The decoder is asked once, for the finished latents divided by the scale."""
    for scale in (0.4, 1.7):
        draw, model, autoencoder = Draw(rng), Listener(), Toy()
        draw.scale = scale
        draw.draw(code, model, autoencoder)
        expect.equal(len(autoencoder.drawn), 1, "one look through the decoder, at the end")
        want = draw.states(model)[-1] / scale
        expect.given(by="decoder", z=autoencoder.drawn[0])
        why = f"the last step ends at ẑ_0, as ᾱ is 1 there, and the decoder gets ẑ_0 / scale; {STEP}"
        expect.close(autoencoder.drawn[0], want, why, **NEAR)


@settings(max_examples=10)
@given(
    grid=st.sampled_from(GRIDS),
    samples=st.integers(1, 3),
    guidance=st.sampled_from((0.0, 0.5, 1.0, 3.0)),
    scale=st.floats(0.2, 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_generate_draws_guided_ddim_steps_in_the_latent_and_decodes_the_end(code, grid, samples, guidance, scale, seed):
    """Guided steps from static to a clean latent, divided by the scale, decoded, clamped."""
    draw, model = Draw(Generator().manual_seed(seed), *grid, samples), Listener()
    draw.guidance, draw.scale = guidance, scale
    got, want = draw.draw(code, model, Toy()), draw.picture(model)
    expect.close(got, want, f"{GUIDED}; {STEP}; then decode(z / scale), clamped to [-1, 1]", **NEAR)


def test_generate_from_the_end_of_a_schedule(code, rng):
    """The first step is right where next to nothing of the data is left, too."""
    draw, model, autoencoder = Draw(rng, n=1), Listener(), Toy()
    draw.alpha_bar = cases.alpha_bar_of(cases.numbers(*cases.FADED))
    draw.draw(code, model, autoencoder)
    expect.equal(len(autoencoder.drawn), 1, "one look through the decoder, at the end")
    expect.given(by="decoder", z=autoencoder.drawn[0])
    expect.close(autoencoder.drawn[0], draw.states(model)[-1] / draw.scale, f"{AS_IT_IS}; {STEP}", **NEAR)


def test_generate_clamps_the_picture_and_nothing_else(code, rng):
    """Pictures lie in [-1, 1], latents anywhere."""
    draw, model = Draw(rng, samples=4), Listener()
    draw.z_T = 4 * draw.z_T
    got = draw.draw(code, model, Toy())
    why = "decode reaches to 1.5 on either side, and a picture ends at -1 and 1; latents have no bounds"
    expect.close(got, draw.picture(model), why, **NEAR)


def test_generate_takes_any_null_any_scale_and_plain_functions(code, rng):
    """The null label may be 0, scale what latent_scale gives, the model a plain function."""
    draw, model = Draw(rng), Listener()
    draw.null = 0
    want = draw.picture(model)
    for scale in (draw.scale, torch.tensor(draw.scale, dtype=torch.float64)):
        got = draw.draw(code, lambda z_t, t, y: model(z_t, t, y), Toy(), scale)
        expect.close(got, want, "null is the label that means none, scale a float or a 0-d tensor", **NEAR)  # fmt: skip


def test_generate_keeps_the_dtype_of_z_T_for_the_model_and_the_picture(code, rng):
    """float32 stays float32, whatever the table comes in."""
    for data in (torch.float32, torch.float64):
        for tables in (torch.float32, torch.float64):
            draw, model = Draw(rng), Listener()
            draw.alpha_bar = torch.linspace(0.9, 0.2, 10, dtype=torch.float64).to(tables)
            draw.z_T = draw.z_T.to(data)
            got = draw.draw(code, model, Toy())
            steps(model, draw)
            pair = f"{data} static and a table in {tables}"
            in_its_dtype(got, draw.picture(Listener()).to(data), KEEP, pair, **SINGLE)


def test_generate_records_no_gradient_and_leaves_its_arguments_as_they_were(code, rng):
    """A sampler: no gradient on its way, nothing changed, and the same picture twice."""
    draw = Draw(rng)
    before = {name: getattr(draw, name).clone() for name in ("z_T", "y", "alpha_bar")}
    first = None
    for tracked in (False, False, True):
        model, autoencoder = Listener(), Toy()
        draw.z_T.requires_grad_(tracked)
        got = draw.draw(code, model, autoencoder)
        recorded = ["pictures with a gradient"] * got.requires_grad
        if not tracked and (any(call.tracked for call in model.calls) or any(autoencoder.tracked)):
            recorded.append("latents that carry a gradient")
        why = "a sampler records no gradient, or its memory grows with n"
        expect.holds(not recorded, why, got=recorded, want="no gradient on the way or in the end")
        after = {name: (value, getattr(draw, name).detach()) for name, value in before.items()}
        expect.unchanged(KEEP, **after)
        left_alone(model)
        left_alone(autoencoder, "autoencoder")
        first = got if first is None else first
        same = torch.allclose(got, first)
        expect.holds(same, "the way is deterministic", got="another picture the second time", want="the same picture")


def test_generate_takes_any_callable_and_keeps_half_precision(code, rng):
    """A plain function will do for a model, and float16 stays float16."""
    x = cases.normal((2, 3, 2, 2), rng)
    takes_any_model_in_half_precision(
        lambda model, x: code.generate(
            model, Gain(), x, torch.tensor([0, 2]), 3, torch.tensor([0.9, 0.6, 0.3, 0.1]), 0.7, 2.0, 4
        ),
        x,
    )
