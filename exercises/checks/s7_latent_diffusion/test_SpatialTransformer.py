"""The checks of SpatialTransformer."""

import torch
from torch import Generator, Tensor, nn

from exercises.checks import cases, expect
from exercises.checks.s7_latent_diffusion.networks import (
    Adam,
    alike,
    alone,
    answer,
    awake,
    grows,
    heads_count,
    honest_slopes,
    leaves_alone,
    made,
    trained,
    twins_agree,
    unlike,
)
from exercises.checks.s7_latent_diffusion.rules import KEEP


def transformer(code, rng: Generator, *args) -> nn.Module:
    """One in float64, with random parameters: its last map may start at zero, and then shows nothing."""
    return awake(made(code, "SpatialTransformer", *args), rng).eval()


def test_SpatialTransformer_gives_back_a_map_of_xs_shape(code, rng):
    """Maps of any sides and contexts of any length, in float32 and float64."""
    for arguments, shape, words in (
        ((8, 2, 5), (3, 8, 4, 6), 3),
        ((24, 3, 24), (1, 24, 1, 5), 1),
        ((16, 16, 2), (2, 16, 2, 2), 7),
    ):
        network = made(code, "SpatialTransformer", *arguments)
        for dtype in (torch.float32, torch.float64):
            network.to(dtype)
            x, context = (cases.normal(of, rng).to(dtype) for of in (shape, (shape[0], words, arguments[2])))
            expect.untouched(lambda *inputs, network=network: answer(network, *inputs), KEEP, x=x, context=context)


def test_SpatialTransformer_leaves_its_arguments_alone_once_it_has_learned(code, rng):
    """Map and context are as they were, where the last map is not zero."""
    network = transformer(code, rng, 8, 2, 5)
    x, context = cases.normal((2, 8, 3, 3), rng), cases.normal((2, 3, 5), rng)
    leaves_alone(lambda *inputs: answer(network, *inputs), network, KEEP, x=x, context=context)


def test_SpatialTransformer_reads_every_token_of_its_own_context(code, rng):
    """Another word anywhere in the context changes every place of the map, and only this sample's."""
    network = transformer(code, rng, 8, 2, 5)
    x, context = cases.normal((1, 8, 3, 4), rng), cases.normal((1, 4, 5), rng)
    rows = context.repeat(5, 1, 1)
    for word in range(4):
        rows[1 + word, word] = cases.normal((5,), rng)
    whole = answer(network, x.repeat(5, 1, 1, 1), rows).detach()
    moved = (whole[1:] - whole[:1]).abs().amax(dim=1).flatten(1).amin(dim=1) > 1e-9
    unread = [f"token {word}" for word in range(4) if not moved[word]]
    expect.holds(
        not unread,
        "every place reads the whole context",
        got=["unread", *unread],
        want="every answer moves",
        told=f"unread: {', '.join(unread)}",
    )
    pair = torch.cat([context[:, :2], context[:, :2].mean(dim=1, keepdim=True).expand(1, 2, 5)])
    chosen, mixed = answer(network, x.repeat(2, 1, 1, 1), pair).detach()
    why = "attention weighs the context's tokens: each place chooses what it reads"
    expect.holds(unlike(chosen, mixed), why, got="the mean of the context", want="a choice for each place")
    back = answer(network, x.repeat(5, 1, 1, 1), rows.flip(0)).detach().flip(0)
    alike(back, whole, "each sample reads its own context", "an answer to another sample's context")


def test_SpatialTransformer_does_not_mind_the_order_of_the_context_or_of_the_places(code, rng):
    """Words in another order change nothing; places in another order give the answers in that order."""
    network = transformer(code, rng, 8, 2, 5)
    x, context = cases.normal((1, 8, 3, 4), rng), cases.normal((1, 6, 5), rng)
    places, words = torch.randperm(12, generator=rng), torch.tensor([4, 2, 0, 5, 1, 3])
    shuffled = x.flatten(2)[:, :, places].reshape(x.shape)
    whole = answer(network, torch.cat([x, x, shuffled]), torch.cat([context, context[:, words], context])).detach()
    alike(
        whole[1], whole[0], "the order of the context does not matter", "an answer that depends on the context's order"
    )
    why = "the places are tokens (B, H W, C), which takes an exchange of axes there and back: a reshape scrambles them"
    followed = whole[0].flatten(1)[:, places].reshape(whole[0].shape)
    alike(whole[2], followed, why, scrambled((whole[2] - shuffled[0]).flatten(1), (whole[0] - x[0]).flatten(1)))


