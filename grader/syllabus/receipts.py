"""When submissions came, as the collector says it; never as the submission does."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from grader.course import sections
from grader.syllabus import columns
from grader.syllabus.entries import YEARS, Entry
from grader.syllabus.roster import plain

MTIME = "mtime"
FILES = 10_000
"""So many files of a folder are looked at."""


@dataclass(frozen=True)
class Receipts:
    """Times of receipt, by (submission or learner as names are compared, section's stem), or "" for all sections of it.

    Attributes:
        times: what a table says.
        mtime: whether the files' times of modification count: the collector wrote the files, and dates what it writes.
    """

    times: dict[tuple[str, str], datetime] = field(default_factory=dict)
    mtime: bool = False

    def of(self, names: tuple[str, ...], stem: str, path: Path | None) -> datetime | None:
        """When a section came, of a submission that goes by any of these names; None if nobody says so.

        Args:
            names: what the submission is called.
            stem: the section.
            path: the file that was read; or where the submission lies, if that is not known.
        """
        if self.mtime:
            return _modified(path) if path is not None else None
        for name in names:
            for key in ((plain(name), stem), (plain(name), "")):
                if key in self.times:
                    return self.times[key]
        return None


def _modified(path: Path) -> datetime | None:
    """When the file was written last; of a folder, that of its files which was written last."""
    try:
        if not path.is_dir() or path.is_symlink():
            return datetime.fromtimestamp(os.lstat(path).st_mtime, UTC)
        files = [inner for _, inner in zip(range(FILES), path.rglob("*"), strict=False) if not inner.is_dir()]
        times = [os.lstat(inner).st_mtime for inner in files]
    except OSError:
        return None
    return datetime.fromtimestamp(max(times), UTC) if times else None


def read(entry: Entry, zone: tzinfo | None) -> Receipts:
    """The receipts that an entry gives: "mtime", or the path of a CSV with `submission`, `received` and perhaps `section`.

    Of several receipts for the same the last one counts, since what is graded is what came last.
    """
    if entry.text() == MTIME:
        return Receipts(mtime=True)
    times: dict[tuple[str, str], datetime] = {}
    for line in columns.lines(entry, needed=["submission", "received"], known=["section"]):
        try:
            received = datetime.fromisoformat(line["received"])
        except ValueError:
            line.fault(f"received {line['received']!r} is not a time; write it as 2026-03-01T18:00:00+01:00")
            continue
        if received.year not in YEARS:
            line.fault(f"received {line['received']}: give a year from {YEARS[0]} to {YEARS[-1]}")
            continue
        if received.tzinfo is None:
            if zone is None:
                line.fault(f"received {line['received']} has no offset, as +01:00, and the course's file no timezone")
                continue
            received = received.replace(tzinfo=zone)
        if line["section"] and line["section"] not in sections():
            line.fault(f"no section is called {line['section']!r}; there are {', '.join(sections())}")
            continue
        key = (plain(line["submission"]), line["section"])
        times[key] = max(received, times.get(key, received))
    return Receipts(times)
