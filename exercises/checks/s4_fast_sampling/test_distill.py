"""The checks of distill.

How the errors are weighted is free, and so is whether a batch shares one level or each row has its own; what a check
looks at holds for all of these.
"""

import math
from collections import Counter
from typing import Any

import torch
from torch import Generator, Tensor, nn

from exercises.checks import cases, chance, expect
from exercises.checks.cases import numbers
from exercises.checks.expect import left_alone
from exercises.checks.rules import KEEP
from exercises.checks.s4_fast_sampling.formulas import level, trailing
from exercises.checks.s4_fast_sampling.inputs import table
from exercises.checks.s4_fast_sampling.models import linear, timed
from exercises.checks.s4_fast_sampling.rules import PEOPLE
from exercises.checks.spies import Register, Slopes, Spy

ROWS, BATCH = 40, 32
STEPS, OF_TEACHER = 40, 4
"""40 draws of one of the student's 2 levels miss one of them once in 5e11 runs, and 40 * 32 draws one of 40 rows once in 3e12; 64 draws of one
of 3 levels, where a teacher's 6 steps tell more, once in 6e10, and 120 draws one of 5 once in 8e10."""
OWN = "the student is taught at its own n/2 trailing levels, which are every other one of the teacher's n"
WALK = "the teacher takes two of its steps: it is asked at the student's level t and at its own next level, t_mid"
SHOWN = "each update shows the student batch_size noised rows, in the data's dtype, with int64 levels"
AIM = (
    "the student's x̂_0 = (x_t - √(1-ᾱ) eps) / √ᾱ is drawn to distillation_target over two teacher steps, from its level "
    "to its own next one"
)
FLOATS = "the losses come back as a list of one float an update"


def school(
    code, teacher: Any, student: nn.Module, data: Tensor, n: int, steps: int, rng: Any = None, alpha_bar: Tensor | None = None, **rest
) -> list[float]:  # fmt: skip
    """Distil on `table`, if no other is given; the losses."""
    alpha_bar = table() if alpha_bar is None else alpha_bar
    losses = code.distill(teacher, student, data, alpha_bar, n, steps, generator=rng, **rest)
    return expect.losses(losses, steps, FLOATS)


def far_apart(rng: Generator, *shape: int, rows: int = ROWS) -> Tensor:
    """Data in which row i lies around 1000 (i + 1): a noised row can be told from the others."""
    offset = 1000 * torch.arange(1, rows + 1, dtype=torch.float64)
    return offset.reshape(-1, *[1] * len(shape)) + cases.normal((rows, *shape), rng)


