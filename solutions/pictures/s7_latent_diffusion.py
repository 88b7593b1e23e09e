"""The pictures of lesson 7."""

import math
from functools import cache
from types import ModuleType

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from torch import Generator, Tensor, nn

from exercises.toolkit.glyphs import NAMES, SIDE, all_glyphs
from exercises.toolkit.training import training
from solutions.numbers.s7_latent_diffusion import (
    ALPHA_BAR,
    PRICES,
    STABLE_DIFFUSION,
    bargain,
    decoded,
    loss_at,
    priced,
    rng,
    world,
)
from solutions.pictures.paper import DATA, INK, MODEL, OTHER, STATIC, panels

COLOURS = (DATA, MODEL, OTHER, "#9333ea", "#b45309", "#0891b2")


def ink(axes: Axes, picture: Tensor, title: str = "") -> None:
    """A picture (H, W), -1 black and 1 white, without ticks."""
    axes.imshow(picture.detach(), cmap="gray", vmin=-1, vmax=1)
    axes.set(xticks=[], yticks=[], title=title)
    for spine in axes.spines.values():
        spine.set_visible(False)


def row(pictures: Tensor) -> Tensor:
    """Pictures (n, 1, H, W) in one, side by side with a white line between them."""
    return torch.cat([nn.functional.pad(picture[0], (0, 1), value=1.0) for picture in pictures], dim=1)[:, :-1]


def table(pictures: list[Tensor]) -> Tensor:
    """Rows of pictures (n, 1, H, W) under each other."""
    return torch.cat([nn.functional.pad(row(some), (0, 0, 0, 1), value=1.0) for some in pictures])[:-1]


def grid(axes: Axes, pictures: list[Tensor], names: list[str], title: str) -> None:
    """Rows of pictures, each row with its name on the left."""
    ink(axes, table(pictures), title)
    high = pictures[0].shape[2]
    axes.set_yticks([(high + 1) * k + high / 2 - 0.5 for k in range(len(names))], names)
    axes.tick_params(length=0)


def reparameterize(code: ModuleType) -> Figure:
    figure, (lines, bends) = panels(2, height=2.8, width_ratios=[1.35, 1])
    noise = torch.linspace(-2, 2, 9, dtype=torch.float64)
    for height, (mean, std, colour) in enumerate(((0.5, 1.0, DATA), (2.5, 0.4, MODEL), (-1.5, 0.7, OTHER))):
        full = torch.full_like(noise, mean)
        z = code.reparameterize(full, torch.full_like(noise, 2 * math.log(std)), noise)
        bottom = -1.0 - 0.45 * height
        for a, b in zip(noise, z, strict=True):
            lines.plot([a, b], [1, bottom], color=colour, linewidth=0.6, alpha=0.6)
        lines.plot(z, [bottom] * 9, "o", color=colour, markersize=4)
        lines.annotate(f"mean {mean:g}, std {std:g}", (3.6, bottom), color=colour, va="center", fontsize=8.5)
    lines.plot(noise, [1] * 9, "o", color=INK, markersize=4)
    lines.annotate("noise", (3.6, 1), va="center", fontsize=8.5)
    lines.set(
        title="the same noise, stretched and moved", yticks=[], xlabel="noise, z", xlim=(-3.2, 6.2), ylim=(-2.2, 1.3)
    )
    lines.set_xticks([-3, -2, -1, 0, 1, 2, 3])
    lines.spines["left"].set_visible(False)
    logvar = torch.linspace(-5, 2, 200, dtype=torch.float64)
    for number, eps in enumerate((2.0, 1.0, 0.0, -1.0, -2.0)):
        z = code.reparameterize(torch.zeros_like(logvar), logvar, torch.full_like(logvar, eps))
        bends.plot(logvar, z, color=(MODEL, "#f59f5f", STATIC, "#7aa2f7", DATA)[number], label=f"{eps:g}")
    bends.axvline(0, color=INK, linewidth=0.8, linestyle=":")
    bends.set(title="mean 0: z against logvar", xlabel="logvar", ylabel="z", xlim=(-5, 2))
    bends.legend(title="noise", loc="upper left", ncols=2, fontsize=8)
    return figure


