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
    leaves_alone,
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
            if float((got.detach() - x).abs().max()) > 1e-6 * float(x.abs().max()):
                expect.holds(False, why, got=awry(network.double(), dim, rng), want="x itself")


def awry(network: nn.Module, dim: int, rng: Generator) -> list[str]:
    """What a new block does to its tokens, in words."""
    x, c = 1000 * cases.normal((1, 3, dim), rng), cases.normal((1, dim), rng)
    got = answer(network, torch.cat([x, 3 * x, x]), torch.cat([c, c, -2 * c])).detach()
    if float(got[0].abs().max()) < 1e-6:
        opened = answer(awake(network, rng), 1e6 * x, c).detach()
        return ["zeros", "x behind a gate"] if float(opened.abs().max()) > 1e4 else ["zeros"]
    if float((got[0] - got[1]).abs().max()) < 1e-4 * float(got[0].abs().max()):
        return ["tokens of another size, normalised"]
    of_the_condition = ["by the condition"] if unlike(got[0], got[2]) else []
    return [
        "changed tokens",
        *of_the_condition,
        *(f"without {what}" for what in idle(dim, rng, network)[:2] if what in ("attention", "an MLP")),
    ]


def test_DiTBlock_leaves_its_arguments_alone_once_its_gates_are_open(code, rng):
    """Tokens and condition are as they were: what is added to x is no change of x."""
    network = block(code, rng, 8, 2)
    x, c = cases.normal((3, 4, 8), rng), cases.normal((3, 8), rng)
    leaves_alone(lambda *inputs: answer(network, *inputs), network, KEEP, x=x, c=c)


def test_DiTBlock_is_alive_after_one_update(code, rng):
    """One step of training opens the gates: the block moves its tokens, and the condition says how."""
    network = made(code, "DiTBlock", 8, 2).double().train()
    x, c, target = (cases.normal(shape, rng) for shape in ((4, 5, 8), (4, 8), (4, 5, 8)))
    Adam(network, 1e-2).step((answer(network, x, c) - target).square().mean())
    after = answer(network, torch.cat([x, x]), torch.cat([c, c.flip(0)])).detach()
    why = "if the gates and what they gate were zero both, neither would ever get a gradient"
    expect.holds(unlike(after[:4], x), why, got="still the identity", want="tokens that move")
    added = (after[:4] - x).detach()
    why = "the norm times 1 + scale goes in, not the norm times scale, which is nothing at first"
    expect.holds(unlike(added, added[:, :1].expand(added.shape)), why, got="the same addition for every token", want="one that depends on the token")  # fmt: skip
    why = "the gates come from the condition: another condition opens them otherwise"
    expect.holds(unlike(after[:4], after[4:]), why, got="the same answer for every condition", want="another answer")


def test_DiTBlock_answers_to_the_condition_of_each_sample(code, rng):
    """Another condition gives another answer, each sample has its own, and each number of it counts."""
    network = block(code, rng, 8, 2)
    x, c = cases.normal((1, 4, 8), rng), cases.normal((1, 8), rng)
    # Each number is tried well above zero and well below: a ReLU before the map of the condition hears one side
    many, of = c.repeat(17, 1), torch.arange(8)
    many[1 + of, of], many[9 + of, of] = 2.0, -2.0
    whole = answer(network, x.expand(17, 4, 8), many).detach()
    deaf = [f"c[{k}]" for k in range(8) if not unlike(whole[0], whole[1 + k]) and not unlike(whole[0], whole[9 + k])]
    if deaf:
        ends = torch.cat([many[1:2], c.expand(7, 8), many[2:3]])  # the first and the last sample's are others
        by_others = answer(network, x.expand(9, 4, 8), ends).detach()
        back = answer(network, x.expand(9, 4, 8), torch.cat([c.expand(8, 8), many[2:3]])).detach()
        deaf += ["moved by another sample's"] * unlike(by_others[4], whole[0])
        deaf += ["moved by the last sample's"] * unlike(back[4], whole[0])
    expect.holds(not deaf, "every number of a sample's condition has a say", got=["deaf to", *deaf], want="other answers", told=f"deaf to: {', '.join(deaf)}")  # fmt: skip
    back = answer(network, x.expand(17, 4, 8), many.flip(0)).detach().flip(0)
    alike(back, whole, "each sample has its own condition", "an answer to another sample's condition")


