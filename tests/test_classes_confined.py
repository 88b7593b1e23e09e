"""What is wrong with a file of a class download costs whose file it is, and nobody else. All of it takes some seconds."""

from pathlib import Path

import pytest

from grader.intake import classes, downloads, looking
from grader.intake.reading import read, read_all
from grader.intake.submission import Submission
from grader.intake.trees import Folder
from tests.handed_in import write
from tests.test_classes import MOODLE, PY, YAML, code, hand_out, whose

PICTURES = [f"samples/{number}.png" for number in range(1001)]


def by_name(found: list[Submission]) -> dict[str, Submission]:
    return {one.name: one for one in found}


def close(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no folder of this name be looked into, as where its permissions are not ours; root may read everything."""
    entries = Folder.entries

    def closed(self: Folder, place: tuple[str, ...]) -> dict:
        if name in (self._path.name, *place):
            raise PermissionError(13, "Permission denied")
        return entries(self, place)

    monkeypatch.setattr(Folder, "entries", closed)


@pytest.mark.parametrize("as_archive", [True, False], ids=["archive", "folder"])
def test_a_large_file_of_names_is_read(tmp_path, as_archive):
    """Gradescope's has what each run of its grader printed: learners make it as large as they like."""
    printed = "  :output: >-\n" + f"    {'x' * 1000}\n" * 9000
    files = {f"submission_{number}/{PY}": code(f"s{number}") for number in (1001, 1002)}
    found = read_all([hand_out(tmp_path, {classes.METADATA: YAML + printed, **files}, as_archive)])
    assert whose(found) == {"Ada Lovelace": "s1001", "Emmy Noether and Sofja Kowalewskaja": "s1002"}


@pytest.mark.parametrize("as_archive", [True, False], ids=["archive", "folder"])
def test_a_class_whose_file_of_names_cannot_be_read_goes_by_numbers_and_says_so(tmp_path, monkeypatch, as_archive):
    monkeypatch.setattr(classes, "METADATA_BYTES", len(YAML) - 1)
    files = {f"submission_{number}/{PY}": code(f"s{number}") for number in (1001, 1002)}
    found = read_all([hand_out(tmp_path, {classes.METADATA: YAML, **files}, as_archive)])
    assert whose(found) == {"submission_1001": "s1001", "submission_1002": "s1002"}
    for one in found:
        assert one.notes[0].startswith(f"Gradescope's names are not known: {classes.METADATA} is too large")


def test_a_file_beside_makes_no_attempts_of_one_learner_of_gradescope_s_students(tmp_path):
    files = {f"submission_{number}/{PY}": code(f"s{number}") for number in (1001, 1002)}
    found = read_all([hand_out(tmp_path, {classes.METADATA: YAML, "grades.numbers": b"PK", **files}, False)])
    assert whose(found) == {"Ada Lovelace": "s1001", "Emmy Noether and Sofja Kowalewskaja": "s1002"}


@pytest.mark.parametrize("samples", [["samples/1.png"], PICTURES], ids=["unreadable", "many"])
def test_a_folder_that_cannot_be_looked_into_spoils_no_class(tmp_path, samples, monkeypatch):
    """0.2 s each."""
    path = hand_out(tmp_path, {f"ada/{PY}": code("ada"), f"bob/hw/{PY}": code("bob"), f"cyd/{PY}": code("cyd")}, False)
    for name in samples:
        write(path / "bob" / name)
    says = "class/bob/samples has more than 1000 entries; hand in the sections' files only"
    if samples is not PICTURES:
        says = "samples cannot be read: permission denied"
        close("samples", monkeypatch)
    found = by_name(read_all([path]))
    assert whose([*found.values()]) == {"ada": "ada", "bob": "bob", "cyd": "cyd"}
    assert not any(one.problems for one in found.values())
    assert [one.notes for one in found.values()] == [[], [f"not looked into: {says}"], []]


@pytest.mark.parametrize("samples", [["bob/1.png"], [f"bob/{name}" for name in PICTURES]], ids=["unreadable", "many"])
def test_a_student_whose_folder_cannot_be_looked_into_is_one_all_the_same(tmp_path, samples, monkeypatch):
    """0.2 s each."""
    path = hand_out(tmp_path, {f"ada/{PY}": code("ada"), f"cyd/{PY}": code("cyd")}, False)
    for name in samples:
        write(path / name)
    if len(samples) == 1:
        close("bob", monkeypatch)
    found = by_name(read_all([path]))
    assert whose([*found.values()]) == {"ada": "ada", "bob": "", "cyd": "cyd"}
    says = (
        "bob cannot be read: permission denied" if len(samples) == 1 else "class/bob/samples has more than 1000 entries"
    )
    assert found["bob"].problems[None].startswith(says)


def test_what_may_be_a_class_or_one_learner_s_is_refused_with_both_names(tmp_path, monkeypatch):
    path = hand_out(tmp_path, {f"ada/{PY}": code("ada"), f"bob/{PY}": code("bob")}, False)
    close("bob", monkeypatch)
    (found,) = read_all([path])
    said = found.problems[None]
    assert found.sections == {}
    assert "beside ada there is what cannot be looked into (bob cannot be read: permission denied)" in said
    assert said.endswith("grade each learner's folder by itself")
    assert whose(read_all([path / "ada", path / "bob"])) == {"ada": "ada", "bob": ""}


def test_learners_folders_given_one_by_one_are_no_classes_whatever_cannot_be_looked_into(tmp_path, monkeypatch):
    files = {f"{who}/{name}": code(who) for who in ("ada", "bob") for name in (f"hw/{PY}", "samples/1.png")}
    path = hand_out(tmp_path, files, False)
    close("samples", monkeypatch)
    assert whose(read_all([path / "ada", path / "bob"])) == {"ada": "ada", "bob": "bob"}


def test_one_learner_s_latest_attempt_is_no_earlier_one(tmp_path, monkeypatch):
    path = hand_out(tmp_path, {f"ada/attempt_{n}/{PY}": code(f"n{n}") for n in (1, 2)}, False) / "ada"
    close("attempt_2", monkeypatch)
    assert read(path).problems == {None: "attempt_2 cannot be read: permission denied"}


def test_attempts_that_are_counted_in_several_ways_are_put_in_an_order(tmp_path):
    names = ("attempt 2026", "2026-03-01", "2026-03-02 \u00e4")
    path = hand_out(tmp_path, {f"ada/{name}/{PY}": code(f"n{n}") for n, name in enumerate(names)}, False) / "ada"
    assert whose([read(path)]) == {"ada": "n1"}


def test_one_learner_of_many_folders_hides_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(looking, "FOLDERS", 30)
    deep = {f"aaa/{n}/x/y.txt": "" for n in range(40)}
    path = hand_out(tmp_path, {**deep, f"bob/hw/{PY}": code("bob"), f"cyd/hw/{PY}": code("cyd")}, False)
    assert whose(read_all([path])) == {"aaa": "", "bob": "bob", "cyd": "cyd"}


def test_a_class_download_that_is_too_large_is_told_as_one(tmp_path, monkeypatch):
    files = {f"{who}/{PY}": code(who) for who in ("ada", "bob", "cyd")}
    path = hand_out(tmp_path, files, True)
    monkeypatch.setattr(downloads, "CLASS_ENTRIES", 2)
    unpack = "unpack the download and grade the folder"
    assert _said([path]) == f"class.zip has more than 2 entries; unless it is one learner's, {unpack}"
    monkeypatch.setattr(downloads, "CLASS_BYTES", 100)
    size = path.stat().st_size
    assert _said([path]) == (
        f"class.zip is too large: it has {size} bytes, and 100 bytes is the most that is read of a class download, 50.0 MiB of one "
        f"learner's archive; {unpack}"
    )
    other = write(tmp_path / "emmy.py", code("emmy"))
    found = by_name(read_all([path, other]))  # beside others it is one learner's
    assert "several folders that do" in found["class"].problems[None]
    assert whose([*found.values()]) == {"class": "", "emmy": "emmy"}


def test_beside_a_class_download_that_is_too_large_another_is_none_either(tmp_path, monkeypatch):
    """Or whoever imitates one would hand in for others, where everybody else's is too large."""
    files = {f"{MOODLE.format(who, who)}/{PY}": code("eve") for who in (1, 2)}
    eve = hand_out(tmp_path, files, True).rename(tmp_path / "eve.zip")
    large = write(tmp_path / "large.zip", b"PK" * 500)
    monkeypatch.setattr(downloads, "CLASS_BYTES", 999)
    found = by_name(read_all([eve, large]))
    assert whose([*found.values()]) == {"eve": "", "large": ""}
    assert "a class download is graded by itself" in found["eve"].problems[None]
    assert "unpack the download" in found["large"].problems[None]


def test_a_folder_of_more_than_are_read_is_told_what_holds_of_a_class_too(tmp_path):
    """0.1 s."""
    for number in range(1001):
        write(tmp_path / "class" / f"{number:04}_{PY}", "")
    said = _said([tmp_path / "class"])
    assert said.startswith("class has more than 1000 entries; hand in the sections' files only")
    assert said.endswith("of a class download grade the archive that it came as, or fewer at a time")


def _said(paths: list[Path]) -> str:
    (found,) = read_all(paths)
    assert found.sections == {}
    assert list(found.problems) == [None]
    return found.problems[None]


@pytest.mark.parametrize(
    ("name", "linked", "says"),
    [
        (f"{{}}_1_2_{PY}", f"bob_1_2_{PY}", f"{PY} is a link, and links are never followed"),
        (f"{{}}_{PY}", f"bob_{PY}", f"bob_{PY} is a link, and links are never followed"),
        (f"{PY[:-3]} - {{}}.py", f"{PY[:-3]} - bob.py", " - bob.py is a link, and links are never followed"),
        (f"{MOODLE.format('{}', 1)}/{PY}", MOODLE.format("bob", 1), "assignsubmission_file_ (a link)"),
    ],
    ids=["Canvas", "a prefix", "Google Forms", "Moodle"],
)
def test_a_link_in_a_class_costs_whose_it_is_and_is_not_followed(tmp_path, name, linked, says):
    path = hand_out(tmp_path, {name.format(who): code(who) for who in ("ada", "cyd")}, False)
    (path / linked).symlink_to(path / name.format("ada").partition("/")[0])
    found = by_name(read_all([path]))
    assert whose([*found.values()]) == {"ada": "ada", "bob": "", "cyd": "cyd"}
    assert not found["ada"].problems | found["cyd"].problems
    assert says in "".join(found["bob"].problems.values())


def test_one_learner_whose_name_could_be_a_file_s_spoils_no_class_of_google_s(tmp_path):
    names = ("Ada", "My", "Test", "Zoe")
    found = read_all([hand_out(tmp_path, {f"{PY[:-3]} - {who}.py": code(who) for who in names}, False)])
    assert whose(found) == {who: who for who in names}
