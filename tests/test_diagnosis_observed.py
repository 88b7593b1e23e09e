"""What is told of a wrong answer that no mistake explains: each kind of statement, by a small answer of which it is true."""

import importlib
import warnings
from types import ModuleType

import pytest

from grader.checks.collect import collect
from grader.checks.run import outcome
from grader.checks.state import tidy
from grader.checks.under_test import UnderTest
from grader.course import section, sections
from grader.diagnosis.diagnose import diagnose, seen_of
from grader.diagnosis.merging import merged
from grader.diagnosis.patient import Patient

SEED = 1
S1, S2, S3, S4, S5 = "s1_forward_reverse", "s2_ddpm", "s3_score_sde", "s4_fast_sampling", "s5_flow_matching"


BY_NAME = {
    table: importlib.import_module(f"grader.diagnosis.observed.{module}")
    for module, tables in {"rules": ("BROKEN", "ASKING", "IN_PART"), "passing": ("RIGHT",)}.items()
    for table in tables
}
"""Tables of what is said of checks, which go by their names."""


@pytest.mark.parametrize("table", BY_NAME)
def test_what_is_said_of_a_check_by_its_name_is_said_of_one_that_is_there(table: str) -> None:
    """Who renames a check is told here that a table has its old name: nothing else would say so."""
    checks = [check for stem in sections() for check in collect(stem)]
    names = {check.name.split("[")[0].removeprefix(f"test_{check.exercise}_") for check in checks}
    lost = [name for name in getattr(BY_NAME[table], table) if name not in names]
    assert not lost, f"{BY_NAME[table].__file__}: {table} names no check by {lost}; was it renamed?"


def failures(stem: str, exercise: str, source: str) -> dict:
    """What an answer, added to the reference, leaves behind in the checks that it fails."""
    module = ModuleType("answer")
    exec(section(stem).solution.read_text(encoding="utf-8") + source, module.__dict__)
    found = {}
    for check in collect(stem):
        if check.exercise == exercise:
            with tidy(SEED), warnings.catch_warnings(action="ignore"):
                result = outcome(check, UnderTest(module), SEED)
            if result.evidence:
                found[check.name] = result.evidence
    return found


def seen(stem: str, exercise: str, source: str) -> str | None:
    with tidy(SEED):
        told = seen_of(Patient(stem, exercise, failures(stem, exercise, source), SEED))
    return told and told.name


def jump(x_t: str) -> str:
    """A q_sample that returns this."""
    return (
        "\ndef q_sample(x0, t, noise, alpha_bar):\n"
        f"    a = extract(alpha_bar, t, x0)\n    return {x_t}\n"
    )  # fmt: skip


def loss(asked: str, result: str) -> str:
    """A simple_loss that asks the model this, and returns that."""
    return (
        "\ndef simple_loss(model, x0, t, noise, alpha_bar):\n"
        "    a = extract(alpha_bar, t, x0)\n    x_t = a.sqrt() * x0 + (1 - a).sqrt() * noise\n"
        f"    off = noise - model({asked})\n    return {result}\n"
    )


RIGHT = "a.sqrt() * x0 + (1 - a).sqrt() * noise"
EARLIER = "torch.cat([torch.ones_like(alpha_bar[:1]), alpha_bar])"


@pytest.mark.parametrize(
    ("x_t", "name"),
    [
        ("a.sqrt() * x0 + (1 - a) * noise", "the weight of the noise squared"),
        ("a.sqrt() * x0 - (1 - a).sqrt() * noise", "the weight of the noise with the sign turned"),
        ("(1 - a).sqrt() * x0 + a.sqrt() * noise", "the weights of x0 and the noise exchanged"),
        ("a.sqrt() * x0", "the noise left out"),
        ("x0 + (1 - a).sqrt() * noise", "1 for the weight of x0"),
        ("a.sqrt() * x0 + 0.9 * (1 - a).sqrt() * noise", "the weight of the noise 0.9 times as large"),
        ("a.sqrt() * x0 + (1 - a) ** 0.7 * noise", "another weight of the noise, that of x0 right"),
        (f"1.5 * ({RIGHT})", "the result 1.5 times as large as it should be"),
        (RIGHT.replace("a", f"extract({EARLIER}, t, x0)", 1).replace("(1 - a)", f"(1 - extract({EARLIER}, t, x0))"),
         "all weights those of the level before"),
        (RIGHT.replace("a.", "a[:1].").replace("1 - a)", "1 - a[:1])"), "the first sample's t for the whole batch"),
    ],
)  # fmt: skip
def test_the_weights_of_a_sum_are_told(x_t, name):
    """Costs 2 s."""
    assert seen(S1, "q_sample", jump(x_t)) == name


