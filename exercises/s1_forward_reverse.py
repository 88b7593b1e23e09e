# Generated from solutions/s1_forward_reverse.py by `python -m grader.source.stubs`. Your answers go here.
"""Section 1, forward and reverse: destroy data with noise, then rebuild it one grain at a time.

Conventions: `t` counts from 0 (t = 0 has one step of noise), `alpha_bar[t]` is the product of `1 - betas[s]` over
s <= t, and every function works on data of any shape (B, *S) with its own `t` for each of the B samples.
The paper is DDPM, arXiv:2006.11239, which counts t from 1.
"""

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from exercises.toolkit import extract


def forward_step(x: Float[Tensor, "B *S"], beta: float | Tensor, noise: Float[Tensor, "B *S"]) -> Float[Tensor, "B *S"]:
    """One step of the forward Markov chain: draw x_t from q(x_t | x_{t-1}) with the given noise.

        q(x_t | x_{t-1}) = N(√(1-β) x_{t-1}, β I)            (DDPM, arXiv:2006.11239, eq. 2)

    Args:
        x: x_{t-1}.
        beta: the variance of this step, in (0, 1); a float or a 0-d tensor.
        noise: standard normal.
    """
    raise NotImplementedError


def compute_alpha_bar(betas: Float[Tensor, "T"]) -> Float[Tensor, "T"]:
    """How much of the data's variance survives up to each step.

    ᾱ_t = Π_{s ≤ t} (1 - β_s)                            (DDPM, arXiv:2006.11239, above eq. 4)
    """
    raise NotImplementedError


def q_sample(
    x0: Float[Tensor, "B *S"], t: Int[Tensor, "B"], noise: Float[Tensor, "B *S"], alpha_bar: Float[Tensor, "T"]
) -> Float[Tensor, "B *S"]:
    """Jump from clean data to level t at once: draw x_t from q(x_t | x_0) with the given noise.

    x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε                          (DDPM, arXiv:2006.11239, eq. 4)
    """
    raise NotImplementedError


def predict_x0(
    x_t: Float[Tensor, "B *S"], t: Int[Tensor, "B"], eps: Float[Tensor, "B *S"], alpha_bar: Float[Tensor, "T"]
) -> Float[Tensor, "B *S"]:
    """Invert the jump: the clean data that x_t came from, if its noise was eps.

    x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε, solved for x_0           (DDPM, arXiv:2006.11239, eqs. 4 and 15)
    """
    raise NotImplementedError


def q_posterior(
    x0: Float[Tensor, "B *S"], x_t: Float[Tensor, "B *S"], t: Int[Tensor, "B"], betas: Float[Tensor, "T"]
) -> tuple[Float[Tensor, "B *S"], Float[Tensor, "B ..."]]:
    """Mean and variance of q(x_{t-1} | x_t, x_0), the step back when the destination is known.

        q(x_{t-1} | x_t, x_0) = N(μ̃_t, β̃_t I) ∝ q(x_t | x_{t-1}) q(x_{t-1} | x_0)    (DDPM, arXiv:2006.11239, eqs. 6 and 7)

    The two factors are those of `forward_step` and of `q_sample`; ᾱ_{-1} = 1, so at t = 0 the answer is (x0, 0).

    Returns:
        mean: of x0's shape.
        variance: (B, 1, ..., 1), sigma squared.
    """
    raise NotImplementedError


def timestep_embedding(t: Tensor, dim: int, max_period: float = 10000.0) -> Float[Tensor, "B dim"]:
    """Tell a network the time by the hands of dim/2 clocks, from fast to slow.

        ω_i = max_period^(-i / (dim/2)),  i = 0 .. dim/2 - 1
        embedding = [cos(t ω_0), cos(t ω_1), ..., sin(t ω_0), sin(t ω_1), ...]
        (after "Attention is all you need", arXiv:1706.03762, section 3.5)

    Args:
        t: (B,); integer t gives float32, a floating t its own dtype.
        dim: even.
        max_period: the slowest clock goes round once in about this many steps (times 2π).
    """
    raise NotImplementedError


def simple_loss(
    model: nn.Module,
    x0: Float[Tensor, "B *S"],
    t: Int[Tensor, "B"],
    noise: Float[Tensor, "B *S"],
    alpha_bar: Float[Tensor, "T"],
) -> Float[Tensor, ""]:
    """How badly the model guesses the noise: the mean over every element of (ε - ε_θ(x_t, t))².

    (DDPM, arXiv:2006.11239, eq. 14.) One call of `model(x_t, t)`.
    """
    raise NotImplementedError


def reverse_step(
    x_t: Float[Tensor, "B *S"],
    t: Int[Tensor, "B"],
    eps: Float[Tensor, "B *S"],
    betas: Float[Tensor, "T"],
    noise: Float[Tensor, "B *S"],
) -> Float[Tensor, "B *S"]:
    """One ancestral step back: draw x_{t-1} from p(x_{t-1} | x_t) with the given noise.

        x_{t-1} = μ̃_t(x_t, x̂_0) + √β̃_t z,  x̂_0 from x_t and eps    (DDPM, arXiv:2006.11239, algorithm 2)

    with the posterior variance β̃_t, and no noise where t = 0. Each sample has its own t.

    Args:
        x_t: where we are.
        t: the level of each sample.
        eps: the model's guess of the noise in x_t.
        betas: the schedule.
        noise: z, standard normal.
    """
    raise NotImplementedError


def sample(
    model: nn.Module, x_T: Float[Tensor, "B *S"], betas: Float[Tensor, "T"], generator: Generator | None = None
) -> Float[Tensor, "B *S"]:
    """Rebuild data from static: T ancestral steps, from t = T-1 down to t = 0.

    (DDPM, arXiv:2006.11239, algorithm 2.) Calls `model(x_t, t)` exactly T times, with t of shape (B,); records no
    gradient; fresh noise for each step comes from `generator`.
    """
    raise NotImplementedError


class TinyDenoiser(nn.Module):
    """A small network that guesses the noise in points of the plane (or any vectors).

    `forward(x, t)` takes x of shape (B, dim) and integer t of shape (B,), of any size, and returns (B, dim). Each
    sample's output depends on that sample and its t, and on nothing else in the batch.

    Args:
        dim: length of a data vector.
        hidden: width of the layers.
    """

    def __init__(self, dim: int = 2, hidden: int = 128):
        super().__init__()
        raise NotImplementedError

    def forward(self, x: Float[Tensor, "B dim"], t: Int[Tensor, "B"]) -> Float[Tensor, "B dim"]:
        raise NotImplementedError


def train_denoiser(
    model: nn.Module,
    data: Float[Tensor, "N *S"],
    alpha_bar: Float[Tensor, "T"],
    steps: int,
    batch_size: int = 256,
    lr: float = 1e-3,
    generator: Generator | None = None,
) -> list[float]:
    """Teach the model to guess noise: `steps` updates of its parameters, in place, by Adam or one of its family.

    (DDPM, arXiv:2006.11239, algorithm 1.) Each step draws `batch_size` rows of `data`, a uniform t for each row and
    fresh noise, all from `generator`.

    Returns:
        the loss of each step, as floats.
    """
    raise NotImplementedError
