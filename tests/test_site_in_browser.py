"""The course's site read in a headless browser, where there is one: about twenty seconds, and ten for building if no other test has."""

import functools
import importlib.util
import json
import re
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from grader.course import find_exercise, sections
from grader.site import places

if importlib.util.find_spec("material") is None or importlib.util.find_spec("math_core") is None:
    pytest.skip('the extra "site", which builds the site, is not installed', allow_module_level=True)

from grader.site import moving
from tests.browser import started
from tests.site_as_built import built_once

PHONE, DESK = {"width": 360, "height": 780}, {"width": 1280, "height": 900}
LISTINGS = re.compile(r"exercises/(checks/)?s\d_\w+\.html")
"""Pages of code alone."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_once(tmp_path_factory)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with started() as browser:
        yield browser


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
