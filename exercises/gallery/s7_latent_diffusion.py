"""Pictures of section 7: the price of a latent, patches and places, who listens to whom, an autoencoder, and its sampler."""

from types import SimpleNamespace
from typing import Any

import torch
from matplotlib.figure import FigureBase
from torch import Generator, Tensor

from exercises.gallery import Picture
from exercises.toolkit import plots
from exercises.toolkit.glyphs import NAMES, all_glyphs, glyphs
from exercises.toolkit.mnist import mnist
from exercises.toolkit.training import training

NULL = len(NAMES)
ALPHA_BAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), dim=0)


def prices(code: Any, on: FigureBase) -> None:
    """Nats by mean, and by standard deviation."""
    by_mean, by_std = on.subplots(1, 2, sharey=True)
    mean, std = torch.linspace(-2.5, 2.5, 101)[:, None], torch.linspace(0.03, 3, 200)[:, None]
    by_mean.plot(mean, code.kl_standard_normal(mean, torch.zeros_like(mean)), color=plots.INK)
    by_mean.set(title="standard deviation 1", xlabel="mean", ylabel="kl_standard_normal, nats", ylim=(-0.1, 3.2))
    by_std.plot(std, code.kl_standard_normal(torch.zeros_like(std), 2 * std.log()), color=plots.INK)
    by_std.set(title="mean 0", xlabel="standard deviation")
    for axis in (by_mean, by_std):
        axis.axhline(0, color="#9aa5b1", linewidth=0.8)


def patches(code: Any, on: FigureBase) -> None:
    """Digits cut to patches of 7 and put together again; then with their patches shuffled."""
    digits = mnist(train=False)[0][:8]
    tokens = code.patchify(digits, 7)
    order = torch.randperm(16, generator=_rng(0))
    rows = {
        "in": digits,
        "unpatchify(patchify(x, 7), 7, 1)": code.unpatchify(tokens, 7, 1),
        "tokens shuffled in between": code.unpatchify(tokens[:, order], 7, 1),
    }
    plots.picture_grid(rows, "16 patches a picture", on)


def places(code: Any, on: FigureBase) -> None:
    """How alike the rows of the table are: of every patch to three of them."""
    table = code.position_embedding_2d(8, 64)
    axes = on.subplots(1, 4, width_ratios=[1.6, 1, 1, 1])
    axes[0].imshow(table, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    axes[0].set(title="position_embedding_2d(8, 64)", xlabel="number", ylabel="patch, in reading order")
    for axis, (row, column) in zip(axes[1:], ((0, 0), (3, 3), (5, 1)), strict=True):
        axis.imshow((table @ table[8 * row + column]).reshape(8, 8), cmap="viridis")
        axis.plot(column, row, "x", color="white")
        axis.set(title=f"inner products with\nrow {row}, column {column}", xticks=[], yticks=[])


def listening(code: Any, on: FigureBase) -> None:
    """Which tokens the answer's tokens depend on, in a module with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        itself, across = code.Attention(32, 2).eval(), code.Attention(32, 2, 24).eval()
    x, context = 3 * torch.randn(1, 10, 32, generator=_rng(1)), 3 * torch.randn(1, 4, 24, generator=_rng(2))
    axes = on.subplots(1, 2)
    for axis, title, found in (
        (axes[0], "self-attention", _influence(itself, x)),
        (axes[1], "cross-attention", _influence(lambda told: across(x, told), context)),
    ):
        axis.imshow(found, cmap="Blues", vmin=0)
        axis.set(title=title, xlabel="listens to token", ylabel="token of the answer")
        axis.set(xticks=range(found.shape[1]), yticks=range(found.shape[0]))


def there_and_back(code: Any, on: FigureBase) -> None:
    """An autoencoder after a few seconds of training: what goes in, and what comes back by way of 16 numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = code.Autoencoder(1, 4, 8)

    def loss_of(generator: Generator) -> Tensor:
        x, _ = glyphs(64, generator)
        recon, mean, logvar = model(x, torch.randn(64, 4, 2, 2, generator=generator))
        return code.vae_loss(recon, x, mean, logvar, 0.1) / 64

    for _ in training(model, loss_of, 150, generator=_rng(3), lr=5e-3):
        pass
    x, _ = glyphs(12, _rng(4))
    with torch.no_grad():
        back = model(x, torch.randn(12, 4, 2, 2, generator=_rng(5)))[0]
    plots.picture_grid({"in": x, "out, after 150 steps": back}, "there and back", on)


def drawn(code: Any, on: FigureBase) -> None:
    """`generate` with the best model there is, of all 64 glyphs, and an autoencoder that passes everything through."""
    y = torch.arange(12) % len(NAMES)
    static = torch.randn(12, 1, 8, 8, generator=_rng(6))
    through, rows = SimpleNamespace(decode=lambda z: z), {}
    for guidance, n in ((0.0, 25), (1.0, 1), (1.0, 5), (1.0, 25)):
        name = f"guidance {guidance:g}, {n} step" + "s" * (n > 1)
        rows[name] = code.generate(_best, through, static, y, NULL, ALPHA_BAR, 1.0, guidance, n)
    plots.picture_grid(rows, "asked for " + ", ".join(NAMES) + ", and again", on)


def _best(z: Tensor, t: Tensor, y: Tensor) -> Tensor:
    """The noise's mean, given z, where data is one of the glyphs of the label."""
    pictures, labels = all_glyphs()
    a = ALPHA_BAR[t].to(z)[:, None]
    distance = (z.flatten(1)[:, None] - a.sqrt()[:, None] * pictures.flatten(1).to(z)).square().sum(dim=2)
    other = (labels != y[:, None]) & (y[:, None] != NULL)
    weights = (-distance / (2 * (1 - a))).masked_fill(other, -torch.inf).softmax(dim=1)
    x0 = weights @ pictures.flatten(1).to(z)
    return ((z.flatten(1) - a.sqrt() * x0) / (1 - a).sqrt()).reshape(z.shape)


def _influence(f: Any, x: Tensor) -> Tensor:
    """Norms of the Jacobian's blocks, a row for each token of the answer."""
    jacobian = torch.autograd.functional.jacobian(f, x)  # (1, N, D, 1, M, E)
    return jacobian[0, :, :, 0].square().sum(dim=(1, 3)).sqrt()


def _rng(seed: int) -> Generator:
    return Generator().manual_seed(seed)


PICTURES = (
    Picture("the price of a latent", ("kl_standard_normal",), prices),
    Picture("patches, and back", ("patchify", "unpatchify"), patches),
    Picture("where a patch stands", ("position_embedding_2d",), places),
    Picture("who listens to whom", ("Attention",), listening),
    Picture("there and back", ("vae_loss", "Autoencoder"), there_and_back),
    Picture("static into pictures", ("generate",), drawn),
)
