"""What is wrong with an entry of a class download's archive costs whose entry it is, and it is never read. All of it takes some seconds."""

import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.intake import archives, downloads
from grader.intake.reading import read_all
from grader.intake.submission import Submission
from tests.test_classes import MOODLE, PY, STEM, YAML, code, whose

ADA, BOB, CYD = (MOODLE.format(who, number) for number, who in enumerate(("Ada", "Bob", "Cyd")))
OTHERS = {f"{ADA}/{PY}": code("ada"), f"{CYD}/{PY}": code("cyd")}
CANVAS = {f"ada_1_10_{PY}": code("ada"), f"cyd_3_30_{PY}": code("cyd")}
Files = dict[str, str] | list[tuple[str, str]]


def made(folder: Path, files: Files, edit: Callable[[bytearray], None] = lambda data: None) -> Path:
    """An archive of these files; a name can come twice in it."""
    path = folder / "class.zip"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings(action="ignore"):
        for name, text in files.items() if isinstance(files, dict) else files:
            info = zipfile.ZipInfo()
            info.filename = name  # as it is, also with a NUL in it
            archive.writestr(info, text)
    data = bytearray(path.read_bytes())
    edit(data)
    path.write_bytes(data)
    return path


def put(name: str, offset: int, value: bytes) -> Callable[[bytearray], None]:
    """Change a field of the directory's record of this name."""

    def edit(data: bytearray) -> None:
        at = data.rindex(name.encode()) - 46
        assert data[at : at + 4] == b"PK\x01\x02"
        data[at + offset : at + offset + len(value)] = value

    return edit


def encrypted(name: str) -> Callable[[bytearray], None]:
    return put(name, 8, b"\x01\x00")


def huge(name: str) -> Callable[[bytearray], None]:
    return put(name, 24, (10**8 + 1).to_bytes(4, "little"))


def device(name: str) -> Callable[[bytearray], None]:
    return put(name, 38, ((stat.S_IFBLK | 0o644) << 16).to_bytes(4, "little"))


def nothing(name: str) -> Callable[[bytearray], None]:
    return lambda data: None


def bobs(found: list[Submission]) -> Submission:
    """Bob's submission, where those of the others are as they would be without him."""
    assert [one.name.lower() for one in found] == ["ada", "bob", "cyd"]
    ada, bob, cyd = found
    assert whose([ada, cyd]) == {ada.name: "ada", cyd.name: "cyd"}
    assert not any(one.problems or one.notes for one in (ada, cyd))
    return bob


@pytest.mark.parametrize(
    ("names", "edit", "says"),
    [
        (["checkpoint.pt"], encrypted, "checkpoint.pt is encrypted"),
        (["checkpoint.pt"], huge, "checkpoint.pt unpacks to 95.4 MiB, which is more than is accepted"),
        (["pipe"], device, "pipe is a device or a pipe"),
        (["Notes.txt", "notes.txt"], nothing, "have the same name but for its spelling"),
        (["data/x.txt", "Data/y.txt"], nothing, "have the same name but for its spelling"),
        (["notes.txt", "notes.txt"], nothing, "has two entries called"),
        (["notes", "notes/x.txt"], nothing, "has two entries called"),
        (["notes/x.txt", "notes"], nothing, "has two entries called"),
        (["a\\b.txt"], nothing, "is a Windows path among others"),
        (["../../evil.txt"], nothing, "leads out of the archive"),
        (["../evil.py"], nothing, "leads out of the archive"),
        (["\0.txt"], nothing, "is not a path that is accepted"),
        (["a//b.txt"], nothing, "is not a path that is accepted"),
        (["a/" * 60 + "b.txt"], nothing, "is not a path that is accepted"),
        (["a" * 1000 + ".txt"], nothing, "is longer than the 1,000 characters that are accepted"),
    ],
)
def test_an_entry_that_is_refused_costs_nobody_what_is_well(tmp_path, names, edit, says):
    """0.1 s each."""
    files = [*OTHERS.items(), (f"{BOB}/{PY}", code("bob")), *((f"{BOB}/{name}", "x = 1") for name in names)]
    path = made(tmp_path, files, edit(f"{BOB}/{names[0]}"))
    bob = bobs(read_all([path]))
    assert whose([bob]) == {"Bob": "bob"}
    assert not bob.problems
    (note,) = (note for note in bob.notes if note.startswith("not read: "))
    assert says in note
    assert list(tmp_path.iterdir()) == [path]


REFUSED = [
    ([PY], encrypted, f"{PY} is encrypted"),
    ([PY], huge, f"{PY} unpacks to"),
    ([PY], device, f"{PY} is a device"),
    ([PY, PY], nothing, "has two entries called"),
    ([PY, PY.upper()], nothing, "have the same name but for its spelling"),
    ([f"hw\\{PY}"], nothing, "is a Windows path among others"),
]
SPELT = ([f"hw/{PY}", "HW/notes.txt"], nothing, "have the same name but for its spelling")


@pytest.mark.parametrize(
    ("flat", "files", "edit", "says"), [(False, *SPELT), *((flat, *one) for flat in (False, True) for one in REFUSED)]
)
def test_a_section_s_file_that_is_refused_is_never_read_and_is_whose_it_is(tmp_path, flat, files, edit, says):
    """0.1 s each."""
    others, before = (CANVAS, "bob_2_20_") if flat else (OTHERS, f"{BOB}/")
    bad = [(before + name, code("bob")) for name in files]
    bob = bobs(read_all([made(tmp_path, [*others.items(), *bad], edit(before + files[0]))]))
    assert bob.sections == {}
    assert any(says in problem for problem in bob.problems.values())
    assert not any(note.startswith("not read: ") for note in bob.notes)


