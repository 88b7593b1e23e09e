"""The course's site: built once, searched as files, and read in a headless browser where there is one.

It costs about half a minute, ten seconds of them for building.
"""

import functools
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from grader import cli
from grader.course import ROOT, Exercise, find_exercise, sections
from grader.site import places
from grader.source.markers import BEGIN, END

if importlib.util.find_spec("material") is None or importlib.util.find_spec("math_core") is None:
    pytest.skip('the extra "site", which builds the site, is not installed', allow_module_level=True)

from grader.site import build, formulas, moving, pages
from grader.site.__main__ import main as site_main

EXERCISES = [one for section in sections().values() for one in section.exercises.values()]
MEGABYTES = 15


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as the workflow does, so that what a theme asks of GitHub would be seen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_REPOSITORY", "ada/unstatic")
        return build.build(tmp_path_factory.mktemp("built") / "site")


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


# In a browser

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE, DESK = {"width": 360, "height": 780}, {"width": 1280, "height": 900}
LISTINGS = re.compile(r"exercises/(checks/)?s\d_\w+\.html")
"""Pages of code alone."""


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Chromium without a screen."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip('playwright, which drives the browser, is not installed: it is in the extra "dev"')
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome is on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield started
        started.close()


class Reader:
    """Somebody who reads the site from disk, and notes what goes wrong."""

    def __init__(self, browser, site: Path, at: str = "", **context) -> None:
        self.at = at or site.as_uri()
        self.context = browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce"} | context)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(f"{self.page.url}: {error}"))
        self.page.on(
            "console", lambda said: said.type == "error" and self.wrong.append(f"{self.page.url}: {said.text}")
        )
        self.page.on("request", lambda asked: self._own(asked.url) or self.wrong.append(f"asks {asked.url}"))

    def _own(self, url: str) -> bool:
        return url.startswith((self.at, "data:", "blob:", "about:"))

    def open(self, name: str):
        self.page.goto(f"{self.at}/{name}")
        return self.page


@pytest.fixture
def reader(browser, site: Path) -> Iterator[Reader]:
    made = Reader(browser, site)
    yield made
    made.context.close()
    assert not made.wrong


NAMES = """() => document.querySelectorAll("math").length"""
SQUEEZED = """() => [...document.querySelectorAll("math")].filter(
    (math) => !math.closest("details:not([open])") && (math.getBoundingClientRect().width < 2 || math.getBoundingClientRect().height < 4)
  ).map((math) => math.outerHTML)"""
UNTRANSLATED = r"""() => [...document.querySelectorAll("main p, main li, main td, main summary")]
  .map((one) => [...one.childNodes].filter((node) => node.nodeType === 3).map((node) => node.textContent).join(" "))
  .filter((text) => /\\[(\[a-zA-Z]|\$[^$]*[_^\\][^$]*\$/.test(text))"""
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_every_page_loads_without_an_error_or_a_request_and_fits_a_phone(browser, site: Path) -> None:
    reader = Reader(browser, site, viewport=PHONE)
    names = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html")) if path.name != "404.html"]
    wide, formulas_seen = [], 0
    for name in names:
        page = reader.open(name)
        if page.evaluate(TOO_WIDE) > 0:
            wide.append(name)
        formulas_seen += page.evaluate(NAMES)
        assert not page.evaluate(SQUEEZED), name
        assert not page.evaluate(UNTRANSLATED), name
    reader.context.close()
    assert len(names) > 25
    assert not wide
    assert formulas_seen > 600
    assert not reader.wrong


def test_formulas_are_drawn_in_the_bundled_typeface_with_their_roots(reader: Reader) -> None:
    page = reader.open("exercises/lessons/s1_forward_reverse.html")
    page.evaluate("() => document.fonts.ready")
    assert page.evaluate("() => document.fonts.check('16px \"Unstatic formulas\"')")
    assert page.evaluate(
        "() => [...document.fonts].some((face) => face.family.includes('Unstatic') && face.status === 'loaded')"
    )
    # A root's sign stands left of what is under it: the root is wider than its inside
    wider = "(root) => root.getBoundingClientRect().width - root.firstElementChild.getBoundingClientRect().width"
    assert page.locator("msqrt").first.evaluate(wider) > 5


def test_a_formula_that_was_not_translated_would_be_seen(reader: Reader) -> None:
    reader.page.set_content(
        r"<main><p>So \(x\) is</p><p>and $x_t$ too</p><p>for $5 <math><mi>x</mi></math> in all</p></main>"
    )
    assert len(reader.page.evaluate(UNTRANSLATED)) == 2
    assert reader.page.evaluate(NAMES) == 1


def test_hints_open_one_click_at_a_time(reader: Reader) -> None:
    page = reader.open("exercises/lessons/s1_forward_reverse.html")
    hints = page.locator("#q_sample ~ .yours").first.locator("details.hint")
    for number in range(3):
        assert [hints.nth(index).locator("> p").is_visible() for index in range(3)] == [
            index < number for index in range(3)
        ]
        hints.nth(number).locator("> summary").click()
    assert hints.nth(2).locator("> p").is_visible()


