"""The section files of a repository, taken as data: nothing is checked out, and nothing of the repository takes effect.

The commit is fetched into an empty bare repository of ours, and the files' bytes are read out of it. So there are no hooks, filters,
attributes, submodules or links, and no configuration but git's own; `conftest.py`, workflows and whatever else lies there are not
even read. A section's file lies at the top or in `exercises/`, and has the section's name.
"""

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

from grader.course import sections
from grader.files import write_atomically
from grader.intake.names import stems_in
from grader.intake.sources import LIMITS, suffix_of
from grader.intake.visible import one_line

SECONDS = 300
"""How long a command of git may take."""
MOST_NAMED = 10
"""So many files that were not taken are named."""
MANIFEST = "taken.json"
FOLDER = "files"


class NotTaken(Exception):
    """A repository cannot be read; the message says why."""


@dataclass
class Taken:
    """What was taken.

    Attributes:
        name: whose it is: what the submission is called.
        repository: where from.
        commit: of which commit; "" where there is none.
        files: each file's place in the repository, by its place in the folder `files`.
        left: what looks like a section's file and was not taken, a sentence each.
    """

    name: str
    repository: str
    commit: str
    files: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def keep(self, folder: Path) -> None:
        write_atomically(folder / MANIFEST, json.dumps(asdict(self), indent=1) + "\n")


def kept(folder: Path) -> Taken:
    """What was taken into a folder."""
    return Taken(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))


def take(url: str, commit: str, into: Path, *, name: str, within: str = "", token: str = "") -> Taken:
    """Take the section files of a commit into a new folder.

    Args:
        url: of the repository.
        commit: the commit, in full, or a branch's name.
        into: the folder, which must not be there yet; the files go into its folder `files`.
        name: what the submission is called.
        within: the folder of the repository in which to look; its top if "".
        token: what lets read it, if it is private; it is in no command line and in no file.

    Raises:
        NotTaken: it cannot be read.
    """
    into.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        git = _Git(Path(scratch), token)
        git("init", "--quiet", "--bare", ".")
        found = Taken(name, one_line(url, 200), _fetched(git, url, commit))
        if found.commit:
            _take_files(git, within.strip("/"), into / FOLDER, found)
        else:
            found.left.append("nothing is in the repository yet")
    (into / FOLDER).mkdir(exist_ok=True)
    del found.left[MOST_NAMED:]
    found.keep(into)
    return found


def _take_files(git: "_Git", within: str, into: Path, found: Taken) -> None:
    for entry in _entries(git, within):
        if reason := entry.refused():
            found.left.append(f"{one_line(entry.path, 200)}: {reason}")
            continue
        place = into / entry.inner
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            file.write(git("cat-file", "blob", entry.digest))
        found.files[entry.inner] = entry.path
    found.left += _misplaced(git, within, found.files)


def _fetched(git: "_Git", url: str, commit: str) -> str:
    """The commit that was fetched, in full; "" of a repository in which there is none, so that nobody has handed in.

    Raises:
        NotTaken: it cannot be read.
    """
    try:
        git("fetch", "--quiet", "--depth", "1", "--no-tags", "--no-recurse-submodules", "--", url, commit)
    except NotTaken:
        if git("ls-remote", "--", url).strip():
            raise
        return ""
    return git("rev-parse", "FETCH_HEAD^{commit}").decode().strip()


@dataclass(frozen=True)
class _Entry:
    """A file that is called like a section's: its place in the repository, and the one that it gets."""

    mode: str
    digest: str
    size: str
    path: str
    inner: str

    def refused(self) -> str:
        if self.mode == "120000":
            return "it is a link, and links are never followed; hand in the file itself"
        if self.mode not in ("100644", "100755"):
            return "it is not a file"
        if not self.size.isdecimal() or int(self.size) > LIMITS[suffix_of(self.inner)]:
            return f"it is too large, with {self.size} bytes"
        return ""


def _entries(git: "_Git", within: str) -> Iterator[_Entry]:
    return (entry for entry in _listed(git, within) if is_section_file(entry.inner))


def _listed(git: "_Git", within: str) -> Iterator[_Entry]:
    listed = git("ls-tree", "-r", "-z", "-l", "--full-tree", "FETCH_HEAD")
    for line in listed.split(b"\0"):
        facts, tab, raw = line.partition(b"\t")
        if not tab:
            continue
        path = raw.decode(errors="surrogateescape")
        inner = path if not within else path.removeprefix(f"{within}/") if path.startswith(f"{within}/") else ""
        if inner:
            mode, _, digest, size = facts.decode().split()
            yield _Entry(mode, digest, size, path, inner)


def _misplaced(git: "_Git", within: str, taken: Iterable[str]) -> Iterator[str]:
    """Files that go by the name of a section of which none was taken: they lie elsewhere, or are not called quite so."""
    there = {stem for inner in taken for stem in stems_in(PurePosixPath(inner).name)}
    for entry in _listed(git, within):
        stems = [stem for stem in stems_in(PurePosixPath(entry.inner).name) if stem not in there]
        if stems and not is_section_file(entry.inner):
            yield (
                f"{one_line(entry.path, 200)}: a section's file lies at the top or in exercises/, and is called {stems[0]}.py "
                f"or {stems[0]}.ipynb"
            )


def is_section_file(path: str) -> bool:
    """Whether a file is a section's by its place and its name."""
    *folders, name = path.split("/")
    if folders not in ([], ["exercises"]):
        return False
    suffix = suffix_of(name)
    return bool(suffix) and name[: -len(suffix)].lower() in {stem.lower() for stem in sections()}


class _Git:
    """git in a folder, with no configuration of anybody's."""

    def __init__(self, folder: Path, token: str) -> None:
        self._folder = folder
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LITERAL_PATHSPECS": "1",
        } | {
            name: value
            for name, value in os.environ.items()
            if name.lower().endswith("_proxy") or name == "SSL_CERT_FILE"
        }
        settings = {"fetch.fsckObjects": "true", "core.hooksPath": os.devnull}
        if token:
            basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
            settings["http.extraHeader"] = f"AUTHORIZATION: basic {basic}"
        self._environment["GIT_CONFIG_COUNT"] = str(len(settings))
        for number, (key, value) in enumerate(settings.items()):
            self._environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}

    def __call__(self, *arguments: str) -> bytes:
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=self._folder, env=self._environment, capture_output=True, timeout=SECONDS, check=False,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise NotTaken("git is not installed here") from error
        except subprocess.TimeoutExpired as error:
            raise NotTaken(f"the repository could not be read within {SECONDS} s") from error
        if done.returncode:
            raise NotTaken(
                f"the repository cannot be read: {one_line(done.stderr.decode(errors='replace').strip(), 500)}"
            )
        return done.stdout
