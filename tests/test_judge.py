"""The judge's verdicts on submissions that do not simply answer."""

import re

import pytest

from grader.checks.collect import collect
from grader.course import ROOT, section
from grader.judging import sitting
from grader.judging.judge import Request
from grader.sandbox.host import memory, session
from grader.sandbox.host.memory import resident

STEM = "s1_forward_reverse"
REFERENCE = (ROOT / "solutions" / f"{STEM}.py").read_text()
ALL = tuple(section(STEM).exercises)


def verdicts(judge, text, only=ALL):
    rows = judge.grade(Request(STEM, f"{STEM}.py", text, 1, only))
    return {row["exercise"]: row for row in rows}


def with_answer(code):
    """The reference, with other definitions after its own."""
    return REFERENCE + "\n\n" + code


def test_the_reference_has_full_marks(judge):
    rows = verdicts(judge, REFERENCE)
    assert {row["verdict"] for row in rows.values()} == {"pass"}
    assert all(row["score"] == row["points"] > 0 for row in rows.values())


def test_the_stub_is_unfinished_and_has_no_points(judge):
    rows = verdicts(judge, section(STEM).stub.read_text())
    assert {row["verdict"] for row in rows.values()} == {"unfinished"}
    assert sum(row["score"] for row in rows.values()) == 0


def test_who_is_given_more_time_is_given_as_much_more_of_the_processor(judge):
    """Else a check of 200 s that the course allows would be ended after 150 s of computing."""
    code = "import resource\ndef compute_alpha_bar(betas): raise ValueError(resource.getrlimit(resource.RLIMIT_CPU))\n"
    for time, seconds in (({}, 150), ({"compute_alpha_bar": 10.0}, 1500)):
        (row,) = judge.grade(Request(STEM, f"{STEM}.py", code, 1, ("compute_alpha_bar",), time=time))
        assert f"ValueError: ({seconds}, {seconds})" in row["message"]


BEGUN = """
    a = extract(alpha_bar, t, x_t)
    if x_t.dtype == torch.float32:
        raise NotImplementedError
    return (x_t - (1 - a).sqrt() * eps) / a.sqrt()"""


@pytest.mark.parametrize(
    ("body", "checks", "verdict"),
    [
        ('"""Later."""\n    raise NotImplementedError', "one", "unfinished"),
        ('raise NotImplementedError("later")', "one", "unfinished"),
        (BEGUN, "all", "unfinished"),
        ("return NotImplementedError", "all", "fail"),
    ],
)
def test_of_a_stub_one_check_is_run_and_of_what_is_begun_all(judge, monkeypatch, body, checks, verdict):
    ran, run = [], sitting.Sitting._run
    monkeypatch.setattr(sitting.Sitting, "_run", lambda *given: ran.append(given) or run(*given))
    text = with_answer(f"def predict_x0(x_t, t, eps, alpha_bar):\n    {body}\n")
    row = verdicts(judge, text, ("predict_x0",))["predict_x0"]
    every = [check.name for check in collect(STEM) if check.exercise == "predict_x0"]
    assert (len(ran), row["verdict"]) == ({"one": 1, "all": len(every)}[checks], verdict)
    assert [check["name"] for check in row["checks"]] == every
    assert len({check["verdict"] for check in row["checks"]}) == (2 if body == BEGUN else 1)


@pytest.mark.parametrize(
    ("body", "verdict", "says"),
    [
        ("import os; os._exit(0)", "crash", "exit status 0"),
        ("import ctypes; ctypes.string_at(0)", "crash", "SIGSEGV"),
        ("raise SystemExit(0)", "crash", "SystemExit"),
        ("raise KeyboardInterrupt", "crash", "KeyboardInterrupt"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "crash", "SIGKILL"),
        ("import os, signal; os.kill(os.getppid(), signal.SIGKILL); return (1 - betas).cumprod(0)", "tamper", "ended"),
        ("return [1][5]", "fail", "IndexError"),
        ("raise NotImplementedError", "unfinished", "still to be written"),
        ("return betas.to_sparse().cumprod(0)", "fail", "raised     NotImplementedError: Could not run"),
        ("return torch.nn.Module()(betas)", "fail", 'is missing the required "forward" function'),
        ("kept = []\n    while True: kept.append(torch.ones(1 << 24))", "memory", "memory"),
        ("while True: print('x' * 100_000)", "output-limit", "printed"),
        ("return None", "fail", "a tensor"),
        ("return betas * float('nan')", "fail", "nan"),
        ("return (1 - betas).cumprod(0).sum()", "fail", "shape"),
        ("return 1 - betas.cumsum(0)", "fail", "expected"),
    ],
)
def test_a_fault_costs_its_own_exercise_and_says_what_it_was(judge, body, verdict, says):
    only = ("forward_step", "compute_alpha_bar", "timestep_embedding")
    rows = verdicts(judge, with_answer(f"def compute_alpha_bar(betas):\n    {body}\n"), only)
    assert rows["compute_alpha_bar"]["verdict"] == verdict
    assert says in rows["compute_alpha_bar"]["message"]
    assert rows["compute_alpha_bar"]["score"] == 0
    assert rows["forward_step"]["verdict"] == rows["timestep_embedding"]["verdict"] == "pass"