def kl_standard_normal(code: ModuleType) -> Figure:
    figure, (mean, std, plane) = panels(3, height=2.7)
    m = torch.linspace(-2.5, 2.5, 101, dtype=torch.float64)[:, None]
    mean.plot(m, code.kl_standard_normal(m, torch.zeros_like(m)), color=DATA)
    mean.set(title="std 1", xlabel="mean", ylabel="KL, nats", ylim=(0, 3.2))
    s = torch.linspace(0.03, 3, 200, dtype=torch.float64)[:, None]
    std.plot(s, code.kl_standard_normal(torch.zeros_like(s), 2 * s.log()), color=DATA)
    std.set(title="mean 0", xlabel="standard deviation", ylim=(0, 3.2), xlim=(0, 3))
    for x, name in ((0.5, "0.318"), (2.0, "0.807")):
        y = code.kl_standard_normal(torch.zeros(1, 1), torch.full((1, 1), 2 * math.log(x))).item()
        std.plot(x, y, "o", color=MODEL, markersize=4)
        std.annotate(name, (x, y), (x + 0.1, y + 0.28), color=MODEL, ha="left" if x < 1 else "right")
    places = torch.cartesian_prod(m[:, 0], s[4:, 0])
    values = code.kl_standard_normal(places[:, :1], 2 * places[:, 1:].log()).reshape(101, -1).T
    lines = plane.contour(m[:, 0], s[4:, 0], values, levels=[0.05, 0.2, 0.5, 1, 2, 3], colors=DATA, linewidths=1)
    plane.clabel(lines, fontsize=7.5, fmt="%g")
    plane.plot(0, 1, "o", color=MODEL, markersize=4)
    plane.set(title="both: static is the dot", xlabel="mean", ylabel="standard deviation")
    return figure


def vae_loss(code: ModuleType) -> Figure:
    figure, (bargains, shown) = panels(2, height=3.0, width_ratios=[1, 1.25])
    x = torch.randn(20_000, 1, generator=rng(), dtype=torch.float64)
    x, noise = x / x.std(), torch.randn(20_000, 1, generator=rng(1), dtype=torch.float64)
    errors = torch.logspace(-2.5, 0, 40, dtype=torch.float64)
    for beta, colour in ((0.02, DATA), (0.2, MODEL), (2.0, OTHER)):
        found = []
        for delta in errors:  # the best code of one normal pixel at this error
            keep, logvar = (1 - delta).sqrt(), delta.log().expand(len(x), 1)
            mean = keep * x
            recon = keep * (mean + delta.sqrt() * noise)
            found.append(code.vae_loss(*(part[..., None, None] for part in (recon, x, mean, logvar)), beta).item())
        bargains.loglog(errors, found, color=colour, label=f"β = {beta:g}")
        best = min(beta / 2, 1.0)
        bargains.plot(best, best + beta * 0.5 * math.log(1 / best), "o", color=colour, markersize=5)
    bargains.set(
        title="one pixel N(0, 1): loss against the error allowed", xlabel="mean squared error δ", ylabel="vae_loss"
    )
    bargains.legend(loc="lower right")
    known, _ = all_glyphs()
    x = known[[0, 7, 18, 29, 37, 44, 52, 63]]
    rows, names = [x], ["in"]
    for number, beta in enumerate(PRICES):
        noise = torch.randn(len(x), 4, 2, 2, generator=rng(2 + number))
        with torch.no_grad():
            rows.append(priced(code, beta)(x, noise)[0])
        _, nats, _ = bargain(code, beta)
        names.append(f"β = {beta:g}\n{nats:.1f} nats")
    grid(shown, rows, names, "glyphs, and what comes back")
    return figure


def autoencoder_rows(code: ModuleType) -> tuple[Tensor, Tensor, Tensor]:
    """A digit of each kind, its latent, and what comes back."""
    known = world(code)
    which = [int((known.labels == digit).nonzero()[1]) for digit in range(10)]
    latents = known.latents[which]
    return known.images[which], latents, decoded(known.autoencoder, latents)


