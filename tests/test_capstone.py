"""The capstone: the seven sections' functions fit together, a training goes on where it stopped, and three views agree."""

import importlib
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch import Tensor

from exercises import capstone
from exercises.capstone import CPU, NEEDED, VIEWS, System, animation, strip, three_views, under_one_roof
from exercises.toolkit import latents
from grader.course import ROOT, sections
from grader.desk.progress import Progress
from tests.classroom import open_classroom, open_desk

TINY = replace(CPU, side=8, width=8, dim=16, depth=1, heads=2, first=4, second=6, batch=8, n=5)
SOLVED = {stem: vars(importlib.import_module(f"solutions.{stem}")) for stem in sections()}


def code_with(**others) -> SimpleNamespace:
    code, missing = under_one_roof(SOLVED)
    assert not missing
    return SimpleNamespace(**vars(code) | others)


@pytest.fixture(scope="module")
def system(tmp_path_factory) -> System:
    made = System(code_with(), TINY, tmp_path_factory.mktemp("capstone"))
    made.learn()
    return made


def test_every_section_gives_something_and_all_of_it_is_used() -> None:
    assert list(NEEDED) == list(sections())
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "exercises" / "capstone").glob("*.py"))
    for stem, names in NEEDED.items():
        assert set(names) <= set(sections()[stem].exercises)
        assert [name for name in names if f"code.{name}(" not in text and name != "ema_update"] == []


def test_what_is_missing_is_said_by_section() -> None:
    solved = SOLVED | {"s6_guidance": {"guided_eps": print}, "s3_score_sde": {}}
    code, missing = under_one_roof(solved)
    assert missing == {"s3_score_sde": list(NEEDED["s3_score_sde"]), "s6_guidance": ["drop_labels"]}
    assert code.guided_eps is print


def test_a_training_that_was_stopped_ends_as_if_it_had_not(system: System, tmp_path: Path) -> None:
    calls = iter(range(100))

    def stops_at_the_fourth(*arguments) -> Tensor:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return SOLVED["s7_latent_diffusion"]["latent_loss"](*arguments)

    with pytest.raises(KeyboardInterrupt):
        System(code_with(latent_loss=stops_at_the_fourth), TINY, tmp_path).learn()
    again, said = System(code_with(), TINY, tmp_path), []
    again.told = said.append
    again.learn()
    assert not any("of 4, loss" in line for line in said), "the autoencoder was taught already"
    for one, other in zip(again.model.parameters(), system.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_film_begins_with_static_and_ends_with_clean_data(system: System, tmp_path: Path) -> None:
    film = system.draw(torch.arange(3))
    assert film.states.shape == (TINY.n + 1, 3, 1, 8, 8)
    assert film.guesses.shape == (TINY.n, 3, 1, 8, 8)
    assert film.levels == [999, 799, 599, 399, 199, -1]
    assert torch.equal(film.states[0], system.picture(system.static(3)))
    with Image.open(animation(film, tmp_path / "film.gif")) as moving:
        assert moving.n_frames >= TINY.n + 1
    strip(film, "a sentence").savefig(tmp_path / "strip.png")
    drawn = {view.name: (view.sampler, film.pictures) for view in VIEWS}
    three_views(drawn, [0, 1, 2], "a sentence").savefig(tmp_path / "views.png")


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name.split(",")[0])
def test_each_view_takes_the_exact_model_of_gaussian_data_to_where_its_paths_end(system: System, view) -> None:
    """The ODE takes static ε to its share of the data's spread, 0.5 ε; the levels' rounding and the steps cost 2 %."""

    def exact(x: Tensor, t: Tensor) -> Tensor:
        level = system.alpha_bar[t].reshape(-1, 1, 1, 1).to(x.dtype)
        return (1 - level).sqrt() * x / (0.25 * level + 1 - level)

    static = system.static(20)
    torch.testing.assert_close(view.draw(system, exact, static), 0.5 * static, rtol=0.02, atol=0.02)


def uncompiled(model, **options):
    """What `torch.compile` gives where no code can be made: the first call says so."""

    def called(*given):
        raise RuntimeError("backend='inductor' raised") from ImportError(
            "Cannot find a working triton installation.\nSee"
        )

    return called


def refused(model, **options):
    raise RuntimeError("torch.compile is not supported on this version of Python")