LOSES_THE_NOISE = with_answer("def q_sample(x0, t, noise, alpha_bar):\n    return x0\n")


def test_a_mistake_is_charged_once_and_what_uses_it_is_judged_by_itself(judge):
    rows = verdicts(judge, LOSES_THE_NOISE, ("q_sample", "simple_loss"))
    assert (rows["q_sample"]["verdict"], rows["simple_loss"]["verdict"]) == ("fail", "pass")
    assert (
        "Right by itself, with the course's q_sample; in your file it still meets yours"
        in rows["simple_loss"]["message"]
    )


LEFT = with_answer("def q_sample(x0, t, noise, alpha_bar):\n    raise NotImplementedError\n")


@pytest.mark.parametrize("text", [LOSES_THE_NOISE, LEFT], ids=["wrong", "a stub"])
def test_what_it_uses_is_judged_too_where_nobody_asked_for_that(judge, text):
    rows = verdicts(judge, text, ("simple_loss",))
    assert list(rows) == ["simple_loss"]
    assert rows["simple_loss"]["verdict"] == "pass"


def test_what_it_uses_and_nobody_asked_for_costs_nothing_beside_what_was_asked_for_and_is_wrong(judge):
    code = "def predict_x0(x_t, t, eps, alpha_bar):\n    return x_t\n\ndef q_posterior(x0, x_t, t, betas):\n    raise NotImplementedError\n"
    rows = verdicts(judge, with_answer(code), ("predict_x0", "reverse_step"))
    assert (rows["predict_x0"]["verdict"], rows["reverse_step"]["verdict"]) == ("fail", "pass")


def test_a_mistake_of_its_own_is_named_beside_one_of_what_it_uses(judge):
    code = """
def q_sample(x0, t, noise, alpha_bar):
    return x0

def simple_loss(model, x0, t, noise, alpha_bar):
    return (noise - model(q_sample(x0, t, noise, alpha_bar), t)).square().sum()
"""
    row = verdicts(judge, with_answer(code), ("simple_loss",))["simple_loss"]
    assert row["verdict"] == "fail"
    assert row["misconception"] == "the sum of the squares"
    assert "judged     with the course's q_sample in place of yours" in row["message"]


def test_a_course_can_have_it_charged_to_all_that_use_it(judge):
    request = Request(STEM, f"{STEM}.py", LOSES_THE_NOISE, 1, ("q_sample", "simple_loss"), charge_once=False)
    row = judge.grade(request)[1]
    assert (row["verdict"], row["score"]) == ("blocked", 0)
    assert "q_sample, which is not right yet" in row["message"]


def test_one_answer_that_runs_on_is_one_culprit_and_its_line_is_told(judge, monkeypatch):
    monkeypatch.setattr(sitting, "CHECK_SECONDS", 4)
    code = "def compute_alpha_bar(betas):\n    print('so far')\n    while True:\n        pass\n"
    rows = verdicts(judge, with_answer(code), ("compute_alpha_bar", "q_posterior", "sample"))
    assert [row["verdict"] for row in rows.values()] == ["timeout", "pass", "pass"]
    message = rows["compute_alpha_bar"]["message"]
    assert "the 4 s that a check may take are used up" in message
    assert re.search(r"at +line \d+: (while True:|pass)", message)
    assert re.search(r"printed +so far", message)


def test_an_import_that_runs_on_tells_its_line_and_keeps_what_stands_above(judge, monkeypatch):
    monkeypatch.setattr(sitting, "CHECK_SECONDS", 10)  # room for the check on a busy machine
    row = verdicts(judge, with_answer("while True:\n    pass\n"), ("compute_alpha_bar",))["compute_alpha_bar"]
    assert row["verdict"] == "pass"
    assert re.search(
        r"note +importing stopped at line \d+ \(the 9 s that its import may take are used up\)", row["message"]
    )


def test_a_module_that_is_not_there_is_told_with_those_that_are(judge):
    code = "def compute_alpha_bar(betas):\n    import a_module_that_nobody_has\n"
    message = verdicts(judge, with_answer(code), ("compute_alpha_bar",))["compute_alpha_bar"]["message"]
    assert re.search(
        r"there are +Python's own modules, and torch, numpy.*files beside the section's are not read", message
    )


