"""The course proves itself: stubs fail, solutions and alternatives pass, each misconception is caught and named.

And the course file, the contract of the curriculum and what lies in the folders agree.
"""

import ast
import importlib.util
import inspect
import warnings
from collections import Counter
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from exercises.checks.expect import Mismatch
from grader.checks.collect import Check, collect
from grader.checks.run import Outcome, outcome
from grader.checks.state import tidy
from grader.checks.under_test import UnderTest
from grader.course import ROOT, section, sections
from grader.diagnosis.diagnose import diagnose, outcome_of
from grader.diagnosis.listed import Misconception, load
from grader.source.stubs import is_fresh

SEED = 1

CONTRACT = {
    "s1_forward_reverse": {
        "forward_step": (1, "(x, beta, noise)"),
        "compute_alpha_bar": (1, "(betas)"),
        "q_sample": (2, "(x0, t, noise, alpha_bar)"),
        "predict_x0": (1, "(x_t, t, eps, alpha_bar)"),
        "q_posterior": (3, "(x0, x_t, t, betas)"),
        "timestep_embedding": (2, "(t, dim, max_period=10000.0)"),
        "simple_loss": (2, "(model, x0, t, noise, alpha_bar)"),
        "reverse_step": (3, "(x_t, t, eps, betas, noise)"),
        "sample": (3, "(model, x_T, betas, generator=None)"),
        "TinyDenoiser": (2, "(dim=2, hidden=128)"),
        "train_denoiser": (3, "(model, data, alpha_bar, steps, batch_size=256, lr=0.001, generator=None)"),
    },
    "s2_ddpm": {
        "linear_schedule": (1, "(T, beta_start=0.0001, beta_end=0.02)"),
        "cosine_schedule": (2, "(T, s=0.008, max_beta=0.999)"),
        "snr": (1, "(alpha_bar)"),
        "zero_terminal_snr": (2, "(betas)"),
        "velocity": (1, "(x0, eps, t, alpha_bar)"),
        "to_x0": (2, "(prediction, x_t, t, alpha_bar, kind)"),
        "to_eps": (2, "(prediction, x_t, t, alpha_bar, kind)"),
        "prediction_loss": (3, "(model, x0, t, noise, alpha_bar, kind='eps', gamma=None)"),
        "gaussian_kl": (2, "(mean1, logvar1, mean2, logvar2)"),
        "decoder_nll": (3, "(x0, mean, logvar)"),
        "prior_kl": (1, "(x0, alpha_bar)"),
        "vlb_term": (4, "(x0, x_t, t, eps, betas)"),
        "learned_log_variance": (2, "(v, t, betas)"),
        "ancestral_sample": (
            4,
            "(model, x_T, betas, kind='eps', variance='small', clip=False, generator=None)",
        ),
        "ema_update": (2, "(ema_model, model, decay)"),
        "UNet": (5, "(in_channels=1, width=32, multipliers=(1, 2, 2), classes=None)"),
    },
    "s3_score_sde": {
        "score_from_eps": (1, "(eps, std)"),
        "score_from_x0": (1, "(x0, x_t, mean_coef, std)"),
        "VPSDE": (4, "(beta_min=0.1, beta_max=20.0)"),
        "VESDE": (4, "(sigma_min=0.01, sigma_max=50.0)"),
        "dsm_loss": (3, "(score_model, x0, t, noise, sde)"),
        "reverse_coefficients": (2, "(sde, score, x, t)"),
        "euler_maruyama": (4, "(sde, score_model, x_T, steps, t_end=0.001, generator=None)"),
        "probability_flow_drift": (2, "(sde, score, x, t)"),
        "ode_sample": (3, "(sde, score_model, x_T, steps, t_end=0.001)"),
        "langevin_correct": (2, "(x, score, snr, noise)"),
        "hutchinson_divergence": (2, "(fn, x, probe)"),
        "log_likelihood": (4, "(sde, score_model, x, steps, probe, t_start=1e-05)"),
    },
    "s4_fast_sampling": {
        "timesteps": (1, "(T, n)"),
        "ddim_step": (3, "(x_t, eps, t, t_prev, alpha_bar, eta=0.0, noise=None)"),
        "ddim_sample": (2, "(model, x_T, alpha_bar, n, eta=0.0, generator=None)"),
        "ddim_invert": (2, "(model, x0, alpha_bar, n)"),
        "half_log_snr": (1, "(alpha_bar)"),
        "dpm_solver2_step": (3, "(eps_fn, x, lam_s, lam_t)"),
        "dpmpp_2m_step": (4, "(x, x0_pred, x0_prev, lam_prev, lam_s, lam_t)"),
        "dpmpp_2m_sample": (3, "(model, x_T, alpha_bar, n)"),
        "karras_sigmas": (1, "(n, sigma_min=0.002, sigma_max=80.0, rho=7.0)"),
        "edm_precondition": (2, "(sigma, sigma_data=0.5)"),
        "heun_sample": (3, "(denoiser, x, sigmas)"),
        "distillation_target": (4, "(teacher, x_t, t, t_mid, t_prev, alpha_bar)"),
        "distill": (
            4,
            "(teacher, student, data, alpha_bar, n, steps, batch_size=256, lr=0.001, generator=None)",
        ),
    },
    "s5_flow_matching": {
        "interpolate": (1, "(noise, data, t)"),
        "target_velocity": (1, "(noise, data)"),
        "gaussian_path": (2, "(noise, data, t, sigma_min=0.0001)"),
        "cfm_loss": (2, "(model, noise, data, t)"),
        "euler_sample": (1, "(velocity, noise, steps)"),
        "midpoint_sample": (2, "(velocity, noise, steps)"),
        "logit_normal_times": (1, "(n, mean=0.0, std=1.0, generator=None)"),
        "shift_times": (1, "(t, shift)"),
        "velocity_to_data": (1, "(v, x_t, t)"),
        "velocity_to_eps": (1, "(v, x_t, t)"),
        "velocity_to_score": (2, "(v, x_t, t)"),
        "ot_pairing": (2, "(noise, data)"),
        "reflow_pairs": (2, "(velocity, noise, steps)"),
        "straightness": (2, "(velocity, noise, steps)"),
        "consistency_coefficients": (2, "(sigma, sigma_data=0.5, sigma_min=0.002)"),
        "consistency_function": (2, "(network, x, sigma, sigma_data=0.5, sigma_min=0.002)"),
        "consistency_training_loss": (
            4,
            "(network, ema_network, data, noise, sigma_lo, sigma_hi, sigma_data=0.5, sigma_min=0.002)",
        ),
        "consistency_distillation_loss": (
            4,
            "(network, ema_network, denoiser, data, noise, sigma_lo, sigma_hi, sigma_data=0.5, sigma_min=0.002)",
        ),
        "consistency_sample": (3, "(f, x, sigmas, sigma_min=0.002, generator=None)"),
    },
    "s6_guidance": {
        "classifier_score": (2, "(classifier, x_t, t, y)"),
        "classifier_guided_eps": (2, "(eps, score, t, alpha_bar, scale)"),
        "noisy_classifier_loss": (2, "(classifier, x0, y, t, noise, alpha_bar)"),
        "drop_labels": (1, "(y, null, p, generator=None)"),
        "cfg_loss": (2, "(model, x0, y, t, noise, alpha_bar, null, p, generator=None)"),
        "guided_eps": (3, "(model, x_t, t, y, null, scale)"),
        "negative_guided_eps": (1, "(model, x_t, t, y, y_negative, scale)"),
        "rescale_guidance": (2, "(guided, conditional, phi)"),
        "interval_scale": (1, "(t, T, scale, low, high)"),
        "guided_sample": (3, "(model, x_T, y, alpha_bar, null, scale, n)"),
    },
    "s7_latent_diffusion": {
        "reparameterize": (1, "(mean, logvar, noise)"),
        "kl_standard_normal": (2, "(mean, logvar)"),
        "vae_loss": (2, "(recon, x, mean, logvar, beta=0.001)"),
        "Autoencoder": (4, "(in_channels=1, latent_channels=4, width=32)"),
        "latent_scale": (1, "(latents)"),
        "patchify": (2, "(x, p)"),
        "unpatchify": (2, "(tokens, p, channels)"),
        "position_embedding_2d": (2, "(side, dim)"),
        "modulate": (1, "(x, shift, scale)"),
        "Attention": (4, "(dim, heads, context_dim=None)"),
        "DiTBlock": (4, "(dim, heads, mlp_ratio=4.0)"),
        "DiT": (5, "(side, patch, channels, dim, depth, heads, classes)"),
        "SpatialTransformer": (3, "(channels, heads, context_dim)"),
        "latent_loss": (3, "(model, autoencoder, x, y, t, noise, alpha_bar, scale)"),
        "generate": (4, "(model, autoencoder, z_T, y, null, alpha_bar, scale, guidance, n)"),
    },
}
"""The exercises in order, with their points and their signatures: other people's implementations rely on them."""

