"""`unstatic watch`, and the pictures of `unstatic show`, as a learner meets them."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.course import sections
from grader.desk import loading, practice, progress, watch
from grader.desk.progress import Progress
from grader.desk.watch import Watch
from tests.classroom import JUMP, PRODUCT, S1, Desk, open_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk of section 1 alone: what is next is known as soon as that is."""
    with open_desk(tmp_path, S1.stem) as desk:
        yield desk


def test_watch_shows_the_exercise_at_hand_and_how_far_the_section_is(desk: Desk) -> None:
    desk.hand_in((JUMP, "return x0 + noise"))
    run = desk.unstatic("watch", "--once")
    assert run.returncode == 1
    assert run.stdout.startswith("✗ q_sample")
    assert "because" in run.stdout
    assert "of 11 exercises" in run.stdout.split("\n")[-2]


def test_watch_has_keys_for_everything(desk: Desk, monkeypatch, capsys: pytest.CaptureFixture) -> None:
    desk.hand_in(
        (JUMP, "raise NotImplementedError"), ("return torch.cat(", "raise NotImplementedError\n    torch.cat(")
    )
    shown = []
    monkeypatch.setattr(practice, "show", lambda of: shown.append(of.stem))
    pressed = iter("nhlcsrrxrxq")
    Watch(lambda seconds: next(pressed)).run()
    said = capsys.readouterr().out
    assert said.startswith("next: q_sample")
    assert "next: timestep_embedding" in said, "n"
    assert "hint 1 of 3: " in said, "h"
    assert "min, gentle" in said, "l"
    assert "0 of 23 points" not in said
    assert shown == [S1.stem], "s"
    assert "timestep_embedding of s1_forward_reverse.py is a stub again" in said, "r r"
    assert "It is left as it is." in said, "r x"


def test_a_file_beside_a_section_counts_as_it_was_saved_last(desk: Desk, monkeypatch) -> None:
    monkeypatch.syspath_prepend(desk.folder)
    monkeypatch.setattr(loading, "_imported", {})
    desk.hand_in(("import torch\n", "import torch\nimport mine_of_two\n"))
    (desk.folder / "mine_of_two.py").write_text("from mine_of_one import SIGN\n", encoding="utf-8")
    for text in ("SIGN = -1\n", "SIGN = 1 + 0\n"):
        (desk.folder / "mine_of_one.py").write_text(text, encoding="utf-8")
        helper = loading.load(S1.stem).mine_of_two
    assert helper.SIGN == 1
    assert loading.load(S1.stem).mine_of_two is helper, "as nothing was saved"


SHORTENED = ("return torch.cat(", "raise NotImplementedError\n    torch.cat(")


def test_watch_begins_with_what_is_named(desk: Desk) -> None:
    desk.hand_in((JUMP, "raise NotImplementedError"), SHORTENED)
    named = desk.unstatic("watch", "timestep_embedding", "--once")
    assert named.stdout.startswith("next: timestep_embedding")
    assert named.returncode == 1
    assert desk.unstatic("watch", "s1", "--once").stdout.startswith("next: q_sample")
    done = desk.unstatic("watch", "forward_step", "--once")
    assert done.stdout.startswith("✓ forward_step passes\nnext: q_sample")
    assert done.returncode == 0, "what was asked for passes"
    waits = desk.unstatic("watch", "simple_loss", "--once")
    assert waits.stdout.startswith("next: simple_loss")
    assert "it uses q_sample, which does not pass yet: begin there" in waits.stdout
    wrong = desk.unstatic("watch", "q_sampel", "--once")
    assert wrong.returncode == 2
    assert "did you mean q_sample" in wrong.stderr


def test_watch_goes_on_after_what_was_chosen_and_passes(desk: Desk, capsys: pytest.CaptureFixture) -> None:
    stubs = [(JUMP, "raise NotImplementedError"), SHORTENED, (PRODUCT, "raise NotImplementedError")]
    desk.hand_in(*stubs)
    watch = Watch(lambda seconds: "", S1.exercises["q_sample"])
    watch.look()
    assert "next: q_sample" in capsys.readouterr().out
    desk.hand_in(*stubs[1:])
    watch.look()
    assert capsys.readouterr().out.startswith("✓ q_sample passes\nnext: timestep_embedding"), (
        "compute_alpha_bar is before it"
    )
    desk.hand_in(stubs[2])
    watch.look()
    assert capsys.readouterr().out.startswith("✓ timestep_embedding passes\nnext: compute_alpha_bar")


def test_what_follows_an_exercise_is_of_its_section_as_long_as_that_has_some_to_do(tmp_path: Path) -> None:
    with open_desk(tmp_path) as whole:
        whole.hand_in((JUMP, "raise NotImplementedError"))
        progress = Progress()
        own = S1.exercises
        following = progress.after(own["timestep_embedding"])
        assert following == own["q_sample"], "section 2 has only stubs"
        following = progress.after(own["q_sample"])
        assert following is not None
        assert following.name == "linear_schedule"


