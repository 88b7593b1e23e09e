"""A class download, as Moodle, Canvas, Gradescope, Brightspace, Google Forms and Blackboard (nbgrader's collector too) hand it out.

Only names are looked at, so that nothing is read twice. A student is a folder, an archive, or the files with a prefix of theirs.
Of several attempts the latest counts; the others are named.
"""

import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from grader.intake.choosing import unreadable
from grader.intake.looking import Look
from grader.intake.names import base_of, is_junk, stems_in, suffix_of
from grader.intake.trees import MIB, Below, Kind, Picked, Refused, Tree
from grader.intake.visible import one_line

DEPTH = 4
"""How many folders down something to grade is looked for."""
METADATA = "submission_metadata.yml"
METADATA_BYTES = 64 * MIB
"""It has what each run of the platform's grader printed, of every attempt. Of a larger one no name is read."""
LISTED = 6


@dataclass
class Student:
    """What one student handed in.

    Attributes:
        name: what the learning platform calls them.
        number: its number of them, which tells two of one name apart; "" if it gives none.
        tree: their files.
        notes: late marks, and attempts that do not count.
        place: the path of what is theirs alone, within the download; "" if it is several files.
        own: where everything of theirs is, also what is not used.
        told_by: how the platform's names of it begin: who they are, and its numbers of them.
    """

    name: str
    number: str
    tree: Tree
    notes: list[str] = field(default_factory=list)
    place: str = ""
    own: Sequence[tuple[str, ...]] = ()
    told_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pattern:
    """How a platform names what it hands out: `who`, and perhaps `id`, `late`, `when`, `order`, `file`."""

    platform: str
    names: re.Pattern[str]


# Matched against names that learners choose, of at most 255 characters.
PATTERNS = (
    Pattern(
        "Moodle", re.compile(r"(?P<who>[^_].*?)_(?P<id>\d+)_assignsubmission_(?P<kind>file|onlinetext)_?(?P<file>.*)")
    ),
    Pattern("Gradescope", re.compile(r"(?P<who>submission_(?P<id>\d+))(?:\.zip)?")),
    Pattern("Blackboard", re.compile(r"(?P<who>.+)_attempt_(?P<when>\d{4}-\d\d-\d\d[-\d]*)(?:_(?P<file>.+)|\.txt)")),
    Pattern(
        "Brightspace",
        re.compile(
            r"(?P<id>\d+)-\d+ ?- ?(?P<who>.+?) ?- ?(?P<when>[A-Z][a-z]+ \d{1,2}, \d{4} \d{1,4} [AP]M)(?: ?- ?(?P<file>.+))?"
        ),
    ),
    Pattern("Canvas", re.compile(r"(?P<who>[^\W_][^_]*)(?P<late>_LATE)?_(?P<id>\d+)_(?P<order>\d+)_(?P<file>.+)")),
)
TOLD_BESIDE = (".yml", ".yaml", ".csv", ".txt", ".html", ".pdf", ".json", ".xlsx", ".md")
"""What platforms lay beside the submissions."""
ATTEMPT = re.compile(
    r"(?:attempt|version|resubmission|submission|upload|try|v)[ _-]*\d+|.*\d{4}-\d\d-\d\d.*", re.IGNORECASE
)
NO_NAMES = re.compile(
    r"(?:copy|of|final|old|new|draft|my|backup|test|solutions?|template|answers?|hw|ps|v\d|\d|[ _.()-])*",
    re.I,
)
"""Prefixes that are nobody's name. No text is made of these parts in two ways, or a long one would be tried in all of them."""


def students(tree: Tree) -> list[Student]:
    """Who handed in what, in a class download; nobody if it is none.

    Raises:
        Refused: there is more in it than is looked at, or it cannot be told whether it is one.
    """
    return _students(tree, (), DEPTH)


def _students(tree: Tree, place: tuple[str, ...], depth: int) -> list[Student]:
    try:
        entries = {name: kind for name, kind in tree.entries(place).items() if not is_junk(name)}
    except Refused as refusal:
        raise Refused(
            f"{refusal}, and of a class download grade the archive that it came as, or fewer at a time"
        ) from None
    if found := _by_platform(tree, place, entries):
        return found
    folders = [name for name, kind in entries.items() if kind == "folder"]
    files = [name for name, kind in entries.items() if kind == "file"]
    flat = [name for name, kind in entries.items() if kind != "folder"]  # a link is somebody's too, whom it is told
    if found := _by_prefix(tree, place, flat) or _by_uploader(tree, place, flat):
        return found
    if any(stems_in(name) for name in files) or "exercises" in folders:
        return []
    if "submitted" in folders and depth:  # a course of nbgrader's
        return _students(tree, (*place, "submitted"), depth - 1)
    full, closed = Look(tree).into(place, folders, depth)
    zips = [name for name in files if name.lower().endswith(".zip")]
    modules = [name for name in files if suffix_of(name)]
    if not modules and len(full) + len(zips) > 1 and not _one_learner(full, zips):
        return _folders_and_archives(tree, place, folders, zips)
    if closed and not modules and (full or zips):
        raise Refused(
            f"beside {_listed([*full, *zips])} there is what cannot be looked into ({next(iter(closed.values()))}), so that this can "
            "be a class or one learner's: mend that, or grade each learner's folder by itself"
        )
    if len(full) == 1 and not zips and not modules and depth:
        return _students(tree, (*place, *full), depth - 1)
    return []