def test_a_weight_is_told_where_the_rest_is_no_sum_of_the_arguments():
    code = """
def probability_flow_drift(sde, score, x, t):
    drift, diffusion = sde.coefficients(x, t)
    return drift - diffusion.square() * score
"""
    assert seen(S3, "probability_flow_drift", code) == "another weight of the score, all else right"


SINKHORN = """
def ot_pairing(noise, data):
    cost = torch.cdist(noise.detach().flatten(1), data.detach().flatten(1)).square().double()
    rows, columns, kernel = cost.new_zeros(len(cost)), cost.new_zeros(len(cost)), -cost / (0.05 * cost.mean())
    for _ in range(100):
        rows = -torch.logsumexp(kernel + columns, dim=1)
        columns = -torch.logsumexp(kernel + rows[:, None], dim=0)
    return data[(kernel + rows[:, None] + columns).argmax(dim=1)]
"""


@pytest.mark.parametrize(
    ("stem", "exercise", "source", "name"),
    [
        (S1, "q_sample", jump(f"({RIGHT}).clamp(-1, 1)"), "the result clamped to [-1, 1]"),
        (S1, "q_sample", jump("(a.float().sqrt() * x0.float() + (1 - a).float().sqrt() * noise.float()).to(x0.dtype)"),
         "right to single precision only"),
        (S2, "snr", "\ndef snr(alpha_bar):\n    return (alpha_bar + 1e-8) / (1 - alpha_bar + 1e-8)\n", "right to 4 digits, and no further"),
        (S1, "simple_loss", loss("x_t, t", "off.square().flatten(1).mean(1)"), "one number for each sample, not their mean"),
        (S1, "simple_loss", loss("x_t, t", "off.square().sum() / len(x0)"), "a sum over each sample, not a mean"),
        (S1, "simple_loss", loss("x_t, t", "off.square().mean().sqrt()"), "the root of the result"),
        (S1, "simple_loss", loss("x_t, t", "off.square().mean().item()"), "a plain number returned, not a tensor"),
        (S4, "edm_precondition", "\n_right = edm_precondition\ndef edm_precondition(*a, **k):\n    return _right(*a, **k)[::-1]\n",
         "the results in another order"),
        (S5, "consistency_coefficients", "\n_right = consistency_coefficients\ndef consistency_coefficients(*a, **k):\n"
         "    c_skip, c_out = _right(*a, **k)\n    return c_skip, c_out * c_skip\n", "c_out wrong, c_skip right"),
        (S5, "ot_pairing", SINKHORN, "some samples of the batch more than once, and others never"),
    ],
)  # fmt: skip
def test_what_became_of_the_right_result_is_told(stem, exercise, source, name):
    """Costs 3 s."""
    assert seen(stem, exercise, source) == name


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("x_t, t + 1", "the model told t + 1"),
        ("x_t, t / len(alpha_bar)", "the model told t as a fraction, not a whole number"),
        ("x_t, t[:1].expand(len(t))", "the model told one t for the batch, the first sample's"),
        ("x0, t", "1 for the weight of x0 and the noise left out of what the model is shown"),
        ("a.sqrt() * x0 + (1 - a) * noise, t", "the weight of the noise squared in what the model is shown"),
    ],
)
def test_what_a_model_is_asked_is_told(asked, name):
    """Costs 2 s."""
    assert seen(S1, "simple_loss", loss(asked, "off.square().mean()")) == name


