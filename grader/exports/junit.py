"""JUnit XML, which CI systems show: a suite a submission, a case an exercise.

An exercise that is not written yet is `skipped`; what could not be judged, or is a fault of ours, is an `error`.
"""

import re
from xml.etree import ElementTree

from grader.intake.visible import visible
from grader.judging.results import Document, Graded, Row
from grader.reports.feedback import for_learner

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold, escaped or not."""
KINDS = {"fail": "failure", "unfinished": "skipped", "blocked": "skipped"}


def write(document: Document) -> str:
    """The file's text."""
    suites = ElementTree.Element("testsuites", name="unstatic")
    for graded in document["submissions"]:
        suites.append(_suite(graded))
    ElementTree.indent(suites, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def text(submitted: str) -> str:
    """`submitted` as XML can hold it."""
    return _NOT_XML.sub("�", visible(submitted))


def _suite(graded: Graded) -> ElementTree.Element:
    rows = for_learner(graded)["exercises"]
    kinds = [_kind(row) for row in rows]
    counts = {
        name: str(kinds.count(kind))
        for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    }
    told = {"name": text(graded["name"]), "tests": str(len(rows)), "time": _time(rows)}
    suite = ElementTree.Element("testsuite", told | counts)
    suite.extend(_case(row) for row in rows)
    return suite


def _case(row: Row) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase", classname=text(row["section"]), name=text(row["exercise"]), time=_time([row])
    )
    if kind := _kind(row):
        told, verdict = text(row["message"]), text(row["verdict"])
        first = told.strip().split("\n")[0]
        inner = ElementTree.SubElement(case, kind, message=f"{verdict}: {first}" if first else verdict)
        if kind != "skipped":
            inner.set("type", verdict)
        inner.text = told
    return case


def _kind(row: Row) -> str:
    return "" if row["verdict"] == "pass" else KINDS.get(row["verdict"], "error")


def _time(rows: list[Row]) -> str:
    return f"{sum(check['seconds'] for row in rows for check in row['checks']):.3f}"