def _folders_and_archives(tree: Tree, place: tuple[str, ...], folders: list[str], zips: list[str]) -> list[Student]:
    at = {name: (*place, name) for name in (*folders, *zips)}
    found = [Student(name, "", Below(tree, at[name]), [], "/".join(at[name]), [at[name]]) for name in folders]
    found += [
        Student(name[:-4], "", Picked(tree, {name: at[name]}), [], "/".join(at[name]), [at[name]]) for name in zips
    ]
    return sorted(found, key=lambda one: one.name)


def _one_learner(full: dict[str, frozenset[str]], zips: list[str]) -> bool:
    """Whether folders are one learner's: sections of their own each, or attempts at the same."""
    stems = [stem for found in full.values() for stem in found]
    apart = all(full.values()) and len(set(stems)) == len(stems)
    return not zips and (apart or all(ATTEMPT.fullmatch(name) for name in full))


# ------------------------------------------------------------------------------------------------------ by the platform


@dataclass(frozen=True)
class Item:
    """One entry of a download, with what its name says."""

    name: str
    kind: Kind
    who: str
    number: str
    late: bool
    when: tuple
    file: str

    @property
    def before(self) -> str:
        """What stands before the file's own name, or is all of it."""
        return re.sub(r"\.zip$", "", self.name.removesuffix(self.file), flags=re.IGNORECASE).rstrip(" _-")


def _by_platform(tree: Tree, place: tuple[str, ...], entries: dict[str, Kind]) -> list[Student]:
    for pattern in PATTERNS:
        items = [item for name, kind in entries.items() if (item := _item(pattern, name, kind))]
        known = {item.name for item in items}
        beside = [name for name in entries if name not in known and not name.lower().endswith(TOLD_BESIDE)]
        gradescope = pattern.platform == "Gradescope"
        if gradescope and METADATA in entries:  # no learner's attempts, whatever file somebody laid beside
            beside = [name for name in beside if entries[name] != "file" or name.lower().endswith(".zip")]
        if items and not beside:
            people, unknown = _people(tree, place) if gradescope and METADATA in entries else ({}, [])
            found = _grouped(tree, place, pattern, items, people)
            for student in found:
                student.notes[:0] = unknown
            return found
    return []


def _item(pattern: Pattern, name: str, kind: Kind) -> Item | None:
    found = pattern.names.fullmatch(name)
    if found is None:
        return None
    parts = {key: value or "" for key, value in found.groupdict().items()}
    return Item(
        name,
        kind,
        parts["who"].strip(),
        parts.get("id", ""),
        bool(parts.get("late")),
        (*_moment(parts.get("when", "")), int(parts.get("order", "0"))),
        parts.get("file", ""),
    )


def _moment(text: str) -> tuple:
    """A time as a platform writes it, for comparing."""
    try:
        when = datetime.strptime(text, "%b %d, %Y %I%M %p" if "," in text else "%Y-%m-%d-%H-%M-%S")
    except ValueError:
        return (tuple(int(part) for part in re.findall(r"\d+", text)),)
    return ((when.year, when.month, when.day, when.hour, when.minute, when.second),)


