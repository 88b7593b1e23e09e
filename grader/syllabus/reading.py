"""A course's own file, read and checked: what is wrong with it is told with file and line before anything is graded."""

import difflib
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from grader.course import Exercise, find_exercise, section, sections
from grader.syllabus import own_checks, receipts, roster
from grader.syllabus.entries import Entry, Faults, TomlFile
from grader.syllabus.receipts import Receipts
from grader.syllabus.roster import Roster, plain
from grader.syllabus.rules import Extension, HandScore, LateRule, Syllabus

MOST_TIME = 50
"""Times as long that an exercise or a learner may have."""

KEYS = ("title", "timezone", "charge_once", "hide_names", "roster", "points", "weights", "extra", "left_out", "time", "checks",
        "hidden_checks", "deadlines", "extensions", "late", "receipts", "scores")  # fmt: skip
TABLES = ("roster", "receipts")
"""Those that may be the name of a table beside the file."""


def read(path: Path) -> Syllabus:
    """The syllabus in a file.

    Raises:
        SyllabusError: it says something that cannot be; a line for each fault, with file and line.
    """
    whole = TomlFile.load(Path(path).absolute())
    whole.only(*KEYS)
    utc: tzinfo = UTC
    zone = whole.get("timezone", _zone, utc) if "timezone" in whole.value else None
    none: list[str] = []
    unset: list[tuple[Entry, HandScore]] = []
    scores = whole.get("scores", lambda entry: entry.items(_score), unset)
    found = Syllabus(
        title=whole.get("title", Entry.text, path.stem),
        charge_once=whole.get("charge_once", Entry.flag, True),
        hide_names=whole.get("hide_names", Entry.flag, False),
        roster=whole.get("roster", roster.read, Roster()),
        points=whole.get("points", lambda entry: entry.each(_points), {}),
        weights=whole.get("weights", lambda entry: entry.each(_weight), {}),
        extra=frozenset(whole.get("extra", _exercises, none)),
        left_out=frozenset(whole.get("left_out", _exercises, none)),
        time_of_learners=whole.get("time", lambda entry: entry.get("learners", _times, {}), {}),
        time_of_exercises=whole.get("time", lambda entry: entry.get("exercises", _times_of_exercises, {}), {}),
        checks=whole.get("checks", own_checks.folder, None),
        hidden_checks=whole.get("hidden_checks", own_checks.folder, None),
        deadlines=whole.get("deadlines", lambda entry: entry.each(lambda one: _deadline(one, zone)), {}),
        extensions=whole.get("extensions", lambda entry: _extensions(entry, zone), {}),
        late=whole.get("late", _late, LateRule()),
        receipts=whole.get("receipts", lambda entry: receipts.read(entry, zone), Receipts()),
        scores=tuple(score for _, score in scores),
        files=(path, *(path.parent / table for key in TABLES if isinstance(table := whole.value.get(key), str))),
    )
    _agrees(whole, found)
    _scores_agree(found, scores)
    whole.file.faults.tell()
    faults = Faults()
    own_checks.collect([folder for folder in (found.checks, found.hidden_checks) if folder is not None], faults)
    faults.tell()
    return found


# ------------------------------------------------------------------------------------------------------- single values


WINDOWS = ", and run `pip install tzdata`" if sys.platform == "win32" else ""
"""Which has no table of time zones of its own."""