FORWARD = {
    "TinyDenoiser": "(self, x, t)",
    "UNet": "(self, x, t, y=None)",
    "Autoencoder": "(self, x, noise)",
    "Attention": "(self, x, context=None)",
    "DiTBlock": "(self, x, c)",
    "DiT": "(self, x, t, y)",
    "SpatialTransformer": "(self, x, context)",
}
"""The signature of each module's forward."""

SDE = {"marginal": "(self, t, like)", "coefficients": "(self, x, t)"}
METHODS = {"VPSDE": SDE, "VESDE": SDE, "Autoencoder": {"encode": "(self, x)", "decode": "(self, z)"}}
"""The signatures of the methods that are called by name."""

ALL_CHECKS = [check for stem in sections() for check in collect(stem)]
ALTERNATIVES = sorted(
    path for stem in sections() for path in (ROOT / "solutions" / "alternatives").glob(f"*/{stem}.py")
)
MISCONCEPTIONS = [misconception for stem in sections() for misconception in load(stem)]
EXERCISES = [exercise for section in sections().values() for exercise in section.exercises.values()]


@cache
def module_at(path: Path) -> ModuleType:
    """Import a module by its path; an alternative built on an absent library is skipped."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}.{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings(action="ignore"):  # libraries deprecate things as they please
        try:
            spec.loader.exec_module(module)
        except ImportError as error:
            pytest.skip(f"{path.parent.name} needs a library that is not installed: {error}")
    return module


def run(check: Check, module: ModuleType) -> Outcome:
    with tidy(SEED), warnings.catch_warnings(action="ignore"):
        return outcome(check, UnderTest(module), SEED)


def assert_passes(check: Check, module: ModuleType) -> None:
    found = run(check, module)
    assert found.verdict == "pass", f"{check.name}\n{type(found.error).__name__}: {found.error}"


# ------------------------------------------------------------------------------------- stubs, solutions, alternatives


@pytest.mark.parametrize("stem", sections())
def test_the_stub_is_what_the_solution_gives(stem):
    assert is_fresh(section(stem)), "run `python -m grader.source.stubs` and commit what it writes"


@pytest.mark.parametrize("check", ALL_CHECKS, ids=lambda check: check.name)
def test_the_stub_is_unfinished(check):
    assert run(check, module_at(section(check.section).stub)).verdict == "unfinished"


@pytest.mark.parametrize("check", ALL_CHECKS, ids=lambda check: check.name)
def test_the_solution_passes(check):
    assert_passes(check, module_at(section(check.section).solution))


def answers(path: Path) -> list[str]:
    """The exercises that an alternative defines, by its text: no import is needed to list its tests."""
    names = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return [name for name in section(path.stem).exercises if name in names]


@pytest.mark.parametrize(
    ("path", "exercise"),
    [pytest.param(path, name, id=f"{path.parent.name}-{name}") for path in ALTERNATIVES for name in answers(path)],
)
def test_an_alternative_passes(path, exercise):
    module = module_at(path)
    for check in collect(path.stem):
        if check.exercise == exercise:
            assert_passes(check, module)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_an_exercise_has_a_check_and_an_alternative(exercise):
    assert any(check.exercise == exercise.name for check in collect(exercise.section))
    alternatives = [path for path in ALTERNATIVES if path.stem == exercise.section]
    assert any(exercise.name in answers(path) for path in alternatives)


@pytest.mark.parametrize("path", ALTERNATIVES, ids=lambda path: path.parent.name)
def test_an_alternative_says_what_is_different(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith('"""Different: ')
    assert answers(path)


