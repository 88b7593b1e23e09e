# Generated from solutions/s7_latent_diffusion.py by `python -m grader.source.stubs`. Your answers go here.
"""Section 7, latent diffusion: compress pictures first, then diffuse in the small space, with a transformer.

Conventions are section 1's and section 6's: integer times `t` count from 0, `alpha_bar[t]` is what is left of the data's
variance, a model is called as `model(z_t, t, y)` with t and y of shape (B,) and answers the noise in z_t; the label
`null` stands for "no label". `x` is a picture (B, C, H, W) in [-1, 1], `z` its latent, a quarter as high and wide.
Tokens are (B, N, D): N of them a sample, each of D numbers. Networks treat each sample by itself, and their randomness
comes in by arguments alone: there is no batch norm in them and no dropout.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from exercises.toolkit import extract


def reparameterize(
    mean: Float[Tensor, "B *S"], logvar: Float[Tensor, "B *S"], noise: Float[Tensor, "B *S"]
) -> Float[Tensor, "B *S"]:
    """A draw from N(mean, exp(logvar)) through which gradients reach mean and logvar, made of the given noise.

    (Auto-encoding variational Bayes, arXiv:1312.6114, section 2.4.)

    Args:
        mean: of the normal distribution, for each element.
        logvar: the logarithm of its variance.
        noise: standard normal.
    """
    raise NotImplementedError


def kl_standard_normal(mean: Float[Tensor, "B *S"], logvar: Float[Tensor, "B *S"]) -> Float[Tensor, "B"]:
    """How far a sample's latent distribution is from static: KL(N(mean, exp(logvar)) || N(0, 1)), in nats.

    Elements are independent, so that their divergences add up: one number a sample, the sum over all of its axes. It is
    0 where every mean is 0 and every variance 1, and positive elsewhere. (arXiv:1312.6114, appendix B.)
    """
    raise NotImplementedError


def vae_loss(
    recon: Float[Tensor, "B C H W"],
    x: Float[Tensor, "B C H W"],
    mean: Float[Tensor, "B *S"],
    logvar: Float[Tensor, "B *S"],
    beta: float = 1e-3,
) -> Float[Tensor, ""]:
    """What an autoencoder pays: each sample's summed squared error plus beta times its KL, as a mean over the batch.

    L = mean over the batch of ( ‖recon - x‖² + beta KL )        (beta-VAE's weight, after arXiv:1312.6114, eq. 10)

    Args:
        recon: what the decoder made of the latent.
        x: the picture that went in.
        mean: of the latent's distribution.
        logvar: the logarithm of its variance.
        beta: the price of a nat. Latent diffusion takes a small one: the latent need not look like static.
    """
    raise NotImplementedError


# Helpers of your own, if you want any, go here.
class Autoencoder(nn.Module):
    """A variational autoencoder: pictures to a small latent and back, each side a quarter as long.

    `encode(x)` gives the (mean, logvar) of a normal distribution over latents, `decode(z)` a picture, and
    `forward(x, noise)` does both around one draw: (recon, mean, logvar), where recon is decoded from `reparameterize`
    with this noise. logvar is clamped to [-30, 20], so that its exponential is a number; decode's output needs no bound.
    H and W are divisible by 4. A sample's results depend on that sample alone.

    (Latent diffusion, arXiv:2112.10752, section 3.1, without its adversary and perceptual loss.)

    Args:
        in_channels: of the pictures.
        latent_channels: of the latent.
        width: channels at the picture's own resolution, smaller maps may have more; a multiple of 8.
    """

    def __init__(self, in_channels: int = 1, latent_channels: int = 4, width: int = 32):
        super().__init__()
        raise NotImplementedError

    def encode(self, x: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B L h w"], Float[Tensor, "B L h w"]]:
        """(mean, logvar) of the latent, each (B, latent_channels, H/4, W/4)."""
        raise NotImplementedError

    def decode(self, z: Float[Tensor, "B L h w"]) -> Float[Tensor, "B C H W"]:
        """The picture of a latent, four times as high and wide."""
        raise NotImplementedError

    def forward(
        self, x: Float[Tensor, "B C H W"], noise: Float[Tensor, "B L h w"]
    ) -> tuple[Float[Tensor, "B C H W"], Float[Tensor, "B L h w"], Float[Tensor, "B L h w"]]:
        raise NotImplementedError


def latent_scale(latents: Float[Tensor, "B *S"]) -> float | Float[Tensor, ""]:
    """The one number s for which s * latents has unit standard deviation, taken over all elements.

    The schedules are made for data of about unit size, and an autoencoder makes latents of any. The number is measured
    once, on latents of the training data, and kept: in before the diffusion, out before decoding. The mean stays.

    (Latent diffusion, arXiv:2112.10752, appendix G.)

    Returns:
        a float or a 0-d tensor.
    """
    raise NotImplementedError


def patchify(x: Float[Tensor, "B C H W"], p: int) -> Float[Tensor, "B N D"]:
    """Cut pictures into patches of p by p, each a token: N = (H/p)(W/p) of them, of D = p * p * C numbers.

    Patches are in reading order, row by row. Within a token the order is row, column, channel: the channels of a pixel
    lie side by side. (ViT, arXiv:2010.11929, section 3.1; DiT, arXiv:2212.09748, section 3.2.)

    Raises:
        ValueError: p does not divide H and W.
    """
    raise NotImplementedError


def unpatchify(tokens: Float[Tensor, "B N D"], p: int, channels: int) -> Float[Tensor, "B C H W"]:
    """Put the patches of a square picture together again: what `patchify` cut, H = W = √N p.

    Args:
        tokens: N a square number, D = p * p * channels.
        p: the side of a patch.
        channels: of the picture.
    """
    raise NotImplementedError


def position_embedding_2d(side: int, dim: int) -> Float[Tensor, "N dim"]:
    """Where each patch of a square grid is, as sines and cosines: a fixed float32 table with a row for each patch.

        row of the patch at (row r, column c), in patchify's order:  [ e(c), e(r) ],
        e(k) = [ sin(k ω_0), sin(k ω_1), ..., cos(k ω_0), cos(k ω_1), ... ],  ω_i = 10000^(-i / (dim/4)),  i < dim/4

    Column first, sines first: as in the code of DiT, arXiv:2212.09748. N = side².

    Raises:
        ValueError: dim is not divisible by 4.
    """
    raise NotImplementedError


def modulate(
    x: Float[Tensor, "B N D"], shift: Float[Tensor, "B D"], scale: Float[Tensor, "B D"]
) -> Float[Tensor, "B N D"]:
    """Let the condition speak: every token of a sample is stretched by that sample's 1 + scale, then moved by its shift.

    With shift and scale zero it changes nothing. (FiLM, arXiv:1709.07871; DiT, arXiv:2212.09748, section 3.2.)
    """
    raise NotImplementedError


class Attention(nn.Module):
    """Tokens ask other tokens: each collects what it asks for, from its own sample, in several heads.

        softmax(q kᵀ / √d) v in each head, d = dim / heads        (Attention is all you need, arXiv:1706.03762, eq. 1)

    `forward(x)` is self-attention: queries, keys and values are linear in x's tokens. A module made with `context_dim`
    is cross-attention, `forward(x, context)`: x asks, and keys and values are linear in the context's tokens. A last
    linear map mixes the heads; x's shape comes back. Nothing tells where a token stands, so their order does not
    matter. torch's scaled_dot_product_attention takes (B, heads, N, d).

    Args:
        dim: of x's tokens.
        heads: how many attend side by side.
        context_dim: of the context's tokens, or None for self-attention.

    Raises:
        ValueError: heads does not divide dim.
    """

    def __init__(self, dim: int, heads: int, context_dim: int | None = None):
        super().__init__()
        raise NotImplementedError

    def forward(
        self, x: Float[Tensor, "B N D"], context: Float[Tensor, "B M E"] | None = None
    ) -> Float[Tensor, "B N D"]:
        raise NotImplementedError


class DiTBlock(nn.Module):
    """A transformer block that the condition steers: attention first, then an MLP on what attention left.

        x ← x + gate₁ Attention(modulate(norm(x), shift₁, scale₁))
        x ← x + gate₂ MLP(modulate(norm(x), shift₂, scale₂))

    The norms are layer norms without weights of their own. Six vectors of D numbers a sample, the two shifts, scales and
    gates, come from SiLU and one linear map of the condition, which starts at zero (adaLN-Zero): a new block is the
    identity, and training opens its gates. `forward(x, c)` takes tokens and a condition (B, dim), and returns tokens.

    (DiT, arXiv:2212.09748, section 3.2 and figure 3.)

    Args:
        dim: of the tokens and of the condition.
        heads: of the attention.
        mlp_ratio: how many times wider the MLP is inside.
    """

    def __init__(self, dim: int, heads: int, mlp_ratio: float = 4.0):
        super().__init__()
        raise NotImplementedError

    def forward(self, x: Float[Tensor, "B N D"], c: Float[Tensor, "B D"]) -> Float[Tensor, "B N D"]:
        raise NotImplementedError


def _clocks(t: Int[Tensor, "B"], dim: int) -> Float[Tensor, "B dim"]:
    """Given: section 1's time embedding, cosines and sines of t at dim/2 frequencies, in float64."""
    half = dim // 2
    frequencies = 10000.0 ** (-torch.arange(half, dtype=torch.float64, device=t.device) / half)
    angles = t[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class DiT(nn.Module):
    """The diffusion transformer: a latent as a row of patches, time and label in every block.

    `forward(x, t, y)` takes latents (B, channels, side, side), integer t of shape (B,) and any size, and labels y of
    shape (B,) in 0..classes, where the label `classes` means none; it returns x's shape. A sample's output depends on
    that sample, its t and its y, and on nothing else in the batch.

    Patches become tokens of `dim` numbers by a linear map, plus the fixed `position_embedding_2d`; an embedding of t
    (any will do; `_clocks` in x's dtype and a small MLP is the usual one) plus one of y is the condition of all blocks;
    a last norm, modulated by the condition too, and a linear map give each patch's noise. That map starts at zero, and
    the output with it.

    (Peebles & Xie, arXiv:2212.09748, section 3.2.)

    Args:
        side: of the latent, divisible by patch.
        patch: the side of a patch.
        channels: of the latent.
        dim: of the tokens, divisible by 4 and by heads.
        depth: how many blocks.
        heads: of each block's attention.
        classes: how many labels there are, and the label that means none.
    """

    def __init__(self, side: int, patch: int, channels: int, dim: int, depth: int, heads: int, classes: int):
        super().__init__()
        raise NotImplementedError

    def forward(
        self, x: Float[Tensor, "B C S S"], t: Int[Tensor, "B"], y: Int[Tensor, "B"]
    ) -> Float[Tensor, "B C S S"]:
        raise NotImplementedError


class SpatialTransformer(nn.Module):
    """Stable Diffusion's way of letting a U-Net read: every place of a feature map asks the other places, then the text.

    `forward(x, context)` takes a map (B, channels, H, W) and the context's tokens (B, N, context_dim), and returns x's
    shape: a group norm and a linear map of x's H W places as tokens; self-attention, cross-attention and an MLP, each
    after a layer norm and added to what it was given; a linear map back, added to x. The last map may start at zero.
    Each sample reads its own context, in which order does not matter.

    (Latent diffusion, arXiv:2112.10752, section 3.3; the block is described in its appendix E.2.1.)

    Args:
        channels: of the map, a multiple of 8 and of heads.
        heads: of both attentions.
        context_dim: of the context's tokens.
    """

    def __init__(self, channels: int, heads: int, context_dim: int):
        super().__init__()
        raise NotImplementedError

    def forward(self, x: Float[Tensor, "B C H W"], context: Float[Tensor, "B N E"]) -> Float[Tensor, "B C H W"]:
        raise NotImplementedError


def latent_loss(
    model: nn.Module,
    autoencoder: nn.Module,
    x: Float[Tensor, "B C H W"],
    y: Int[Tensor, "B"],
    t: Int[Tensor, "B"],
    noise: Float[Tensor, "B L h w"],
    alpha_bar: Float[Tensor, "T"],
    scale: float | Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Guess the noise in a latent: section 1's loss, on pictures that a frozen autoencoder has made small.

        L = mean (ε - ε_θ(z_t, t, y))²,  z_t the scaled mean of x's latent, noised to level t    (arXiv:2112.10752, eq. 3)

    One call of `model(z_t, t, y)`. The autoencoder is finished: no gradient reaches it.

    Args:
        model: predicts the noise.
        autoencoder: its `encode(x)` gives (mean, logvar) of the latent.
        x: pictures.
        y: their labels.
        t: the level of each sample.
        noise: standard normal, of the latent's shape.
        alpha_bar: the schedule.
        scale: the number from `latent_scale`, by which latents are multiplied.
    """
    raise NotImplementedError


def generate(
    model: nn.Module,
    autoencoder: nn.Module,
    z_T: Float[Tensor, "B L h w"],
    y: Int[Tensor, "B"],
    null: int,
    alpha_bar: Float[Tensor, "T"],
    scale: float | Float[Tensor, ""],
    guidance: float,
    n: int,
) -> Float[Tensor, "B C H W"]:
    """Static into pictures: n guided DDIM steps in the latent, then one look through the decoder.

    Steps are section 4's, deterministic and trailing: from t = round(T - i T/n) - 1 to the next such time for i = 0..n-1,
    the last to clean data, where ᾱ is 1. The noise is the guided one, ε_null + guidance (ε_y - ε_null): 1 is
    conditional, 0 unconditional. The finished latent is divided by scale, decoded once and clamped to [-1, 1].

    (Latent diffusion, arXiv:2112.10752; DDIM, arXiv:2010.02502, eq. 12; guidance, arXiv:2207.12598, eq. 6 with
    guidance = 1 + w.)

    Each step calls `model(z_t, t, y)` on one doubled batch or twice, with t and y as tensors of its batch's length.
    Records no gradient.

    Args:
        model: predicts the noise.
        autoencoder: its `decode(z)` gives pictures.
        z_T: standard normal.
        y: the label of each sample.
        null: the label that means none.
        alpha_bar: the schedule.
        scale: the number from `latent_scale`, by which latents were multiplied in training.
        guidance: how much of the label.
        n: the number of steps, 1 <= n <= T.
    """
    raise NotImplementedError
