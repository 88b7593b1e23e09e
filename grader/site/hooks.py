"""What MkDocs calls while it builds the site (`build`)."""

import re
from pathlib import Path
from typing import Any

from grader.site import formulas

SIGNS: set[str] = set()
"""The signs of all formulas of this build."""


def on_pre_build(config: Any) -> None:
    SIGNS.clear()


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Formulas are translated, and code that is wider than the screen can be reached and scrolled by keys."""
    try:
        html = formulas.translated(html)
    except formulas.NoFormula as error:
        raise formulas.NoFormula(f"{page.file.src_uri}: {error}") from error
    SIGNS.update(formulas.signs(html))
    html = re.sub(r"<th[^>]*></th>", "<td></td>", html)  # a corner of a table, which heads nothing
    return html.replace("<pre>", '<pre tabindex="0">')


def on_post_page(output: str, page: Any, config: Any) -> str:
    """The theme's search is a dialog, and says so to those who hear it."""
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )


def on_post_build(config: Any) -> None:
    (Path(config["site_dir"]) / "assets" / "formulas.woff").write_bytes(formulas.typeface(SIGNS))