@pytest.mark.parametrize(
    ("stand_in", "why"), [(uncompiled, "ImportError: Cannot find"), (refused, "RuntimeError: torch")]
)
def test_where_compiling_fails_it_learns_uncompiled_and_says_so_once(monkeypatch, stand_in, why: str) -> None:
    monkeypatch.setattr(torch, "compile", stand_in)
    model, said, x = torch.nn.Linear(2, 3), list[str](), torch.ones(4, 2)
    called = latents.faster(model, "cuda", said.append)
    for _ in range(3):
        assert torch.equal(called(x), model(x))
    assert called(x).requires_grad
    (line,) = said
    assert line.startswith(f"torch.compile fails here ({why}")
    assert "\n" not in line
    assert latents.faster(model, "cpu") is model


def test_what_a_model_itself_raises_is_no_matter_of_compiling(monkeypatch) -> None:
    monkeypatch.setattr(torch, "compile", uncompiled)
    said: list[str] = []
    with pytest.raises(RuntimeError, match="mat1 and mat2") as raised:
        latents.faster(torch.nn.Linear(2, 3), "cuda", said.append)(torch.ones(4, 5))
    assert raised.value.__cause__ is raised.value.__context__ is None
    assert said == []


MIXED = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"


@pytest.mark.parametrize("size", ["cpu", "gpu"])
def test_what_ends_the_system_is_told_with_the_learners_line(tmp_path: Path, monkeypatch, size: str) -> None:
    """On a GPU it is a tensor that was left on the CPU; here the line says itself what torch would."""
    seven = sections()["s7_latent_diffusion"]
    text = seven.solution.read_text(encoding="utf-8")
    head = text.index('"""', text.index("def latent_loss("))
    head = text.index('"""', head + 3) + 3
    line = f"raise RuntimeError({MIXED!r})"
    without_a_gpu = torch.cuda.is_available

    def on_the_cpu(code, plan, folder, device, told) -> System:
        monkeypatch.setattr(torch.cuda, "is_available", without_a_gpu)  # a torch for CUDA asks it what it may call
        return System(code, plan, folder, "cpu", told)

    with open_desk(tmp_path, *sections()) as desk:
        for stem, of in sections().items():
            (tmp_path / f"{stem}.py").write_text(of.solution.read_text(encoding="utf-8"), encoding="utf-8")
        (tmp_path / f"{seven.stem}.py").write_text(f"{text[:head]}\n    {line}{text[head:]}", encoding="utf-8")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(capstone, "GPU", TINY)
        monkeypatch.setattr(capstone, "CPU", TINY)
        monkeypatch.setattr(capstone, "System", on_the_cpu)
        monkeypatch.setattr(Progress, "passes", lambda self, name: True)
        said = desk.unstatic("capstone", "--size", size)
    assert said.returncode == 1
    assert f"The training stopped: RuntimeError: {MIXED}" in said.stdout
    assert f"{seven.stem}.py:{text[:head].count(chr(10)) + 2}, in latent_loss: {line}" in said.stdout
    assert ("--size cpu" in said.stdout, "`device`" in said.stdout) == (size == "gpu", size == "gpu")


def test_without_answers_the_command_says_what_it_lacks(tmp_path: Path) -> None:
    run = open_classroom(tmp_path / "course").unstatic("capstone")
    assert run.returncode == 1
    assert "s6_guidance           drop_labels, guided_eps" in run.stdout
    assert "`unstatic check compute_alpha_bar`" in run.stdout
    assert "Traceback" not in run.stderr


@pytest.mark.slow
def test_from_the_reference_answers_static_becomes_digits(tmp_path: Path) -> None:
    """Some six minutes of a core."""
    classroom = open_classroom(tmp_path / "course")
    for stem, of in sections().items():
        shutil.copy(of.solution, classroom.root / "exercises" / f"{stem}.py")
    shutil.copytree(ROOT / "data" / "mnist", classroom.root / "data" / "mnist", ignore=shutil.ignore_patterns("full"))
    run = classroom.unstatic("capstone", timeout=1800)
    assert run.returncode == 0, run.stdout + run.stderr
    share = int(run.stdout.split("% of 500 digits")[0].split()[-1])
    assert share > 80, run.stdout
    assert {"capstone.png", "capstone.gif", "capstone_views.png"} <= {
        path.name for path in (tmp_path / "course" / "pictures").iterdir()
    }