def test_students_whose_names_differ_by_capitals_are_refused_and_nobody_else(tmp_path):
    files = {f"{who}/{PY}": code(who) for who in ("ada", "Ada", "cyd", "emmy")}
    found = read_all([made(tmp_path, files)])
    assert whose(found) == {"Ada": "", "ada": "", "cyd": "cyd", "emmy": "emmy"}
    assert all("have the same name but for its spelling" in one.problems[STEM] for one in found[:2])


def test_an_attempt_that_does_not_count_may_be_wrong(tmp_path):
    at = "11-{} - Ada Lovelace - Mar {}, 2026 600 PM/{}"
    files = {at.format(1, 1, "x.pt"): "", at.format(1, 1, PY): code("old"), at.format(2, 2, PY): code("new")}
    (found,) = read_all([made(tmp_path, files, huge(at.format(1, 1, "x.pt")))])
    assert whose([found]) == {"Ada Lovelace": "new"}
    assert not found.problems


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "/etc/evil.txt",
        "C:/evil.txt",
        "roster\\x.csv",
        "//evil.txt",
        f"//evil_9_assignsubmission_file_{PY}",
    ],
)
def test_a_path_that_is_nobody_s_is_no_class_download_s(tmp_path, name):
    (found,) = read_all([made(tmp_path, {**OTHERS, f"{BOB}/{PY}": code("bob"), name: "x"})])
    assert found.sections == {}
    assert "evil" in found.problems[None] or "roster" in found.problems[None]
    assert not list(tmp_path.parent.rglob("evil*"))


def test_a_file_of_names_that_is_refused_costs_the_names(tmp_path):
    files = {
        "submission_metadata.yml": YAML,
        f"submission_1001/{PY}": code("ada"),
        f"submission_1002/{PY}": code("bob"),
    }
    found = read_all([made(tmp_path, files, huge("submission_metadata.yml"))])
    assert whose(found) == {"submission_1001": "ada", "submission_1002": "bob"}
    assert all("names are not known" in one.notes[0] for one in found)


def test_a_folder_that_is_called_as_the_file_of_names_costs_the_names(tmp_path):
    files = {f"submission_metadata.yml/{PY}": YAML, f"submission_1001/{PY}": code("ada")}
    (found,) = read_all([made(tmp_path, files)])
    assert whose([found]) == {"submission_1001": "ada"}
    assert "submission_metadata.yml is a folder" in found.notes[0]


def test_of_many_entries_that_are_refused_some_are_told(tmp_path):
    bad = {f"{BOB}/{number}\\x.txt": "x" for number in range(300)}
    bob = bobs(read_all([made(tmp_path, {**OTHERS, f"{BOB}/{PY}": code("bob"), **bad})]))
    assert whose([bob]) == {"Bob": "bob"}
    assert "not read: 294 more of these" in bob.notes


def test_a_learner_s_own_archive_is_refused_as_it_was(tmp_path):
    (found,) = read_all([made(tmp_path, {PY: code("ada"), "Notes.txt": "", "notes.txt": ""})])
    assert "have the same name but for its spelling" in found.problems[None]


def test_a_bomb_in_a_class_download_is_not_unpacked(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "class.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in OTHERS.items():
            archive.writestr(name, text)
        archive.writestr(f"{BOB}/{PY}", b"#" * (60 * 2**20))
        archive.writestr(f"{BOB}/x.pt", b"\0" * (archives.ENTRY_BYTES + 1))
    opened: list[str] = []
    given = zipfile.ZipFile.open
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda self, info: opened.append(info.filename) or given(self, info))
    bob = bobs(read_all([tmp_path / "class.zip"]))
    assert bob.sections == {}
    assert "too large: it has 60.0 MiB" in next(iter(bob.problems.values()))
    assert opened == list(OTHERS)


def test_entries_of_an_archive_that_is_handed_in_are_not_counted_as_the_class_s(tmp_path):
    """0.1 s."""
    inner = "PK\x01\x02" * (downloads.CLASS_ENTRIES + 1)
    bob = bobs(read_all([made(tmp_path, {**OTHERS, f"{BOB}/{PY}": code("bob"), f"{BOB}/x.bin": inner})]))
    assert whose([bob]) == {"Bob": "bob"}
    (tmp_path / "more").mkdir()
    many = {f"{BOB}/{number}.txt": "" for number in range(downloads.CLASS_ENTRIES)}
    (found,) = read_all([made(tmp_path / "more", {**OTHERS, **many})])
    assert "more than 20000 entries" in found.problems[None]


NAMES = ["..", ".", "", "a", "A", "a\u0308", "\u00e4", "x\\y", "C:", "\0", "__MACOSX", "x.zip", PY, PY.upper(), BOB, "Bob_1_2_x.py", "submission_1"]  # fmt: skip
MODES = [0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFBLK]


@settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), at=st.integers(0, 10**6), value=st.integers(-1, 255))
def test_no_class_download_makes_reading_raise(tmp_path_factory, data, at, value):
    """3 s."""
    path = tmp_path_factory.getbasetemp() / "odd.zip"
    entries = st.tuples(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4), st.sampled_from(MODES))
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings(action="ignore"):
        given_names = [([name], 0) for name in data.draw(st.sampled_from((OTHERS, CANVAS)))]
        for names, mode in given_names + data.draw(st.lists(entries, max_size=5)):
            info = zipfile.ZipInfo()
            info.filename, info.external_attr = "/".join(names), mode << 16
            archive.writestr(info, "x = 1")
    raw = bytearray(path.read_bytes())
    raw[at % len(raw)] = value if value >= 0 else raw[at % len(raw)]
    path.write_bytes(raw)
    assert all(one.sections or one.problems for one in read_all([path]))
