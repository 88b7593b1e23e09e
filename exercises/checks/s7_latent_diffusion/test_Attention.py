"""The checks of Attention: what holds of every attention, however its queries, keys and values are made."""

import math

import torch
from torch import Generator, Tensor, nn

from exercises.checks import cases, expect
from exercises.checks.s7_latent_diffusion.evidence import refused
from exercises.checks.s7_latent_diffusion.networks import (
    alike,
    alone,
    answer,
    awake,
    grows,
    honest_slopes,
    made,
    trained,
    twins_agree,
    unlike,
)
from exercises.checks.s7_latent_diffusion.rules import KEEP

WEIGHTS = "a query's weights are positive and add up to 1, over the tokens that it asks"


SMALL = 0.002
"""So small a product of queries and keys that a softmax of it is a straight line, whatever it is divided or multiplied by."""


def attention(code, rng: Generator, *args) -> nn.Module:
    return awake(made(code, "Attention", *args), rng).eval()


def test_Attention_gives_back_xs_shape_with_and_without_a_context(code, rng):
    """Self- and cross-attention of any size, in float32 and float64, leave x's shape and dtype."""
    for dim, heads, context_dim, tokens, others in (
        (8, 2, None, 5, 0),
        (6, 1, 4, 3, 5),
        (12, 12, 12, 1, 2),
        (4, 2, 10, 7, 1),
    ):
        network = made(code, "Attention", dim, heads, context_dim).eval()
        for dtype in (torch.float32, torch.float64):
            network.to(dtype)
            given = {"x": cases.normal((3, tokens, dim), rng).to(dtype)}
            if context_dim is not None:
                given["context"] = cases.normal((3, others, context_dim), rng).to(dtype)
            expect.untouched(lambda *inputs, network=network: answer(network, *inputs), KEEP, **given)
    x, context = cases.normal((2, 3, 4), rng), cases.normal((2, 5, 10), rng)
    got = network(x, context=context)
    why = "context is an argument of forward, by name too"
    alike(got, answer(network, x, context), why, "another answer by name")


def test_Attention_refuses_heads_that_do_not_divide_dim(code):
    """Each head has dim / heads numbers, and where that is no whole number, ValueError is raised."""
    calls = {
        f"{dim} numbers in {heads} heads": lambda a=(dim, heads, context_dim): code.Attention(*a)
        for dim, heads, context_dim in ((6, 4, None), (8, 3, None), (5, 2, 4), (4, 8, 8))
    }
    refused("dim numbers that cannot be shared out to the heads raise ValueError", **calls)


def test_Attention_lets_every_token_see_every_other_and_itself(code, rng):
    """Move one token, or one token of the context, and every token's answer moves."""
    why = "each token asks all tokens of its sample, itself too, before it and behind it"
    for context_dim in (None, 8, 6):
        network = attention(code, rng, 8, 2, context_dim)
        # Small, so that no softmax is so sharp that a weight is lost, where maps start with numbers of the size of 1
        x, context = (0.3 * cases.normal(of, rng) for of in ((1, 4, 8), (1, 3, context_dim or 8)))
        moved = x if context_dim is None else context
        count = moved.shape[1]
        rows = moved.repeat(count + 1, 1, 1)
        for token in range(count):
            rows[1 + token, token] = 0.3 * cases.normal(moved.shape[-1:], rng)
        inputs = [rows] if context_dim is None else [x.repeat(count + 1, 1, 1), rows]
        whole = answer(network, *inputs).detach()
        blind = [
            f"token {seer} to token {token}{'' if context_dim is None else ' of the context'}"
            for token in range(count)
            for seer in range(4)
            if float((whole[1 + token, seer] - whole[0, seer]).abs().max()) < 1e-9
        ]
        head = "blind" if context_dim is None else "blind to the context"
        expect.holds(
            not blind, why, got=[head, *blind[:6]], want="every answer moves", told=f"blind: {', '.join(blind[:6])}"
        )


def test_Attention_does_not_mind_the_order_of_tokens(code, rng):
    """Tokens in another order give the answers in that order; a context in another order gives the same answers."""
    network, x = attention(code, rng, 8, 2), cases.normal((2, 6, 8), rng)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    whole = answer(network, torch.cat([x, x[:, order]]))
    why = "tokens in another order give the answers in that order"
    alike(whole[2:], whole[:2, order], why, "self-attention that depends on the order")
    network, context = attention(code, rng, 8, 4, 6), cases.normal((2, 6, 6), rng)
    whole = answer(network, torch.cat([x, x, x[:, order]]), torch.cat([context, context[:, order], context]))
    why = "the order of the context's tokens does not matter"
    alike(whole[2:4], whole[:2], why, "cross-attention that depends on the context's order")
    why = "in cross-attention too, x in another order gives the answers in that order"
    alike(whole[4:], whole[:2, order], why, "cross-attention that depends on the order of x")