def test_next_names_the_first_to_do_of_a_section(tmp_path: Path) -> None:
    with open_desk(tmp_path) as whole:
        whole.hand_in()
        assert whole.unstatic("next", "s3").stdout.startswith(
            f"next: {next(iter(sections()['s3_score_sde'].exercises))} "
        )
        done = whole.unstatic("next", "s1")
        assert done.returncode == 0
        assert done.stdout.startswith(f"All exercises of {S1.title} ({S1.stem}) pass.\n")
        assert all(what in done.stdout for what in ("pytest exercises -k s1", "unstatic show s1", "#predict-then-run"))
        wrong = whole.unstatic("next", "s9")
        assert wrong.returncode == 2
        assert "no exercise or section is called 's9'" in wrong.stderr


def test_watch_leaves_what_is_there_where_reset_is_not_meant(desk: Desk, capsys: pytest.CaptureFixture) -> None:
    desk.hand_in((JUMP, "return x0 + noise"))
    before = desk.module.read_bytes()
    pressed = iter("rnq")
    Watch(lambda seconds: next(pressed)).run()
    assert "It is left as it is." in capsys.readouterr().out
    assert desk.module.read_bytes() == before


def test_watch_goes_on_where_reset_cannot_be_done(desk: Desk, capsys: pytest.CaptureFixture) -> None:
    desk.module.write_bytes(b"# caf\xe9\n")
    pressed = iter("rrq")
    Watch(lambda seconds: next(pressed)).run()
    assert "line 1 is not UTF-8: save it as UTF-8\nwatching; " in capsys.readouterr().out


def test_watch_says_the_same_after_the_file_was_gone(desk: Desk, capsys: pytest.CaptureFixture) -> None:
    desk.hand_in((JUMP, "raise NotImplementedError"))
    watch = Watch(lambda seconds: "")
    watch.look()
    first = capsys.readouterr().out
    text = desk.module.read_text(encoding="utf-8")
    desk.module.unlink()
    watch.look()
    assert "there is no such file" in capsys.readouterr().out
    desk.module.write_text(text, encoding="utf-8")
    watch.look()
    assert capsys.readouterr().out.endswith(first)


@pytest.mark.parametrize("look", [watch._stamps, progress.begin])
def test_a_file_may_go_at_any_moment_as_when_an_editor_replaces_it(desk: Desk, look) -> None:
    desk.hand_in()
    really = Path.stat

    def gone_afterwards(path: Path, **how: bool) -> os.stat_result:
        found = really(path, **how)
        if path == desk.module:
            desk.module.unlink()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "stat", gone_afterwards)
        look()
        look()


def test_show_draws_what_is_there_and_says_what_is_left_out(desk: Desk, monkeypatch) -> None:
    from grader.desk import showing  # brings matplotlib

    monkeypatch.setattr(showing, "ROOT", desk.folder)
    desk.hand_in(("return mean + variance.sqrt() * noise", "raise NotImplementedError"))
    run = desk.unstatic("show", "s1")
    assert run.returncode == 0, run.stderr
    assert "✓ the forward process on two moons" in run.stdout
    assert "· training, and the reverse chain: left out until reverse_step passes" in run.stdout
    assert (desk.folder / "pictures" / f"{S1.stem}.png").stat().st_size > 10_000


@pytest.mark.skipif(os.name != "posix", reason="a terminal's escape sequences are POSIX's")
def test_an_arrow_and_its_kin_are_no_key(monkeypatch) -> None:
    """`ESC [ H` is what Home sends; H by itself asks for a hint."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as typed, os.fdopen(writer, "wb", buffering=0) as keyboard:
        monkeypatch.setattr(sys, "stdin", typed)
        for sent in (b"\x1b[H", b"\x1bOQ", b"\x1b[1;5C"):
            keyboard.write(sent)
            assert watch._posix_key(1) == ""
        keyboard.write(b"H")
        assert watch._posix_key(1) == "h"
        assert watch._posix_key(0) == ""


class WindowsKeyboard:
    """What `msvcrt` gives of what is typed; that a second code waits may be told only once another key is pressed."""

    def __init__(self, tells: bool) -> None:
        self.tells, self.codes, self.begun = tells, "", False

    def kbhit(self) -> bool:
        return len(self.codes) > (0 if self.tells or not self.begun else 1)

    def getwch(self) -> str:
        code, self.codes = self.codes[0], self.codes[1:]
        self.begun = code in "\x00\xe0" and not self.begun
        return code


@pytest.mark.parametrize("tells", [True, False])
def test_an_arrow_and_its_kin_are_no_key_on_windows_either(monkeypatch, tells: bool) -> None:
    """Up is à and H there, Page Down à and Q."""
    keyboard = WindowsKeyboard(tells)
    monkeypatch.setitem(sys.modules, "msvcrt", keyboard)
    key = watch._windows_keys()
    for codes in ("\xe0H", "\xe0Q", "\xe0R", "\xe0S", "\x00H", "\x00<"):
        keyboard.codes += codes
        assert key(0.1) == ""
        keyboard.codes += "N"
        assert key(0.1) == "n"
    keyboard.codes += "\xe0HQ"
    assert key(0.1) == "q"
    assert key(0.1) == ""