def scrambled(one: Tensor, other: Tensor) -> str:
    """What became of places that were given in another order, from what was added (C, places) in both orders."""
    rows, wanted = (torch.tensor(sorted(added.mT.tolist()), dtype=torch.float64) for added in (one, other))
    if torch.allclose(rows, wanted, rtol=1e-6, atol=1e-9):
        return "answers in other places"
    if torch.allclose(rows.flatten().sort()[0], wanted.flatten().sort()[0], rtol=1e-6, atol=1e-9):
        return "answers torn apart"
    return "torn tokens"


def far_slopes(network: nn.Module, x: Tensor, context: Tensor, probes: Tensor) -> Tensor:
    """How the answer in the first half of the places depends on x in the second half: (probes, C, half).

    Each probe is a mixture of answers, taken in a sample of its own, as samples do not influence each other.
    """
    half = x.shape[2] * x.shape[3] // 2
    copies = x.repeat(len(probes), 1, 1, 1).requires_grad_()
    got = answer(network, copies, context.expand(len(probes), -1, -1)).flatten(2)[:, :, :half]
    expect.holds(got.requires_grad, "the answer is differentiable in x", got="no gradient", want="a gradient")
    (found,) = torch.autograd.grad((got * probes).sum(), copies)
    return found.flatten(2)[:, :, half:]