def test_Attention_weighs_the_tokens_that_it_asks_by_weights_that_add_up_to_one(code, rng):
    """Every token twice is the same mixture; one token alone is taken as it is, whoever asks."""
    network, x = attention(code, rng, 8, 2), cases.normal((2, 5, 8), rng)
    twice = answer(network, torch.cat([x, x], dim=1))[:, :5]
    alike(twice, answer(network, x), "each token twice: " + WEIGHTS, "another mixture where each token is there twice")
    network, context = attention(code, rng, 8, 2, 6), cases.normal((2, 3, 6), rng)
    twice = answer(network, x, torch.cat([context, context], dim=1))
    alike(twice, answer(network, x, context), "a context said twice: " + WEIGHTS, "another mixture of a context said twice")  # fmt: skip
    often = answer(network, x, context.repeat(1, 40, 1))
    alike(often, answer(network, x, context), "a context said 40 times: " + WEIGHTS, "another mixture of a long context")  # fmt: skip
    padded = network(x, torch.cat([context, 0 * context[:, :1]], dim=1))
    expect.tensor(padded, "the answer has x's shape and dtype", shape=x.shape, dtype=x.dtype)
    why = "a token of zeros is a token, and has a weight: nothing tells attention that it should not count"
    if bool(torch.isfinite(padded).all()):  # keys that are normalised need not have a guard for it
        expect.holds(
            unlike(padded, answer(network, x, context)), why, got="a token of zeros left out", want="its share"
        )
    for width in (6, 8):
        network, context = attention(code, rng, 8, 2, width), cases.normal((2, 1, width), rng)
        single = answer(network, x, context)
        why = "a context of one token is taken whole, whoever asks: nothing of x itself is in the answer, " + WEIGHTS
        alike(single, single[:, :1].expand(single.shape), why, "an answer to one token that depends on who asks")


def test_Attention_adds_nothing_of_its_own(code, rng):
    """With all its maps next to zero nothing of x comes through: the residual is the block's business."""
    network = made(code, "Attention", 8, 2).double().eval()
    with torch.no_grad():
        for parameter in trained(network):
            if parameter.ndim > 1:
                parameter.mul_(1e-6)  # and not zero: some divide by the size of a map, or of what it gives
    got = answer(network, cases.normal((2, 4, 8), rng)).detach()
    why = "attention gives what it has collected; x is added by the block around it"
    same = float((got - got[:1, :1]).abs().max()) < 1e-3
    expect.holds(same, why, got="x, or a part of it", want="the same for all")


def test_Attention_treats_each_query_by_itself(code, rng):
    """In cross-attention a token asks the context, and what the other tokens ask is nothing to it."""
    network, x, context = attention(code, rng, 8, 2, 6), cases.normal((2, 5, 8), rng), cases.normal((2, 3, 6), rng)
    asking = answer(network, x[:, 1:2], context)
    why = "the softmax is over the tokens that are asked, not over those that ask"
    alike(asking, answer(network, x, context)[:, 1:2], why, "an answer that depends on who else asks")


def test_Attention_lets_a_third_token_take_from_two_others_alike(code, rng):
    """The odds between two tokens are the same, whether or not a third one is there: that is a softmax of scores."""
    network, count = attention(code, rng, 8, 1, 5), 6
    x, context = 0.3 * cases.normal((1, count, 8), rng), cases.normal((1, 3, 5), rng)
    repeated = [context[:, [k, k, k]] for k in range(3)]
    whole = answer(network, x.expand(5, -1, -1), torch.cat([context, context[:, [0, 1, 0]], *repeated])).detach()
    values = whole[2:, 0]  # what each token says, whoever asks
    among_three = torch.linalg.lstsq(values.mT, whole[0].mT).solution
    among_two = torch.linalg.lstsq(values[:2].mT, whole[1].mT).solution  # the first one twice
    odds, twice = among_three[0] / among_three[1], among_two[0] / among_two[1]
    why = "a weight is exp(score) over the sum: the odds of two tokens are exp of the difference of their scores"
    same = torch.allclose(2 * odds, twice, rtol=1e-3, atol=1e-9)
    expect.holds(same, why, got="odds that depend on a third token", want="the same odds")


