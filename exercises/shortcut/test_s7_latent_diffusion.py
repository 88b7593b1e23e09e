"""Section 7 in the library that you will use: diffusers' autoencoder, its DiT and its U-Net's transformer give your numbers.

Networks are compared with your weights in the library's. That needs layers which can be told apart: where yours are others
than the usual ones, which is as good, the comparison is skipped.
"""

import itertools
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Generator, Tensor, nn

DIM, HEADS, CLASSES = 16, 2, 5
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
"""Float32 through a few layers; norms that guard their quotient by 1e-5 or by 1e-6."""
OTHERWISE = "your {} is built of other layers than the library's, which is as good: nothing to compare"

Says = Callable[[str, object], None]


@pytest.fixture
def diffusers():
    return pytest.importorskip("diffusers", reason="diffusers is not installed: pip install 'diffusers>=0.30'")


@pytest.mark.needs("reparameterize", "kl_standard_normal")
def test_its_diagonal_gaussian_is_yours(code, rng: Generator, diffusers, record_property: Says) -> None:
    from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

    mean, logvar = torch.randn(2, 3, 4, 2, 5, generator=rng)
    theirs = DiagonalGaussianDistribution(torch.cat([mean, logvar], dim=1))
    torch.testing.assert_close(code.kl_standard_normal(mean, logvar), theirs.kl(), **CLOSE)
    seed = int(torch.randint(2**31, (), generator=rng))
    noise = torch.randn(mean.shape, generator=Generator().manual_seed(seed))
    drawn = theirs.sample(Generator().manual_seed(seed))
    torch.testing.assert_close(code.reparameterize(mean, logvar, noise), drawn, **CLOSE)
    record_property("says", "DiagonalGaussianDistribution, the latent of diffusers' AutoencoderKL, is your reparameterize and kl_standard_normal")  # fmt: skip


@pytest.mark.needs("position_embedding_2d")
def test_its_positions_are_yours(code, diffusers, record_property: Says) -> None:
    from diffusers.models.embeddings import get_2d_sincos_pos_embed

    for side, dim in ((1, 4), (4, 8), (7, 64)):
        theirs = get_2d_sincos_pos_embed(dim, side, base_size=side, output_type="pt").float()
        torch.testing.assert_close(code.position_embedding_2d(side, dim), theirs, **CLOSE)
    record_property("says", "get_2d_sincos_pos_embed of diffusers, at its own base size, is your position_embedding_2d")


@pytest.mark.needs("modulate")
def test_its_adaptive_norm_is_modulate(code, rng: Generator, diffusers, record_property: Says) -> None:
    from diffusers.models.normalization import AdaLayerNormZero

    theirs, x = AdaLayerNormZero(DIM), torch.randn(3, 7, DIM, generator=rng)
    with torch.no_grad():
        condition = torch.randn(3, DIM, generator=rng)
        shift, scale = theirs.linear(theirs.silu(condition)).chunk(6, dim=1)[:2]
        torch.testing.assert_close(code.modulate(theirs.norm(x), shift, scale), theirs(x, emb=condition)[0], **CLOSE)
    record_property("says", "AdaLayerNormZero of diffusers is a norm and your modulate")


