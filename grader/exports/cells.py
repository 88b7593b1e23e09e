"""Tables as CSV, of which no cell is a formula: not as it stands, and not where a program cuts the line in other places."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from grader.intake.visible import visible
from grader.reports.tally import number

_STARTS = re.compile(r"""(^|[,;|\t\n"'])(\s*)(?=[=+\-@＝＋－＠%])""")
"""Where a cell begins, whatever the program takes for a separator, and what it then may take for a formula (OWASP's list, % for DDE)."""

Cell = str | float | None
"""None is an empty cell: a gradebook leaves what it has as it is."""


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """The table in UTF-8's letters, its lines ended by CRLF (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL)
    writer.writerow([safe(name) for name in head])
    writer.writerows([_shown(cell) for cell in row] for row in rows)
    return out.getvalue()


def safe(text: str) -> str:
    """`text` on one line, an apostrophe before what a spreadsheet would take for a formula."""
    line = visible(text).replace("\n", " ⏎ ").replace("\t", "    ")
    return _STARTS.sub(r"\1'\2", line)


def _shown(cell: Cell) -> str:
    if cell is None:
        return ""
    return safe(cell) if isinstance(cell, str) else number(cell)