def added_to(x: Tensor, got: Tensor) -> Tensor | None:
    """What was added to huge tokens; None if they were not handed on, which the check of a new block says."""
    added = (got - x).detach()
    return added if float(added.norm()) < 1e-3 * float(x.norm()) else None


def test_DiTBlock_modulates_the_tokens_before_attention_and_the_mlp(code, rng):
    """Shift and scale come from the condition as well as the gates: more than a volume is turned."""
    network = block(code, rng, 8, 2)
    size = 1e7
    # Seen through a norm, a huge token is as good as one of ordinary size, and what is added to it on the way is nothing
    x = cases.normal((12, 1, 1, 8), rng).expand(12, 12, 1, 8).reshape(144, 1, 8)
    c = cases.normal((1, 12, 8), rng).expand(12, 12, 8).reshape(144, 8)
    added = added_to(size * x, answer(network, size * x, c))
    if added is None:
        return
    added = added[:, 0].reshape(12, 12, 8)
    # With gates alone it is gate₁(c) f(x) + gate₂(c) g(x) in each number: a matrix over x and c of rank 2
    ranks = []
    for matrix in added.unbind(2):
        sizes = torch.linalg.svdvals(matrix)
        ranks.append(int((sizes > 1e-4 * sizes[0]).sum()))
    why = "adaLN: the norm is followed by modulate, x (1 + scale) + shift, with both from the condition"
    expect.holds(
        max(ranks) > 2,
        why,
        got=max(ranks),
        want="more than the 2 ways in which gates alone can change it",
        told=f"an answer that the condition changes in {max(ranks)} ways",
    )


def test_DiTBlock_sees_the_tokens_through_norms(code, rng):
    """Tokens twice as large get the same addition, of attention and of the MLP."""
    network = block(code, rng, 8, 2)
    x, c = 1e7 * cases.normal((1, 4, 8), rng), cases.normal((1, 8), rng)  # huge: what is added on the way is nothing
    rows = x.repeat(3, 1, 1)
    rows[1, 0] *= 2
    rows[2, 1:] *= 2
    added = (answer(network, rows, c.expand(3, -1)) - rows).detach()[:, 0]
    own, others = ((added[k] - added[0]).abs().max() > 1e-3 * added[0].abs().max() for k in (1, 2))
    bare = ["attention"] if others else ["the MLP"] if own else []
    why = "a norm stands before attention and before the MLP: what they add does not depend on the size of the tokens"
    expect.holds(not bare, why, got=["no norm before", *bare], want="the same addition", told=f"an addition of {''.join(bare)} that grows with the tokens")  # fmt: skip


def test_DiTBlock_has_an_mlp_that_bends(code, rng):
    """What the MLP makes of a token is no straight line."""
    network, c = block(code, rng, 8, 2), cases.normal((1, 8), rng)
    # A huge token stays what it is on the way, and on a circle around the mean of its numbers a norm leaves it there.
    # Alone it attends to itself: all straight lines cancel between opposite points
    x = 1e7 * circle(8, rng)[:, None]
    added = added_to(x, answer(network, x, c.expand(4, 8)))
    if added is None:
        return
    added = added[:, 0]
    bend = added[0] + added[2] - added[1] - added[3]
    why = "two linear maps in a row are one: between them stands what bends, such as a GELU"
    straight = float(bend.norm()) < 1e-4 * float((added[0] - added[2]).norm())
    expect.holds(not straight, why, got="a straight line", want="an MLP with a nonlinearity")


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
    expect.holds(
        not blind, why, got=["blind", *blind[:6]], want="every answer moves", told=f"blind: {', '.join(blind[:6])}"
    )


def crowd(network: nn.Module, first: Tensor, others: Tensor, c: Tensor, count: int) -> Tensor:
    """What becomes of token `first[i]` among `count` copies of `others[i]`: of its own weight nearly nothing is left."""
    x = torch.cat([first[:, None], others[:, None].expand(-1, count, -1)], dim=1)
    return answer(network, x, c.expand(len(x), -1)).detach()[:, 0]


def circle(dim: int, rng: Generator) -> Tensor:
    """Four tokens at right angles, of one size and around the mean of their numbers: norms leave them on their circle."""
    basis = torch.cat([torch.ones(dim, 1, dtype=torch.float64), cases.normal((dim, 2), rng)], dim=1)
    _, u, w = torch.linalg.qr(basis)[0].mT
    return math.sqrt(dim) * torch.stack([u, w, -u, -w])


