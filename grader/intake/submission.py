"""What one learner handed in, as the judge takes it: sections of source text, and sentences about what could not be read."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from grader.intake.sources import Source

NOTHING = "nothing was handed in"
"""Why nothing can be read of a folder in which no file lies."""


@dataclass(frozen=True)
class Submission:
    """What one learner handed in.

    Attributes:
        name: the file's stem, or the folder's or archive's name.
        sections: the sections that can be graded, by stem.
        problems: why a section cannot be read, by stem, a sentence each; under None, why nothing can.
        notes: what its sender may want to know: files not used, a notebook beside a module, cells left out.
        path: where it lies by itself; None if it is a part of an archive.
        told_by: how a learning platform's names of their files begin, with its number of the learner: who sees one knows who it is.
    """

    name: str
    sections: dict[str, Source] = field(default_factory=dict)
    problems: dict[str | None, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    path: Path | None = None
    told_by: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is not one file in it: a place to hand in, as an empty repository is, and nothing that was handed in."""
        return self.problems.get(None) == NOTHING


def fingerprint(submission: Submission, stem: str) -> str:
    """What the verdicts on a section depend on, of all that was handed in: its content, or the reason why it has none."""
    if stem in submission.sections:
        source = submission.sections[stem]
        return hashlib.sha256(f"{source.kind} {source.digest}".encode()).hexdigest()
    reason = submission.problems.get(stem, submission.problems.get(None, ""))
    return hashlib.sha256(f"unread {reason}".encode()).hexdigest()
