"""Of the folder in which an interpreter is installed a submission sees what an interpreter needs, and nothing that somebody keeps beside it."""

import contextlib
import sys
import sysconfig
from pathlib import Path

import pytest

from grader.sandbox.host import command, interpreter, isolation
from grader.sandbox.host.interpreter import PYTHON, parts
from grader.sandbox.host.sandbox import Sandbox
from grader.sandbox.host.selftest import try_out

PRIVATE = (
    ".ssh/id",
    ".unstatic/seed",
    ".netrc",
    "submissions/ada.py",
    "lib/mine/notes.txt",
    "share/keyrings/login",
    "bin/deploy",
)
INSTALLED = ("bin/python3", f"bin/{PYTHON}", f"lib/{PYTHON}/os.py", f"lib/{PYTHON}/site-packages/torch/__init__.py",
             f"lib/lib{PYTHON}.so.1.0", f"lib64/{PYTHON}/lib-dynload/math.so")  # fmt: skip


def lay_out(prefix: Path, *files: str) -> Path:
    for name in files:
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).touch()
    return prefix


def seen(prefix: Path, *lived_in: Path) -> set[str]:
    """The files below a prefix that the jail would see."""
    shown = [part for part in parts(prefix, lived_in) if part.exists()]
    files = [path for path in prefix.rglob("*") if path.is_file()]
    return {str(path.relative_to(prefix)) for path in files if any(path.is_relative_to(part) for part in shown)}


@pytest.mark.parametrize("inner", ["", "courses/unstatic"])
def test_of_a_home_that_is_a_prefix_too_only_the_interpreter_is_seen(tmp_path, inner):
    """It may be somebody's home, or hold the folder from which is graded, or the course."""
    home = lay_out(tmp_path / "ada", *INSTALLED, *PRIVATE)
    (home / inner).mkdir(parents=True, exist_ok=True)
    assert seen(home, tmp_path / "other", home / inner) == set(INSTALLED)


def test_of_what_people_install_into_their_local_folder_only_the_interpreter_is_seen(tmp_path):
    local = lay_out(tmp_path / "ada" / ".local", *INSTALLED, *PRIVATE)
    assert seen(local, tmp_path / "root") == set(INSTALLED)


def test_a_home_that_is_reached_by_a_link_is_no_other(tmp_path):
    home = lay_out(tmp_path / "data" / "ada", *INSTALLED, *PRIVATE)
    (tmp_path / "linked").symlink_to(tmp_path / "data")
    assert seen(home, tmp_path / "linked" / "ada") == set(INSTALLED)
    assert seen(tmp_path / "linked" / "ada", home) == set(INSTALLED)


@pytest.mark.parametrize(
    "where",
    [".pyenv/versions/3.11.7", ".local/share/uv/python/cpython-3.11-linux-x86_64-gnu", "miniconda3/envs/unstatic", "work/.venv"],
)  # fmt: skip
def test_of_a_folder_of_its_own_all_programs_and_libraries_are_seen(tmp_path, where):
    """Conda's libraries lie in folders beside Python's, and an environment's Python is a link out of it."""
    own = ("bin/activate", "lib/libmkl_core.so.2", "lib/ossl-modules/legacy.so", "pyvenv.cfg")
    prefix = lay_out(tmp_path / where, *INSTALLED, *own, "pkgs/token", "envs/other/bin/python", "conda-meta/history")
    assert seen(prefix, tmp_path, tmp_path / ".local", tmp_path / "work") == {*INSTALLED, *own}


def test_an_environment_made_in_a_home_keeps_its_programs_and_settings(tmp_path):
    home = lay_out(tmp_path, *INSTALLED, "pyvenv.cfg", "bin/activate", ".ssh/id", "lib/mine/notes.txt")
    assert seen(home, home) == {*INSTALLED, "pyvenv.cfg", "bin/activate"}


def test_what_the_interpreter_itself_says_that_it_uses_is_seen_wherever_it_lies(tmp_path, monkeypatch):
    """As one that runs where it was built, or is called by a link in a folder of its own."""
    built = lay_out(tmp_path, "src/cpython/python", "src/cpython/Lib/os.py", "src/secret", "called/python")
    monkeypatch.setattr(sys, "executable", str(built / "src/cpython/python"))
    monkeypatch.setattr(sysconfig, "get_paths", lambda: dict.fromkeys(("stdlib", "platstdlib", "purelib", "platlib"), str(built / "src/cpython/Lib")))  # fmt: skip
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "none"))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "none"))
    assert interpreter.needed([]) == [built / "src/cpython/Lib", built / "src/cpython/python"]
    assert interpreter.needed([built]) == []


def test_the_folders_that_are_seen_are_no_prefix_here():
    shown = command._host_folders()
    assert not {Path(sys.prefix), Path(sys.base_prefix), Path.home(), Path.cwd()} & set(shown)
    assert any(Path(sys.executable).is_relative_to(folder) for folder in shown)


@pytest.mark.parametrize("level", sorted({isolation.choose(), *({"landlock"} & set(isolation.machine().layers))}))
@pytest.mark.parametrize("prefix", [sys.prefix, sys.base_prefix])
def test_honest_code_runs_where_somebody_lives_in_the_interpreters_folder(level, prefix, tmp_path, monkeypatch):
    """2 s each."""
    monkeypatch.setenv("HOME", prefix)
    assert not any(Path(prefix, "lib").is_relative_to(folder) for folder in command._host_folders()) or prefix == "/usr"
    with contextlib.closing(Sandbox(level)) as jail:
        try_out(jail)


@pytest.mark.parametrize("prefix", [sys.prefix, sys.base_prefix])
def test_shared_libraries_of_such_a_folder_are_found(prefix, monkeypatch):
    libraries = Path(prefix, "lib").resolve()
    if not list(libraries.glob("*.so*")):
        pytest.skip(f"no shared library lies in {libraries}")
    monkeypatch.setenv("HOME", prefix)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries))
    assert command.environment("/tmp")["LD_LIBRARY_PATH"] == str(libraries)