def shown(student: Spy, data: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """All rows that the student saw, (steps * batch, *S), and their levels."""
    for seen in student.seen:
        expect.tensor(seen.x_t, SHOWN, shape=(len(seen.x_t), *data.shape[1:]), dtype=data.dtype)
        expect.tensor(seen.t, PEOPLE, shape=seen.x_t.shape[:1], dtype=torch.int64)
    count = sum(len(seen.x_t) for seen in student.seen)
    what = f"{BATCH} rows an update, {steps * BATCH} in all"
    expect.holds(
        count == steps * BATCH,
        SHOWN,
        got=[len(seen.x_t) for seen in student.seen],
        want=what,
        told=f"{count} rows in {len(student.seen)} calls of the student",
    )
    return torch.cat([seen.x_t for seen in student.seen]), torch.cat([seen.t for seen in student.seen])


def among(found: list[int], wanted: list[int], why: str) -> None:
    """Just these levels occur."""
    expect.holds(
        sorted(set(found)) == sorted(wanted),
        why,
        got=sorted(set(found)),
        want=f"the levels {sorted(wanted)}",
        told=f"the levels {sorted(set(found))}",
    )


def test_distill_teaches_at_the_students_own_levels(code, rng):
    """The student is asked at its own n/2 levels, each of them, and at no others."""
    for n in (OF_TEACHER, 2):
        student, data = timed(), cases.normal((ROWS, 2), rng)
        steps = STEPS if n > 2 else 2
        school(code, timed(), student, data, n, steps, rng, batch_size=BATCH, lr=1e-6)
        _, levels = shown(student, data, steps)
        among(levels.tolist(), trailing(12, n // 2), OWN)


def test_distill_lets_the_teacher_take_two_steps(code, rng):
    """The teacher is asked at all of its n levels, at t and t_mid in turn, also where n does not divide T."""
    for n, steps in ((6, 64), (10, 120)):
        teacher, student, data = timed(), timed(), cases.normal((ROWS, 2), rng)
        school(code, teacher, student, data, n, steps, rng, batch_size=BATCH, lr=1e-6)
        levels = [told for seen in teacher.seen for told in torch.as_tensor(seen.t).flatten().tolist()]
        among(levels, trailing(12, n), WALK)
        counts, own = Counter(levels), trailing(12, n)
        uneven = [(t, mid) for t, mid in zip(own[::2], own[1::2], strict=True) if counts[t] != counts[mid]]
        expect.holds(not uneven, WALK, got=uneven, want="as many questions at t as at the t_mid below it")


def test_distill_shows_teacher_and_student_the_same_noised_rows(code, rng):
    """Teacher and student start from the same x_t."""
    teacher, student, data = timed(), timed(), cases.normal((ROWS, 2), rng)
    school(code, teacher, student, data, 4, 8, rng, batch_size=BATCH, lr=1e-6)
    rows, _ = shown(student, data, 8)
    theirs = torch.cat([seen.x_t.flatten(1) for seen in teacher.seen] or [torch.zeros(0, 2, dtype=torch.float64)])
    missing = (torch.cdist(rows, theirs, p=math.inf).amin(1) if len(theirs) else torch.ones(len(rows))) > 1e-9
    why = "the target belongs to the x_t that the student sees: the teacher starts from the same one"
    expect.holds(
        not missing.any(),
        why,
        got=f"{int(missing.sum()) * 100 // len(rows)} % of the student's rows never seen by the teacher",
        want="the same rows",
    )


def test_distill_noises_rows_of_the_data_afresh(code, rng):
    """x_t is a row of the data with fresh noise of its level, in each update, row and element."""
    student, data = Spy(0.0), far_apart(rng, 2, 2)
    school(code, linear(0 * table()), student, data, OF_TEACHER, STEPS, rng, batch_size=BATCH, lr=1e-9)
    x_t, levels = shown(student, data, STEPS)
    among(levels.tolist(), trailing(12, OF_TEACHER // 2), OWN)
    a = table()[levels].reshape(-1, 1, 1)
    rows = ((x_t / a.sqrt()).flatten(1).mean(1) / 1000).round().long().clamp(1, ROWS) - 1
    noise = ((x_t - a.sqrt() * data[rows]) / (1 - a).sqrt()).reshape(STEPS, BATCH, -1)
    why = "x_t = √ᾱ_t x_0 + √(1-ᾱ_t) ε with ε ~ N(0, 1), drawn afresh for each update, row and element"
    chance.standard_normal(
        noise, why, ("updates", "rows", "elements"), of="(x_t - √ᾱ_t x_0) / √(1-ᾱ_t), the noise in x_t"
    )
    nearest = torch.pdist(noise.flatten(1), p=math.inf).min()  # of 80 numbers each
    expect.holds(bool(nearest > 1e-6), why, got="the same noise in two updates", want="other noise in all updates")
    first, *later = rows.reshape(STEPS, BATCH).sort(1).values
    again = all(torch.equal(first, batch) for batch in later)
    expect.holds(
        not again, "rows are drawn anew for each update", got="the same rows in each update", want="other rows"
    )
    single = any(len(set(batch.tolist())) == 1 for batch in rows.reshape(STEPS, BATCH))
    expect.holds(not single, "a batch is made of many rows", got="one row all over", want="several rows")
    missed = sorted(set(range(ROWS)) - set(rows.tolist()))
    expect.holds(not missed, f"{STEPS * BATCH} draws reach each of {ROWS} rows", got=missed, want="no row left out")


def fan(gains: Tensor) -> Spy:
    """A student that answers multiples of x: at level t with gains[t, j] for element j, all of them parameters."""
    student = Spy(answer=lambda spy, x, t: spy.weight[torch.as_tensor(t).long().flatten()] * x)
    student.weight, student.bias = nn.Parameter(gains.clone()), None
    return student


FACTORS = tuple(0.2 + 0.05 * t + 0.1 * (t % 3) for t in range(12))


def share(t: int, t_mid: int, t_prev: int) -> float:
    """By how much of x_t the teacher `linear(FACTORS)` wants the student to answer at level t."""
    a, m, b = (level(table(), step) for step in (t, t_mid, t_prev))

    def factor(a: float, b: float, eps: float) -> float:
        return math.sqrt(b) * (1 - math.sqrt(1 - a) * eps) / math.sqrt(a) + math.sqrt(1 - b) * eps

    landing = factor(a, m, FACTORS[t]) * factor(m, b, FACTORS[t_mid])
    return (landing - math.sqrt(b / a)) / (math.sqrt(1 - b) - math.sqrt(1 - a) * math.sqrt(b / a))


def shares(n: int) -> dict[int, float]:
    """By the student's levels, what it is to answer in multiples of x_t."""
    steps = [*trailing(12, n), -1]
    return {steps[i]: share(*steps[i : i + 3]) for i in range(0, n, 2)}


def pulled(code, n: int, rng: Generator, offset: float) -> tuple[dict[int, list[float]], dict[int, list[bool]]]:
    """By level, where the loss draws the student to, and whether that is between its two answers.

    The student answers offset more and offset less than it should. The first is exact for squared errors, whatever
    their weights; the second for all that fall towards the target.
    """
    want, gains = shares(n), torch.zeros(12, 2, dtype=torch.float64)
    for t, value in want.items():
        gains[t] = numbers(value + offset, value - offset)
    student = fan(gains)
    school(
        code,
        linear(numbers(*FACTORS)),
        student,
        cases.normal((ROWS, 2), rng),
        n,
        64 if n > 2 else 2,
        rng,
        batch_size=BATCH,
        lr=1e-12,
    )
    expect.holds(
        len(student.pulls) > 0, "each update goes backward through the student's answer", got=0, want="a gradient"
    )
    aims: dict[int, list[float]] = {}
    sides: dict[int, list[bool]] = {}
    for number, pull in student.pulls:
        seen = student.seen[number]
        for t in want:
            slopes = (pull / seen.x_t)[seen.t == t]
            if len(slopes):
                above, below = slopes[:, 0], slopes[:, 1]
                aim = want[t] - offset * (above + below) / (above - below)
                whole = bool((aim - aim.median()).abs().median() < 1e-3)
                aims.setdefault(t, []).append(round(float(aim.nanmedian()), 5) if whole else math.nan)
                # apart, whichever is up: an optimiser may be told to maximise, and its way is seen where updates are measured
                apart = bool((above > 0).all() and (below < 0).all()) or bool((above < 0).all() and (below > 0).all())
                sides.setdefault(t, []).append(apart)
    return aims, sides


def middle(aims: list[float]) -> float | str:
    """The median of aims, unless some of them are no multiple of x_t."""
    return "no multiple of x_t" if any(map(math.isnan, aims)) else sorted(aims)[len(aims) // 2]


def test_distill_draws_the_student_to_where_two_steps_of_the_teacher_lead(code, rng):
    """The loss draws the student's answer to just what makes one step do for two."""
    for n in (2, 6):
        aims, sides = pulled(code, n, rng, 1e-4)
        between = set(aims) == set(shares(n)) and all(all(found) for found in sides.values())
        got = {t: middle(found) for t, found in sorted(aims.items())}
        want = {t: round(value, 5) for t, value in sorted(shares(n).items())}
        why = f"{AIM}; here the teacher answers multiples of x_t, and so should the student"
        expect.holds(
            between,
            why,
            got=got,
            want=f"by level, answers of {want} times x_t",
            told=f"by level, answers of {got} times x_t",
        )


def test_distill_has_a_loss_of_0_where_the_student_is_perfect(code, rng):
    """A student that does in one step what the teacher does in two has no loss left; any other has one."""
    gains = torch.zeros(12, 2, dtype=torch.float64)
    for t, value in shares(6).items():
        gains[t] = value
    data = cases.normal((ROWS, 2), rng)
    losses = school(code, linear(numbers(*FACTORS)), fan(gains), data, 6, 12, rng, batch_size=BATCH, lr=1e-12)
    why = "a student that lands where its teacher lands has nothing left to learn"
    left = "losses above 0" if max(losses) > 1e-7 else "losses below 0" if min(losses) < -1e-7 else "no loss"
    expect.holds(left == "no loss", why, got=left, want="losses of 0")
    losses = school(code, linear(numbers(*FACTORS)), fan(gains + 1), data, 6, 12, rng, batch_size=BATCH, lr=1e-12)
    signs = sorted({(loss > 0) - (loss < 0) for loss in losses})
    expect.holds(
        signs == [1],
        "a squared error is above 0",
        got=signs,
        want="losses above 0",
        told=f"losses from {min(losses):.3g} to {max(losses):.3g}",
    )


def test_distill_returns_the_loss_of_each_update(code, rng):
    """One float an update, as many as `steps` says."""
    for steps in (1, 5):
        student = timed()
        school(code, timed(), student, cases.normal((ROWS, 3), rng), 4, steps, rng, batch_size=BATCH)


def test_distill_trains_every_parameter_in_place(code, rng):
    """All parameters of the student move, and it can still be trained afterwards."""
    student, data = timed(), cases.normal((ROWS, 2), rng)
    before = {name: parameter.detach().clone() for name, parameter in student.named_parameters()}
    school(code, linear(numbers(*FACTORS)), student, data, 4, 3, rng, batch_size=BATCH)
    still = [name for name, parameter in student.named_parameters() if torch.equal(parameter, before[name])]
    why = "every parameter of the student is trained, in place"
    expect.none(still, why, verb="did not move", want="every parameter of the student moves")
    flags = [parameter.requires_grad for parameter in student.parameters()]
    expect.equal(flags, [True] * len(flags), "training can go on: the parameters still require gradients")


def test_distill_leaves_the_teacher_as_it_is(code, rng):
    """The teacher's parameters, and the gradients on them, stay as they were."""
    for training in (True, False):
        teacher, data = timed().train(training), cases.normal((ROWS, 2), rng)
        before = [parameter.detach().clone() for parameter in teacher.parameters()]
        school(code, teacher, timed(0.3, 0.1), data, 4, 3, rng, batch_size=BATCH)
        moved = [
            name
            for (name, now), old in zip(teacher.named_parameters(), before, strict=True)
            if not torch.equal(now, old)
        ]
        expect.none(moved, "the teacher is not trained", verb="moved", want="no parameter of the teacher moves")
        tracked = any(seen.tracked for seen in teacher.seen)
        expect.holds(
            not tracked,
            "no gradient goes through the teacher",
            got="an x_t that carries a gradient",
            want="x_t without",
        )
        left_alone(teacher)


def stroll(code, rng: Any, turning: bool = False, fading: int = 0, updates: int = 40, **rest: float) -> Tensor:
    """Where so many updates take the parameters of `Slopes`, (updates + 1, 2)."""
    student = Slopes(turning, BATCH, fading)
    # With n = 2 there is one level only, and the slopes are the same in each update. It is half signal and half noise: where
    # ᾱ is small, x̂_0 makes slopes so large that RAdam, whose first steps are lr times the slope, never gets over them.
    school(
        code,
        linear(0 * table()),
        student,
        0 * cases.normal((ROWS, 2), Generator()),
        2,
        updates,
        rng,
        torch.linspace(0.98, 0.5, 12, dtype=torch.float64),
        batch_size=BATCH,
        **rest,
    )
    why = "each update asks the student about one batch, in one call or in pieces"
    expect.equal(len(student.path), updates, why, of="calls of the model")
    return student.walk()


def test_distill_steps_by_lr_however_steep_the_loss_like_adam(code, rng):
    """Updates are Adam's: by about lr, however steep the loss."""
    path = stroll(code, rng, lr=1e-3) / 1e-3
    downhill = (path[1:] < path[:-1]).sum(0).tolist()
    expect.equal(
        downhill,
        [40, 40],
        "each of 40 updates moves each parameter of the student downhill, in place",
        of="steps downhill, of each of two parameters",
    )
    ratio = float(path[-1, 1] / path[-1, 0])
    why = "Adam moves by about lr an update however small the gradient: here one is 100 times the other"
    expect.holds(
        0.8 < ratio < 1.25,
        why,
        got=round(ratio, 2),
        want="equal distances, a ratio of 1",
        told=f"a ratio of {ratio:.2f}",
    )
    way = -float(path[-1, 0])
    why = "with a steady gradient Adam moves by lr an update: 40 lr in 40, or less with a slow start like RAdam's 3 lr"
    steady = way < 60 or (way < 100 and -float(path[10, 0]) < 15)  # AdaBelief's steps grow where the slope is as ever
    expect.holds(
        way > 2 and steady, why, got=round(way), want="between 2 and 60 times lr", told=f"a way of {way:.1f} times lr"
    )
    late = float(((path[40] - path[20]) / path[20]).min())
    why = "Adam does not tire: with a steady gradient its later updates are as long as the first"
    expect.holds(late > 0.7, why, got=round(late, 1), want="1 or more")
    small, large = (stroll(code, rng, updates=10, lr=lr)[-1, 0] / lr for lr in (1e-4, 1e-3))
    slow = float(small / large)
    why = "the learning rate is lr: a tenth of it goes a tenth of the way"
    expect.holds(
        0.8 < slow < 1.25,
        why,
        got=round(slow, 1),
        want="the same way in units of lr, a ratio of 1",
        told=f"a ratio of {slow:.2f}",
    )


def shortens(code, rng: Any) -> bool:
    """Whether an update is shorter after steeper ones: with beta1 = 0 the second moment is all that could be kept."""
    last, before = stroll(code, rng, fading=39).diff(dim=0).abs().flip(0)[:2]
    return bool((last < 0.8 * before).all())


def test_distill_forgets_old_gradients_and_keeps_its_momentum(code, rng):
    """Gradients are cleared between updates, not within one, and one optimiser lives through the training."""
    steady, turning = stroll(code, rng), stroll(code, rng, turning=True)
    drift = float((turning[-1] / steady[-1]).abs().max())
    why = "gradients that change sign each update lead nowhere, unless those of earlier updates are still added in"
    expect.holds(
        drift < 0.25,
        why,
        got=round(drift, 1),
        want="hardly a move, below 0.25 of the steady way",
        told=f"{drift:.2f} of the steady way",
    )
    swing = float(((turning[-1] - turning[-2]) / (steady[-1] - steady[-2])).abs().max())
    why = "Adam's moments live through the whole training: made anew each update, it swings back and forth by lr"
    expect.holds(
        swing < 0.8 or shortens(code, rng),
        why,
        got=round(swing, 1),
        want="shorter swings, below 0.8 of a steady update",
        told=f"{swing:.2f} of a steady step",
    )
    register = Register(ROWS, table())
    school(code, linear(numbers(*FACTORS)), register, far_apart(rng, 2), 2, 1, rng, batch_size=BATCH)
    why = "an update learns from all rows of its batch: where it is worked off in pieces, their gradients add up"
    expect.holds(
        not register.lost,
        why,
        got=register.lost,
        want="none",
        told=f"{len(register.lost)} of {len(register.shown)} rows not learned from",
    )


def test_distill_takes_its_randomness_from_the_generator_alone(code, rng):
    """The same generator state gives the same training, another gives another."""
    data, seed = far_apart(rng, 2), int(torch.randint(2**31, (), generator=rng))

    def train(seed: int, skipped: int = 0) -> dict[str, Tensor]:
        generator = Generator().manual_seed(seed)
        torch.rand(skipped, generator=generator)
        return trained(generator)

    def trained(generator: Generator | None) -> dict[str, Tensor]:
        student = Spy(0.0)
        school(code, linear(0 * table()), student, data, 4, 8, generator, batch_size=BATCH, lr=1e-9)
        x_t, levels = shown(student, data, 8)
        a = table()[levels.clamp(0, 11)].reshape(-1, 1)
        rows = ((x_t / a.sqrt()).mean(1) / 1000).round().long().clamp(1, ROWS) - 1
        return {"levels": levels, "rows": rows, "noise": (x_t - a.sqrt() * data[rows]) / (1 - a).sqrt()}

    first, second = train(seed), train(seed)
    moved = [name for name in first if not torch.allclose(first[name], second[name])]
    why = "the same generator state gives the same training: levels, rows and noise are all drawn from it"
    expect.holds(not moved, why, got=[f"other {name}" for name in moved], want="the same once more")
    for other in (train(seed + 1), train(seed, skipped=1)):
        same = torch.equal(other["noise"], first["noise"])
        expect.holds(
            not same, "another generator state gives another training", got="the same noise", want="other noise"
        )
    chance.afresh(lambda generator: trained(generator)["noise"], "training")


def test_distill_refuses_an_odd_number_of_teacher_steps(code, rng):
    """An odd n is a ValueError: it has no half."""
    data = cases.normal((ROWS, 2), rng)
    for n in (1, 3, 7):
        why = "the student takes n/2 steps: an odd n is a ValueError"
        expect.raises(ValueError, lambda n=n: code.distill(timed(), timed(), data, table(), n, 1, BATCH), why)


def test_distill_takes_any_callable_as_its_teacher_and_images_as_data(code, rng):
    """A plain function serves as a teacher, on vectors, images and videos."""
    for shape in ((3,), (1, 2, 3), (2, 1, 2, 2)):
        spy, student, data = timed(), timed(), cases.normal((ROWS, *shape), rng)
        school(code, lambda x, t, spy=spy: spy(x, t), student, data, 4, 4, rng, batch_size=BATCH)
        shown(student, data, 4)
        for seen in spy.seen:
            expect.tensor(seen.x_t, "the teacher sees noised rows", shape=(len(seen.x_t), *shape), dtype=data.dtype)
            expect.tensor(seen.t, PEOPLE, shape=seen.x_t.shape[:1], dtype=torch.int64)


def test_distill_has_its_defaults_and_keeps_dtype_and_data(code, rng):
    """256 rows and lr = 1e-3 where nothing else is said; data and schedule stay as they are."""
    data, student, teacher = cases.normal((512, 2), rng).float(), timed().float(), timed().float()
    expect.untouched(
        lambda data, alpha_bar: code.distill(teacher, student, data, alpha_bar, 4, 3),
        KEEP,
        data=data,
        alpha_bar=table(),
    )
    for seen in [*student.seen, *teacher.seen]:
        expect.tensor(seen.x_t, "rows come in the data's dtype", shape=(len(seen.x_t), 2), dtype=torch.float32)
    counts = [len(seen.x_t) for seen in student.seen]
    expect.holds(
        sum(counts) == 3 * 256,
        "256 rows an update by default",
        got=counts,
        want="256 rows in each of 3 updates",
        told=f"calls of the student with {counts} rows",
    )
    ratio = float(stroll(code, None, updates=5)[-1, 0] / stroll(code, rng, updates=5, lr=1e-3)[-1, 0])
    expect.holds(
        0.8 < ratio < 1.25,
        "lr is 1e-3 by default",
        got=round(ratio, 1),
        want="the way of lr=1e-3, a ratio of 1",
        told=f"a ratio of {ratio:.2f}",
    )