TOO_SHORT = """
def sample(model, x_T, betas, generator=None):
    x = x_T
    with torch.no_grad():
        for step in range(len(betas) - 1, 0, -1):
            t = torch.full((len(x),), step)
            x = reverse_step(x, t, model(x, t), betas, torch.randn(x.shape, dtype=x.dtype, generator=generator))
    return x
"""
GLOBAL = TOO_SHORT.replace("- 1, 0, -1", "- 1, -1, -1").replace("generator=generator", "generator=None")
DROPPED = """
class TinyDenoiser(nn.Module):
    def __init__(self, dim=2, hidden=128):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim + 32, hidden), nn.SiLU(), nn.Dropout(0.1), nn.Linear(hidden, dim))

    def forward(self, x, t):
        return self.net(torch.cat([x, timestep_embedding(t, 32).to(x.dtype)], dim=1))
"""
KEYS = """
def to_eps(prediction, x_t, t, alpha_bar, kind):
    a = extract(alpha_bar, t, x_t)
    return {
        "eps": prediction,
        "x0": (x_t - a.sqrt() * prediction) / (1 - a).sqrt(),
        "v": (1 - a).sqrt() * x_t + a.sqrt() * prediction,
    }[kind]
"""
SILENT = "\n_right = linear_schedule\ndef linear_schedule(T, *a, **k):\n    return _right(T, *a, **k) if T > 0 else torch.empty(0)\n"
AT_ZERO = jump(f"torch.where(extract(torch.arange(len(alpha_bar)), t, x0) == 0, x0, {RIGHT})")
BOUNDED = """
def reverse_step(x_t, t, eps, betas, noise):
    x0 = predict_x0(x_t, t, eps, compute_alpha_bar(betas).clamp(min=1e-5))
    mean, variance = q_posterior(x0, x_t, t, betas)
    return mean + variance.sqrt() * noise
"""
BROKEN_OFF = """
def ddim_invert(model, x0, alpha_bar, n):
    x, levels = x0, timesteps(len(alpha_bar), n).flip(0).tolist()
    for t, t_next in pairwise([-1, *levels]):
        eps = model(x, torch.full((len(x),), t_next))
        a, a_next = 1.0 if t < 0 else alpha_bar[t].item(), alpha_bar[t_next].item()
        sigma = 0 * math.sqrt(1 - a / a_next) if t >= 0 else 0  # of a negative number, as levels rise
        x = a_next**0.5 * (x - (1 - a) ** 0.5 * eps) / a**0.5 + (1 - a_next - sigma) ** 0.5 * eps
    return x.detach()
"""
FOR_V = """
_right = prediction_loss
def prediction_loss(model, x0, t, noise, alpha_bar, kind="eps", gamma=None):
    return _right(model, x0, t, noise, alpha_bar, kind, gamma) + (kind == "v") * x0.square().mean()
"""
BACKWARDS = "\n_right = gaussian_kl\ndef gaussian_kl(a, b, c, d):\n    return _right(c, d, a, b)\n"


@pytest.mark.parametrize(
    ("stem", "exercise", "source", "name"),
    [
        (S1, "sample", TOO_SHORT, "one call of the model too few"),
        (S1, "reverse_step", BOUNDED, "wrong where next to nothing of the data is left, at the end of a schedule"),
        (S4, "ddim_invert", BROKEN_OFF, "ValueError raised before the model's last call"),
        (S1, "sample", GLOBAL, "randomness that does not come from the generator alone"),
        (S1, "TinyDenoiser", DROPPED, "an answer that changes from one call to an equal one, in training mode"),
        (S2, "to_eps", KEYS, "KeyError raised, not ValueError"),
        (S2, "linear_schedule", SILENT, "no ValueError for T = 0"),
        (S1, "q_sample", AT_ZERO, "wrong where t = 0, and right elsewhere"),
        (S2, "prediction_loss", FOR_V, "wrong where kind = 'v' alone"),
        (S2, "gaussian_kl", BACKWARDS, "zero for equal bells, and wrong for others"),
        (S1, "q_sample", jump(RIGHT + " + 0.123 * torch.sin(37 * x0)"), None),
        (S1, "q_sample", jump("1 / 0"), None),
    ],
)  # fmt: skip
def test_calls_exceptions_rules_and_places_are_told(stem, exercise, source, name):
    """Costs 5 s."""
    assert seen(stem, exercise, source) == name


AXES = "\n_right = prior_kl\ndef prior_kl(x0, alpha_bar):\n    return _right(x0, alpha_bar) * x0.mean(dim=[1, 2, 3])\n"
AT_ONCE = """
_right = dpmpp_2m_step
def dpmpp_2m_step(x, x0_pred, x0_prev, lam_prev, lam_s, lam_t):
    return _right(x, x0_pred, x0_prev, lam_prev, lam_s, lam_t) + 0 * (lam_s - lam_prev)
"""
SCALED_CLOCK = """
_right = ancestral_sample
def ancestral_sample(model, x_T, betas, *a, **k):
    return _right(lambda x, t: model(x, t * 1000.0 / len(betas)), x_T, betas, *a, **k)
"""
OTHER_DECAY = (
    "\n_right = ema_update\ndef ema_update(ema_model, model, decay):\n    _right(ema_model, model, min(decay, 0.17))\n"
)
STALE = """
def ema_update(ema_model, model, decay):
    with torch.no_grad():
        for ours, theirs in zip(ema_model.parameters(), model.parameters(), strict=True):
            ours.lerp_(theirs, decay)
        for ours, theirs in zip(ema_model.buffers(), model.buffers(), strict=True):
            ours.lerp_(theirs, decay) if ours.is_floating_point() else None
"""
SQUARES = "\ndef timesteps(T, n):\n    return torch.tensor([int((T - 1) * (i / n) ** 2) for i in range(n, 0, -1)])\n"
ON_SQUARES = """
def ddim_sample(model, x_T, alpha_bar, n, eta=0.0, generator=None):
    x, levels = x_T, [int((len(alpha_bar) - 1) * (i / n) ** 2) for i in range(n, 0, -1)]
    with torch.no_grad():
        for t, t_prev in pairwise([*levels, -1]):
            noise = torch.randn(x.shape, dtype=x.dtype, generator=generator) if eta else None
            x = ddim_step(x, model(x, torch.full((len(x),), t)), t, t_prev, alpha_bar, eta, noise)
    return x
"""