def _zone(entry: Entry) -> tzinfo:
    try:
        return ZoneInfo(entry.text())
    except (ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError
        raise entry.fault(f'timezone = {entry.value!r} is not known; give one as "Europe/Vienna"{WINDOWS}') from None


def _named(entry: Entry, name: str) -> tuple[str, ...]:
    """The exercises that a name stands for: an exercise, or all of a section."""
    if name in sections():
        return tuple(section(name).exercises)
    try:
        return (find_exercise(name).name,)
    except ValueError:
        known = [*sections(), *(exercise for one in sections().values() for exercise in one.exercises)]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else "`unstatic status` lists them"
        raise entry.fault(f"{entry.shown}: no exercise or section is called {name!r}; {hint}") from None


def _exercises(entry: Entry) -> list[str]:
    return [name for names in entry.items(lambda one: _named(one, one.text())) for name in names]


def _exercise(entry: Entry, name: str) -> Exercise:
    if _named(entry, name) != (name,):
        raise entry.fault(f"{entry.shown}: {name} is a section; name an exercise")
    return find_exercise(name)


def _stem(entry: Entry, name: str) -> str:
    _named(entry, name)
    if name not in sections():
        raise entry.fault(f"{entry.shown}: {name} is an exercise; name a section")
    return name


def _points(entry: Entry) -> float:
    _exercise(entry, entry.key)
    return entry.number()


def _weight(entry: Entry) -> float:
    _stem(entry, entry.key)
    return entry.number()


def _times(entry: Entry) -> dict[str, float]:
    return entry.each(lambda one: one.number(1, MOST_TIME))


def _times_of_exercises(entry: Entry) -> dict[str, float]:
    def factor(one: Entry) -> tuple[tuple[str, ...], float]:
        return _named(one, one.key), one.number(1, MOST_TIME)

    sections_first = sorted(entry.each(factor).values(), key=lambda found: -len(found[0]))
    return {name: times for names, times in sections_first for name in names}


def _deadline(entry: Entry, zone: tzinfo | None) -> datetime:
    _named(entry, entry.key)
    return entry.moment(zone)


def _extensions(entry: Entry, zone: tzinfo | None) -> dict[tuple[str, str], Extension]:
    def one(given: Entry) -> Extension:
        if isinstance(given.value, int | float) and not isinstance(given.value, bool):
            return Extension(days=given.number(0, 1000))
        return Extension(until=given.moment(zone))

    def of_section(given: Entry) -> Extension:
        _stem(given, given.key)
        return one(given)

    def of_learner(given: Entry) -> dict[str, Extension]:
        return given.each(of_section) if isinstance(given.value, dict) else {"": one(given)}

    found = entry.each(of_learner)
    return {(learner, stem): extension for learner, those in found.items() for stem, extension in those.items()}


def _late(entry: Entry) -> LateRule:
    entry.only("per_day", "at_most", "grace_minutes", "until_days")
    return LateRule(
        per_day=entry.get("per_day", lambda one: one.number(0, 1), 0.0),
        at_most=entry.get("at_most", lambda one: one.number(0, 1), 1.0),
        grace=timedelta(minutes=entry.get("grace_minutes", lambda one: one.number(0, 100_000), 0.0)),
        until=entry.get("until_days", lambda one: one.number(0, 10_000), None),
    )


def _score(entry: Entry) -> tuple[Entry, HandScore]:
    entry.table()
    entry.only("learner", "exercise", "score", "by", "why")
    return entry, HandScore(
        entry.need("learner", Entry.text),
        entry.need("exercise", lambda one: _exercise(one, one.text()).name),
        entry.need("score", Entry.number),
        entry.need("by", Entry.text),
        entry.need("why", Entry.text),
    )


# ----------------------------------------------------------------------------------------------- one with the other


def _agrees(whole: Entry, found: Syllabus) -> None:
    """Note where parts of the file, each right by itself, do not go together."""
    if "time" in whole.value and isinstance(whole.value["time"], dict):
        whole.inner("time").only("learners", "exercises")
    for place, learner in _learners(whole):
        ids = {plain(one): one for one in found.roster.learners}
        if ids and plain(learner) not in ids:
            near = difflib.get_close_matches(plain(learner), ids, 1)
            hint = f"; did you mean {ids[near[0]]}?" if near else ""
            _at(whole, place).fault(f"{learner} is not on the roster{hint}")
    _once_each(whole)
    for stem in found.weights:
        if not found.counted(stem):
            _at(whole, ("weights", stem)).fault(
                f"{stem} has a weight and no points: what is in it is extra or left out"
            )
    if "deadlines" in whole.value and "receipts" not in whole.value:
        _at(whole, ("deadlines",)).fault(
            'there are deadlines, and nothing says when submissions came: add receipts = "receipts.csv", or "mtime"'
        )
    for key in ("extensions", "late"):
        if key in whole.value and "deadlines" not in whole.value:
            _at(whole, (key,)).fault(f"there is {key} and no [deadlines]")
    if found.deadlines:
        _extend_something(whole, found)


def _once_each(whole: Entry) -> None:
    """Note who is named twice in one table, in two spellings of one name: it would not be plain which of the two counts."""
    seen: dict[tuple, str] = {}
    for place, learner in _learners(whole):
        if place[0] != "scores" and seen.setdefault((place[:-1], plain(learner)), learner) != learner:
            _at(whole, place).fault(f"{learner} is {seen[place[:-1], plain(learner)]}, who stands above; keep one")


def _extend_something(whole: Entry, found: Syllabus) -> None:
    """Note extensions that give nobody more time, as with last year's date."""
    for (learner, stem), given in found.extensions.items():
        due = [when for name, when in found.deadlines.items() if stem in ("", name) or name in section(stem).exercises]
        entry = _at(whole, ("extensions", learner, *filter(None, [stem])))
        if not due:
            entry.fault(f"{entry.shown}: nothing of {stem} has a deadline that could be extended")
        elif given.until is not None and given.until < min(due):
            entry.fault(f"{entry.shown} = {entry.value}: this is before what is due, and gives no more time")


def _learners(whole: Entry) -> list[tuple[tuple[str | int, ...], str]]:
    """The learners that the file names beside its roster, each with its place."""
    value = whole.value
    found: list[tuple[tuple[str | int, ...], str]] = []
    time = value.get("time")
    if isinstance(time, dict) and isinstance(time.get("learners"), dict):
        found += [(("time", "learners", name), name) for name in time["learners"]]
    if isinstance(value.get("extensions"), dict):
        found += [(("extensions", name), name) for name in value["extensions"]]
    for index, score in enumerate(_list(value.get("scores"))):
        if isinstance(score, dict) and isinstance(score.get("learner"), str):
            found.append((("scores", index, "learner"), " ".join(score["learner"].split())))
    return found


def _scores_agree(found: Syllabus, scores: list[tuple[Entry, HandScore]]) -> None:
    seen: set[tuple[str, str]] = set()
    for entry, given in scores:
        worth = found.worth(find_exercise(given.exercise))
        if given.score > worth + 1e-9:
            entry.fault(f"a score of {given.score:g} of {worth:g} points for {given.exercise}; give at most these")
        if given.exercise in found.left_out:
            entry.fault(f"{given.exercise} is left out of this course, and has a score")
        if (plain(given.learner), given.exercise) in seen:
            entry.fault(f"{given.learner} has a score for {given.exercise} above; keep one")
        seen.add((plain(given.learner), given.exercise))


def _list(value: object) -> list:
    return value if isinstance(value, list) else []


def _at(whole: Entry, place: tuple[str | int, ...]) -> Entry:
    for part in place:
        whole = whole.inner(part)
    return whole