def Autoencoder(code: ModuleType) -> Figure:
    figure, (shown,) = panels(1, height=4.6, width=7.6)
    images, latents, back = autoencoder_rows(code)
    side, channels = images.shape[2], latents.shape[1]
    scaled = (latents / latents.std() / 2.2).clamp(-1, 1)
    large = nn.functional.interpolate(scaled, scale_factor=side // latents.shape[2])
    rows = [images, *(large[:, [k]] for k in range(channels)), back]
    grid(shown, rows, ["x", *(f"latent,\nchannel {k}" for k in range(channels)), "decoded\nmean"], "")
    shown.set_title("16 × 16 pixels, 4 channels of 4 × 4 places (grey: 0, white: large), and back")
    return figure


def latent_scale(code: ModuleType) -> Figure:
    figure, (sizes, signal) = panels(2, height=2.7)
    latents = world(code).latents
    scale = float(code.latent_scale(latents))
    for values, name, colour in ((latents, "z", STATIC), (scale * latents, f"s z, s = {scale:.2f}", DATA)):
        sizes.hist(values.flatten().numpy(), bins=80, range=(-4, 4), density=True, color=colour, alpha=0.55, label=name)
    x = torch.linspace(-4, 4, 200)
    sizes.plot(x, (-x * x / 2).exp() / (2 * math.pi) ** 0.5, color=INK, linewidth=1, label="N(0, 1)")
    sizes.set(title="the digits' latents", xlabel="value", ylabel="density", xlim=(-4, 4))
    sizes.legend(loc="upper left")
    for std, name, colour in ((1.0, "std 1", DATA), (1 / STABLE_DIFFUSION, "std 5.49", MODEL)):
        share = ALPHA_BAR * std**2 / (ALPHA_BAR * std**2 + 1 - ALPHA_BAR)
        signal.plot(share, color=colour, label=name)
        half = int((share < 0.5).nonzero()[0])
        signal.plot(half, 0.5, "o", color=colour, markersize=4)
        signal.annotate(f"t = {half}", (half + 20, 0.52), color=colour)
    signal.axhline(0.5, color=INK, linewidth=0.8, linestyle=":")
    signal.set(
        title="what part of the variance of z_t is data", xlabel="t", ylabel="share", xlim=(0, 1000), ylim=(0, 1)
    )
    signal.legend(loc="upper right")
    return figure


def numbered(axes: Axes, values: Tensor, colours: Tensor, title: str) -> None:
    """A matrix of whole numbers, each cell in the colour of its number in `colours`."""
    for r in range(values.shape[0]):
        for c in range(values.shape[1]):
            colour = COLOURS[int(colours[r, c])]
            box = (c, values.shape[0] - 1 - r)
            axes.add_patch(FancyBboxPatch((box[0] + 0.08, box[1] + 0.08), 0.84, 0.84, boxstyle="round,pad=0.02", color=colour, alpha=0.22, linewidth=0))  # fmt: skip
            axes.text(box[0] + 0.5, box[1] + 0.48, f"{int(values[r, c])}", ha="center", va="center", fontsize=9)
    axes.set(xlim=(0, values.shape[1]), ylim=(0, values.shape[0]), xticks=[], yticks=[], aspect="equal", title=title)
    for spine in axes.spines.values():
        spine.set_visible(False)


def patchify(code: ModuleType) -> Figure:
    figure, (left, middle, right) = panels(3, height=3.1, width_ratios=[1.05, 1.05, 1.4])
    x = torch.arange(48.0).reshape(1, 2, 4, 6)
    owner = (torch.arange(4)[:, None] // 2) * 3 + torch.arange(6) // 2
    numbered(left, x[0, 0], owner, "channel 0, 4 × 6 pixels")
    numbered(middle, x[0, 1], owner, "channel 1")
    tokens = code.patchify(x, 2)[0]
    numbered(right, tokens, torch.arange(6)[:, None].expand(6, 8), "patchify(x, 2): six tokens of eight numbers")
    return figure


def unpatchify(code: ModuleType) -> Figure:
    figure, axes = panels(5, height=2.3, width_ratios=[1, 1, 1, 1, 1])
    x = world(code).images[[int((world(code).labels == 5).nonzero()[3])]]
    tokens = code.patchify(x, 4)
    swapped = tokens.unflatten(1, (4, 4)).transpose(1, 2).flatten(1, 2)
    ink(axes[0], x[0, 0], "a digit, 16 × 16")
    ink(axes[1], tokens[0], "16 tokens, p = 4")
    axes[1].set(xlabel="number in token", ylabel="token")
    ink(axes[2], code.unpatchify(tokens, 4, 1)[0, 0], "unpatchify")
    ink(axes[3], code.unpatchify(swapped, 4, 1)[0, 0], "rows for columns")
    ink(axes[4], tokens.reshape(16, 16), "reshape alone")
    return figure


def position_embedding_2d(code: ModuleType) -> Figure:
    figure, (rows, near, far) = panels(3, height=2.9, width_ratios=[1.7, 1, 1])
    table_ = code.position_embedding_2d(8, 64)
    shown = rows.imshow(table_, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    rows.axvline(31.5, color=INK, linewidth=0.8)
    rows.set(title="position_embedding_2d(8, 64)", ylabel="patch, in reading order", yticks=[0, 16, 32, 48, 63])
    rows.set_xticks([0, 16, 31.5, 48, 63], ["0", "column's\nsin | cos", "32", "row's\nsin | cos", "63"])
    figure.colorbar(shown, ax=rows, ticks=[-1, 0, 1])
    for ax, (r, c) in ((near, (3, 3)), (far, (0, 6))):
        alike = (table_ @ table_[8 * r + c]).reshape(8, 8)
        image = ax.imshow(alike, cmap="viridis", vmin=20, vmax=32)
        ax.plot(c, r, "x", color="white", markersize=6)
        ax.set(title=f"inner products with\nrow {r}, column {c}", xticks=[0, 7], yticks=[0, 7])
        ax.set_xlabel("column")
    near.set_ylabel("row")
    figure.colorbar(image, ax=far, ticks=[20, 26, 32])
    return figure


def modulate(code: ModuleType) -> Figure:
    figure, axes = panels(3, height=2.9)
    x = torch.randn(2, 60, 2, generator=rng(3))
    x = 0.7 * (x - x.mean(dim=1, keepdim=True)) / x.std(dim=1, keepdim=True)
    scale, shift = torch.tensor([[0.8, -0.6], [-0.5, 0.4]]), torch.tensor([[-0.7, 1.6], [1.7, -1.1]])
    nothing = torch.zeros(2, 2)
    stages = (
        ("scale 0, shift 0", code.modulate(x, nothing, nothing)),
        ("each sample its own scale", code.modulate(x, nothing, scale)),
        ("and its own shift", code.modulate(x, shift, scale)),
    )
    for ax, (title, points) in zip(axes, stages, strict=True):
        for sample, colour in zip(points, (DATA, MODEL), strict=True):
            ax.scatter(*sample.T, s=9, color=colour, linewidths=0, alpha=0.8)
        ax.axhline(0, color=STATIC, linewidth=0.5, zorder=0)
        ax.axvline(0, color=STATIC, linewidth=0.5, zorder=0)
        ax.set(title=title, xlim=(-3.6, 3.6), ylim=(-3.6, 3.6), aspect="equal", xticks=[-2, 0, 2], yticks=[-2, 0, 2])
        ax.set_xlabel("first number of a token")
    axes[0].set_ylabel("second number")
    axes[0].plot([], "o", color=DATA, markersize=4, label="60 tokens of one sample")
    axes[0].plot([], "o", color=MODEL, markersize=4, label="of another")
    axes[0].legend(loc="upper left", fontsize=7.5, borderpad=0)
    return figure


def influence(f, x: Tensor) -> Tensor:
    """How much each token of the answer listens to each token of x: norms of the Jacobian's blocks (N, M)."""
    jacobian = torch.autograd.functional.jacobian(f, x)  # (1, N, D, 1, M, E)
    return jacobian[0, :, :, 0].square().sum(dim=(1, 3)).sqrt()


def Attention(code: ModuleType) -> Figure:
    figure, (weights, among, across) = panels(3, height=2.8, width_ratios=[1.25, 1, 1])
    q, k = torch.randn(2, 2000, 16, 64, generator=rng(4)).unbind(0)
    scores = (q[:, :1] @ k.mT).squeeze(1)
    for values, name, colour in ((scores, "q kᵀ as it is", MODEL), (scores / 8, "divided by √d = 8", DATA)):
        ordered = values.softmax(dim=1).sort(dim=1, descending=True).values.mean(dim=0)
        weights.plot(range(1, 17), ordered, "o-", color=colour, markersize=3.5, label=name)
    weights.axhline(1 / 16, color=INK, linewidth=0.8, linestyle=":")
    weights.set(
        title="weights of 16 tokens, d = 64, sorted",
        xlabel="rank",
        ylabel="weight",
        ylim=(0, 1),
        xticks=[1, 4, 8, 12, 16],
    )
    weights.legend(loc="upper right")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        itself, other = code.Attention(32, 2), code.Attention(32, 2, 24)
    x, context = 3 * torch.randn(1, 10, 32, generator=rng(5)), 3 * torch.randn(1, 4, 24, generator=rng(6))
    for ax, found, title in (
        (among, influence(itself, x), "self-attention: all tokens"),
        (across, influence(lambda told: other(x, told), context), "cross-attention: the context"),
    ):
        ax.imshow(found, cmap="Blues", vmin=0, aspect="auto" if found.shape[1] < 10 else "equal")
        ax.set(title=title, xlabel="listens to token", xticks=[0, found.shape[1] - 1], yticks=[0, 9])
    among.set_ylabel("token of the answer")
    return figure


def DiTBlock(code: ModuleType) -> Figure:
    figure, (plan, gates) = panels(2, height=3.4, width_ratios=[1.6, 1])
    plan.set(xlim=(0, 10), ylim=(-0.25, 4.75), xticks=[], yticks=[])
    for spine in plan.spines.values():
        spine.set_visible(False)

    def box(x: float, y: float, text: str, colour: str, width: float = 1.25) -> None:
        plan.add_patch(FancyBboxPatch((x, y - 0.28), width, 0.56, boxstyle="round,pad=0.03", facecolor=colour + "2a", edgecolor=colour, linewidth=0.9))  # fmt: skip
        plan.text(x + width / 2, y - 0.02, text, ha="center", va="center", fontsize=7.6)

    def arrow(start: tuple[float, float], end: tuple[float, float], colour: str = INK) -> None:
        plan.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=7, color=colour, linewidth=0.9, shrinkA=0, shrinkB=0))  # fmt: skip

    for y, middle, number in ((3.3, "Attention", "₁"), (1.2, "MLP", "₂")):
        above = y + 0.9
        arrow((0.1, above), (9.75, above))
        plan.plot([0.45, 0.45], [above, y], color=INK, linewidth=0.9)
        arrow((0.45, y), (0.75, y))
        for x, text, colour in ((0.78, "norm", STATIC), (2.75, "modulate", MODEL), (4.72, middle, DATA), (6.69, f"× gate{number}", MODEL)):  # fmt: skip
            box(x, y, text, colour)
        for x in (2.06, 4.03, 6.0):
            arrow((x, y), (x + 0.66, y))
        plan.plot([7.97, 8.9], [y, y], color=INK, linewidth=0.9)
        arrow((8.9, y), (8.9, above - 0.1))
        plan.text(8.9, above, "+", ha="center", va="center", fontsize=11, bbox={"boxstyle": "circle,pad=0.08", "facecolor": "white", "edgecolor": INK, "linewidth": 0.9})  # fmt: skip
        plan.text(3.375, y - 0.52, f"shift{number}, scale{number}", ha="center", fontsize=7.2, color=MODEL)
    plan.text(0.1, 4.42, "x  (B, N, D)", fontsize=8)
    plan.text(0.2, 2.25, "x", fontsize=8)
    plan.text(9.35, 2.32, "out", fontsize=8)
    plan.plot([9.75, 9.75, 0.1, 0.1], [4.2, 2.65, 2.65, 2.1], color=INK, linewidth=0.9)
    box(2.4, 0.22, "SiLU, linear to 6 D: zero at the start", MODEL, 5.1)
    plan.text(0.6, 0.2, "c  (B, D)", fontsize=8, va="center")
    arrow((1.6, 0.22), (2.35, 0.22))
    plan.text(7.7, 0.2, "two shifts, scales, gates", fontsize=7.2, va="center", color=MODEL)
    plan.set_title("one sample's six vectors steer all of its tokens")

    for first, name, colour in ((False, "as made: zero", DATA), (True, "its map of c random", STATIC)):
        gates.plot(opening(code, first), color=colour, label=name)
    gates.set(title="learning x → mean over tokens, plus c", xlabel="steps of Adam", ylabel="mean |block(x, c) - x|")
    gates.set(xlim=(-1, 60), ylim=(0, None))
    gates.legend(loc="lower right")
    return figure


def opening(code: ModuleType, scrambled: bool) -> list[float]:
    """How far a block in training is from the identity, before each step and after the last."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block = code.DiTBlock(32, 4)
        if scrambled:
            for parameter in block.parameters():
                if not parameter.any():
                    nn.init.normal_(parameter, std=0.1)
    generator, found = rng(1), []
    optimizer = torch.optim.Adam(block.parameters(), lr=3e-3)
    for _ in range(61):
        x, c = torch.randn(32, 8, 32, generator=generator), torch.randn(32, 32, generator=generator)
        out = block(x, c)
        found.append((out - x).abs().mean().item())
        optimizer.zero_grad()
        (out - x.mean(dim=1, keepdim=True) - c[:, None]).square().mean().backward()
        optimizer.step()
    return found


def DiT(code: ModuleType) -> Figure:
    figure, (shown,) = panels(1, height=2.9, width=8.6)
    known, levels = world(code), (900, 600, 300)
    start = known.scale * known.latents[[int((known.labels == 3).nonzero()[2])]]
    noise = torch.randn(start.shape, generator=rng(11))
    rows, y = [], torch.arange(11)
    for level in levels:
        a = float(ALPHA_BAR[level])
        z = (a**0.5 * start + (1 - a) ** 0.5 * noise).expand(11, -1, -1, -1)
        with torch.no_grad():
            eps = known.model(z, torch.full((11,), level), y)
        rows.append(decoded(known.autoencoder, (z - (1 - a) ** 0.5 * eps) / a**0.5 / known.scale))
    grid(
        shown,
        rows,
        [f"t = {level}" for level in levels],
        "a 3's latent with noise, its clean latent guessed under each label, decoded",
    )
    side = rows[0].shape[2]
    shown.set_xticks([(side + 1) * k + side / 2 for k in range(11)], [*(f"y = {k}" for k in range(10)), "y = ∅"])
    return figure


class Painter(nn.Module):
    """A map of positions that reads two words through the code's SpatialTransformer, and becomes a picture."""

    def __init__(self, code: ModuleType, channels: int = 32, width: int = 16):
        super().__init__()
        self.words = nn.Embedding(len(NAMES) + 16, width)
        self.read = nn.ModuleList(code.SpatialTransformer(channels, 4, width) for _ in range(2))
        self.paint = nn.Conv2d(channels, 1, 1)
        self.register_buffer("place", code.position_embedding_2d(SIDE, channels).T.reshape(1, channels, SIDE, SIDE))

    def forward(self, words: Tensor) -> Tensor:
        x, context = self.place.expand(len(words), -1, -1, -1), self.words(words)
        for block in self.read:
            x = block(x, context)
        return self.paint(x)


def sentences(which: Tensor) -> Tensor:
    """The two words of each of the 64 glyphs: its name, and where it stands."""
    return torch.stack([which // 16, len(NAMES) + which % 16], dim=1)


@cache
def painter(code: ModuleType, steps: int = 500) -> Painter:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Painter(code)
    pictures, _ = all_glyphs()

    def loss_of(generator: Generator) -> Tensor:
        which = torch.randint(len(pictures), (32,), generator=generator)
        return (model(sentences(which)) - pictures[which]).square().mean()

    for _ in training(model, loss_of, steps, generator=rng(), lr=5e-3):
        pass
    return model.eval().requires_grad_(False)


def SpatialTransformer(code: ModuleType) -> Figure:
    figure, axes = panels(6, height=2.2, width_ratios=[1] * 6)
    model = painter(code)
    for ax, (name, place) in zip(axes[:4], ((2, 0), (2, 15), (3, 10), (1, 10)), strict=True):
        words = sentences(torch.tensor([16 * name + place]))
        picture = model(words)[0, 0]
        swapped = (model(words.flip(1))[0, 0] - picture).abs().max().item()
        assert swapped < 1e-3
        ink(ax, picture, f"“{NAMES[name]}”,\n“{place // 4} down, {place % 4} right”")
    words = sentences(torch.tensor([16 * 2 + 5]))
    told = model.words(words)

    def answer(told: Tensor) -> Tensor:
        x = model.place
        for block in model.read:
            x = block(x, told)
        return model.paint(x).flatten()

    heard = torch.autograd.functional.jacobian(answer, told)[:, 0].square().sum(dim=2).sqrt().reshape(SIDE, SIDE, 2)
    for ax, word, title in ((axes[4], 0, "“cross”"), (axes[5], 1, "“1 down, 1 right”")):
        ax.imshow(heard[:, :, word], cmap="viridis", vmin=0, vmax=heard.max())
        ax.set(xticks=[], yticks=[], title=f"how places hear\n{title}")
    return figure


def latent_loss(code: ModuleType) -> Figure:
    figure, (shown, losses) = panels(2, height=3.2, width_ratios=[1.35, 1])
    known = world(code)
    which = [int((known.labels == digit).nonzero()[1]) for digit in (2, 7, 0)]
    z0 = known.scale * known.latents[which]
    noise, levels = torch.randn(z0.shape, generator=rng(5)), (0, 150, 300, 500, 999)
    rows = []
    for level in levels:
        a = float(ALPHA_BAR[level])
        rows.append(decoded(known.autoencoder, (a**0.5 * z0 + (1 - a) ** 0.5 * noise) / known.scale))
    grid(shown, list(torch.stack(rows, dim=1)), ["", "", ""], "z_t, looked at through the decoder")
    side = known.images.shape[2]
    shown.set_xticks([(side + 1) * k + side / 2 for k in range(len(levels))], [f"t = {level}" for level in levels])
    times = [10, 50, 100, 200, 300, 450, 600, 700, 800, 999]
    for labelled, name, colour in ((False, "without label", OTHER), (True, "with label", MODEL)):
        losses.plot(times, [loss_at(code, t, labelled) for t in times], "o-", color=colour, markersize=3.5, label=name)
    losses.plot(ALPHA_BAR, color=INK, linestyle=":", linewidth=1.2, label="latents that are static: ᾱ")
    losses.set(title="latent_loss of the trained DiT", xlabel="t", xlim=(0, 1000), ylim=(0, 1.02))
    losses.legend(loc="upper right")
    return figure


def generate(code: ModuleType) -> Figure:
    figure, (way, strength) = panels(2, height=2.9, width_ratios=[1, 1.45])
    known, n = world(code), 25
    z_T = torch.randn(10, *known.latents.shape[1:], generator=rng(21))
    seen: list[Tensor] = []

    def spy(z: Tensor, t: Tensor, y: Tensor) -> Tensor:
        seen.append(z[:3].clone())
        return known.model(z, t, y)

    y = torch.arange(10)
    drawn = code.generate(spy, known.autoencoder, z_T[:3], y[[2, 5, 8]], 10, ALPHA_BAR, known.scale, 1.5, n)
    calls = len(seen) // n
    at = (0, 8, 13, 18, 22)
    columns = [decoded(known.autoencoder, seen[calls * k] / known.scale) for k in at] + [drawn]
    grid(way, list(torch.stack(columns, dim=1)), ["", "", ""], "z on its way in 25 steps, decoded")
    side = known.images.shape[2]
    way.set_xticks([(side + 1) * k + side / 2 for k in range(6)], [*(f"{k}" for k in at), "25"])
    way.set_xlabel("steps done")
    rows, names = [], []
    for guidance in (0.0, 1.0, 3.0):
        rows.append(code.generate(known.model, known.autoencoder, z_T, y, 10, ALPHA_BAR, known.scale, guidance, n))
        names.append(f"g = {guidance:g}")
    grid(strength, rows, names, "the same static, asked for 0 to 9")
    return figure
