"""The course's site, built once and searched as files: about ten seconds, most of them for building."""

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from grader import cli
from grader.course import ROOT, Exercise, find_exercise, sections
from grader.site import places
from grader.source.markers import BEGIN, END

if importlib.util.find_spec("material") is None or importlib.util.find_spec("math_core") is None:
    pytest.skip('the extra "site", which builds the site, is not installed', allow_module_level=True)

from grader.site import build, formulas, pages
from grader.site.__main__ import main as site_main
from tests.site_as_built import built_once

EXERCISES = [one for section in sections().values() for one in section.exercises.values()]
MEGABYTES = 15


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_once(tmp_path_factory)


class Seen(HTMLParser):
    """What a page links to, loads, names and shows."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif given.get("src"):
            self.loads.append(given["src"])
        elif tag == "link" and given.get("href") and given.get("rel") not in ("next", "prev", "canonical"):
            self.loads.append(given["href"])
        if tag == "img":
            self.pictures.append(given)


@pytest.fixture(scope="module")
def seen(site: Path) -> dict[Path, Seen]:
    return {path: Seen(path) for path in sorted(site.rglob("*.html"))}


def test_every_link_of_the_site_leads_to_a_page_and_a_place_in_it(seen: dict[Path, Seen]) -> None:
    lost = []
    for path, page in seen.items():
        for link in page.links:
            target, part = urldefrag(link)
            if re.match(r"[a-z]+:", target):
                continue
            file = (path.parent / unquote(target)).resolve() if target else path
            if file.is_dir():
                file = file / "index.html"
            # The theme names the site's root absolutely on its page for what is not found
            if path.name != "404.html" and (not file.is_file() or (part and part not in seen[file].ids)):
                lost.append(f"{path.name}: {link}")
    assert not lost


def test_nothing_that_a_page_loads_is_on_another_host(site: Path, seen: dict[Path, Seen]) -> None:
    loads = [load for page in seen.values() for load in page.loads]
    loads += [
        url for sheet in site.rglob("*.css") for url in re.findall(r"url\([\"']?([^)\"']+)", sheet.read_text("utf-8"))
    ]
    assert len(loads) > 100
    assert not [load for load in loads if re.match(r"(https?:)?//", load)]


def test_every_picture_says_what_it_shows_to_those_who_do_not_see_it(seen: dict[Path, Seen]) -> None:
    pictures = [picture for page in seen.values() for picture in page.pictures]
    assert len(pictures) >= len(EXERCISES)
    assert not [picture["src"] for picture in pictures if not picture.get("alt")]


def test_the_site_is_small(site: Path) -> None:
    assert build.size(site) < MEGABYTES * 1e6


def test_the_site_has_the_colours_of_the_reports() -> None:
    def colours(sheet: str, dark: str) -> tuple[dict[str, str], dict[str, str]]:
        text = (ROOT / "grader" / sheet).read_text(encoding="utf-8")
        parts = [text[: text.index(dark)], text[text.index(dark) :]]
        found = [re.findall(r"--(accent|card|line|soft): (#\w+)", part) for part in parts]
        return dict(found[0]), dict(found[1])

    reports = colours("reports/report.css", "@media (prefers-color-scheme: dark)")
    assert colours("site/assets/site.css", '[data-md-color-scheme="slate"]') == reports
    assert len(reports[0]) == len(reports[1]) == 4


def bare(text: str) -> str:
    """A text without spaces, tags and the theme's marks, in which a line of code can be looked for."""
    text = re.sub(r"<[^>]*>", "", text)
    for sign, entity in {"<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "&": "&amp;"}.items():
        text = text.replace(entity, sign)
    return re.sub(r"\s+", "", text)


def answers() -> set[str]:
    """The lines between the markers of the solutions that the learner's own files do not have."""
    public = "".join(re.sub(r"\s+", "", path.read_text("utf-8")) for path in (ROOT / "exercises").rglob("*.py"))
    lines = set()
    for section in sections().values():
        for region in re.findall(rf"{BEGIN}\n(.*?){END}", section.solution.read_text("utf-8"), re.S):
            lines |= {re.sub(r"\s+", "", line.split("#")[0]) for line in region.splitlines()}
    return {line for line in lines if len(line) > 12 and line not in public}


def leaked(folder: Path, lines: set[str]) -> set[str]:
    """Which of the lines are in a page, or in what the search knows."""
    text = "\n".join(
        bare(path.read_text("utf-8")) for path in [*folder.rglob("*.html"), *folder.rglob("search_index.js*")]
    )
    return {line for line in lines if line in text}


def test_no_line_of_an_answer_is_anywhere_in_the_site(site: Path, tmp_path: Path) -> None:
    lines = answers()
    assert len(lines) > 400
    assert not leaked(site, lines)
    (tmp_path / "page.html").write_text("<p>" + min(lines, key=len).replace("<", "&lt;") + "</p>", encoding="utf-8")
    assert len(leaked(tmp_path, lines)) == 1


def part(site: Path, exercise: Exercise) -> str:
    """An exercise's place in its page, up to the next heading."""
    text = (site / f"exercises/lessons/{exercise.section}.html").read_text(encoding="utf-8")
    return re.split(r"<h2", text.split(f'id="{exercise.name}"', 1)[1])[0]


def test_every_exercise_has_its_place_with_all_that_belongs_to_it(site: Path) -> None:
    for exercise in EXERCISES:
        place = part(site, exercise)
        words = bare(place)
        for said in (
            exercise.title,
            *exercise.hints,
            f"unstatic check {exercise.name}",
            f"about {exercise.minutes} minutes",
        ):
            assert re.sub(r"[\s`]+", "", said) in words, f"{exercise.name} lacks {said!r}"
        assert exercise.difficulty in place
        assert f"pictures/{exercise.section}/{exercise.name}.png" in place
        assert place.count('<details class="hint">') == 3
        assert f'../{exercise.section}.html#{exercise.name}"' in place
        assert f'../checks/{exercise.section}.html#{exercise.name}"' in place
        assert "<math" in place or "equation" in place


def test_the_front_page_has_every_section_with_its_minutes_and_points(site: Path) -> None:
    front = (site / "index.html").read_text(encoding="utf-8")
    for section in sections().values():
        rows = section.exercises.values()
        assert section.title in front
        assert f"{sum(one.points for one in rows):g} points · {sum(one.minutes for one in rows)} minutes" in front
    assert "pytest exercises" in bare(front) or "pytestexercises" in bare(front)


def test_a_formula_that_cannot_be_translated_is_told_with_its_words() -> None:
    with pytest.raises(formulas.NoFormula, match=r"\\\\nosuchthing"):
        formulas.as_mathml(r"\nosuchthing_t", displayed=False)


def test_links_to_what_is_no_page_lead_to_the_repository_or_are_left_as_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text, page = "See [the judge](../grader/judging/judge.py), [the map](architecture.md).", ROOT / "docs" / "a.md"
    monkeypatch.setenv("GITHUB_REPOSITORY", "Ada/unstatic")
    assert pages.address() == "https://ada.github.io/unstatic/"
    assert pages.linked(text, page, pages.repository()) == (
        "See [the judge](https://github.com/Ada/unstatic/blob/main/grader/judging/judge.py), [the map](architecture.md)."
    )
    assert pages.linked(text, page, "") == "See the judge, [the map](architecture.md)."


@pytest.mark.parametrize(
    "name",
    [
        "forward",
        pytest.param("guidance", marks=pytest.mark.slow),
        pytest.param("dial", marks=pytest.mark.slow),
        pytest.param("reflow", marks=pytest.mark.slow),
    ],
)
def test_the_numbers_of_a_picture_that_moves_are_what_the_reference_makes(name: str) -> None:
    asked = [sys.executable, "-m", "solutions.moving", "--check", name]
    made = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


# unstatic read


def test_read_opens_an_exercise_s_place_in_the_built_site(site: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    opened = []
    monkeypatch.setattr(places, "SITE", site)
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert cli.main(["read", "q_sample"]) == 0
    assert cli.main(["read", "s2"]) == 0
    assert opened == [
        f"{site.as_uri()}/exercises/lessons/s1_forward_reverse.html#q_sample",
        f"{site.as_uri()}/exercises/lessons/s2_ddpm.html",
    ]
    assert capsys.readouterr().out.split() == opened
    assert "unstatic read q_sample" in places.told(find_exercise("q_sample"))


def test_read_without_a_browser_says_what_to_open(site: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(places, "SITE", site)
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    assert cli.main(["read", "q_sample"]) == 0
    assert f"Open this in one: {site.as_uri()}/" in capsys.readouterr().out


def test_read_without_a_site_says_how_to_build_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(places, "SITE", tmp_path)
    assert cli.main(["read", "q_sample"]) == 1
    said = capsys.readouterr().err
    assert "make site" in said
    assert "exercises/lessons/s1_forward_reverse.md#q_sample" in said
    assert "unstatic read" not in places.told(find_exercise("q_sample"))


def test_a_build_without_the_extra_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setitem(sys.modules, "mkdocs.commands.build", None)
    assert site_main([str(tmp_path / "site")]) == 2
    assert "make install EXTRAS=" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_build_that_fails_leaves_the_site_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("as it was", encoding="utf-8")

    def broken(folder: Path) -> list:
        folder.mkdir(parents=True)
        (folder / "index.md").write_text("# Here\n\n[nowhere](nowhere.md)\n", encoding="utf-8")
        return [{"Home": "index.md"}]

    monkeypatch.setattr(pages, "lay", broken)
    with pytest.raises(SystemExit):
        build.build(tmp_path / "site")
    assert (tmp_path / "site" / "index.html").read_text(encoding="utf-8") == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