def ways(network: nn.Module, x: Tensor, context: Tensor, rng: Generator) -> int:
    """In how many ways the far half has a say, apart from what is a ten-thousandth of the greatest; 40 are tried."""
    probes = cases.normal((40, x.shape[1], x.shape[2] * x.shape[3] // 2), rng)
    sizes = torch.linalg.svdvals(far_slopes(network, x, context, probes).flatten(1))
    return int((sizes > 1e-4 * sizes[0]).sum())


def test_SpatialTransformer_lets_places_see_each_other_by_self_attention(code, rng):
    """What a place knows of the far end is more than the means and variances of a norm."""
    network = transformer(code, rng, 8, 2, 5)
    x, context = cases.normal((1, 8, 6, 8), rng), cases.normal((1, 3, 5), rng)
    why = "self-attention brings each place what it asks for from all others; a group norm hands on 16 numbers at most"
    expect.holds(ways(network, x, context, rng) > 24, why, got="no more than a norm hands on", want="an influence of the far half in more than 24 ways of 40")  # fmt: skip


def test_SpatialTransformer_looks_at_itself_before_it_reads(code, rng):
    """Self-attention first: what is read afterwards, however loud, does not drown what the places had to say."""
    network = transformer(code, rng, 8, 2, 5)
    x, context = cases.normal((1, 8, 6, 8), rng), 1e7 * cases.normal((1, 1, 5), rng)
    # Read first, ten million times louder than the map, the context would be all that self-attention sees
    why = "the order is self-attention, cross-attention, MLP: places look at each other before they read"
    expect.holds(ways(network, x, context, rng) > 24, why, got="no more than a norm hands on", want="an influence of the far half in more than 24 ways of 40")  # fmt: skip


def test_SpatialTransformer_works_on_what_it_has_read_with_an_mlp(code, rng):
    """A context of one token is added as it is; the MLP that follows makes more than a sum of it."""
    network = transformer(code, rng, 8, 2, 5)
    x, (one, other, third) = cases.normal((1, 8, 3, 4), rng), 2 * cases.normal((3, 1, 1, 5), rng)
    context = torch.cat([one, other, one + other - third, third])
    whole = answer(network, x.repeat(4, 1, 1, 1), context).detach()
    bend = float((whole[0] + whole[1] - whole[2] - whole[3]).abs().max()) > 1e-6 * float((whole - x).abs().max())
    why = "one token has all the weight, so that its value is added: were there no MLP behind it, the answer would be a straight line in the context"  # fmt: skip
    expect.holds(bend, why, got="a straight line", want="an MLP after cross-attention")


def test_SpatialTransformer_adds_to_x_what_it_finds(code, rng):
    """With all parameters next to zero it says next to nothing, and x comes through."""
    network = made(code, "SpatialTransformer", 8, 2, 5).double().eval()
    x, context = cases.normal((2, 8, 3, 4), rng), cases.normal((2, 3, 5), rng)
    left = []
    with torch.no_grad():
        for rank in (2, 0):  # without its maps, and without all; not zero, as some divide by the size of a map
            for parameter in trained(network):
                if parameter.ndim >= rank:
                    parameter.mul_(1e-6)
            left.append(answer(network, x, context).detach())
    normalised = differ(left[0], left[0][:, :, :1, :1].expand(x.shape))
    why = "a residual block: the answer is x plus what the last map gives"
    expect.holds(not differ(x, left[1]), why, got="x normalised" if normalised else "nothing of x", want="x itself")


def differ(one: Tensor, other: Tensor) -> bool:
    """Whether two answers to numbers of ordinary size differ by more than is left of maps that are next to zero."""
    return float((one - other).abs().max()) > 1e-3


def test_SpatialTransformer_sees_x_through_a_norm(code, rng):
    """A map twice as loud gives the same addition."""
    network = transformer(code, rng, 8, 2, 5)
    x, context = 1000 * cases.normal((1, 8, 3, 4), rng), cases.normal((1, 3, 5), rng)
    rows = torch.cat([x, 2 * x])
    added = (answer(network, rows, context.expand(2, -1, -1)) - rows).detach()
    why = "the block begins with a norm: what it adds does not depend on how loud x is"
    same = float((added[1] - added[0]).abs().max()) <= 1e-3 * float(added[0].abs().max())
    expect.holds(same, why, got="an addition that grows with x", want="the same addition")


def test_SpatialTransformer_is_as_wide_as_it_is_told(code):
    """More channels and wider words are more parameters."""
    first, words, wide = (made(code, "SpatialTransformer", *sizes) for sizes in ((8, 2, 5), (8, 2, 6), (16, 2, 6)))
    grows("wider is more parameters", first, wider_words=words, more_channels=wide)


def test_SpatialTransformer_has_as_many_heads_as_it_is_told(code, rng):
    """The same weights in more heads are another network."""
    one, other = (transformer(code, rng, 16, heads, 5) for heads in (2, 4))
    x, context = cases.normal((2, 16, 2, 3), rng), cases.normal((2, 3, 5), rng)
    why = "heads is for both attentions: each head weighs places and tokens in its own way"
    heads_count(one, other, lambda network: answer(network, x, context), why)


def test_SpatialTransformer_treats_each_sample_by_itself_in_training_too(code, rng):
    """No batch norm, no dropout, no attention across the batch."""
    network = awake(made(code, "SpatialTransformer", 8, 2, 5), rng)
    batches = [{"x": cases.normal((4, 8, 2, 2), rng), "context": cases.normal((4, 4, 5), rng)} for _ in range(2)]
    alone(lambda *inputs: answer(network, *inputs), network, *batches)


def test_SpatialTransformer_lets_gradients_through_to_all_that_matters(code, rng):
    """The map, the context and every weight can learn."""
    network = transformer(code, rng, 8, 2, 5)
    x, context = cases.normal((2, 8, 2, 3), rng).requires_grad_(), cases.normal((2, 3, 5), rng).requires_grad_()
    honest_slopes(lambda: answer(network, x, context), network, rng, x=x, context=context)


def test_SpatialTransformer_is_alive_after_an_update(code, rng):
    """Its last map may start at zero, but not so that it stays there."""
    network = made(code, "SpatialTransformer", 8, 2, 5).double().train()
    x, context, target, another = (cases.normal(of, rng) for of in ((2, 8, 3, 3), (2, 3, 5), (2, 8, 3, 3), (2, 3, 5)))
    teacher = Adam(network, 1e-2)
    for _ in range(3):
        teacher.step((answer(network, x, context) - target).square().mean())
    got = answer(network, torch.cat([x, x]), torch.cat([context, another])).detach()
    why = (
        "a zero behind a zero never gets a gradient: after three updates x is changed, and the context has a say in it"
    )
    expect.holds(unlike(got[:2], x), why, got="still x itself", want="x and something added")
    expect.holds(unlike(got[:2], got[2:]), why, got="the same for every context", want="another answer")


def test_SpatialTransformer_keeps_all_that_it_is_in_parameters_and_buffers(code, rng):
    """A copy with the same state answers the same."""
    one, other = (transformer(code, rng, 8, 2, 5) for _ in range(2))
    x, context = cases.normal((2, 8, 2, 3), rng), cases.normal((2, 3, 5), rng)
    twins_agree(one, other, lambda network: answer(network, x, context))