def _people(tree: Tree, place: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Gradescope's names of the submitters, by submission: of its YAML only the lines that say them are looked at.

    A note says why, where they cannot be read.
    """
    try:
        data = tree.read((*place, METADATA), METADATA_BYTES)
    except Refused as refusal:
        return {}, [f"Gradescope's names are not known: {refusal}"]
    except OSError as error:
        return {}, [f"Gradescope's names are not known: {unreadable(METADATA, error)}"]
    found: dict[str, list[str]] = {}
    at, submitters = "", False
    for line in (line.decode("utf-8", "replace").rstrip() for line in io.BytesIO(data)):
        if top := re.fullmatch(r"(\S+):", line):
            at, submitters = top[1].strip("'\""), False
        elif re.fullmatch(r"  :?submitters:", line):
            submitters = True
        elif re.match(r"  :?[a-z_]+:", line):
            submitters = False
        elif submitters and (name := re.fullmatch(r"\s*(?:- )?:?name:\s*(\S.*)", line)):
            found.setdefault(at, []).append(name[1].strip("'\""))
    return {number: " and ".join(names) for number, names in found.items()}, []


def _grouped(
    tree: Tree, place: tuple[str, ...], pattern: Pattern, items: list[Item], people: dict[str, str]
) -> list[Student]:
    name_of = _without_assignment([item.who for item in items]) if pattern.platform == "Blackboard" else str
    groups: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        groups.setdefault((name_of(item.who), item.number), []).append(item)
    found = []
    for (who, number), own in groups.items():
        student = _student(tree, place, pattern.platform, people.get(who, who), number, own)
        if student is not None:
            found.append(student)
    return sorted(found, key=lambda one: (one.name, one.number))


def _student(
    tree: Tree, place: tuple[str, ...], platform: str, who: str, number: str, own: list[Item]
) -> Student | None:
    notes: list[str] = []
    everything = [(*place, item.name) for item in own]
    told_by = tuple({item.before: None for item in own})
    if late := [item.file or item.name for item in own if item.late]:
        notes.append(f"{platform} marks it as late: {_listed(late)}")
    folders = sorted((item for item in own if item.kind == "folder"), key=lambda item: (item.when, item.name))
    told = [item for item in folders if "_onlinetext_" not in item.name] or folders
    if told:
        notes += _earlier([item.name for item in told[:-1]])
        at = (*place, told[-1].name)
        return Student(who, number, Below(tree, at), notes, "/".join(at), everything, told_by)
    files = [item for item in own if item.file or item.name.lower().endswith(".zip") or item.kind in ("link", "other")]
    latest: dict[str, Item] = {}
    for item in sorted(files, key=_age):
        base = _base(item.file or item.name)
        if base in latest:
            notes += _earlier([latest[base].name])
        latest[base] = item
    picked = {item.file or item.name: (*place, item.name) for item in latest.values()}
    alone = "/".join(*picked.values()) if len(picked) == 1 else ""
    return Student(who, number, Picked(tree, picked), notes, alone, everything, told_by) if picked else None


def _earlier(names: list[str]) -> list[str]:
    return [f"not used: {_listed(names)}, as there is a later attempt"] if names else []


def _listed(names: Iterable[str]) -> str:
    names = [one_line(name) for name in names]
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


_AGAIN = re.compile(r"(?:-(\d{1,4})| ?\((\d{1,4})\))$")


def _base(name: str) -> str:
    """A file's name without what a second upload adds to it, as the -1 of Canvas."""
    return _AGAIN.sub("", base_of(name)).casefold() + suffix_of(name)


def _age(item: Item) -> tuple:
    found = _AGAIN.search(base_of(item.file or item.name))
    return (item.when[0], int(found[1] or found[2]) if found else 0, item.when[1])


def _without_assignment(names: list[str]) -> Callable[[str], str]:
    """What tells the student in `ps1_ada` or `ada_ps1`: the part that is not the same in all of them."""
    parts = [name.split("_") for name in names]
    first, last = {part[0] for part in parts}, {part[-1] for part in parts}
    many = all(len(part) > 1 for part in parts)
    assignment = re.compile(r"(?:ps|hw|a|assignment|homework|problem|set|ex|exercise|lab|s)[ -]?\d.*", re.IGNORECASE)
    if many and len(first) == 1 and (len(last) > 1 or assignment.fullmatch(next(iter(first)))):
        return lambda name: name.partition("_")[2]
    if many and len(last) == 1 and (len(first) > 1 or assignment.fullmatch(next(iter(last)))):
        return lambda name: name.rpartition("_")[0]
    return str


# --------------------------------------------------------------------------------------------------------- by a prefix


def _by_prefix(tree: Tree, place: tuple[str, ...], files: list[str]) -> list[Student]:
    """Students whose names stand before the section's: ada_s1_forward_reverse.py, bob_s1_forward_reverse.py."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    twice = False
    taken: set[str] = set()
    for name in files:
        for stem in stems_in(name):
            before = _prefix(name, stem)
            if before is None:
                return []
            found.setdefault(before, {})[name] = (*place, name)
            twice = twice or stem in taken
            taken.add(stem)
    if len(found) < 2 or not twice:
        return []
    return [Student(who, "", Picked(tree, own), own=[*own.values()]) for who, own in sorted(found.items())]


def _by_uploader(tree: Tree, place: tuple[str, ...], files: list[str]) -> list[Student]:
    """Students whose names stand behind the file's, as in a folder of Google Forms: s1_forward_reverse - Ada Lovelace.py."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    sections_of: dict[str, set[str]] = {}
    for name in files:
        is_zip = name.lower().endswith(".zip")
        if not suffix_of(name) and not is_zip:
            continue
        base = name[:-4] if is_zip else base_of(name)
        file, dash, who = base.rpartition(" - ")
        if not dash:
            return []
        own = file + name[len(base) :]
        found.setdefault(who.strip() or base, {})[own] = (*place, name)
        for stem in stems_in(own):
            if not NO_NAMES.fullmatch(who):
                sections_of.setdefault(stem, set()).add(who.strip())
    if not any(len(several) > 1 for several in sections_of.values()):
        return []
    return [Student(who, "", Picked(tree, own), own=[*own.values()]) for who, own in sorted(found.items())]


def _prefix(name: str, stem: str) -> str | None:
    """What stands before a section's name; None if that is nobody's name."""
    pattern = re.sub(r"_", "[-_. ]?", re.escape(stem))
    before = re.split(pattern, name, maxsplit=1, flags=re.IGNORECASE)[0].strip("_-. ()")
    return None if NO_NAMES.fullmatch(before) else before
