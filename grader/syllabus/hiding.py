"""Results that go by pseudonyms, so that whoever reads them does not know whose they are."""

import hashlib
import hmac
import json
import re
import secrets
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from grader.files import write_atomically
from grader.judging.results import Document, Graded, Row
from grader.syllabus.entries import SyllabusError
from grader.syllabus.roster import Roster


class Pseudonyms:
    """A pseudonym for each learner, the same in every run of this folder; the file `names.json` there says whose it is."""

    def __init__(self, folder: Path, roster: Roster) -> None:
        """Take the folder's secret, or draw one and keep it.

        Raises:
            SyllabusError: the file is not what was written.
            OSError: it cannot be read or written.
        """
        self._path, self._roster = folder / "names.json", roster
        self._names: dict[str, str] = {}
        self._secret = secrets.token_hex(16)
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            self._secret, self._names = str(kept["secret"]), dict(kept["names"])
        except FileNotFoundError:
            self.keep()
        except (ValueError, KeyError, TypeError) as error:
            raise SyllabusError(f"{self._path}: this is not what was written; remove it for new pseudonyms") from error

    def of(self, name: str) -> str:
        """The pseudonym of a submission, or of a learner."""
        owner = self._roster.owner(name) or name
        digest = hmac.new(self._secret.encode(), owner.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        pseudonym = f"learner-{digest[:8]}"
        self._names[pseudonym] = owner
        return pseudonym

    def keep(self) -> None:
        """Write down whose each pseudonym is.

        Raises:
            OSError: it cannot be written.
        """
        write_atomically(self._path, json.dumps({"secret": self._secret, "names": self._names}, indent=1) + "\n")
        self._path.chmod(0o600)


def hide(document: Document, names: Pseudonyms) -> Document:
    """The document with pseudonyms for names, in their order, so that the place tells nothing either.

    What a learner wrote is shown as it is: a name in their code stays there.
    """
    found: Document = {**document}
    found["submissions"] = sorted((_hidden(one, names) for one in document["submissions"]), key=lambda one: one["name"])
    seen: dict[str, int] = {}
    for one in found["submissions"]:
        seen[one["name"]] = seen.get(one["name"], 0) + 1
        if seen[one["name"]] > 1:
            one["name"] += f" ({seen[one['name']]})"
    for key in ("missing", "unknown", "no_receipt", "unused"):
        if key in document:
            found[key] = _sorted(names, document[key])
    if "twice" in document:
        found["twice"] = {names.of(who): _sorted(names, those) for who, those in document["twice"].items()}
    if "equal" in document:
        found["equal"] = [{**group, "submissions": _sorted(names, group["submissions"])} for group in document["equal"]]
    return found


def _sorted(names: Pseudonyms, those: Iterable[str]) -> list[str]:
    return sorted(map(names.of, those))


def _hidden(one: Graded, names: Pseudonyms) -> Graded:
    pseudonym = names.of(one["name"])
    real = [name for name in (one["name"], one.get("learner"), one.get("full_name")) if name]
    kept = {key: value for key, value in one.items() if key not in ("learner", "full_name")}
    rows = [_without(row, real, pseudonym) for row in one["exercises"]]
    return {**kept, "name": pseudonym, "exercises": rows}  # type: ignore[typeddict-item]


def _without(row: Row, real: list[str], pseudonym: str) -> Row:
    """A row whose sentences of ours about files name nobody."""
    forms = {unicodedata.normalize(form, name) for name in real for form in ("NFC", "NFD")}
    # Platforms set a name into a file's with underscores, which are letters to \w.
    own = sorted(forms, key=len, reverse=True)
    pattern = re.compile("|".join(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])" for name in own), re.IGNORECASE)
    lines = [
        pattern.sub(pseudonym, line) if line.startswith("note ") or row["verdict"] == "not-gradable" else line
        for line in row["message"].split("\n")
    ]
    return {**row, "message": "\n".join(lines)}
