"""Pictures of section 7: the price of a latent, patches and places, who listens to whom, an autoencoder, and its sampler."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Generator, Tensor

from exercises.gallery import Picture
from exercises.toolkit.glyphs import NAMES, all_glyphs, glyphs
from exercises.toolkit.mnist import mnist
from exercises.toolkit.plots import Drawing, Heat, Images, Lines
from exercises.toolkit.training import training

NULL = len(NAMES)
ALPHA_BAR = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), dim=0)


def prices(code: Any) -> Drawing:
    """Nats by mean, and by standard deviation."""
    mean, std = torch.linspace(-2.5, 2.5, 101)[:, None], torch.linspace(0.03, 3, 200)[:, None]
    by_mean = code.kl_standard_normal(mean, torch.zeros_like(mean))
    by_std = code.kl_standard_normal(torch.zeros_like(std), 2 * std.log())
    kept = {"ylabel": "kl_standard_normal, nats", "ylim": (-0.1, 3.2)}
    panels = [
        Lines("standard deviation 1", {"nats": by_mean}, "mean", x=mean[:, 0], **kept),
        Lines("mean 0", {"nats": by_std}, "standard deviation", x=std[:, 0], **kept),
    ]
    return Drawing("", panels)


def patches(code: Any) -> Drawing:
    """Digits cut to patches of 7 and put together again; then with their patches shuffled."""
    digits = mnist(train=False)[0][:8]
    tokens = code.patchify(digits, 7)
    order = torch.randperm(16, generator=_rng(0))
    rows = {
        "in": digits,
        "unpatchify(patchify(x, 7), 7, 1)": code.unpatchify(tokens, 7, 1),
        "tokens shuffled in between": code.unpatchify(tokens[:, order], 7, 1),
    }
    return Drawing("16 patches a picture", Images(rows))


def places(code: Any) -> Drawing:
    """How alike the rows of the table are: of every patch to three of them."""
    table = code.position_embedding_2d(8, 64)
    panels = [
        Heat("position_embedding_2d(8, 64)", table, "number", "patch, in reading order", signed=True, upright=True)
    ]
    for row, column in ((0, 0), (3, 3), (5, 1)):
        likeness, title = (table @ table[8 * row + column]).reshape(8, 8), f"with row {row}, column {column}"
        panels.append(Heat(title, likeness, "column", "row", upright=True, plane=True, mark=(column, row)))
    return Drawing("the table, and inner products of its rows", panels, (1.6, 1, 1, 1))


def listening(code: Any) -> Drawing:
    """Which tokens the answer's tokens depend on, in a module with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        itself, across = code.Attention(32, 2).eval(), code.Attention(32, 2, 24).eval()
    x, context = 3 * torch.randn(1, 10, 32, generator=_rng(1)), 3 * torch.randn(1, 4, 24, generator=_rng(2))
    found = {
        "self-attention": _influence(itself, x),
        "cross-attention": _influence(lambda told: across(x, told), context),
    }
    kept = {"upright": True, "plane": True, "unit": "norm of the Jacobian"}
    panels = [Heat(name, norms, "listens to token", "token of the answer", **kept) for name, norms in found.items()]
    return Drawing("Attention: who listens to whom, with random weights", panels)


def there_and_back(code: Any) -> Drawing:
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
    return Drawing("there and back", Images({"in": x, "out, after 150 steps": back}))


def drawn(code: Any) -> Drawing:
    """`generate` with the best model there is, of all 64 glyphs, and an autoencoder that passes everything through."""
    y = torch.arange(12) % len(NAMES)
    static = torch.randn(12, 1, 8, 8, generator=_rng(6))
    through, rows = SimpleNamespace(decode=lambda z: z), {}
    for guidance, n in ((0.0, 25), (1.0, 1), (1.0, 5), (1.0, 25)):
        name = f"guidance {guidance:g}, {n} step" + "s" * (n > 1)
        rows[name] = code.generate(_best, through, static, y, NULL, ALPHA_BAR, 1.0, guidance, n)
    return Drawing("asked for " + ", ".join(NAMES) + ", and again", Images(rows))


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