# ------------------------------------------------------------------------------------------------------ misconceptions


@pytest.mark.parametrize("misconception", MISCONCEPTIONS, ids=lambda known: f"{known.exercise}: {known.name}")
def test_a_misconception_is_caught_and_named(misconception):
    """A kill is a check that passes on the solution and says Mismatch, or meets an exception of the edited code."""
    failures = {}
    for check in collect(misconception.section):
        if check.exercise != misconception.exercise:
            continue
        found = outcome_of(misconception, check.name, SEED)
        if found.verdict == "pass":
            continue
        assert solution_passes(misconception.section, check.name)
        assert isinstance(found.error, Mismatch) or raised_within(found.error, misconception), repr(found.error)
        failures[check.name] = found.got
    assert failures, "no check of the exercise sees it"
    named = diagnose(misconception.section, misconception.exercise, failures, SEED)
    assert named is misconception, f"it is taken for {named and named.name!r}"


@cache
def solution_passes(stem: str, name: str) -> bool:
    check = next(check for check in collect(stem) if check.name == name)
    return run(check, module_at(section(stem).solution)).verdict == "pass"


def raised_within(error: BaseException, misconception: Misconception) -> bool:
    """Whether the exception passed through the edited code; one that did not may be a broken check's."""
    trace, files = error.__traceback__, set()
    while trace:
        files.add(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    return f"<misconception: {misconception.name}>" in files


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_an_exercise_has_enough_misconceptions(exercise):
    count = sum(misconception.exercise == exercise.name for misconception in load(exercise.section))
    assert count >= (5 if exercise.points >= 3 else 3)


@pytest.mark.parametrize("misconception", MISCONCEPTIONS, ids=lambda known: f"{known.exercise}: {known.name}")
def test_an_explanation_is_two_to_four_sentences(misconception):
    text = misconception.explanation.strip()
    ends = [i for i, sign in enumerate(text) if sign in ".!?" and (i + 1 == len(text) or text[i + 1] == " ")]
    assert text.endswith(".")
    assert 2 <= len(ends) <= 4, ends
    assert len(misconception.name) <= 72


# ----------------------------------------------------------------------------------- the course file and the contract


def test_the_sections_and_exercises_are_those_of_the_contract_in_its_order():
    found = {stem: {name: found.points for name, found in of.exercises.items()} for stem, of in sections().items()}
    wanted = {stem: {name: points for name, (points, _) in table.items()} for stem, table in CONTRACT.items()}
    assert [(stem, list(table.items())) for stem, table in found.items()] == [
        (stem, list(table.items())) for stem, table in wanted.items()
    ]


@pytest.mark.parametrize("stem", sections())
def test_the_solution_defines_the_exercises_in_order(stem):
    nodes = ast.parse(section(stem).solution.read_text(encoding="utf-8")).body
    defined = [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert [name for name in defined if not name.startswith("_")] == list(section(stem).exercises)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_the_signature_is_the_contracts(exercise):
    for path in (section(exercise.section).solution, section(exercise.section).stub):
        target = getattr(module_at(path), exercise.name)
        assert bare(target) == CONTRACT[exercise.section][exercise.name][1]
        if exercise.name in FORWARD:
            assert bare(target.forward) == FORWARD[exercise.name]
        for method, signature in METHODS.get(exercise.name, {}).items():
            assert bare(getattr(target, method)) == signature


def bare(target) -> str:
    """The signature without annotations."""
    signature = inspect.signature(target)
    names = [name.replace(annotation=inspect.Parameter.empty) for name in signature.parameters.values()]
    return str(signature.replace(parameters=names, return_annotation=inspect.Signature.empty))


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_needs_are_what_the_solution_calls(exercise):
    tree = ast.parse(section(exercise.section).solution.read_text(encoding="utf-8"))
    own = next(node for node in tree.body if getattr(node, "name", None) == exercise.name)
    named = {node.id for node in ast.walk(own) if isinstance(node, ast.Name)}
    assert set(exercise.needs) == (named & section(exercise.section).exercises.keys()) - {exercise.name}


# ------------------------------------------------------------------------------------------- what lies in the folders

FOLDERS = {
    "exercises": ("{}.py", {"__init__.py", "conftest.py", "course.toml"}),
    "exercises/checks": (
        "{}",
        {"__init__.py", "cases.py", "chance.py", "describe.py", "expect.py", "rules.py", "spies.py"},
    ),
    "exercises/end_to_end": ("test_{}.py", {"__init__.py"}),
    "exercises/gallery": ("{}.py", {"__init__.py"}),
    "exercises/lessons": ("{}.md", {"README.md"}),
    "exercises/shortcut": ("test_{}.py", {"__init__.py"}),
    "solutions": ("{}.py", {"__init__.py"}),
    "solutions/misconceptions": ("{}", set()),
    "solutions/numbers": ("{}.py", {"__init__.py"}),
    "solutions/pictures": ("{}.py", {"__init__.py", "__main__.py", "paper.py"}),
}
"""For each folder, what a section's file or folder is called, and the files that belong to no section."""


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_file_belongs_to_a_section_and_no_section_lacks_one(folder):
    pattern, given = FOLDERS[folder]
    entries = (path for path in (ROOT / folder).iterdir() if path.name != "__pycache__")
    files = {path.name for path in entries if path.is_file() or "." not in pattern}
    assert files == given | {pattern.format(stem) for stem in sections()}


@pytest.mark.parametrize("stem", sections())
def test_each_exercise_has_a_file_of_checks_and_one_of_misconceptions(stem):
    names = set(section(stem).exercises)
    assert {path.stem for path in section(stem).checks.glob("test_*")} == {f"test_{name}" for name in names}
    assert {path.name for path in section(stem).misconceptions.iterdir()} == {f"{name}.toml" for name in names}


def test_each_folder_is_known():
    known = {*FOLDERS, "exercises/dial", "exercises/toolkit", "solutions/alternatives"} - {"exercises", "solutions"}
    folders = [path for top in ("exercises", "solutions") for path in (ROOT / top).iterdir() if path.is_dir()]
    names = {path.relative_to(ROOT).as_posix() for path in folders if not path.name.startswith(("__", "."))}
    assert names == known


def test_each_alternative_belongs_to_a_section():
    files = [path for path in (ROOT / "solutions" / "alternatives").rglob("*") if path.is_file()]
    assert sorted(path for path in files if "__pycache__" not in path.parts) == ALTERNATIVES


def test_no_two_checks_or_exercises_share_a_name():
    """Of two functions with one name in a file, Python keeps the second: the first would never run."""
    names = Counter(exercise.name for exercise in EXERCISES)
    for path in (path for of in sections().values() for path in of.checks.glob("*.py")):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        within = Counter(node.name for node in body if isinstance(node, ast.FunctionDef))
        names.update(name for name in within.elements() if name.startswith("test_") or within[name] > 1)
    assert [name for name, count in names.items() if count > 1] == []
