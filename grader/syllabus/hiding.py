"""Results that go by pseudonyms, so that whoever reads them does not know whose they are."""

import contextlib
import hashlib
import hmac
import json
import re
import secrets
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from grader.course import sections
from grader.files import write_atomically
from grader.intake.submission import Submission
from grader.intake.visible import one_line, visible
from grader.judging.results import Document, Graded, Row
from grader.sandbox.host.scratch import lock_if_possible
from grader.syllabus.entries import SyllabusError
from grader.syllabus.roster import ENDING, Learner, Roster

NAMES = "names.json"
PSEUDONYM = re.compile(r"learner-[0-9a-f]{8}( \(\d+\))?")
"""What a submission is called instead, with a number where a learner has several."""


class Pseudonyms:
    """A pseudonym for each learner, the same in every run of this folder; the file `names.json` there says whose it is."""

    def __init__(self, folder: Path, roster: Roster, submissions: Iterable[Submission] = ()) -> None:
        """Take the folder's secret, or draw one and keep it; what tells whose the submissions are will be hidden too.

        Raises:
            SyllabusError: the file is not what was written.
            OSError: it cannot be read or written.
        """
        self._path, self._roster = folder / NAMES, roster
        self._told_by = {one.name: one.told_by for one in submissions}
        self._secret, self._names = secrets.token_hex(16), dict[str, str]()
        self.keep()

    def of(self, name: str) -> str:
        """The pseudonym of a submission, or of a learner."""
        owner = self._roster.owner(name) or name
        digest = hmac.new(self._secret.encode(), owner.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        pseudonym = f"learner-{digest[:8]}"  # a PSEUDONYM
        self._names[pseudonym] = owner
        return pseudonym

    def real(self, one: Graded) -> set[str]:
        """What a submission and whose it is are called, also by their platform, and were before the submission was told apart from another."""
        owner = self._roster.learners.get(self._roster.owner(one["name"]) or "", Learner(""))
        last = one["name"].rpartition("/")[2]
        bare = re.sub(r" \(\d+\)$", "", last)
        names = {one["name"], last, bare, ENDING.sub("", bare), *owner.submissions, owner.full_name}
        names |= {*self._told_by.get(one["name"], ()), one.get("learner", ""), one.get("full_name", "")}
        return {form(name) for name in names for form in (str, visible, one_line)} - {"", *sections()}

    def keep(self) -> None:
        """Write down whose each pseudonym is, beside what is written there: of runs at once the first one's secret counts.

        Raises:
            SyllabusError: the file is not what was written.
            OSError: it cannot be read or written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("ab") as held:
            lock_if_possible(held.fileno())
            with contextlib.suppress(FileNotFoundError):
                self._secret, names = self._written()
                self._names = names | self._names
            text = json.dumps({"secret": self._secret, "names": self._names}, indent=1) + "\n"
            write_atomically(self._path, text, mode=0o600)

    def _written(self) -> tuple[str, dict[str, str]]:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            return str(kept["secret"]), dict(kept["names"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise SyllabusError(f"{self._path}: this is not what was written; remove it for new pseudonyms") from error


def is_hidden(document: Document) -> bool:
    """Whether a document goes by pseudonyms."""
    return all(PSEUDONYM.fullmatch(one["name"]) for one in document["submissions"])


def owners(folder: Path, pseudonyms: Iterable[str]) -> list[str]:
    """Whose pseudonyms these are, by the folder's `names.json`; a name that is none stays as it is."""
    try:
        known = json.loads((folder / NAMES).read_text(encoding="utf-8"))["names"]
        return [str(known.get(name, name)) for name in pseudonyms]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):  # told where it is written
        return list(pseudonyms)


def hide(document: Document, names: Pseudonyms) -> Document:
    """The document with pseudonyms for names, in their order, so that the place tells nothing either.

    What somebody hands in again is their pseudonym with a number. What a learner wrote is shown as it is: a name in their code stays there.
    """
    found: Document = {**document}
    shown_as = shown((one["name"] for one in document["submissions"]), names)
    found["submissions"] = sorted(
        (_hidden(one, shown_as[one["name"]], names) for one in document["submissions"]), key=lambda one: one["name"]
    )

    def hidden(those: Iterable[str]) -> list[str]:
        return sorted(shown_as.get(name) or names.of(name) for name in those)

    for key in ("missing", "not_fetched", "unknown", "no_receipt", "unused"):
        if key in document:
            found[key] = hidden(document[key])
    if "twice" in document:
        found["twice"] = {names.of(who): hidden(those) for who, those in document["twice"].items()}
    if "equal" in document:
        found["equal"] = [{**group, "submissions": hidden(group["submissions"])} for group in document["equal"]]
    return found


def shown(submissions: Iterable[str], names: Pseudonyms) -> dict[str, str]:
    """What each submission is called instead, whatever the order in which they were given."""
    found: dict[str, str] = {}
    count: Counter[str] = Counter()
    for name in sorted(submissions):
        pseudonym = names.of(name)
        count[pseudonym] += 1
        found[name] = f"{pseudonym} ({count[pseudonym]})" if count[pseudonym] > 1 else pseudonym
    return found


def _hidden(one: Graded, name: str, names: Pseudonyms) -> Graded:
    pseudonym, real = names.of(one["name"]), names.real(one)
    kept = {key: value for key, value in one.items() if key not in ("learner", "full_name")}
    if "learner" in one:
        kept["learner"] = pseudonym
    rows = [_without(row, real, pseudonym) for row in one["exercises"]]
    return {**kept, "name": name, "exercises": rows}  # type: ignore[typeddict-item]


def _without(row: Row, real: Collection[str], pseudonym: str) -> Row:
    """A row whose sentences of ours about files name nobody."""
    if not any(real):
        return row
    forms = {unicodedata.normalize(form, name) for name in real for form in ("NFC", "NFD")}
    # Platforms set a name into a file's with underscores, which are letters to \w.
    own = sorted(forms, key=len, reverse=True)
    pattern = re.compile("|".join(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])" for name in own), re.IGNORECASE)
    lines = [
        pattern.sub(pseudonym, line) if line.startswith("note ") or row["verdict"] == "not-gradable" else line
        for line in row["message"].split("\n")
    ]
    return {**row, "message": "\n".join(lines)}
