"""The learner's commands that run the learner's code: status, next, check, show, dial, capstone."""

import ast
import difflib
import hashlib
import json
import shutil
import sys
import traceback
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from grader.course import ROOT, Exercise, Section, sections
from grader.desk import memory, reading, terminal
from grader.desk.progress import PASS, UNREAD, Progress, begin
from grader.desk.restoring import lines_of
from grader.site import places


def status() -> int:
    with Progress() as progress:
        standings = [progress.known(name) for of in sections().values() for name in of.exercises]
        terminal.tell(terminal.overview(progress, standings, effort=True))
    return int(any(standing.state == UNREAD for standing in standings))


def next_exercise(of: Section | None = None) -> int:
    """Name the exercise at hand, or the first of a section that is to be done."""
    with Progress() as progress:
        exercise = progress.first(of) if of else progress.next(begin())
        if of and exercise is None:
            terminal.tell(terminal.done(of))
            return 0
        terminal.tell(terminal.closing(progress, exercise))
        if exercise is None:
            return 0
        if not progress.readable(exercise.section):
            return 1
        terminal.tell(terminal.about(exercise))
    return 0


def at_hand() -> Exercise | None:
    """The exercise at hand; None if all pass."""
    with Progress() as progress:
        return progress.next(begin())


def tell_hint(exercise: Exercise, every: bool = False, named: bool = True) -> None:
    """Print an exercise's next hint, or every one, and remember that."""
    given = memory.hints_given()
    number = min(given.get(exercise.name, 0) + 1, len(exercise.hints))
    of = "" if named else f" for {exercise.name}"
    for index in range(len(exercise.hints)) if every else [number - 1]:
        print(f"hint {index + 1} of {len(exercise.hints)}{of}: {exercise.hints[index]}")
    if number == len(exercise.hints) or every:
        print(f"More is in {places.told(exercise)}")
    else:
        print(f"Again `unstatic hint {exercise.name}` for the next.")
    given[exercise.name] = len(exercise.hints) if every else number
    text = json.dumps(given, indent=1, sort_keys=True) + "\n"
    memory.keep(memory.STATE / "hints.json", text.encode())


def all_pass() -> int:
    """Say so."""
    print("All exercises pass.")
    return 0


def check(what: Exercise | Section) -> int:
    names = [what.name] if isinstance(what, Exercise) else list(what.exercises)
    with Progress() as progress:
        standings = [progress.attempt(name) for name in names]
        terminal.tell(terminal.summary(progress, standings))
    return 0 if all(standing.state == PASS for standing in standings) else 1


def closed(exercise: Exercise) -> str:
    """Why an exercise's reference answer is not open yet; "" if it is."""
    with Progress() as progress:
        if not progress.readable(exercise.section):
            problem, of = progress.problem(exercise.section), sections()[exercise.section]
            line = f", line {problem.line}" if problem.line else ""
            return f"the file cannot be read: {problem.text} ({reading.where(of)}{line})"
        if progress.passes(exercise.name):
            return ""
        return progress.standing(exercise.name).remark or "it does not yet"


def compare(exercise: Exercise) -> int:
    """Print the reference answer, and what is different in the learner's."""
    of = sections()[exercise.section]
    ours = lines_of(exercise.name, of.solution.read_text(encoding="utf-8"))
    yours = lines_of(exercise.name, reading.text_of(of))
    compared = list(difflib.unified_diff(yours, ours, "yours", "ours", lineterm=""))
    if sys.stdout.isatty():
        from rich.syntax import Syntax

        for text, language in (("\n".join(ours), "python"), ("\n".join(compared), "diff")):
            terminal.tell(Syntax(text, language, theme="ansi_light", background_color="default"))
            print()
    else:
        print("\n".join([*ours, "", *compared]))
    if not compared:
        print("Yours is the same.")
    return 0


def show(of: Section) -> int:
    """Draw what the learner's functions can draw by now into pictures/<stem>.png."""
    from grader.desk import showing  # matplotlib takes a second

    return showing.show(of)


def dial() -> int:
    """Turn the step-count dial with what the learner has solved: a table, and pictures/dial.png."""
    from exercises.dial import poster, readings, solvable, table
    from grader.desk import trial

    progress = Progress()
    solved = {of.stem: _solved(progress, of) for of in sections().values() if progress.readable(of.stem)}
    _, ready, _ = solvable(solved)
    if not ready:
        print(
            "The dial needs a sampler that passes with all it uses: `sample`, `ddim_sample`, `euler_sample` or another."
        )
        terminal.tell(terminal.closing(progress, progress.next(begin())))
        return 0
    print(f"Turning the dial for {len(ready)} samplers; with all of them that takes some minutes.")
    progress.memory.flush()
    with trial.tidy():
        try:
            found = list(readings(solved, told=lambda what: print(f"  {what}", flush=True)))
        except Exception as error:
            if not (said := _stopped("The dial", error)):
                raise
            print(said)
            return 1
        print(table(found, solved))
        path = ROOT / "pictures" / "dial.png"
        path.parent.mkdir(exist_ok=True)
        poster(found, solved).savefig(path, dpi=110)
    print(f"See {path.relative_to(ROOT).as_posix()}")
    return 0


