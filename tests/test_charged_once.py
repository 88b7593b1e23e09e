"""A mistake is charged once: each function of each section made wrong in turn, and every other keeps its points."""

import pytest

from grader.course import ROOT, section, sections
from grader.diagnosis.listed import load
from grader.judging.judge import Judge, Request

SEED = 1
SHORT = [("s1_forward_reverse", "compute_alpha_bar"), ("s1_forward_reverse", "reverse_step")]
"""What `make test` runs of it: one that much depends on, and one in the middle."""


def losses(judge: Judge, stem: str, exercise: str) -> dict[str, str]:
    """The verdicts on the exercises that lose points if the first listed mistake is made in this one."""
    wrong = next(known for known in load(stem) if known.exercise == exercise).source()
    rows = judge.grade(Request(stem, f"{stem}.py", wrong, SEED, tuple(section(stem).exercises)))
    return {row["exercise"]: row["verdict"] for row in rows if row["score"] < row["points"]}


def modules(stem: str) -> set[str]:
    """The exercises that are classes: they live with the answer, and ours cannot stand in for them."""
    source = section(stem).solution.read_text(encoding="utf-8")
    return {name for name in section(stem).exercises if f"\nclass {name}(" in source or f"\nclass {name}:" in source}


@pytest.mark.parametrize(("stem", "exercise"), SHORT)
def test_the_others_keep_their_points(judge, stem, exercise):
    assert losses(judge, stem, exercise) == {exercise: "fail"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stem", "exercise"), [(stem, name) for stem in sections() for name in section(stem).exercises]
)
def test_every_function_made_wrong_in_turn_costs_itself_alone(judge, stem, exercise):
    lost = losses(judge, stem, exercise)
    assert lost.pop(exercise) == "fail"
    assert not lost or (exercise in modules(stem) and set(lost.values()) == {"blocked"})


PLAIN = (ROOT / "solutions" / "alternatives" / "plain_torch" / "s1_forward_reverse.py").read_text(encoding="utf-8")
BEFORE, LOOP = PLAIN[PLAIN.index("import torch") : PLAIN.index("def reverse_step")], '''
    with torch.no_grad():
        x, t = x_T.clone(), len(betas)
        while t > 0:
            t -= 1
            times = x.new_full((x.size(0),), t, dtype=torch.long)
            noise = torch.zeros_like(x)
            if t > 0:
                noise.normal_(generator=generator)
            x = {step}(x, times, model(x, times), betas, noise)
    return x
'''  # fmt: skip
WRONG = "reverse_step(x_t, t, eps, betas, noise):\n    return x_t - eps\n"
SAMPLE = "def sample(model, x_T, betas, generator=None):" + LOOP
CALLERS = {
    "decorated": f"def {WRONG}\n@torch.no_grad()\n{SAMPLE.format(step='reverse_step')}",
    "decorated without functools.wraps": f"""
def loudly(function):
    def called(*args, **kwargs):
        return function(*args, **kwargs)
    return called

def {WRONG}
@loudly
@loudly
{SAMPLE.format(step="reverse_step")}""",
    "decorated by a class": f"""
class Counted:
    def __init__(self, function):
        self.function, self.count = function, 0
    def __call__(self, *args, **kwargs):
        self.count += 1
        return self.function(*args, **kwargs)

def {WRONG}
@Counted
{SAMPLE.format(step="reverse_step")}""",
    "cached": f"import functools\ndef {WRONG}\n@functools.lru_cache\n{SAMPLE.format(step='reverse_step')}",
    "a helper": f"def {WRONG}\ndef _loop(model, x_T, betas, generator):{LOOP.format(step='reverse_step')}\n"
    "def sample(model, x_T, betas, generator=None):\n    return _loop(model, x_T, betas, generator)\n",
    "a partial of a helper": f"""
from functools import partial
def {WRONG}
def _loop(step, model, x_T, betas, generator=None):{LOOP.format(step="step")}
sample = partial(_loop, reverse_step)
""",
    "a class's own ways": f"""
def {WRONG}
class Sampler:
    def __init__(self, model, betas):
        self.model, self.betas = model, betas
    @property
    def steps(self):
        return len(self.betas)
    @staticmethod
    def back(x, times, eps, betas, noise):
        return reverse_step(x, times, eps, betas, noise)
    @classmethod
    @torch.no_grad()
    def start(cls, model, x_T, betas, generator):{LOOP.format(step="cls.back").replace(chr(10), chr(10) + "    ")}

def sample(model, x_T, betas, generator=None):
    return Sampler.start(model, x_T, betas, generator)
""",
    "methods": f"""
class Diffusion:
    def reverse_step(self, x_t, t, eps, betas, noise):
        return x_t - eps
    def _loop(self, model, x_T, betas, generator):{LOOP.format(step="self.reverse_step").replace(chr(10), chr(10) + "    ")}
    def sample(self, model, x_T, betas, generator=None):
        return self._loop(model, x_T, betas, generator)

mine = Diffusion()
reverse_step, sample = mine.reverse_step, mine.sample
""",
    "an alias": f"def {WRONG}\nstep = reverse_step\n{SAMPLE.format(step='step')}",
    "a default": f"def {WRONG}\n" + SAMPLE.format(step="step").replace("generator=None)", "generator=None, step=reverse_step)"),
    "a table": f"def {WRONG}\nSTEPS = {{'ddpm': [reverse_step]}}\n{SAMPLE.format(step='STEPS[' + repr('ddpm') + '][0]')}",
    "a closure": f"def {WRONG}\ndef made(step):\n    "
    + SAMPLE.format(step="step").replace("\n", "\n    ")
    + "\n    return sample\n\nsample = made(reverse_step)\n",
}  # fmt: skip
"""Ways to come from `sample` to the `reverse_step` that is wrong, each in an answer that is no edit of ours."""


@pytest.mark.parametrize("way", CALLERS)
def test_what_uses_a_wrong_exercise_in_whatever_way_keeps_its_points(judge, way):
    """A second each."""
    asked = ("reverse_step", "sample")
    rows = judge.grade(Request("s1_forward_reverse", "x.py", BEFORE + CALLERS[way], SEED, asked))
    verdicts = {row["exercise"]: row["verdict"] for row in rows}
    assert verdicts == {"reverse_step": "fail", "sample": "pass"}, rows[1]["message"]
    assert "Right by itself, with the course's reverse_step" in rows[1]["message"]


@pytest.mark.parametrize("way", CALLERS)
def test_what_is_wrong_itself_gains_nothing_from_the_ways_in_which_it_uses_another(judge, way):
    text = BEFORE + CALLERS[way].replace("times = x.new_full((x.size(0),), t", "times = x.new_full((x.size(0),), 0")
    (row,) = judge.grade(Request("s1_forward_reverse", "x.py", text, SEED, ("sample",)))
    assert (row["verdict"], row["score"]) == ("fail", 0)