def idle(dim: int, rng: Generator, *networks: nn.Module) -> list[str]:
    """Which parts of a block do nothing: a token asks a crowd of equals, and of its own weight nearly nothing is left.

    What a token has of itself in what it asks falls as 1 / count; from two crowds it can be worked out what it gets
    from a crowd without end. What is then left of a part is compared with what changed between the two crowds: in 40
    random networks it was below 0.2 of that for a part that is not there, above 0.7 for one that is, and mostly above 4.
    """
    sizes: dict[str, Tensor] = {}
    for network in networks:
        first, others = _tokens(dim, rng, groups=30)
        c = cases.normal((1, dim), rng)
        near, far = (crowd(network, first, others, c, count) for count in (30, 120))
        change = (far - near).norm(dim=1).unflatten(0, (-1, 6)).amax(dim=1).clamp(min=1e-12)
        parts = _parts(first, far + (far - near) / 3)
        calm = (change / parts["attention"].norm(dim=1).clamp(min=1e-12)).argsort()[:4]  # where a crowd is listened to
        for what, value in parts.items():
            sizes[what] = sizes.get(what, 0) + (value.norm(dim=1) / change)[calm].clamp(min=1e-9).log().mean()
    return [what for what, size in sizes.items() if float(size) / len(networks) < math.log(0.4)]


def _tokens(dim: int, rng: Generator, groups: int) -> tuple[Tensor, Tensor]:
    """Groups of six: a token before four crowds on a circle, and another one before the first two of them."""
    first, others = [], []
    for _ in range(groups):
        a1, a2 = cases.normal((2, dim), rng)
        first.append(torch.stack([a1, a1, a1, a1, a2, a2]))
        around = circle(dim, rng)
        others.append(torch.cat([around, around[:2]]))
    return torch.cat(first), torch.cat(others)


def _parts(first: Tensor, after: Tensor) -> dict[str, Tensor]:
    """What is there if there is attention, an MLP, and each works on what the other left: from groups of six tokens."""
    before, token = first.unflatten(0, (-1, 6)).unbind(1), after.unflatten(0, (-1, 6)).unbind(1)
    return {
        "attention": token[0] - token[1],
        "an MLP": token[0] - token[4] - (before[0] - before[4]),
        "an MLP that sees what attention left": token[0] - token[1] - token[4] + token[5],
        "attention to what an MLP has left": token[0] - token[1] + token[2] - token[3],
    }


def test_DiTBlock_puts_attention_first_and_then_the_mlp_on_what_it_left(code, rng):
    """A token asks a crowd of equals and gets what they have; then the MLP works on the sum of both."""
    # Moved less than elsewhere, so that no token's own weight is that of a crowd
    networks = [awake(made(code, "DiTBlock", 8, 2), rng, size=0.6).eval() for _ in range(2)]
    missing = idle(8, rng, *networks)
    fine = not set(missing) & {"attention", "an MLP", "an MLP that sees what attention left"}
    got = ["without", *missing]
    expect.holds(fine, ORDER, got=got, want="attention, and then an MLP that sees what it left")
    got = "an answer without what attention adds, but for the MLP's view of it"
    expect.holds(any(handed_on(network, rng) for network in networks), ORDER, got=got, want="x and both parts")


def handed_on(network: nn.Module, rng: Generator) -> bool:
    """Whether what attention adds is a part of the answer.

    Of a huge token the MLP, behind its norm, does not see what was added: what then moves with the others came past it.
    """
    asks, others = 1e7 * cases.normal((6, 1, 8), rng), 1e7 * cases.normal((12, 5, 8), rng)
    x, c = torch.cat([asks.repeat(2, 1, 1), others], dim=1), cases.normal((1, 8), rng).expand(12, 8)
    added = added_to(x, answer(network, x, c))
    if added is None:  # which is another check's
        return True
    one, other = added[:, 0].unflatten(0, (2, 6))
    return float((one - other).norm()) > 1e-4 * float(one.norm())


