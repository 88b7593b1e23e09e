"""The checks of DiTBlock."""

import math

import torch
from torch import Generator, Tensor, nn

from exercises.checks import cases, expect
from exercises.checks.s7_latent_diffusion.networks import (
    Adam,
    alike,
    alone,
    answer,
    awake,
    by_default,
    grows,
    honest_slopes,
    made,
    twins_agree,
    unlike,
)
from exercises.checks.s7_latent_diffusion.rules import KEEP

ORDER = "x ← x + gate₁ Attention(...), and then x ← x + gate₂ MLP(...), which sees what attention has left"


def block(code, rng: Generator, *args) -> nn.Module:
    return awake(made(code, "DiTBlock", *args), rng).eval()


def test_DiTBlock_is_the_identity_at_initialisation(code, rng):
    """A new block hands on its tokens as they are, whatever the condition, in their shape and dtype."""
    for dim, heads, rest, tokens in ((8, 2, (), 5), (12, 3, (2.0,), 1), (16, 1, (1.5,), 4), (4, 4, (3,), 4)):
        network = made(code, "DiTBlock", dim, heads, *rest)
        for dtype in (torch.float32, torch.float64):
            network.to(dtype)
            x, c = (3 * cases.normal(shape, rng).to(dtype) for shape in ((4, tokens, dim), (4, dim)))
            got = expect.untouched(lambda *inputs, network=network: answer(network, *inputs), KEEP, x=x, c=c)
            why = "the gates are zero at first, weight and bias of their map: the block is the identity"
            moved = float((got.detach() - x).abs().max()) > 1e-6 * float(x.abs().max())
            expect.holds(not moved, why, got="a new block that changes its tokens", want="x itself")


def test_DiTBlock_is_alive_after_one_update(code, rng):
    """One step of training opens the gates: the block moves its tokens, and the condition says how."""
    network = made(code, "DiTBlock", 8, 2).double().train()
    x, c, target = (cases.normal(shape, rng) for shape in ((4, 5, 8), (4, 8), (4, 5, 8)))
    Adam(network, 1e-2).step((answer(network, x, c) - target).square().mean())
    after = answer(network, torch.cat([x, x]), torch.cat([c, c.flip(0)])).detach()
    why = "if the gates and what they gate were zero both, neither would ever get a gradient"
    expect.holds(unlike(after[:4], x), why, got="still the identity", want="tokens that move")
    why = "the gates come from the condition: another condition opens them otherwise"
    expect.holds(unlike(after[:4], after[4:]), why, got="the same answer for every condition", want="another answer")


def test_DiTBlock_answers_to_the_condition_of_each_sample(code, rng):
    """Another condition gives another answer, each sample has its own, and each number of it counts."""
    network = block(code, rng, 8, 2)
    x, c = cases.normal((1, 4, 8), rng), cases.normal((1, 8), rng)
    many = c + torch.cat([torch.zeros(1, 8, dtype=torch.float64), torch.eye(8, dtype=torch.float64)])
    whole = answer(network, x.expand(9, 4, 8), many).detach()
    deaf = [f"c[{k}]" for k in range(8) if not unlike(whole[0], whole[1 + k])]
    expect.holds(not deaf, "every number of the condition has a say", got=["deaf to", *deaf], want="other answers")
    back = answer(network, x.expand(9, 4, 8), many.flip(0)).detach().flip(0)
    alike(back, whole, "each sample has its own condition", "an answer to another sample's condition")


def test_DiTBlock_modulates_the_tokens_before_attention_and_the_mlp(code, rng):
    """Shift and scale come from the condition as well as the gates: more than a volume is turned."""
    network = block(code, rng, 8, 2)
    size = 1e6
    # Seen through a norm, a huge token is as good as one of ordinary size, and what is added to it on the way is nothing
    x = cases.normal((12, 1, 1, 8), rng).expand(12, 12, 1, 8).reshape(144, 1, 8)
    c = cases.normal((1, 12, 8), rng).expand(12, 12, 8).reshape(144, 8)
    added = (answer(network, size * x, c) - size * x).detach()[:, 0].reshape(12, 12, 8)
    # With gates alone it is gate₁(c) f(x) + gate₂(c) g(x) in each number: a matrix over x and c of rank 2
    ranks = []
    for matrix in added.unbind(2):
        sizes = torch.linalg.svdvals(matrix)
        ranks.append(int((sizes > 1e-6 * sizes[0]).sum()))
    why = "adaLN: the norm is followed by modulate, x (1 + scale) + shift, with both from the condition"
    expect.holds(max(ranks) > 2, why, got=max(ranks), want="more than the 2 ways in which gates alone can change it")


