"""The page and the table: they say what happened, need nothing else, and nothing submitted acts on them."""

import base64
import hashlib
import random
import re
import time
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from grader.course import sections
from grader.intake.visible import one_line, visible
from grader.judging.results import VERDICTS, Document, Row, document
from grader.reports.cards import Card
from grader.reports.report import ALIKE_FROM, HERE, html, table
from grader.reports.tally import LOOKS, natural, readable_share
from tests.browser import started

STEM = "s1_forward_reverse"
EXERCISES = sections()[STEM].exercises
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\x00\u202e\ud800'\"&{{ 7*7 }}[red]x[/red]"


def row(exercise: str = "q_sample", verdict: str = "pass", **changes: Any) -> Row:
    points = EXERCISES[exercise].points
    return {"section": STEM, "exercise": exercise, "points": points, "score": points if verdict == "pass" else 0.0,
            "verdict": verdict, "message": "", "misconception": None, "checks": [], **changes}  # type: ignore # fmt: skip


def cohort(**submissions: list[Row]) -> Document:
    return document(1, "bwrap+landlock", submissions.items())


class Page(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inside: dict[str, str] = {}
        """The words that follow where an id stands."""
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self._parts: list[str] = []
        self._begins: dict[str, int] = {}
        self.feed(page)
        self.text = "".join(self._parts)
        for name, begin in self._begins.items():
            self.inside[name] = " ".join("".join(self._parts[begin : begin + 40]).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._begins |= {value: len(self._parts) for name, value in attrs if name == "id" and value}
        self._parts.append(" ")  # what stands in two elements is two words

    def handle_data(self, data: str) -> None:
        self._parts.append(data)

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def printed(made: Document, width: int = 100) -> str:
    out = StringIO()
    Console(file=out, width=width).print(table(made))
    return out.getvalue()


def test_every_verdict_has_a_look_and_no_two_look_alike():
    assert tuple(LOOKS) == VERDICTS
    assert len({look.symbol for look in LOOKS.values()}) == len(LOOKS)


def test_the_page_tells_each_submissions_verdicts_points_and_messages():
    checks = [{"name": "test_q_sample_keeps_it", "verdict": "fail", "seconds": 0.1},
              {"name": "test_q_sample_keeps_the_dtype", "verdict": "pass", "seconds": 0.1}]  # fmt: skip
    message = "came back  1\nexpected   2\nlooks like no square roots. Variances add."
    holds = ["The result has the data's dtype"]
    failed = row(verdict="fail", message=message, misconception="no square roots", checks=checks, holds=holds)
    page = Page(html(cohort(ada=[failed, row("predict_x0")], bob=[row(), row("predict_x0", "unfinished")])))
    assert "ada 1 of 3 points" in page.words
    assert "✗ fail q_sample 0/2" in page.words
    assert "Looks like: no square roots" in page.words
    assert "came back 1 expected 2 Variances add. ✗ keeps" in page.words
    assert "✗ keeps it ✓ 1 other check passed: the result has the data's dtype" in page.words
    assert "✓ pass 1 of 2: predict_x0 " in page.words
    assert "○ unfinished 1 of 2: predict_x0 " in page.words
    assert "isolation: bwrap+landlock" in page.words
    assert "seed 1" in page.words


def test_the_page_tells_first_what_several_have_in_common_and_folds_what_one_alone_has():
    slip = row(verdict="fail", misconception="no square roots")
    other = row("predict_x0", "fail", misconception="wrong sign")
    words = Page(html(cohort(ada=[slip], bob=[slip, other], eve=[row()]))).words
    first, alone = (
        words.index("2× no square roots q_sample ada, bob"),
        words.index("1 known mistake that one submission alone has"),
    )
    assert first < alone < words.index("bob: wrong sign predict_x0")
    assert "The jump to any level 1 pass 2 fail 1 of 3" in words


def test_a_message_that_several_got_is_told_once_and_each_one_s_own_lines_with_their_own():
    def slip(line: int) -> Row:
        return row(verdict="fail", message=f"came back  1\nexpected   the same for all\nat         s1.py:{line}")

    page = Page(
        html(cohort(ada=[slip(7)], bob=[slip(12)], eve=[row(verdict="fail", message="expected   something else")]))
    )
    assert page.text.count("the same for all") == 1
    assert [page.text.count(f"s1.py:{line}") for line in (7, 12)] == [1, 1]
    assert page.text.count("something else") == 1


def test_what_one_submission_has_twice_is_not_counted_as_two_people_s():
    unread = [row(name, "not-gradable", message="nothing was handed in") for name in ("q_sample", "predict_x0")]
    noted = [{**unread[0], "message": "nothing was handed in\nby hand    1, not 0, set by Emmy: on paper"}, unread[1]]
    assert "×" not in Page(html(cohort(ada=noted, bob=[row()]))).words
    words = Page(html(cohort(ada=noted, bob=noted, eve=unread, zoe=[row()]))).words
    assert re.search(r"3× nothing was handed in [\w, ]+ ada, bob, eve ", words)


def test_each_cell_that_is_not_a_pass_leads_to_what_was_said_of_it():
    shared, own = row(verdict="fail", message="expected   a"), row("predict_x0", "crash", message="because    b")
    page = Page(html(cohort(ada=[shared, own, row("sample", "unfinished")], bob=[shared])))
    links = [(value or "")[1:] for name, value in page.attributes if name == "href"]
    ids = [value for name, value in page.attributes if name == "id"]
    assert set(links) <= set(ids)
    assert len(ids) == len(set(ids))
    assert page.inside["m0"].startswith("✗ fail q_sample")
    assert page.inside["s0o1"].startswith("! crash predict_x0")
    cells = [link for link in links if re.fullmatch(r"m\d+|s\d+o\d+", link)]
    assert {"m0", "s0o1", "s0o2"} <= set(cells)


def test_the_median_leaves_out_what_could_not_be_read_and_the_page_says_who():
    broken = row(verdict="not-gradable", message="line 3: invalid syntax")
    page = Page(html(cohort(ada=[row()], bob=[row()], eve=[broken], joe=[broken], kim=[broken])))
    assert "100 % median score of the 2 that could be read" in page.words
    assert "3 with something that could not be read: eve, joe, kim" in page.words


def test_what_a_fault_of_ours_leaves_open_is_no_full_mark_and_the_page_says_how_much_it_is():
    faults = [row("predict_x0", "grader-error"), row("sample", "grader-error")]
    left = sum(one["points"] for one in faults)
    text = html(cohort(ada=[row(), *faults], bob=[row()], eve=faults))
    words = Page(text).words
    assert "1 of 3 with full marks" in words
    assert [re.search(rf'id="{name}" class="(.*?)"', text)[1] for name in ("r0", "r1", "r2")] == ["", "full", ""]  # type: ignore[index]
    assert f"ada 2 / 2 {left:g} not graded" in words
    assert f"ada 2 of 2 points, {left:g} not graded" in words
    assert "2 with something left open by a fault of the grader's: ada, eve. It is not charged: grade again." in words
    assert "100 % median score of the 2 that could be graded" in words
    assert "not graded" not in Page(html(cohort(bob=[row()]))).words


def test_a_file_that_could_not_be_read_takes_nothing_from_the_share_of_the_others():
    other = row(verdict="not-gradable") | {"section": "s2_ddpm", "points": 6.0}
    made = document(1, "x", [("ada", [row(), row("predict_x0", "fail"), other]), ("bob", [other]), ("eve", [])])
    assert [readable_share(graded) for graded in made["submissions"]] == [pytest.approx(2 / 3), None, 0.0]
    fault = document(1, "x", [("ada", [row(verdict="grader-error")])])
    assert readable_share(fault["submissions"][0]) is None


@pytest.mark.parametrize(
    ("message", "facts"),
    [
        ("", []),
        ("It uses q_sample.", [("", "It uses q_sample.")]),
        ("two\nlines", [("", "two\nlines")]),
        ("called     f(x)\nraised     a\n  b\n\nc", [("called", "f(x)"), ("raised", "a\n  b\n\nc")]),
        ("check      a\nlooks like it. Because.", [("check", "a"), ("", "Because.")]),
        ("expected a tensor", [("", "expected a tensor")]),
        ("output-limit it wrote 2 MB", [("output-limit", "it wrote 2 MB")]),
    ],
)
def test_a_message_is_told_as_labelled_facts_where_it_has_labels(message, facts):
    assert Card([row(message=message, misconception="it")]).facts == facts


def test_exercises_that_came_out_alike_are_told_together():
    reason = "s1_forward_reverse.py is not valid Python, line 3: invalid syntax"
    page = Page(html(cohort(ada=[row(name, "not-gradable", message=reason) for name in EXERCISES])))
    assert page.text.count(reason) == 1


def test_the_page_needs_nothing_else_and_allows_no_script_but_its_own():
    text = html(cohort(ada=[row(verdict="fail", message="see https://example.com")]))
    page = Page(text)
    assert page.tags.count("script") == 1
    assert not {"link", "img", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not {"src", "style", "action", "srcset"} & names
    assert all((value or "").startswith("#") for name, value in page.attributes if name == "href")
    assert "url(" not in text
    assert "@import" not in text
    digests = {}
    for tag in ("style", "script"):
        found = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert found
        digests[tag] = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digests['style']}'; script-src 'sha256-{digests['script']}'; base-uri"
    )
    assert policy in text
    assert text.index(policy) < text.index("<style>")
    assert not re.search(r"fetch|XMLHttp|innerHTML|eval|Function|import|http", (HERE / "report.js").read_text())


def test_filters_orders_and_folds_are_html_and_css():
    made = cohort(
        **{name: [row()] for name in ("ada", "bob")},
        eve=[row(verdict="fail", message="x")],
        joe=[row(verdict="not-gradable")],
    )
    text = re.sub(r"<script>.*?</script>", "", html(made), flags=re.DOTALL)
    for name in ("show-all", "show-open", "show-unread", "by-name", "by-least", "by-most"):
        assert f'id="{name}"' in text
    assert "#by-least:checked" in text
    assert "body:has(#by-least:checked) :is(#r3,#s3){order:1}" in text  # joe, after eve, who has nothing either
    assert "body:has(#by-most:checked) :is(#r3,#s3){order:2}" in text
    assert text.count("<details") == text.count("</details>") > 4
    assert 'id="in-0"' not in text
    two = [row(), row() | {"section": "s2_ddpm", "exercise": "snr"}]
    assert 'id="in-1"' in html(document(1, "x", [("ada", two)]))


def test_nothing_submitted_acts_on_the_page():
    rows = [
        row("q_sample", "fail", message=HOSTILE, misconception=HOSTILE),
        row("predict_x0", "fail", checks=[{"name": HOSTILE, "verdict": HOSTILE, "seconds": 0.0}]),
        row("sample", HOSTILE),
        row(exercise="simple_loss") | {"exercise": HOSTILE, "section": HOSTILE},
    ]
    text = html(document(1, HOSTILE, [(HOSTILE, rows), (HOSTILE, rows)]), title=HOSTILE)
    text.encode()
    harmless = html(document(1, "x", [("a", rows[:0])]))
    assert set(Page(text).tags) <= set(Page(harmless).tags) | {"li", "ol", "strong", "a", "bdi", "code", "span", "p", "pre",
                                                              "ul", "h3", "section", "td", "tr", "rect", "title", "svg",
                                                              "details", "summary", "dl", "dt", "dd", "b", "h2"}  # fmt: skip
    assert text.count("<script") == 1
    assert "<img" not in text
    assert "49" not in Page(text).words.replace(HOSTILE, "")
    assert not set(text) & set("\x1b\x00\u202e")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert r"\x1b[31m\x00\u202e\ud800" in Page(text).text


def test_what_was_not_isolated_is_said_in_red():
    assert "Untrusted code was not isolated" in Page(html(document(1, "none", [("ada", [row()])]))).text
    assert "Untrusted code was not isolated" not in Page(html(cohort(ada=[row()]))).text
    assert "untrusted code was not isolated" in printed(document(1, "none", [("ada", [row()])]))


def test_a_long_message_is_cut_on_the_page():
    text = html(cohort(ada=[row(verdict="fail", message="x" * 100_000)]))
    assert len(text) < 30_000
    assert "96,000 more characters are in the JSON" in text


def test_what_could_not_be_read_is_told_below_the_table_with_its_reason():
    names = ("q_sample", "forward_step")
    unread = [row(name, "not-gradable", message="a.rar is a RAR archive\nnote       x") for name in names]
    absent = [row("compute_alpha_bar", "not-gradable", message=f"there is no {STEM} in it")]
    paper = [row(verdict="not-gradable", message="nothing was handed in", by_hand={"by": "me", "why": "x", "was": 0.0})]
    made = cohort(ada=unread + absent, bob=[row(), *absent], eve=paper)
    assert "1 with something that could not be read: ada." in Page(html(made)).words
    lines = printed(made).splitlines()
    assert [line.strip() for line in lines if "could not be read" in line] == [
        "could not be read: ada: a.rar is a RAR archive"
    ]


@pytest.mark.parametrize("made", [cohort(), cohort(ada=[]), cohort(ada=[row(verdict="pass")])])
def test_small_cohorts_have_a_page_and_a_table(made):
    assert "</html>" in html(made)
    assert "submission" in printed(made)


def test_names_are_in_the_order_in_which_people_count():
    names = ["ada10", "Ada2", "ada1", "bob", "ada", "²", "9" * 9000]
    assert sorted(names, key=natural)[:4] == ["ada", "ada1", "Ada2", "ada10"]
    text = html(cohort(**{name: [row()] for name in names}))
    assert text.index(">ada1<") < text.index(">Ada2<") < text.index(">ada10<")


def test_a_large_class_has_a_page_of_a_few_megabytes_in_seconds():
    message = "called     q_sample(float64 (3, 4), [0, 3, 9] (int64), float64 (3, 4), float64 (10,))\n" * 4
    checks = [{"name": f"test_q_sample_{'does_as_it_should_' * 3}{n}", "verdict": v, "seconds": 0.1}
              for n, v in enumerate(["fail", "pass", "fail", "pass"])]  # fmt: skip

    def one(index: int) -> Row:
        verdict = "fail" if index % 9 == 0 else "unfinished" if index % 5 == 0 else "pass"
        slip = {"message": f"{index} {message}", "checks": checks, "misconception": f"mistake {index % 50}"}
        return row(verdict=verdict, **(slip if verdict == "fail" else {})) | {"exercise": f"exercise_{index % 90}"}

    made = document(1, "bwrap", [(f"student {n}", [one(n * 7 + index) for index in range(90)]) for n in range(300)])
    start = time.process_time()
    text = html(made)
    assert time.process_time() - start < 10
    assert len(text) < 5_000_000


def made_up(count: int) -> Document:
    """A class of learners who answer all sections, more or less well, with a few mistakes that many make."""
    chance = random.Random(1)

    def answer(stem: str, name: str, points: float, skill: float) -> Row:
        base = row() | {"section": stem, "exercise": name, "points": points, "score": 0.0}
        drawn = chance.random()
        if drawn < 0.6 + 0.35 * skill:
            checks = [{"name": f"test_{name}_{n}", "verdict": "pass", "seconds": 0.1} for n in range(6)]
            return base | {"score": points, "checks": checks}  # type: ignore[return-value]
        if drawn < 0.7 + 0.28 * skill:
            return base | {"verdict": "unfinished"}
        kind = chance.randrange(6)
        checks = [{"name": f"test_{name}_{'does_as_it_should_' * 3}{n}", "verdict": "fail" if n % 2 else "pass", "seconds": 0.1}
                  for n in range(6)]  # fmt: skip
        message = (
            f"check      {'does as it should ' * 3}1\ncalled     {name}(float64 (3, 4), [0, 3, 9] (int64), float64 (3, 4), float64 (10,))\n"
            f"came back  [[0.{kind}123, 0.456], [1.2, 2.34]]\nexpected   [[0.5, 0.25], [1, 2]]\nbecause    {'it is so because it must be ' * 4}\n"
            f"at         {stem}.py:{chance.randrange(400)}\nlooks like mistake {kind}. {'What it does, and why that is seen late. ' * 4}"
        )
        known = f"mistake {kind}" if kind < 4 else None
        return base | {"verdict": "fail", "message": message, "misconception": known, "checks": checks}  # type: ignore[return-value]

    def all_of(skill: float) -> list[Row]:
        return [
            answer(stem, one.name, one.points, skill)
            for stem, of in sections().items()
            for one in of.exercises.values()
        ]

    return document(1, "bwrap", [(f"a-learner-whose-name-is-long {n}", all_of(chance.random())) for n in range(count)])


def test_a_hundred_submissions_to_all_sections_weigh_under_two_megabytes_and_open_at_once():
    text = html(made_up(100))
    assert len(text.encode()) < 2_000_000
    assert (
        len(Page(text).tags) < 60_000
    )  # a browser lays out 20 to 30 thousand in a second, and most of these are folded away


def test_a_search_leaves_what_was_said_of_whom_it_finds_where_many_came_out_alike(tmp_path):
    names = [f"learner {number:03}" for number in range(ALIKE_FROM)]
    alike = {name: [row(verdict="fail", message="expected   x")] for name in names}
    (tmp_path / "class.html").write_text(html(cohort(**alike, zoe=[row()])), encoding="utf-8")
    with started() as browser:
        page = browser.new_page()
        page.goto((tmp_path / "class.html").as_uri())

        def left(wanted: str) -> list[list[str]]:
            page.get_by_label("name", exact=True).fill(wanted)
            found = [page.locator(f"{those}:not([hidden])") for those in ("#class tbody tr", "#submissions > *")]
            return [[one.get_attribute("id") for one in those.all()] for those in found]

        assert left(names[7]) == [["r7"], ["s0"]]
        page.locator("#r7 th a").click()
        page.locator("#s0 .outcome").wait_for(timeout=5000)  # visible, as its fold is opened
        assert left("zoe") == [[f"r{ALIKE_FROM}"], [f"s{ALIKE_FROM}"]]
        assert left("nobody") == [[], []]
        assert left("learner")[1] == ["s0"]


def test_the_table_has_a_symbol_for_each_exercise():
    rows = [row("forward_step"), row("q_sample", "fail", misconception="no square roots"), row("predict_x0", "timeout")]
    said = printed(cohort(ada=rows, bob=rows))
    assert re.search(r"^ada +✓✗∞ +1/4$", said, re.MULTILINE)
    assert "2 times in q_sample: no square roots" in said


@pytest.mark.parametrize("width", [40, 80])
def test_on_a_narrow_terminal_the_table_of_all_sections_has_every_name_symbol_and_score(width: int):
    every = [(stem, name) for stem, section in sections().items() for name in section.exercises]
    rows: list[Row] = [{**row(), "section": stem, "exercise": name, "points": 1, "score": 1} for stem, name in every]
    said = printed(cohort(ada=rows, bob=rows[:-1]), width)
    for name, count in (("ada", len(rows)), ("bob", len(rows) - 1)):
        assert re.search(rf"^{name} .* {count}/{count}$", said, re.MULTILINE)
    assert said.partition("\n\n")[0].count("✓") == 2 * len(rows) - 1


def test_of_a_section_with_several_deadlines_each_share_that_is_kept_is_told():
    late = {kept: {"received": "", "due": "", "kept": kept} for kept in (0.9, 0.6)}
    rows = [row("forward_step", late=late[0.6]), row("q_sample", late=late[0.9]), row("predict_x0", late=late[0.6])]
    assert f"late: ada: {STEM} (60 or 90 % kept)" in printed(cohort(ada=rows))


def test_the_table_shows_names_as_they_are_and_harmless():
    said = printed(cohort(**{"[bold]x[/bold]\x1b]8;;http://evil\x07": [row()]}), width=200)
    assert r"[bold]x[/bold]\x1b]8;;http://evil\x07" in said


def test_visible_text_keeps_what_people_write():
    for text in ("Zoë Øre 李雷", "a\tb\nc", "x̂ = √ᾱ", "👩\u200d🔬", "می\u200cخواهم"):
        assert visible(text) == text
    assert visible("a\r\nb\rc\x7f\x9b\ufeff") == "a\nb\\rc\\x7f\\x9b\\ufeff"
    assert one_line("a\nb" + "c" * 200, 10) == r"a\nbccccc…"