@pytest.mark.parametrize(
    ("stem", "exercise", "source", "name"),
    [
        (S2, "prior_kl", AXES, "an axis asked for that the data do not have"),
        (S4, "dpmpp_2m_step", AT_ONCE, "TypeError raised where x0_prev is None"),
        (S2, "ancestral_sample", SCALED_CLOCK, "the model told t in floating point, not as whole numbers"),
        (S2, "ema_update", OTHER_DECAY, "parameters and floating buffers averaged with another decay than is given"),
        (
            S2, "ema_update", STALE,
            "parameters and floating buffers averaged with decay and 1 - decay exchanged"
            " and buffers of whole numbers or flags left as they are",
        ),
        (S4, "timesteps", SQUARES, "no ValueError for n that makes no sense and quadratic spacing, squares of evenly spaced numbers"),
        (S4, "ddim_sample", ON_SQUARES, "the model visited at other times: quadratic spacing, squares of evenly spaced numbers"),
    ],
)  # fmt: skip
def test_what_is_told_is_what_was_seen_where_another_cause_may_be_behind_it(stem, exercise, source, name):
    """Costs 5 s."""
    assert seen(stem, exercise, source) == name


def test_a_mistake_in_numbers_is_not_told_where_no_number_is_seen_to_be_wrong():
    """At T = 1 the only t is 0, whatever it is multiplied by. Costs 3 s."""
    found = failures(S2, "ancestral_sample", SCALED_CLOCK)
    assert (
        diagnose(S2, "ancestral_sample", found, SEED).name == "the model told t in floating point, not as whole numbers"
    )


LISTS_ALONE = """
levels_down = heun_sample
def heun_sample(denoiser, x, sigmas):
    return levels_down(denoiser, x, list(sigmas or []))
"""
NUMBER = """
whole = q_posterior
def q_posterior(x0, x_t, t, betas):
    mean, variance = whole(x0, x_t, t, betas)
    return mean, float(variance.max())
"""
ANY_CASE = """
spelt = ancestral_sample
def ancestral_sample(model, x_T, betas, kind="eps", variance="small", clip=False, generator=None):
    if kind.lower() not in KINDS:
        raise ValueError("kind")
    return spelt(model, x_T, betas, kind.lower(), variance, clip, generator)
"""


@pytest.mark.parametrize(
    ("stem", "exercise", "source", "name"),
    [
        (S4, "heun_sample", LISTS_ALONE, "RuntimeError raised before the model is asked"),
        (S1, "q_posterior", NUMBER, "no tensor for the variance: float"),
        (S2, "ancestral_sample", ANY_CASE, "an unknown kind or variance not refused"),
    ],
)
def test_no_change_in_place_and_no_message_is_told_of_that_nobody_has_seen(stem, exercise, source, name):
    told = diagnose(stem, exercise, failures(stem, exercise, source), SEED)
    assert told
    assert told.name == name


def test_a_mistake_that_explains_most_of_the_evidence_is_told_beside_what_is_seen_in_the_rest():
    source = """
def reverse_step(x_t, t, eps, betas, noise):
    mean, variance = q_posterior(predict_x0(x_t, t, eps, compute_alpha_bar(betas)), x_t, t, betas)
    return mean + variance * noise + (t == 0).all() * x_t.sin()
"""
    told = diagnose(S1, "reverse_step", failures(S1, "reverse_step", source), SEED)
    assert told.name == "the variance multiplied in, not its root and noise where t is 0"
    assert "something else beside it" in told.explanation


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("a = x * y + z", "a = x.sqrt() * y - z", "a = x * y - z"),
        ("a = x.sqrt() * y * z", "a = x.sqrt() * y / z", None),
        ("a = x.sqrt() * y + z", "a = x * y + z", None),
    ],
)
def test_two_edits_of_one_line_are_made_both_if_they_change_other_words(one, other, both):
    assert merged("a = x.sqrt() * y + z", one, other) == both