def test_DiTBlock_does_not_mind_the_order_of_tokens_and_lets_each_see_the_others(code, rng):
    """Tokens in another order give the answers in that order; move one, and all answers move."""
    network = block(code, rng, 8, 2)
    x, c = cases.normal((1, 5, 8), rng), cases.normal((1, 8), rng)
    order = torch.tensor([2, 4, 1, 0, 3])
    moved = x.repeat(5, 1, 1)
    for token in range(5):
        moved[token, token] = cases.normal((8,), rng)
    whole = answer(network, torch.cat([x, x[:, order], moved]), c.expand(7, 8)).detach()
    why = "a block does not know where a token stands: in another order the answers come in that order"
    alike(whole[1], whole[0, order], why, "answers that depend on the order")
    seen = (whole[2:] - whole[:1]).abs().amax(dim=2) > 1e-9
    why = "attention lets every token see every other"
    blind = [f"token {seer} to token {token}" for token in range(5) for seer in range(5) if not seen[token, seer]]
    expect.holds(not blind, why, got=["blind", *blind[:6]], want="every answer moves")


def crowd(network: nn.Module, first: Tensor, others: Tensor, c: Tensor, count: int) -> Tensor:
    """What becomes of token `first[i]` among `count` copies of `others[i]`: of its own weight nearly nothing is left."""
    x = torch.cat([first[:, None], others[:, None].expand(-1, count, -1)], dim=1)
    return answer(network, x, c.expand(len(x), -1)).detach()[:, 0]


def test_DiTBlock_puts_attention_first_and_then_the_mlp_on_what_it_left(code, rng):
    """A token asks a crowd of equals and gets what they have; then the MLP works on the sum of both."""
    dim = 8
    network, c = block(code, rng, dim, 2), cases.normal((1, dim), rng)
    a1, a2 = cases.normal((2, dim), rng)
    u, w = torch.linalg.qr(torch.cat([torch.ones(dim, 1, dtype=torch.float64), cases.normal((dim, 2), rng)], 1))[0].mT[
        1:
    ]
    around = math.sqrt(dim) * torch.stack(
        [u, w, -u, -w]
    )  # all of one size, and around the mean: norms leave the circle
    first, others = torch.stack([a1, a1, a1, a1, a2, a2]), torch.cat([around, around[:2]])
    far = []
    for count in (60, 240):
        token = crowd(network, first, others, c, count)
        far.append(
            {
                "a token that nothing comes to from the others": token[0] - token[1],
                "a token on which nothing works but attention": token[0] - token[4] - (a1 - a2),
                "an MLP that does not see what attention left": token[0] - token[1] - token[4] + token[5],
                "others whose parts are added up": token[0] - token[1] + token[2] - token[3],
            }
        )
    # What a token has of itself in what it asks falls as 1 / count; all that is left at 240 but not a quarter is real
    missing = [
        what
        for what, value in far[1].items()
        if float(value.norm()) < max(0.5 * float(far[0][what].norm()), 1e-9 * float(a1.norm()))
    ]
    missing = missing if missing != ["others whose parts are added up"] else []
    expect.holds(not missing, ORDER, got=missing, want="attention, and then an MLP that sees what it left")


def test_DiTBlock_is_as_wide_inside_as_it_is_told(code):
    """mlp_ratio says how wide the MLP is, 4 times the tokens by default."""
    one, half_more, two, four = (made(code, "DiTBlock", 8, 2, ratio) for ratio in (1.0, 1.5, 2.0, 4.0))
    why = "the MLP is mlp_ratio times as wide as the tokens: more of it are more parameters"
    grows(why, one, a_ratio_of_1_and_a_half=half_more, a_ratio_of_2=two, a_ratio_of_4=four)
    by_default(made(code, "DiTBlock", 8, 2), four, "by default mlp_ratio is 4")


def test_DiTBlock_treats_each_sample_by_itself_in_training_too(code, rng):
    """No attention across the batch, no dropout."""
    network = awake(made(code, "DiTBlock", 8, 2), rng)
    batches = [[cases.normal((4, 4, 8), rng), cases.normal((4, 8), rng)] for _ in range(2)]
    alone(lambda *inputs: answer(network, *inputs), network, *batches)


def test_DiTBlock_lets_gradients_through_to_all_that_matters(code, rng):
    """Tokens, condition and every weight can learn."""
    network = block(code, rng, 8, 2)
    x, c = cases.normal((2, 3, 8), rng).requires_grad_(), cases.normal((2, 8), rng).requires_grad_()
    honest_slopes(lambda: answer(network, x, c), network, rng, x=x, c=c)


def test_DiTBlock_keeps_all_that_it_is_in_parameters_and_buffers(code, rng):
    """A copy with the same state answers the same."""
    one, other = (block(code, rng, 8, 2) for _ in range(2))
    x, c = cases.normal((2, 3, 8), rng), cases.normal((2, 8), rng)
    twins_agree(one, other, lambda network: answer(network, x, c))
