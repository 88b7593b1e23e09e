"""The checks of DiT."""

import torch
from torch import Generator, Tensor, nn

from exercises.checks import cases, expect
from exercises.checks.s7_latent_diffusion.networks import (
    Adam,
    alike,
    alone,
    answer,
    apart,
    awake,
    grows,
    heads_count,
    honest_slopes,
    made,
    trained,
    twins_agree,
    unlike,
)
from exercises.checks.s7_latent_diffusion.rules import KEEP

LARGE_T = 10_000
NETWORKS = (
    (7, 1, 4, 16, 2, 2, 10),
    (8, 2, 3, 8, 1, 4, 1),
    (4, 4, 1, 12, 3, 3, 5),
    (6, 3, 2, 8, 1, 1, 3),
)
"""side, patch, channels, dim, depth, heads, classes."""
SMALL = (6, 2, 2, 16, 2, 2, 4)
"""Nine patches of 2 by 2 pixels and two channels."""


def small(code, rng: Generator) -> nn.Module:
    return awake(made(code, "DiT", *SMALL), rng).eval()


def latents(rng: Generator, count: int, side: int, channels: int, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    t, y = torch.randint(LARGE_T, (count,), generator=rng), torch.arange(count) % (classes + 1)
    return cases.normal((count, channels, side, side), rng), t, y


def test_DiT_answers_zero_in_the_shape_of_x_at_initialisation(code, rng):
    """A new network says nothing, in x's shape and dtype, whatever t and y."""
    for arguments in NETWORKS:
        side, _, channels, *_, classes = arguments
        network = made(code, "DiT", *arguments)
        x, t, y = latents(rng, classes + 1, side, channels, classes)
        t[0] = LARGE_T
        got = expect.untouched(
            lambda *inputs, network=network: answer(network, *inputs), KEEP, x=x.float(), t=t, y=y
        ).detach()
        why = "the last map is zero at first, weight and bias: the network starts by saying nothing"
        if float(got.abs().max()) >= 1e-6:
            expect.holds(False, why, got=spoken(network.double(), x, t, y, got), want="zero")


def spoken(network: nn.Module, x: Tensor, t: Tensor, y: Tensor, got: Tensor) -> str:
    """What a new network says, in words."""
    if float((got - x).abs().max()) < 1e-5:
        return "x itself"
    one, other = (answer(network, given, t, y).detach() for given in (x, x + 1 + x.flip(0)))
    return "an answer to x" if unlike(one, other) else "the same for every x"


def test_DiT_keeps_the_dtype_and_takes_any_t_once_it_has_learned(code, rng):
    """float32 and float64, t from 0 to 100000, a batch of one."""
    for arguments in NETWORKS:
        side, _, channels, *_, classes = arguments
        network = awake(made(code, "DiT", *arguments), rng)
        for dtype in (torch.float64, torch.float32):
            network.to(dtype)
            x, t, y = latents(rng, 2, side, channels, classes)
            t[0], t[1] = 0, 10 * LARGE_T
            for count in (2, 1):
                got = answer(network, x[:count].to(dtype), t[:count], y[:count]).detach()
                why = "a network that was moved away from its initialisation answers"
                expect.holds(float(got.abs().max()) > 0, why, got="zero", want="numbers")


def test_DiT_learns_from_its_initialisation(code, rng):
    """After a few updates the loss has fallen, and time, label and every patch have a say."""
    network = made(code, "DiT", *SMALL).double().train()
    x, t, y = latents(rng, 6, 6, 2, 4)
    target = cases.normal(x.shape, rng)
    teacher, losses = Adam(network, 1e-3), []
    for _ in range(5):
        loss = (answer(network, x, t, y) - target).square().mean()
        losses.append(loss.item())
        teacher.step(loss)
    why = "the last map gets a gradient at once, and a small step along it lowers the loss"
    expect.holds(min(losses[1:]) < losses[0], why, got="a loss that stays", want="less")
    rows = torch.cat([x[:1]] * 3 + [x[:1].clone()] * 1)
    rows[3, :, :2, :2] += 1.0  # the first patch
    got = answer(network, rows, torch.tensor([5, 900, 5, 5]), torch.tensor([0, 0, 3, 0])).detach()
    silent = [
        name
        for name, heard in (
            ("time", unlike(got[0], got[1])),
            ("label", unlike(got[0], got[2])),
            ("the other patches", unlike(got[0, :, 4:, 4:], got[3, :, 4:, 4:])),
        )
        if not heard
    ]
    why = "what is zero at first must get a gradient soon: a zero behind a zero never does"
    expect.holds(
        not silent,
        why,
        got=["no influence of", *silent],
        want="time, label and patches that have a say",
        told=f"no influence of: {', '.join(silent)}",
    )


def test_DiT_tells_one_time_from_another(code, rng):
    """No two times get the same answer."""
    network, times = small(code, rng), (0, 1, 2, 10, 11, 499, 500, 998, 999, 1000, 2000, LARGE_T)
    x, _, _ = latents(rng, 1, 6, 2, 4)
    count = len(times)
    for label, named in ((1, ""), (4, ", without a label")):
        got = answer(network, x.expand(count, *x.shape[1:]), torch.tensor(times), torch.full((count,), label))
        apart(got.detach(), [f"t = {time}{named}" for time in times], "the answer depends on the level")


def test_DiT_tells_one_label_from_another_and_none_from_all(code, rng):
    """Labels 0 to classes, the last of which means none, get different answers, each sample its own."""
    for classes in (1, 4, 12):
        network = awake(made(code, "DiT", *SMALL[:-1], classes), rng).eval()
        x, t, _ = latents(rng, 1, 6, 2, classes)
        count = classes + 1
        x, t, y = x.expand(count, *x.shape[1:]), t.expand(count), torch.arange(count)
        whole = answer(network, x, t, y).detach()
        apart(whole, [f"y = {label}" for label in range(count)], "the answer depends on the label of the sample")
        got = network(x, t, y=y.flip(0))
        expect.tensor(got, "y is an argument of forward, by name too", shape=x.shape)
        why = "each sample has its own label: labels in another order give the answers in another order"
        alike(got.flip(0), whole, why, "an answer to another sample's label")


def test_DiT_listens_to_time_and_label_before_its_last_map(code, rng):
    """What attention and MLPs do depends on time and on label, and not just what is made of it in the end."""
    dim, count = 8, 20
    network = awake(made(code, "DiT", 4, 2, 1, dim, 2, 2, count - 1), rng).eval()
    x, _, y = latents(rng, count, 4, 1, count - 1)
    # An embedding may be all but straight as far as a thousand: then t goes up to the largest, by factors and by steps
    near, far = 40 * torch.arange(count), torch.cat([10 ** torch.arange(5), torch.arange(1, 16) * 2 * LARGE_T // 3])
    heard = {
        "time": any(answers_in_ways(network, x, t, torch.zeros_like(y)) > dim + 1 for t in (near, far)),
        "label": answers_in_ways(network, x, torch.full_like(y, 40), y) > dim + 1,
    }
    deaf = [name for name, listens in heard.items() if not listens]
    why = "the condition goes to every block: how a picture is looked at depends on how noisy it is and on what is asked for"  # fmt: skip
    got = "blocks that do not listen" + (f" to the {deaf[0]}" if len(deaf) == 1 else "")
    expect.holds(not deaf, why, got=got, want="blocks that listen to time and label")


def answers_in_ways(network: nn.Module, x: Tensor, t: Tensor, y: Tensor) -> int:
    """In how many ways the answers to all of x change with time and label: dim + 1 where only the last norm's shift and scale do.

    Of more than those there is then 1e-16, and 1e-9 at least in networks whose blocks listen, whatever they make of t.
    """
    rows = x.repeat_interleave(len(t), dim=0), t.repeat(len(x)), y.repeat(len(x))
    table = answer(network, *rows).detach()[:, 0, 0, 0].reshape(len(x), len(t))
    sizes = torch.linalg.svdvals(table / table.norm(dim=0).clamp(min=1e-12))
    return int((sizes > 1e-11 * sizes[0]).sum())


def test_DiT_knows_where_a_patch_stands(code, rng):
    """In a picture of one colour every patch is alike, and only its place can tell it from the others."""
    network = small(code, rng)
    x, t, y = torch.ones(1, 2, 6, 6, dtype=torch.float64), torch.tensor([10]), torch.tensor([2])
    patches = answer(network, x, t, y).detach()[0].unflatten(1, (3, 2)).unflatten(3, (3, 2)).permute(1, 3, 0, 2, 4)
    names = [f"row {row}, column {column}" for row in range(3) for column in range(3)]
    why = "attention does not know where a token stands: the position embedding tells it, row and column"
    apart(patches.flatten(0, 1), names, why)


def test_DiT_knows_where_the_other_patches_stand(code, rng):
    """One patch is unlike the others: what the first makes of it depends on where it stands."""
    network = small(code, rng)
    rows = torch.ones(8, 2, 6, 6, dtype=torch.float64)
    names = []
    for row, patch in zip(rows, range(1, 9), strict=True):
        down, right = 2 * (patch // 3), 2 * (patch % 3)
        row[:, down : down + 2, right : right + 2] = -1.0
        names.append(f"row {patch // 3}, column {patch % 3}")
    first = answer(network, rows, torch.full((8,), 10), torch.full((8,), 2)).detach()[:, :, :2, :2]
    why = "tokens get their places before the blocks: attention then knows where each of the others stands"
    apart(first, names, why)


def test_DiT_learns_no_positions(code):
    """The position embedding is fixed: nothing that is trained holds a row for each patch."""
    side, patch, *rest = (12, 2, 2, 20, 1, 2, 3)
    network, count = made(code, "DiT", side, patch, *rest), 36
    learned = [
        list(weight.shape)
        for weight in trained(network)
        if weight.numel() == count * rest[1] and (count in weight.shape or weight.shape[-3:-1] == (6, 6))
    ]
    why = "positions are a fixed table, a buffer: they are known, and need not be learned"
    expect.holds(not learned, why, got=["trained positions"] * len(learned), want="no trained table of positions")


def influence(network: nn.Module, x: Tensor) -> Tensor:
    """How far each of nine patches of the answer moves (column) when a patch of x (1, C, 6, 6) is moved (row)."""
    rows = x.repeat(10, 1, 1, 1)
    for patch in range(9):
        row, column = 2 * (patch // 3), 2 * (patch % 3)
        rows[1 + patch, :, row : row + 2, column : column + 2] += 0.5
    got = answer(network, rows, torch.full((10,), 0), torch.full((10,), 1)).detach()
    moved = (got[1:] - got[:1]).square().unflatten(2, (3, 2)).unflatten(4, (3, 2)).sum((1, 3, 5))
    return moved.flatten(1).sqrt()


def test_DiT_lets_every_patch_see_every_other(code, rng):
    """Move one patch, and the whole answer moves."""
    moved = influence(small(code, rng), cases.normal((1, 2, 6, 6), rng))
    blind = [f"patch {seer} to patch {patch}" for patch in range(9) for seer in range(9) if moved[patch, seer] < 1e-9]
    expect.holds(
        not blind,
        "attention brings every patch to every other",
        got=["blind", *blind[:6]],
        want="all seen",
        told=f"blind: {', '.join(blind[:6])}",
    )


def test_DiT_gives_each_patch_its_own_answer_in_its_place(code, rng):
    """Before attention has learned anything, a patch of the answer depends most on the patch of x in its place."""
    network, x = made(code, "DiT", *SMALL).double().eval(), cases.normal((1, 2, 6, 6), rng)
    weights = trained(network)
    pull = cases.normal((1, 2, 6, 6), rng)
    got = answer(network, x, torch.tensor([0]), torch.tensor([1]))
    expect.holds(got.requires_grad, "a DiT can be trained", got="an answer without a gradient", want="one with")
    found = torch.autograd.grad((got * pull).sum(), weights, allow_unused=True)
    with torch.no_grad():
        for weight, grad in zip(weights, found, strict=True):
            if grad is not None and float(grad.abs().max()) > 0:  # the last map, whatever it is called
                weight.add_(grad / grad.norm())
    moved = influence(network, x)
    own = moved.diagonal()
    why = "patches leave in the order in which they came in: what is left of x stays in its place"
    lost = [f"patch {patch}" for patch in range(9) if not own[patch] > moved[:, patch].mean()]
    expect.holds(
        not lost,
        why,
        got=["answered elsewhere", *lost],
        want="each patch in its place",
        told=f"answered elsewhere: {', '.join(lost)}",
    )


def test_DiT_is_as_large_as_it_is_told(code):
    """Wider, deeper and with more labels is more parameters."""
    rows = ((1, 8, 1, 2, 3), (1, 8, 1, 2, 4), (1, 8, 2, 2, 4), (1, 16, 2, 2, 4), (3, 16, 2, 2, 4))
    first, label, block, wide, channels = (made(code, "DiT", 4, 2, *row) for row in rows)
    why = "one more label, one more block, wider tokens, more channels: each takes more parameters"
    grows(why, first, one_more_label=label, one_more_block=block, wider_tokens=wide, more_channels=channels)
    three, four = (made(code, "DiT", 4, 2, 1, 8, depth, 2, 3) for depth in (3, 4))
    grows("depth says how many blocks there are", block, a_third_block=three, a_fourth_block=four)


def test_DiT_has_as_many_heads_as_it_is_told(code, rng):
    """The same weights in more heads are another network."""
    one, other = (awake(made(code, "DiT", 6, 2, 2, 16, 2, heads, 4), rng).eval() for heads in (2, 4))
    given = latents(rng, 3, 6, 2, 4)
    why = "heads is for the attention of every block: each head weighs the patches in its own way"
    heads_count(one, other, lambda network: answer(network, *given), why)


def test_DiT_treats_each_sample_by_itself_in_training_too(code, rng):
    """Each sample has its own t and y; no attention across the batch, no dropout, no labels dropped."""
    network = awake(made(code, "DiT", *SMALL), rng)
    x, t, _ = latents(rng, 60, 6, 2, 4)
    for name, y in (("no label", torch.full((60,), 4)), ("labels", torch.arange(60) % 4)):
        one, other = (answer(network, x, t, y) for _ in range(2))
        why = "the same call gives the same answer: there is no dropout here, and labels are dropped by the loss"
        alike(one, other, why, f"another answer in training to an equal call with {name}")
    batches = [dict(zip("xty", latents(rng, 5, 6, 2, 4), strict=True)) for _ in range(2)]
    batches[1]["t"][0] = 100_000  # the largest, and another one's
    alone(lambda *inputs: answer(network, *inputs), network, *batches)


def test_DiT_can_guess_noise_of_either_sign_and_any_size(code, rng):
    """Nothing squashes the answer."""
    outputs = []
    for _ in range(5):
        network = awake(made(code, "DiT", *SMALL), rng, size=4.0)
        outputs.append(answer(network, *latents(rng, 4, 6, 2, 4)).detach())
    reached = torch.cat(outputs)
    both = [bool(reached.min() < -1.5), bool(reached.max() > 1.5)]
    why = "noise has either sign and no bound, so nothing may squash the output: five random networks were tried"
    told = f"outputs from {reached.min():.3g} to {reached.max():.3g}"
    expect.holds(all(both), why, got=both, want="some outputs below -1.5 and some above 1.5", told=told)


def test_DiT_lets_gradients_through_to_all_that_matters(code, rng):
    """The latent and every weight can learn."""
    network, (x, t, y) = small(code, rng), latents(rng, 3, 6, 2, 4)
    x.requires_grad_()
    honest_slopes(lambda: answer(network, x, t, y), network, rng, x=x)


def test_DiT_keeps_all_that_it_is_in_parameters_and_buffers(code, rng):
    """A copy with the same state answers the same: every block is registered."""
    one, other = (small(code, rng) for _ in range(2))
    given = latents(rng, 3, 6, 2, 4)
    twins_agree(one, other, lambda network: answer(network, *given))
