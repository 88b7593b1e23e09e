"""`unstatic show`: the learner's function is seen also where it is wrong, beside ours, and the cause is named.

Under a minute on a quiet core, most of it pictures of sections 4 to 7.
"""

import importlib
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from matplotlib.figure import Figure

from exercises.toolkit import plots
from exercises.toolkit.plots import Arrows, Cloud, Drawing, Heat, Images, Lines, Tracks, UndrawableError
from grader.course import Section, section, sections
from grader.desk import showing
from grader.desk.progress import Progress

S1 = section("s1_forward_reverse")
LONG = {
    "training, and the reverse chain",
    "a student",
    "reflow",
    "a network that was told some labels",
    "there and back",
    "what the ODE knows of a density",
}
"""Pictures that take seconds."""


def answers(of: Section, *edits: tuple[str, str]) -> ModuleType:
    """The reference with these edits, as a learner's module."""
    text = of.solution.read_text(encoding="utf-8")
    for find, replace in edits:
        assert find in text
        text = text.replace(find, replace)
    module = ModuleType("theirs")
    exec(compile(text, str(of.stub), "exec", dont_inherit=True), module.__dict__)
    return module


def pictures(of: Section) -> dict:
    return {picture.title: picture for picture in importlib.import_module(f"exercises.gallery.{of.stem}").PICTURES}


def shown(title: str, *edits: tuple[str, str]) -> showing.Shown:
    progress = Progress(modules={S1.stem: answers(S1, *edits)})
    return showing.shown_of(pictures(S1)[title], S1, progress)


NO_ROOTS = ("return a.sqrt() * x0 + (1 - a).sqrt() * noise", "return a * x0 + (1 - a) * noise")
FORWARD = "the forward process on two moons"


@pytest.mark.parametrize("stem", sections())
def test_every_picture_that_takes_no_training_can_be_drawn_alone_and_beside_another(
    stem,
):  # half a second to two a section
    of = section(stem)
    code = answers(of)
    for title, picture in pictures(of).items():
        if title not in LONG:
            drawing = picture.draw(code)
            plots.draw(drawing, on=Figure())
            plots.draw(drawing, drawing, "a note", Figure())


def test_a_wrong_function_is_drawn_in_colour_with_ours_behind_it_and_named():
    seen = shown(FORWARD, NO_ROOTS)
    assert seen.wrong == "q_sample"
    assert seen.note == "q_sample is not right yet: yours in colour, ours in grey"
    yours, ours = seen.drawing.panels[3].points, seen.ours.panels[3].points
    assert yours.std() < 0.8 * ours.std()


def test_the_cause_is_the_first_wrong_function_and_not_the_one_that_uses_it():
    progress = Progress(modules={S1.stem: answers(S1, NO_ROOTS)})
    assert showing.causes(progress, ["train_denoiser", "reverse_step"]) == ["q_sample"]


def test_what_is_right_is_drawn_alone():
    seen = shown(FORWARD)
    assert (seen.note, seen.wrong, seen.ours) == ("", "", None)
    assert isinstance(seen.drawing, Drawing)


def test_without_solutions_the_learner_s_is_drawn_alone(monkeypatch):
    monkeypatch.setattr(showing, "_reference", lambda of: None)
    seen = shown(FORWARD, NO_ROOTS)
    assert seen.ours is None
    assert seen.note == "q_sample is not right yet: yours in colour"


def test_what_is_not_written_is_left_out_and_named():
    seen = showing.shown_of(pictures(S1)[FORWARD], S1, Progress())  # the stub, as it is handed out
    assert seen.drawing is None
    assert seen.note == "left out until compute_alpha_bar, q_sample pass"


def test_what_raises_leaves_ours_and_says_where():
    seen = shown(FORWARD, (NO_ROOTS[0], "return [][0]"))
    assert seen.note.startswith("q_sample is not right yet: raised IndexError: list index out of range, at ")
    assert seen.note.endswith("; ours alone")
    assert isinstance(seen.drawing, Drawing)


def test_what_has_no_picture_leaves_ours_and_says_why():
    seen = shown(FORWARD, (NO_ROOTS[0], "return torch.zeros(3)"))
    assert "shape (3,) is no set of points in the plane" in seen.note
    seen = shown(FORWARD, (NO_ROOTS[0], "return 'a picture'"))
    assert "what came back cannot be drawn" in seen.note


def colours(figure: Figure) -> list[str]:
    from matplotlib.colors import to_hex

    return [to_hex(part.get_facecolor()[0]) for axes in figure.axes for part in axes.collections]