@pytest.mark.needs("Attention")
def test_its_attention_is_yours(code, rng: Generator, diffusers, record_property: Says) -> None:
    from diffusers.models.attention_processor import Attention

    x, context = torch.randn(3, 7, DIM, generator=rng), torch.randn(3, 5, 12, generator=rng)
    for width, given in ((None, ()), (12, (context,))):
        yours = scrambled(code.Attention(DIM, HEADS, width), rng)
        for layers in itertools.permutations(linears(yours, 4, "Attention")):
            theirs = Attention(DIM, width, heads=HEADS, dim_head=DIM // HEADS, bias=True)
            if filled(attention_layers(theirs), layers) and same(yours(x, *given), theirs(x, *given)):
                break
        else:
            pytest.skip(OTHERWISE.format("Attention"))
    record_property(
        "says", "diffusers' Attention with your weights answers as yours, asking itself and asking a context"
    )


@pytest.mark.needs("DiT")
def test_its_dit_with_your_weights_is_your_dit(code, rng: Generator, diffusers, record_property: Says) -> None:
    yours = scrambled(code.DiT(6, 2, 3, DIM, 2, HEADS, CLASSES), rng)
    theirs = diffusers.DiTTransformer2DModel(
        num_attention_heads=HEADS, attention_head_dim=DIM // HEADS, in_channels=3, num_layers=2,
        sample_size=6, patch_size=2, num_embeds_ada_norm=CLASSES, norm_eps=1e-6,
    ).eval()  # fmt: skip
    z, t, y = torch.randn(4, 3, 6, 6, generator=rng), torch.tensor([0, 5, 70, 999]), torch.tensor([0, 1, 3, CLASSES])

    # Any embedding of time and label will do, so that the library's blocks are given yours
    conditions: list[Tensor] = []
    blocks = named(yours, "DiTBlock")
    if len(blocks) != 2:
        pytest.skip(OTHERWISE.format("DiT"))
    handle = blocks[0].register_forward_pre_hook(lambda _, inputs: conditions.append(inputs[1]))
    answer = yours(z, t, y)
    handle.remove()
    for block, library in zip(blocks, theirs.transformer_blocks, strict=True):
        library.norm1.emb = Given(conditions)
        fill_block(block, library)
    inside = {id(layer) for block in blocks for layer in block.modules()}
    outside = [layer for layer in yours.modules() if isinstance(layer, nn.Linear) and id(layer) not in inside]
    enter, last, leave = (of_shape(outside, *shape) for shape in ((12, DIM), (DIM, 2 * DIM), (DIM, 12)))
    if not (enter and last and leave):
        pytest.skip(OTHERWISE.format("DiT"))
    with torch.no_grad():  # a convolution of stride p is patchify and a linear map: its weight is (D, C, p, p)
        theirs.pos_embed.proj.weight.copy_(enter.weight.unflatten(1, (2, 2, 3)).permute(0, 3, 1, 2))
        theirs.pos_embed.proj.bias.copy_(enter.bias)
    filled([theirs.proj_out_1, theirs.proj_out_2], [last, leave])
    with torch.no_grad():
        told = theirs(z, timestep=t, class_labels=y).sample
    if not same(answer, told):
        pytest.skip(OTHERWISE.format("DiT"))
    record_property("says", "diffusers' DiTTransformer2DModel with your weights answers as your DiT does")


@pytest.mark.needs("SpatialTransformer")
def test_its_unets_transformer_with_your_weights_is_yours(
    code, rng: Generator, diffusers, record_property: Says
) -> None:
    yours = scrambled(code.SpatialTransformer(DIM, HEADS, 12), rng)
    theirs = diffusers.Transformer2DModel(
        num_attention_heads=HEADS, attention_head_dim=DIM // HEADS, in_channels=DIM, norm_num_groups=8,
        cross_attention_dim=12, attention_bias=True, activation_fn="gelu", use_linear_projection=True,
    ).eval()  # fmt: skip
    block = theirs.transformer_blocks[0]
    attentions = named(yours, "Attention")
    norms = [module for module in yours.modules() if isinstance(module, nn.LayerNorm)]
    groups = [module for module in yours.modules() if isinstance(module, nn.GroupNorm)]
    inside = {id(layer) for attention in attentions for layer in attention.modules()}
    outside = [layer for layer in yours.modules() if isinstance(layer, nn.Linear) and id(layer) not in inside]
    square = [layer for layer in outside if layer.in_features == layer.out_features]
    up, down = of_shape(outside, DIM, 4 * DIM), of_shape(outside, 4 * DIM, DIM)
    if [len(found) for found in (attentions, norms, groups, square)] != [2, 3, 1, 2] or not (up and down):
        pytest.skip(OTHERWISE.format("SpatialTransformer"))
    for attention, library in zip(attentions, (block.attn1, block.attn2), strict=True):
        filled(attention_layers(library), linears(attention, 4, "Attention"))
    filled([theirs.proj_in, theirs.proj_out, block.ff.net[0].proj, block.ff.net[2]], [*square, up, down])
    for norm, library in zip([*groups, *norms], (theirs.norm, block.norm1, block.norm2, block.norm3), strict=True):
        library.load_state_dict(norm.state_dict())
        library.eps = norm.eps
    x, context = torch.randn(3, DIM, 4, 6, generator=rng), torch.randn(3, 5, 12, generator=rng)
    with torch.no_grad():
        told = theirs(x, encoder_hidden_states=context).sample
    if not same(yours(x, context), told):
        pytest.skip(OTHERWISE.format("SpatialTransformer"))
    record_property("says", "diffusers' Transformer2DModel, the block of Stable Diffusion's U-Net, with your weights answers as your SpatialTransformer")  # fmt: skip


@pytest.mark.needs("generate", "latent_loss")
def test_its_scheduler_is_your_loss_and_your_sampler(code, rng: Generator, diffusers, record_property: Says) -> None:
    made = diffusers.DDIMScheduler(
        1000, timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=True, beta_schedule="linear"
    )
    bare = SimpleNamespace(encode=lambda x: (x, torch.zeros_like(x)), decode=lambda z: z)
    z_T, y, g, s = torch.randn(3, 4, 2, 2, generator=rng), torch.tensor([0, 1, 2]), 1.5, 20.0

    def model(z: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return (0.9 * z - 0.1 * y[:, None, None, None]).tanh()

    made.set_timesteps(20)
    theirs = z_T
    for t in made.timesteps:
        of_null, of_y = model(theirs, t, torch.full_like(y, 9)), model(theirs, t, y)
        theirs = made.step(of_null + g * (of_y - of_null), t, theirs).prev_sample
    yours = code.generate(model, bare, z_T, y, 9, made.alphas_cumprod, s, g, 20)
    torch.testing.assert_close(yours, (theirs / s).clamp(-1, 1), rtol=1e-3, atol=1e-4)  # its tables are float32

    x, noise, t = z_T / s, torch.randn(3, 4, 2, 2, generator=rng), torch.tensor([0, 400, 999])
    told = (noise - model(made.add_noise(s * x, noise, t), t, y)).square().mean()
    torch.testing.assert_close(code.latent_loss(model, bare, x, y, t, noise, made.alphas_cumprod, s), told, **CLOSE)
    record_property("says", "diffusers' DDIMScheduler, trailing, gives the numbers of your generate, its add_noise those of your latent_loss")  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- weights


class Given(nn.Module):
    """In the place of the library's embedding: the condition that your blocks were given."""

    def __init__(self, conditions: list[Tensor]):
        super().__init__()
        self.conditions = conditions

    def forward(self, *_: object, **__: object) -> Tensor:
        return self.conditions[0]


def scrambled(module: nn.Module, rng: Generator) -> nn.Module:
    """With random weights everywhere: what starts at zero would agree with anything. No gradients."""
    for parameter in module.parameters():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=rng)
    return module.eval().requires_grad_(False)


def named(module: nn.Module, name: str) -> list[nn.Module]:
    """The parts of a module that are of your class of this name."""
    return [part for part in module.modules() if type(part).__name__ == name]


def linears(module: nn.Module, count: int, name: str) -> list[nn.Linear]:
    found = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    if len(found) != count:
        pytest.skip(OTHERWISE.format(name))
    return found


def of_shape(layers: list[nn.Linear], before: int, after: int) -> nn.Linear | None:
    """The one layer of these sizes, if there is one."""
    found = [layer for layer in layers if (layer.in_features, layer.out_features) == (before, after)]
    return found[0] if len(found) == 1 and found[0].bias is not None else None


def attention_layers(attention: nn.Module) -> list[nn.Linear]:
    return [attention.to_q, attention.to_k, attention.to_v, attention.to_out[0]]


def fill_block(block: nn.Module, library: nn.Module) -> None:
    attentions = named(block, "Attention")
    layers = [layer for layer in block.modules() if isinstance(layer, nn.Linear)]
    rest = [of_shape(layers, *shape) for shape in ((DIM, 6 * DIM), (DIM, 4 * DIM), (4 * DIM, DIM))]
    if len(attentions) != 1 or not all(rest):
        pytest.skip(OTHERWISE.format("DiTBlock"))
    filled(attention_layers(library.attn1), linears(attentions[0], 4, "Attention"))
    filled([library.norm1.linear, library.ff.net[0].proj, library.ff.net[2]], rest)


@torch.no_grad()
def filled(into: list[nn.Linear], layers: list[nn.Linear] | tuple[nn.Linear, ...]) -> bool:
    """Put the weights of these layers into those, if they fit; a bias that is missing is zero."""
    if any(to.weight.shape != layer.weight.shape for to, layer in zip(into, layers, strict=True)):
        return False
    for to, layer in zip(into, layers, strict=True):
        to.weight.copy_(layer.weight)
        to.bias.copy_(torch.zeros_like(to.bias) if layer.bias is None else layer.bias)
    return True


def same(yours: Tensor, theirs: Tensor) -> bool:
    return torch.allclose(yours, theirs, rtol=1e-3, atol=1e-4)