def test_a_printed_lesson_keeps_its_hints_to_itself(reader: Reader) -> None:
    page = reader.open("exercises/lessons/s1_forward_reverse.html")
    assert page.locator("details.hint").first.is_visible()
    page.emulate_media(media="print")
    assert not page.locator("details.hint").first.is_visible()
    assert not page.locator(".md-header").is_visible()
    assert page.locator("math").first.is_visible()


def test_the_search_finds_an_exercise_on_pages_read_from_disk(reader: Reader) -> None:
    searched(reader.open("index.html"))


def test_the_search_finds_an_exercise_on_pages_from_a_server(browser, site: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *said: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        reader = Reader(browser, site, at=f"http://127.0.0.1:{server.server_port}")
        searched(reader.open("index.html"))
        reader.context.close()
        server.shutdown()
    assert not reader.wrong


def searched(page) -> None:
    # Typed, as a reader does: the theme searches when a key is let go, and would miss a field that is filled at once
    page.locator("input[name=query]").press_sequentially("q_sample")
    found = page.locator(".md-search-result__link").first
    found.wait_for()
    assert "s1_forward_reverse.html" in found.get_attribute("href")


def faults(reader: Reader, name: str, **options) -> list[str]:
    """What axe finds on a page."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed: it is in the extra dev"
    )
    page = reader.open(name)
    page.wait_for_timeout(100)
    found = axe.Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [
        f"{name}: {wrong['id']}: {wrong['nodes'][0]['html']} {wrong['nodes'][0]['failureSummary']}" for wrong in found
    ]


def test_an_accessibility_checker_finds_nothing_on_any_page_but_those_of_code(browser, site: Path) -> None:
    reader, found = Reader(browser, site), []
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        if path.name != "404.html" and not LISTINGS.fullmatch(name):
            found += faults(reader, name, rules={"color-contrast": {"enabled": False}})  # below: it is slow
    reader.context.close()
    assert not found, "\n".join(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "name", ["index.html", "moving.html", "exercises/lessons/s6_guidance.html", "exercises/s6_guidance.html"]
)
def test_writing_stands_out_from_what_is_behind_it(browser, site: Path, scheme: str, name: str) -> None:
    reader = Reader(browser, site, color_scheme=scheme)
    found = faults(reader, name, runOnly=["color-contrast"])
    reader.context.close()
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "control", "to"),
    [
        ("forward", "input", "End"),
        ("dial", "input", "Home"),
        ("dial", "select", "flow, Euler"),
        ("guidance", "input", "End"),
        ("reflow", "input", "Home"),
        ("reflow", "select", "reflowed"),
    ],
)
def test_a_picture_moves_with_its_controls(reader: Reader, name: str, control: str, to: str) -> None:
    figure = reader.open("moving.html").locator(f"figure[data-moving={name}]")
    drawn = "(canvas) => canvas.toDataURL()"
    before, said = figure.locator("canvas").first.evaluate(drawn), figure.locator("output").text_content()
    if control == "select":
        figure.locator("select").select_option(to)
    else:
        figure.locator("input").press(to)
    assert said
    assert figure.locator("output").text_content() != said
    assert figure.locator("canvas").first.evaluate(drawn) != before
    assert figure.locator("canvas").first.get_attribute("aria-label").endswith(figure.locator("output").text_content())


def test_a_picture_that_moves_stands_in_the_place_of_its_exercise(reader: Reader) -> None:
    for picture in moving.PICTURES:
        page = reader.open(places.page(sections()[find_exercise(picture.exercise).section]))
        assert page.locator(f"figure[data-moving={picture.name}] canvas").first.is_visible()


def test_the_dial_draws_the_numbers_that_the_reference_has_made(reader: Reader) -> None:
    kept = json.loads((moving.NUMBERS / "dial.json").read_text(encoding="utf-8"))["readings"]
    figure = reader.open("moving.html").locator("figure[data-moving=dial]")
    for number, one in enumerate(kept):
        if number % 5 == 0:
            calls = sorted({other["calls"] for other in kept})
            figure.locator("select").select_option(one["sampler"])
            figure.locator("input").fill(str(calls.index(one["calls"])))
            said = figure.locator("output").text_content()
            assert f"{one['sampler']}, {one['asked']} call" in said
            assert f"distance {one['distance']:.3f}" in said
            assert f"{one['distance']} in {one['calls']}" in figure.locator("canvas.chart").get_attribute("aria-label")


def test_without_scripts_there_are_still_pictures_and_formulas(browser, site: Path) -> None:
    reader = Reader(browser, site, java_script_enabled=False)
    page = reader.open("moving.html")
    assert page.locator("figure.moving img").count() == len(moving.PICTURES)
    assert all(page.locator("figure.moving img").nth(number).is_visible() for number in range(len(moving.PICTURES)))
    page = reader.open("exercises/lessons/s1_forward_reverse.html")
    assert page.locator("math").first.is_visible()
    reader.context.close()
    assert not reader.wrong


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
