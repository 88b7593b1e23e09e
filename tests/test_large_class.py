"""A class of thousands, most of whom hand in the same: each difference is judged once, and nothing grows beyond use."""

import json
import subprocess
import sys

from grader.course import ROOT
from grader.judging.results import document, plain_row
from grader.reports.report import ALIKE_FROM, html

STEM = "s1_forward_reverse"


def test_what_is_equal_is_judged_once_and_memory_store_and_page_stay_bounded():
    command = [sys.executable, "-m", "tests.bench.large_class", "3000", "30"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert told.returncode == 0, told.stderr
    figures = json.loads(told.stdout)
    assert figures["judged"] == 30
    assert figures["store_bytes"] < 30 * 40_000
    assert figures["memory_mib"] < 200
    assert figures["page_bytes"] < 3_000_000


def test_the_page_of_a_large_class_tells_once_what_came_out_alike_and_links_everybody_to_it():
    rows = {verdict: [plain_row(STEM, "q_sample", verdict, f"because {verdict}")] for verdict in ("fail", "crash")}
    cohort = [(f"learner{n}", rows["fail" if n % 10 else "crash"]) for n in range(ALIKE_FROM)]
    page = html(document(1, "bwrap", cohort))
    assert page.count("because fail") == page.count("because crash") == 1
    anchors = {line.split('"')[0] for line in page.split('id="')[1:]}
    links = [line.split('"')[0] for line in page.split('href="#')[1:]]
    assert len(links) >= ALIKE_FROM
    assert set(links) <= anchors
    assert "and alike" in page
    assert "and 37 more" in page
