"""The step-count dial: every sampler sees one and the same model, in its own clock, and each call of it is counted."""

import importlib
from dataclasses import replace

import pytest
import torch

from exercises.dial import poster, readings, solvable, table
from exercises.dial import reading as turning
from exercises.dial.samplers import SAMPLERS
from exercises.dial.taught import Models
from exercises.dial.views import ALPHA_BAR, MOONS, Counted, Exact, Learned
from exercises.toolkit.plane import AtLevels, PlaneNet
from grader.course import sections
from grader.desk.progress import Progress
from tests.classroom import open_classroom, open_desk

SOLVED = {stem: vars(importlib.import_module(f"solutions.{stem}")) for stem in sections()}
UNTAUGHT = [sampler for sampler in SAMPLERS if not sampler.taught and sampler in solvable(SOLVED)[1]]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_exact_view_is_the_toolkits_mixture() -> None:
    x, lam = torch.randn(50, 2, dtype=torch.float64, generator=seeded()), torch.linspace(-5, 4, 50, dtype=torch.float64)
    alpha_bar, rows = torch.sigmoid(2 * lam), torch.arange(50)
    torch.testing.assert_close(Exact().eps(x, lam), MOONS.eps(x, rows, alpha_bar))
    torch.testing.assert_close(Exact().x0(x, lam), MOONS.x0(x, rows, alpha_bar))


def test_a_network_says_the_same_noise_at_levels_and_on_the_dials_clock() -> None:
    net, x, t = PlaneNet(), torch.randn(20, 2, generator=seeded()), torch.arange(0, 1000, 50)
    view = Counted(Learned(net))
    torch.testing.assert_close(view.at_levels(ALPHA_BAR)(x, t), AtLevels(net, ALPHA_BAR)(x, t), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sampler", UNTAUGHT, ids=lambda sampler: sampler.name)
def test_many_calls_of_every_sampler_draw_the_moons(sampler) -> None:
    """128 calls on the exact score leave 0 to 2 % off the data, the ODE on even times the most."""
    models = Models(solvable(SOLVED)[0], print)
    models.seen = Counted(Exact())
    drawn = sampler.draw(models.code, models, torch.randn(500, 2, generator=seeded()), 128)
    assert 120 <= models.seen.calls <= 129
    assert turning.off(drawn).double().mean() < 0.05


def test_the_dial_shows_what_is_solved_and_names_what_is_dark(monkeypatch: pytest.MonkeyPatch) -> None:
    brief = tuple(replace(sampler, counts=sampler.counts[:2]) for sampler in SAMPLERS)
    monkeypatch.setattr(turning, "SAMPLERS", brief)
    monkeypatch.setattr(turning, "POINTS", 40)
    monkeypatch.setattr(Models, "net", PlaneNet())
    solved = {"s4_fast_sampling": {"ddim_sample": SOLVED["s4_fast_sampling"]["ddim_sample"]}}
    found = list(readings(solved))
    assert {(reading.sampler.name, reading.source, reading.calls) for reading in found} == {
        ("DDIM", source, calls) for source in ("exact", "network") for calls in (1, 2)
    }
    text = table(found, solved)
    assert "DDIM" in text
    assert "Still dark: ancestral" in text
    assert poster(found, solved).axes


def test_with_nothing_solved_the_dial_is_dark() -> None:
    assert list(readings({})) == []
    assert "Still dark" in table([], {})


def test_the_command_says_what_it_needs_while_no_sampler_passes(tmp_path):
    run = open_classroom(tmp_path / "course").unstatic("dial")
    assert run.returncode == 0
    assert "The dial needs a sampler that passes with all it uses" in run.stdout
    assert "next: forward_step" in run.stdout


def test_what_ends_the_dial_is_told_with_the_learners_line(tmp_path, monkeypatch):
    line = "raise TypeError('no step of that size')"
    with open_desk(tmp_path) as desk:
        for stem, of in sections().items():
            text = of.solution.read_text(encoding="utf-8").replace(
                "def timesteps(", f"def timesteps(T, n):\n    {line}\n\n\ndef _("
            )
            (tmp_path / f"{stem}.py").write_text(text, encoding="utf-8")
        monkeypatch.setattr(Progress, "passes", lambda self, name: True)
        monkeypatch.setattr(
            "exercises.dial.readings", lambda solved, told: [solved["s4_fast_sampling"]["timesteps"](10, 5)]
        )
        said = desk.unstatic("dial")
    assert said.returncode == 1
    assert "The dial stopped: TypeError: no step of that size" in said.stdout
    assert f"s4_fast_sampling.py:21, in timesteps: {line}\nMend this line" in said.stdout
    assert "--size" not in said.stdout