def test_ours_is_grey_and_behind():
    x = torch.randn(20, 2)
    figure = plots.draw(Drawing("", [Cloud("a", x)]), Drawing("", [Cloud("a", x + 1)]), on=Figure())
    assert colours(figure) == [plots.GREY, plots.DATA]
    figure = plots.draw(Drawing("", [Lines("a", {"b": x[:, 0]}, "t")]), Drawing("", [Lines("a", {"b": x[:, 1]}, "t")]))
    assert [line.get_color() for line in figure.axes[0].lines] == [plots.GREY, plots.DATA]


def test_classes_have_their_colours():
    figure = plots.draw(Drawing("", [Cloud("a", torch.randn(2, 2), labels=torch.tensor([1, 0]))]), on=Figure())
    from matplotlib.colors import to_hex

    assert [to_hex(colour) for colour in figure.axes[0].collections[0].get_facecolor()] == [plots.MODEL, plots.DATA]


def test_a_plane_has_one_scale_and_the_data_s_units():
    drawing = Drawing("", [Cloud("a", torch.randn(9, 2)), Heat("b", torch.rand(3, 3), span=(-2, 2, -2, 2), plane=True)])
    cloud, heat, *_ = plots.draw(drawing, on=Figure()).axes
    assert cloud.get_aspect() == heat.get_aspect() == 1
    assert heat.get_xlim() == heat.get_ylim() == (-2, 2)


def test_a_matrix_has_the_other_beside_it_in_the_same_colours():
    yours, ours = Drawing("", [Heat("a", torch.full((2, 2), 9.0))]), Drawing("", [Heat("a", torch.ones(2, 2))])
    figure = plots.draw(yours, ours, on=Figure())
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert [image.get_clim() for image in images] == [(0, 1), (0, 1)]
    assert [axes.get_title() for axes in figure.axes if axes.images] == ["a", "ours: a"]


def test_what_lies_far_off_does_not_hide_ours():
    lines = [Drawing("", [Lines("a", {"b": [scale * k for k in range(5)]}, "t")]) for scale in (1e6, 1.0)]
    low, high = plots.draw(*lines, on=Figure()).axes[0].get_ylim()
    assert -7 < low < high < 11
    far = Drawing("", [Cloud("a", torch.full((10, 2), 50.0))])
    assert plots.draw(far, on=Figure()).axes[0].get_xlabel() == "100% lie elsewhere"


@pytest.mark.parametrize(
    "panel",
    [
        Cloud("a", torch.zeros(4, 3)),
        Tracks("a", torch.zeros(4, 2)),
        Lines("a", {"b": torch.zeros(3)}, "t", x=[1.0, 2.0]),
        Heat("a", torch.zeros(3)),
        Arrows("a", torch.zeros(3, 2), torch.zeros(3), torch.zeros(1, 2)),
    ],
)
def test_what_cannot_be_drawn_is_said_by_its_shape(panel):
    with pytest.raises(UndrawableError, match="shape"):
        plots.draw(Drawing("", [panel]), on=Figure())


def test_images_stand_beside_ours_where_there_is_room_and_above_them_where_not():
    def places(count: int) -> set[int]:
        rows = Drawing("", Images({"a": torch.zeros(count, 1, 4, 4)}))
        figure = plots.draw(rows, rows, on=Figure())
        return {axes.get_subplotspec().rowspan.start for axes in figure.axes if axes.images}

    assert (places(4), places(9)) == ({0}, {0, 1})


@pytest.fixture
def terminal(monkeypatch):
    """A terminal on which `renderable` can show pictures; what was printed there."""
    printed = []

    def install(able: bool) -> list:
        class Sixel:
            def __init__(self, path, **size):
                self.path = path

            def __rich_console__(self, console, options):
                printed.append(self.path)
                return iter(())

        renderable = SimpleNamespace(Image=Sixel if able else object, SixelImage=Sixel, TGPImage=None)
        package = ModuleType("textual_image")
        package.renderable = renderable
        monkeypatch.setitem(sys.modules, "textual_image", package)
        monkeypatch.setitem(sys.modules, "textual_image.renderable", renderable)
        return printed

    return install


def test_a_terminal_that_can_shows_the_picture(terminal, monkeypatch, tmp_path):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    printed = terminal(able=True)
    assert showing.in_terminal(tmp_path / "a.png")
    assert printed == [tmp_path / "a.png"]


def test_a_terminal_that_cannot_a_file_and_a_desk_without_the_library_show_none(terminal, monkeypatch, tmp_path):
    printed = terminal(able=True)
    assert not showing.in_terminal(tmp_path / "a.png")  # no terminal
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    terminal(able=False)
    assert not showing.in_terminal(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "textual_image", None)
    assert not showing.in_terminal(tmp_path / "a.png")
    assert printed == []