def ways(network: nn.Module, dim: int, rng: Generator) -> int:
    """In how many directions the answer of a token moves with the shares of three kinds of others; 0 if it was lost."""
    counts = [(k, l, 8 - k - l) for k in range(9) for l in range(9 - k)]
    asks, *kinds = 1e7 * cases.normal((4, dim), rng)  # huge: the MLP sees the token that asks, and not what was added
    crowds = [torch.cat([kind.expand(n, dim) for kind, n in zip(kinds, row, strict=True)]) for row in counts]
    x = torch.cat([asks.expand(len(counts), 1, dim), torch.stack(crowds)], dim=1)
    c = cases.normal((1, dim), rng).expand(len(x), dim)
    added, louder = (added_to(size * x, answer(network, size * x, c)) for size in (1, 2))
    if added is None or louder is None or float((louder - added).norm()) > 1e-3 * float(added.norm()):
        return 0  # nor where tokens are not seen through norms, which is another check's
    sizes = torch.linalg.svdvals(added[:, 0] - added[:, 0].mean(dim=0))
    if float(sizes[0]) < 1e-4 * float(added[:, 0].norm()):
        return 0  # nor where what attention adds is not handed on
    return int((sizes > 1e-6 * sizes[0]).sum())


def test_DiTBlock_has_as_many_heads_as_it_is_told(code, rng):
    """Each head weighs the others in its own way: between three kinds of them its answer goes in two directions.

    A norm behind attention divides by the size of the whole, and makes one more of all of them together.
    """
    for dim, heads in ((12, 1), (12, 3)):
        # A network that listens to one kind alone hides what it has: the better of two counts
        networks = (awake(made(code, "DiTBlock", dim, heads), rng, size=0.5).eval() for _ in range(2))
        found = max(ways(network, dim, rng) for network in networks)
        why = f"with {heads} heads the shares of the others are weighed in {heads} ways, of two directions each"
        if found > 0:
            got = f"{found // 2} heads" if found % 2 == 0 else "heads that cannot be counted"
            expect.holds(found // 2 == heads, why, got=got, want=f"{heads} heads")


def test_DiTBlock_is_as_wide_inside_as_it_is_told(code):
    """mlp_ratio says how wide the MLP is, 4 times the tokens by default."""
    one, half_more, two, four = (made(code, "DiTBlock", 8, 2, ratio) for ratio in (1.0, 1.5, 2.0, 4.0))
    why = "the MLP is mlp_ratio times as wide as the tokens: more of it are more parameters"
    grows(why, one, a_ratio_of_1_and_a_half=half_more, a_ratio_of_2=two, a_ratio_of_4=four)
    by_default(made(code, "DiTBlock", 8, 2), four, "by default mlp_ratio is 4")


def test_DiTBlock_treats_each_sample_by_itself_in_training_too(code, rng):
    """No attention across the batch, no dropout."""
    network = awake(made(code, "DiTBlock", 8, 2), rng)
    batches = [{"x": cases.normal((4, 4, 8), rng), "c": cases.normal((4, 8), rng)} for _ in range(2)]
    alone(lambda *inputs: answer(network, *inputs), network, *batches)


def test_DiTBlock_lets_gradients_through_to_all_that_matters(code, rng):
    """Tokens, condition and every weight can learn."""
    network = block(code, rng, 8, 2)
    x, c = cases.normal((2, 3, 8), rng).requires_grad_(), cases.normal((2, 8), rng).requires_grad_()
    honest_slopes(lambda: answer(network, x, c), network, rng, x=x, c=c)


def test_DiTBlock_has_a_use_for_all_that_it_makes_of_the_condition(code, rng):
    """Two shifts, two scales and two gates: no row of a map is without a gradient."""
    network = block(code, rng, 8, 2)
    x, c = cases.normal((32, 4, 8), rng), cases.normal((32, 8), rng)
    got = answer(network, x, c)
    pull = torch.randn(got.shape, dtype=torch.float64, generator=rng)
    maps = [weight for weight in network.parameters() if weight.requires_grad and weight.ndim == 2]
    found = torch.autograd.grad((got * pull).sum(), maps, allow_unused=True)
    # A vector of the condition is 8 rows; a ReLU may put a row or two to sleep
    unused = sum(int((grad == 0).all(dim=1).sum()) // 8 for grad in found if grad is not None)
    why = "attention has a shift, a scale and a gate, and the MLP has its own three: six vectors, all of which are used"
    expect.holds(unused == 0, why, got=unused, want="a use for each of six vectors", told=f"{unused} of the vectors without any use")  # fmt: skip


def test_DiTBlock_keeps_all_that_it_is_in_parameters_and_buffers(code, rng):
    """A copy with the same state answers the same."""
    one, other = (block(code, rng, 8, 2) for _ in range(2))
    x, c = cases.normal((2, 3, 8), rng), cases.normal((2, 8), rng)
    twins_agree(one, other, lambda network: answer(network, x, c))