def shares(network: nn.Module, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
    """For contexts of two tokens (B, 2, E): how far the mixture leans from the middle (B, N, D), and the way between (B, D)."""
    count = len(x)
    pairs = torch.cat([context, context[:, :1].expand(context.shape), context[:, 1:].expand(context.shape)])
    whole = answer(network, x.repeat(3, 1, 1), pairs).detach()
    mixed, first, second = whole[:count], whole[count : 2 * count, 0], whole[2 * count :, 0]
    return mixed - ((first + second) / 2)[:, None], first - second


def test_Attention_has_as_many_heads_as_it_is_told(code, rng):
    """Each head has weights of its own: between two tokens there are as many mixtures as heads."""
    for dim, heads in ((12, 1), (12, 3), (12, 4), (16, 2)):
        network = attention(code, rng, dim, heads, 5)
        leans, _ = shares(network, 2 * cases.normal((1, 40, dim), rng), cases.normal((1, 2, 5), rng))
        sizes = torch.linalg.svdvals(leans[0] - leans[0].mean(dim=0))
        found = int((sizes > 1e-5 * max(float(sizes[0]), 1e-3)).sum())
        why = f"{heads} heads weigh two tokens in {heads} ways, each by its own queries: so many directions has the answer"
        expect.equal(found, heads, why)


def test_Attention_mixes_its_heads_with_a_last_map(code, rng):
    """What the heads have collected lies side by side, and a linear map makes each number of the answer of all of them."""
    network = attention(code, rng, 12, 3, 5)
    leans, way = shares(network, 2 * cases.normal((1, 40, 12), rng), cases.normal((1, 2, 5), rng))
    # How far each number goes from one token's answer to the other's: what one head gave alone is the same in all its numbers
    portions = (leans[0] / way[0]).mT
    same = sum(not unlike(one, other) for k, one in enumerate(portions) for other in portions[:k])
    why = "a last linear map mixes the heads; without it, a number of the answer is of one head, as are its neighbours"
    expect.holds(
        same == 0,
        why,
        got="numbers of one head alone",
        want="numbers of all heads",
        told=f"{same} pairs of numbers in step",
    )


def plain(network: nn.Module, dim: int, rng: Generator) -> bool:
    """Make its four maps random with known entries; False if it has others than the four, and cannot be weighed."""
    weights = [parameter for parameter in trained(network) if parameter.ndim > 1]
    if sum(weight.numel() for weight in weights) != 4 * dim**2:
        return False
    with torch.no_grad():
        for parameter in trained(network):
            if parameter.ndim > 1:
                noise = torch.randn(parameter.shape, dtype=torch.float64, generator=rng)
                parameter.copy_((SMALL / dim) ** 0.5 * noise)
            elif float(parameter.std()) > 0:
                parameter.zero_()
    return True


def test_Attention_divides_by_the_root_of_a_heads_size(code, rng):
    """The products of queries and keys are divided by √d, d = dim / heads, so that they are of the size of 1 for any d."""
    dim, heads = 64, 4
    network = made(code, "Attention", dim, heads, dim).double().eval()
    x, context = cases.normal((60, 8, dim), rng), cases.normal((60, 2, dim), rng)
    if not plain(network, dim, rng):
        return
    # Entries of variance SMALL / dim: q k / √d has variance SMALL² for standard normal tokens, and twice that for the
    # difference of two. A weight leans from ½ by a quarter of it. 60 samples by 8 queries by 4 heads tell it to 10 %.
    found = []
    for stretch in (1.0, 2.0):
        leans, way = shares(network, stretch * x, context)
        found.append(16 * float(leans.square().sum(2).mean() / way.square().sum(1).mean()))
    if not 3 < found[1] / found[0] < 5:
        return  # queries that are normalised do not grow with x, and have a scale of their own
    ratio = math.sqrt(found[0] / (2 * SMALL**2))
    nearest = 2.0 ** round(math.log2(ratio))
    why = "scores are q · k / √d with d = dim / heads: without it the softmax of a wide head sees only the largest"
    expect.holds(
        nearest == 1.0,
        why,
        got=nearest,
        want="1 times the size that the weights give them",
        told=f"scores of about {nearest:g} times the size that the weights give them",
    )


def test_Attention_treats_each_sample_by_itself_in_training_too(code, rng):
    """No attention across the batch, no dropout."""
    for context_dim in (None, 8):
        network = awake(made(code, "Attention", 8, 2, context_dim), rng)
        names = ("x",) if context_dim is None else ("x", "context")
        for tokens in (4, 1):
            batches = [{name: cases.normal((4, tokens, 8), rng) for name in names} for _ in range(2)]
            alone(lambda *inputs, network=network: answer(network, *inputs), network, *batches)


def test_Attention_lets_gradients_through_to_all_that_matters(code, rng):
    """x, context and every weight can learn."""
    for context_dim in (None, 6):
        network = attention(code, rng, 8, 2, context_dim)
        inputs = {"x": cases.normal((2, 3, 8), rng).requires_grad_()}
        if context_dim is not None:
            inputs["context"] = cases.normal((2, 4, 6), rng).requires_grad_()
        honest_slopes(lambda network=network, v=inputs: answer(network, *v.values()), network, rng, **inputs)


def test_Attention_keeps_all_that_it_is_in_parameters_and_buffers(code, rng):
    """A copy with the same state answers the same, and wider is more."""
    one, other = (attention(code, rng, 8, 2, 6) for _ in range(2))
    x, context = cases.normal((2, 3, 8), rng), cases.normal((2, 4, 6), rng)
    twins_agree(one, other, lambda network: answer(network, x, context))
    narrow, wide, wider = (made(code, "Attention", *sizes) for sizes in ((8, 2, 8), (8, 2, 16), (16, 2, 16)))
    grows("a wider context and wider tokens take more parameters", narrow, a_wider_context=wide, wider_tokens=wider)