def capstone(size: str, fresh: bool) -> int:
    """Run the learner's functions of all sections as one system: static into digits, three pictures in pictures/.

    Args:
        size: "cpu" or "gpu"; "" is what this machine has.
        fresh: whether to train anew where a training is kept.
    """
    import torch

    from exercises.capstone import CPU, GPU, NEEDED, System, under_one_roof
    from grader.desk import trial

    has_gpu = torch.cuda.is_available()
    size = size or ("gpu" if has_gpu else "cpu")
    if size == "gpu" and not has_gpu:
        print("The GPU size needs a GPU, and torch sees no CUDA device here: `unstatic capstone --size cpu`.")
        return 1
    if away := [stem for stem in NEEDED if stem not in sections()]:
        print(f"The system is made of all sections, and this copy of the course has no {' and no '.join(away)}.")
        return 1
    print("Looking at the exercises that the system is made of.", flush=True)
    progress = Progress()
    readable = [stem for stem in NEEDED if progress.readable(stem)]
    code, missing = under_one_roof({stem: _solved(progress, sections()[stem], NEEDED[stem]) for stem in readable})
    if missing:
        _say_what_is_missing(missing, readable)
        return 1
    folder = memory.STATE / "capstone" / f"{size}-{_digest_of_learning()}"
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.is_dir():
        print("A training of these functions is kept: it goes on from there (`--fresh` begins anew).")
    progress.memory.flush()
    with trial.tidy():
        try:
            system = System(code, GPU if size == "gpu" else CPU, folder, "cuda" if size == "gpu" else "cpu", _say)
            _into_digits(system)
        except KeyboardInterrupt:
            print(
                f"\nStopped. What is learned so far is kept in {folder.relative_to(ROOT).as_posix()}, and the same command goes on."
            )
            return 130
        except Exception as error:
            if not (said := _stopped("The training", error, size)):
                raise
            print(said)
            return 1
    return 0


def _stopped(what: str, error: Exception, size: str = "") -> str:
    """What ended `what`, with the learner's own line that raised it, and what to do; "" if it is neither theirs nor torch's."""
    files = {str(of.stub) for of in sections().values()}
    own = [entry for entry in traceback.extract_tb(error.__traceback__) if entry.filename in files]
    if not own and not isinstance(error, ValueError | RuntimeError):
        return ""
    message = next(iter(str(error).strip().splitlines()), "")
    kind = "" if type(error) is ValueError and not own else f"{type(error).__name__}: "  # ours, and a sentence
    said = [f"{what} stopped: {kind}{message}"]
    if own:
        at = own[-1]
        said.append(f"  at {memory.shown(Path(at.filename))}:{at.lineno}, in {at.name}: {at.line}")
        if "out of memory" not in message:
            said.append("Mend this line, and ask again.")
        if size == "gpu" and "device" in message:
            advice = (
                "The checks ran on the CPU: on a GPU a tensor that is made anew needs the `device` of what came in."
            )
            said.append(advice)
    if size == "gpu":
        said.append("Without the GPU: `unstatic capstone --size cpu`.")
    return "\n".join(said)


def _say_what_is_missing(missing: Mapping[str, Sequence[str]], readable: Collection[str]) -> None:
    print("The system is not whole yet. It lacks")
    for stem, names in missing.items():
        print(f"  {stem:<21} {', '.join(names)}" + ("" if stem in readable else "  (the file cannot be imported)"))
    first = next(iter(missing.values()))[0]
    print(f"`unstatic check {first}` says what is wrong with the first of them, `unstatic hint {first}` helps.")


def _into_digits(system: Any) -> None:
    """Train, draw, judge, and write the pictures."""
    import torch

    from exercises.capstone import VIEWS, animation, strip, three_views

    system.learn()
    one_each = torch.arange(10)
    film = system.draw(one_each)
    _say("fifty of each digit are drawn, and judged")
    many = one_each.repeat(50)
    right, real = system.quality(system.draw(many, seed=2).pictures, many)
    says = f"{right:.0%} of {len(many)} digits are the ones that were asked for (of real ones {real:.0%} come through the autoencoder)"
    home = ROOT / "pictures"
    home.mkdir(exist_ok=True)
    strip(film, says).savefig(home / "capstone.png", dpi=110)
    animation(film, home / "capstone.gif")
    _say("the same static by three readings of the network")
    model, static = system.noise_model(one_each), system.static(len(one_each))
    with torch.no_grad():
        drawn = {view.name: (view.sampler, system.picture(view.draw(system, model, static))) for view in VIEWS}
    first, *others = (pictures for _, pictures in drawn.values())
    apart = max((other - first).square().mean().sqrt().item() for other in others)
    one = f"one network and one static; the pictures are at most {apart:.3f} apart (root mean square; black to white is 2)"
    three_views(drawn, one_each.tolist(), one).savefig(home / "capstone_views.png", dpi=110)
    print(f"{says[0].upper()}{says[1:]}.\nThree views: {one}.")
    print("See pictures/capstone.png, pictures/capstone.gif and pictures/capstone_views.png")


def _say(what: str) -> None:
    print(what if what.startswith(" ") else f"  {what}", flush=True)


def _digest_of_learning() -> str:
    """A name for what the two trainings depend on: the learner's code, whatever its comments and blank lines."""
    from exercises.capstone.system import LEARNING

    trees = [ast.dump(ast.parse(reading.text_of(sections()[stem]))) for stem in LEARNING]
    return hashlib.sha256("\n".join(trees).encode()).hexdigest()[:10]


def _solved(progress: Progress, of: Section, names: Iterable[str] | None = None) -> dict[str, Any]:
    """The learner's functions of a section, or those of them that are named, that pass, with all that they need."""

    def passes_with_needs(name: str) -> bool:
        return progress.passes(name) and all(map(passes_with_needs, of.exercises[name].needs))

    module = progress.module(of.stem)
    return {name: getattr(module, name) for name in names or of.exercises if passes_with_needs(name)}
