"""The page and the table: they say what happened, need nothing else, and nothing submitted acts on them."""

import base64
import hashlib
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
from grader.reports.report import Card, html, table
from grader.reports.tally import LOOKS, natural

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
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.text += " "  # what stands in two elements is two words

    def handle_data(self, data: str) -> None:
        self.text += data

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
    failed = row(verdict="fail", message=message, misconception="no square roots", checks=checks)
    page = Page(html(cohort(ada=[failed, row("predict_x0")], bob=[row(), row("predict_x0", "unfinished")])))
    assert "ada 1 of 3 points" in page.words
    assert "✗ fail q_sample 0/2" in page.words
    assert "Looks like: no square roots" in page.words
    assert "came back 1 expected 2 Variances add. ✗ keeps" in page.words
    assert "✗ keeps it ✓ 1 other check passed" in page.words
    assert "✓ pass predict_x0 1/1" in page.words
    assert "○ unfinished predict_x0 0/1" in page.words
    assert "isolation: bwrap+landlock" in page.words
    assert "seed 1" in page.words


def test_the_page_tells_the_class_s_most_frequent_mistakes_and_how_each_exercise_went():
    slip = row(verdict="fail", misconception="no square roots")
    other = row("predict_x0", "fail", misconception="wrong sign")
    words = Page(html(cohort(ada=[slip], bob=[slip, other], eve=[row()]))).words
    assert words.index("2× no square roots q_sample: ada, bob") < words.index("1× wrong sign predict_x0: bob")
    assert "The jump to any level 1 pass 2 fail 1 of 3" in words


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


def test_the_page_needs_nothing_else_and_allows_no_script():
    text = html(cohort(ada=[row(verdict="fail", message="see https://example.com")]))
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not {"src", "style", "action", "srcset"} & names
    assert all((value or "").startswith("#") for name, value in page.attributes if name == "href")
    assert "url(" not in text
    assert "@import" not in text
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in text


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
                                                              "ul", "h3", "section", "td", "tr", "rect", "title", "svg"}  # fmt: skip
    assert "<script" not in text
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
        return row(verdict=verdict, **(slip if verdict == "fail" else {})) | {"exercise": f"exercise_{index % 90}"}  # type: ignore

    made = document(1, "bwrap", [(f"student {n}", [one(n * 7 + index) for index in range(90)]) for n in range(300)])
    start = time.perf_counter()
    text = html(made)
    assert time.perf_counter() - start < 10
    assert len(text) < 5_000_000


def test_the_table_has_a_symbol_for_each_exercise():
    rows = [row("forward_step"), row("q_sample", "fail", misconception="no square roots"), row("predict_x0", "timeout")]
    said = printed(cohort(ada=rows, bob=rows))
    assert re.search(r"^ada +✓✗∞ +1/4$", said, re.MULTILINE)
    assert "2 times in q_sample: no square roots" in said


def test_the_table_shows_names_as_they_are_and_harmless():
    said = printed(cohort(**{"[bold]x[/bold]\x1b]8;;http://evil\x07": [row()]}), width=200)
    assert r"[bold]x[/bold]\x1b]8;;http://evil\x07" in said


def test_visible_text_keeps_what_people_write():
    for text in ("Zoë Øre 李雷", "a\tb\nc", "x̂ = √ᾱ", "👩\u200d🔬", "می\u200cخواهم"):
        assert visible(text) == text
    assert visible("a\r\nb\rc\x7f\x9b\ufeff") == "a\nb\\rc\\x7f\\x9b\\ufeff"
    assert one_line("a\nb" + "c" * 200, 10) == r"a\nbccccc…"
