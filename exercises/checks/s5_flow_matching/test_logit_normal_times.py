"""The checks of logit_normal_times."""

import torch
from torch import Generator, Tensor

from exercises.checks import chance, expect
from exercises.checks.rules import DRAWN

LAW = "logit(t) = log(t / (1-t)) is drawn from N(mean, std²)⟦: t = sigmoid(mean + std z), z ~ N(0, 1)⟧"
KIND = "n times: a float32 tensor of shape (n,)"


def drawn(code, n: int, *args: float, **kwargs) -> Tensor:
    """The logits of n times, seen to be of the right type and range, in float64."""
    t = code.logit_normal_times(n, *args, **kwargs)
    expect.tensor(t, KIND, shape=(n,), dtype=torch.float32)
    expect.finite(t, KIND)
    inside = bool(((t > 0) & (t < 1)).all())
    expect.holds(
        inside, "times are in (0, 1)", got=[round(float(end), 3) for end in (t.min(), t.max())], want="t in (0, 1)"
    )
    return torch.logit(t.double())


def test_logit_normal_times_have_a_normal_logit(code, rng):
    """Taken back through the logit, the times are normal with the mean and the deviation that were asked for."""
    # 4000 numbers: a mean is seen to within 0.11, a variance to within 0.22, each with one false alarm in 1e10. A logit of
    # a float32 time is off by 6e-8 / (t (1-t)), 1e-3 at a logit of 10, further out than five deviations here.
    # At a mean of -4.5 and 4.5 half of the times are below 0.011, or above 0.989: what is clamped, shows.
    for mean, std in ((0.0, 1.0), (-1.5, 0.5), (1.0, 1.8), (-4.5, 0.4), (4.5, 0.4)):
        z = (drawn(code, 4000, mean, std, generator=rng) - mean) / std
        chance.standard_normal(
            z.reshape(50, 80),
            f"with mean = {mean} and std = {std}, (logit(t) - mean) / std; {LAW}",
            ("batches", "times"),
            of="(logit(t) - mean) / std",
        )


def test_logit_normal_times_of_a_high_mean_are_near_data(code, rng):
    """A mean of 3 and hardly any spread: all times near 0.9526, near data, which is at 1 here."""
    z = drawn(code, 5, 3.0, 0.001, generator=rng)
    # Five deviations, and more: one false alarm in 1e9 is at 6.2 for five numbers
    why = f"sigmoid(3) = 0.9526, and data is at 1, so that nothing is turned round; {LAW}"
    expect.close(z, torch.full_like(z, 3.0), why, rtol=0.0, atol=0.0065)


def test_logit_normal_times_default_to_the_standard_normal(code, rng):
    """Without mean and std it is N(0, 1), and they may be given by name."""
    # 20000 numbers: within one deviation are 68.3 % of a normal distribution, and 72 % of a logistic one of this deviation;
    # the share is seen to within 2.4 %, with one false alarm in 1e10
    chance.standard_normal(drawn(code, 20000, generator=rng), f"by default mean = 0 and std = 1; {LAW}", of="logit(t)")
    z = (drawn(code, 4000, std=0.5, mean=1.0, generator=rng) - 1.0) / 0.5
    chance.standard_normal(
        z, f"with mean = 1 and std = 0.5, (logit(t) - mean) / std; {LAW}", of="(logit(t) - mean) / std"
    )


def test_logit_normal_times_take_their_randomness_from_the_generator_alone(code, rng):
    """The same generator state gives the same times, another gives others; without one it works too."""
    seed = int(torch.randint(2**31, (), generator=rng))

    def draw(seed: int, skipped: int = 0) -> Tensor:
        generator = Generator().manual_seed(seed)
        torch.rand(skipped, generator=generator)
        return drawn(code, 7, generator=generator)

    first = draw(seed)
    why = f"the same generator state gives the same times: {DRAWN}"
    expect.holds(torch.equal(draw(seed), first), why, got="other times", want="the same times")
    for other in (draw(seed + 1), draw(seed, skipped=1)):
        expect.holds(
            not torch.equal(other, first), "another state gives other times", got="the same times", want="others"
        )
    generator = Generator().manual_seed(seed)
    once, again = (drawn(code, 7, generator=generator) for _ in range(2))
    why = "each call draws times of its own, and leaves the generator where the next begins"
    expect.holds(not torch.equal(once, again), why, got="the same times in two calls", want="other times")
    once, again = drawn(code, 7), drawn(code, 7)
    why = "without a generator each call draws afresh"
    expect.holds(not torch.equal(once, again), why, got="the same times twice", want="other times")


def test_logit_normal_times_are_as_many_as_asked_for(code, rng):
    """One time or many, as a vector."""
    for n in (1, 2, 9):
        drawn(code, n, 0.3, 0.8, generator=rng)