def test_twenty_thousand_printed_lines_are_no_fault(judge):
    code = "def compute_alpha_bar(betas):\n    for i in range(20_000): print(i)\n    return (1 - betas).cumprod(0)\n"
    assert verdicts(judge, with_answer(code), ("compute_alpha_bar",))["compute_alpha_bar"]["verdict"] == "pass"


def test_what_needs_another_exercise_and_does_without_passes(judge):
    code = """
def q_sample(x0, t, noise, alpha_bar):
    raise NotImplementedError

def simple_loss(model, x0, t, noise, alpha_bar):
    a = extract(alpha_bar, t, x0)
    return (noise - model(a.sqrt() * x0 + (1 - a).sqrt() * noise, t)).square().mean()
"""
    rows = verdicts(judge, with_answer(code), ("q_sample", "simple_loss"))
    assert (rows["q_sample"]["verdict"], rows["simple_loss"]["verdict"]) == ("unfinished", "pass")


@pytest.mark.parametrize(
    ("instead", "says"),
    [
        (
            "def compute_alpha_bars(betas): ...",
            " Is compute_alpha_bars (line {}) meant?",
        ),
        (
            "def computeAlphaBar(betas): ...",
            " Is computeAlphaBar (line {}) meant?",
        ),
        (
            "class Mine: \n    def compute_alpha_bar(betas): ...",
            " The one in line {} is indented into something else: move it to the left margin.",
        ),
        ("def another(betas): ...", ""),
        ("def compute_alpha_bar(betas):\n    raise NotImplementedError", ""),
    ],
)
def test_of_an_exercise_that_is_not_defined_it_is_said_what_is_there_instead(judge, instead, says):
    """0.6 s each."""
    source = "import torch\n" + instead + "\n\ndef compute_alphas(betas): ...\ndef q_sample(x): ...\n"
    row = verdicts(judge, source, ("compute_alpha_bar",))["compute_alpha_bar"]
    assert row["verdict"] == "unfinished"
    assert row["message"] == "compute_alpha_bar is still to be written." + says.format(instead.count("\n") + 2)


def test_a_known_mistake_is_named(judge):
    code = "def compute_alpha_bar(betas):\n    return 1 - torch.cumsum(betas, 0)\n"
    row = verdicts(judge, with_answer(code), ("compute_alpha_bar",))["compute_alpha_bar"]
    assert row["verdict"] == "fail"


@pytest.mark.parametrize(
    ("code", "verdict", "says"),
    [
        ("1 / 0", "crash", "ZeroDivisionError"),
        ("import os; os._exit(3)", "crash", "exit status 3"),
        ("if not None:\n    import a_module_that_nobody_has\n    def f(): ...", "crash", "ModuleNotFoundError"),
    ],
)
def test_an_import_that_ends_costs_what_it_does_not_reach(judge, code, verdict, says):
    rows = verdicts(judge, f"{code}\n{REFERENCE}", ("forward_step",))
    assert rows["forward_step"]["verdict"] == verdict
    assert says in rows["forward_step"]["message"]


def test_a_module_s_import_of_what_is_not_there_costs_what_uses_it_alone(judge):
    """1 s."""
    lost = "import a_module_nobody_has as tf\nfrom .ops import (\n    bcast,\n)\n"
    code = "def compute_alpha_bar(betas):\n    return tf.math.cumprod(1 - betas)\n"
    rows = verdicts(judge, lost + with_answer(code), ("forward_step", "compute_alpha_bar", "q_sample"))
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "forward_step": "pass",
        "compute_alpha_bar": "fail",
        "q_sample": "pass",
    }
    left_out = "line 1: this import was left out (ModuleNotFoundError: No module named 'a_module_nobody_has'), and the rest was run. There are Python's own modules, and torch"
    for name in ("forward_step", "compute_alpha_bar"):  # the first exercise of the section, and the one that fails
        assert left_out in rows[name]["message"]
        assert "line 2: this import was left out (ImportError: attempted relative import" in rows[name]["message"]
    assert rows["q_sample"]["message"] == ""
    assert "NameError: name 'tf' is not defined" in rows["compute_alpha_bar"]["message"]
    rows = verdicts(judge, lost + "1 / 0\n" + REFERENCE, ("forward_step",))
    assert rows["forward_step"]["verdict"] == "crash"
    assert "importing stopped at line 5 (ZeroDivisionError" in rows["forward_step"]["message"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("import os; os.makedirs('/content/drive')", "PermissionError|OSError"),
        ("data = torch.load('data.pt')", "FileNotFoundError"),
        ("with open('/content/log.txt', 'w') as log:\n    log.write('x')", "FileNotFoundError"),
        ("steps = int(input('how many? '))", "EOFError"),
        ("torch.zeros(2).to('cuda')", "AssertionError|RuntimeError"),
        ("raise RuntimeError('Cannot re-initialize CUDA in forked subprocess. To')", "RuntimeError"),  # torch for CUDA
        ("if True:\n    import a_module_nobody_has\n    x = 1", "ModuleNotFoundError"),
    ],
)
def test_a_module_s_statement_that_wants_what_is_not_here_is_left_out(judge, line, why):
    """0.7 s each."""
    rows = verdicts(judge, f"import torch\n{line}\n{REFERENCE}", ("forward_step", "q_sample"))
    assert {row["verdict"] for row in rows.values()} == {"pass"}, rows
    said = rf"note +line \d: this (statement|import) was left out \(({why}): .*\), and the rest was run"
    assert re.search(said, rows["forward_step"]["message"]), rows["forward_step"]["message"]
    assert rows["q_sample"]["message"] == ""


def test_the_working_folder_and_the_temporary_one_can_be_written_to_at_import_and_in_a_check(judge):
    """0.7 s. The working folder has the name of a scratch space that is mounted over it."""
    code = """
import os, tempfile
os.makedirs("runs/1", exist_ok=True)
torch.save(torch.ones(2), "runs/1/model.pt")

def compute_alpha_bar(betas):
    with open("log.txt", "a") as log, tempfile.TemporaryFile() as other:
        log.write("x")
        other.write(b"x")
    return (1 - betas).cumprod(0)
"""
    row = verdicts(judge, with_answer(code), ("compute_alpha_bar",))["compute_alpha_bar"]
    assert (row["verdict"], row["message"]) == ("pass", "")


def test_what_was_defined_before_an_exception_at_import_is_graded(judge):
    rows = verdicts(judge, REFERENCE + "\n1 / 0\ndef late(): pass\n", ("forward_step", "q_sample"))
    assert {row["verdict"] for row in rows.values()} == {"pass"}


def test_what_a_submission_has_the_judge_keep_is_gone_with_its_check(judge, monkeypatch):
    """Three seconds; what is kept for gradients is seen by no garbage collector."""
    before = resident()
    monkeypatch.setattr(session, "MOST_MEMORY", 400 << 20)
    monkeypatch.setattr(memory, "LARGE", 0)
    code = """def simple_loss(model, x0, t, noise, alpha_bar):
    while True:
        model(torch.zeros(1 << 20, requires_grad=True), t[:1].expand(1 << 20))"""
    for _ in range(2):  # the second has as much room as the first
        row = verdicts(judge, with_answer(code), ("simple_loss",))["simple_loss"]
        assert row["verdict"] == "memory"
        assert "GiB at the judge's" in row["message"]
    assert resident() < before + (200 << 20)


def test_an_import_that_leaves_threads_and_parallel_work_is_graded(judge):
    code = """
import threading, time
torch.set_num_threads(2)
torch.randn(400, 400) @ torch.randn(400, 400)
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
"""
    rows = verdicts(judge, with_answer(code), ("forward_step", "q_sample", "compute_alpha_bar"))
    assert {row["verdict"] for row in rows.values()} == {"pass"}


@pytest.mark.parametrize(
    "code",
    [
        "print('noise ' * 1000); import sys; sys.stderr.write('more\\n' * 1000)",
        "import warnings; warnings.warn('beware')",
        "torch.set_default_dtype(torch.float64)",
        "torch.manual_seed(0); torch.set_grad_enabled(False)",
        "import os; os.chdir('/'); os.environ.clear()",
        "import sys; sys.stdout = open(os.devnull, 'w') if 'os' in globals() else sys.stdout",
    ],
)
def test_noise_at_import_costs_nothing(judge, code):
    rows = verdicts(judge, with_answer(code), ("forward_step", "q_sample", "simple_loss"))
    assert {row["verdict"] for row in rows.values()} == {"pass"}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_verdicts_a_hundred_times(judge):
    first = {name: row["verdict"] for name, row in verdicts(judge, REFERENCE).items()}
    assert set(first.values()) == {"pass"}
    for _ in range(99):
        assert {name: row["verdict"] for name, row in verdicts(judge, REFERENCE).items()} == first


@pytest.mark.slow
def test_twenty_seeds_give_the_reference_full_marks(judge):
    for seed in range(2, 22):
        rows = judge.grade(Request(STEM, f"{STEM}.py", REFERENCE, seed, ALL))
        assert {row["verdict"] for row in rows} == {"pass"}
