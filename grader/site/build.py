"""Build the site: `python -m grader.site`, which is `make site`."""

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from grader.course import ROOT
from grader.site import pages
from grader.site.places import SITE

ASSETS = Path(__file__).parent / "assets"

EXTENSIONS: list[Any] = [
    "tables",
    "attr_list",
    "md_in_html",
    {"toc": {"permalink": True, "toc_depth": "2-3"}},
    {"pymdownx.arithmatex": {"generic": True}},
    "pymdownx.highlight",
    "pymdownx.superfences",
]


class NotInstalled(Exception):
    """What builds the site is not installed; the message says how to."""


def build(into: Path = SITE, strict: bool = True) -> Path:
    """Build the site; what was in the folder is replaced once all of it is there.

    Raises:
        NotInstalled: the extra "site" is not.
        mkdocs.exceptions.Abort: a link leads nowhere, or a page cannot be made; the log says which.
    """
    os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")
    try:
        from mkdocs.commands.build import build as render
        from mkdocs.config import load_config
    except ModuleNotFoundError as error:
        raise NotInstalled(
            f"{error.name} is not installed: `make install EXTRAS=instructor,dev,site` brings what builds the site"
        ) from error
    into.parent.mkdir(parents=True, exist_ok=True)
    said = logging.StreamHandler()  # what MkDocs warns of, on stderr
    said.setLevel(logging.WARNING)
    logging.getLogger("mkdocs").addHandler(said)
    try:
        with tempfile.TemporaryDirectory(prefix=".site-", dir=into.parent) as work:
            docs, made, configuration = Path(work, "docs"), Path(work, "site"), Path(work, "mkdocs.yml")
            nav = pages.lay(docs)
            shutil.copytree(ASSETS, docs / "assets")
            configuration.touch()
            with configuration.open("rb") as file:
                config = load_config(
                    config_file=file, docs_dir=str(docs), site_dir=str(made), strict=strict, **_settings(nav)
                )
            render(config)
            for path in [*made.rglob("*.map"), *(made / "assets" / "javascripts" / "lunr").rglob("*.js")]:
                path.unlink()  # for debugging the theme, and for other languages' search
            _replace(into, made)
    finally:
        logging.getLogger("mkdocs").removeHandler(said)
    return into


def _settings(nav: list[Any]) -> dict[str, Any]:
    from pymdownx.arithmatex import arithmatex_fenced_format

    fences = [{"name": "math", "class": "arithmatex", "format": arithmatex_fenced_format(mode="generic")}]
    plain = [name for name in EXTENSIONS if isinstance(name, str)]
    options = {name: given for entry in EXTENSIONS if isinstance(entry, dict) for name, given in entry.items()}
    options["pymdownx.superfences"] = {"custom_fences": fences}
    light, dark = "(prefers-color-scheme: light)", "(prefers-color-scheme: dark)"
    return {
        "site_name": "Unstatic",
        "site_description": "A graded course in diffusion models, in PyTorch.",
        "site_url": pages.address(),  # not repo_url: the theme would ask GitHub for its stars
        "use_directory_urls": False,
        "nav": nav,
        "theme": {
            "name": "material",
            "font": False,
            "favicon": "assets/icon.svg",
            "logo": "assets/icon.svg",
            "features": [
                "navigation.indexes",
                "navigation.top",
                "navigation.footer",
                "content.code.copy",
                "toc.follow",
                "search.highlight",
                "search.suggest",
            ],
            "palette": [
                {
                    "media": light,
                    "scheme": "default",
                    "primary": "custom",
                    "accent": "custom",
                    "toggle": {"icon": "material/weather-night", "name": "Dark"},
                },
                {
                    "media": dark,
                    "scheme": "slate",
                    "primary": "custom",
                    "accent": "custom",
                    "toggle": {"icon": "material/weather-sunny", "name": "Light"},
                },
            ],
        },
        "plugins": [{"material/search": {}}, {"material/offline": {}}],
        "markdown_extensions": [*plain, *({name: given} for name, given in options.items())],
        "hooks": [str(Path(__file__).with_name("hooks.py"))],
        "extra_css": ["assets/site.css"],
        "extra_javascript": ["assets/site.js"],
        "validation": {"links": {"not_found": "warn", "anchors": "warn", "unrecognized_links": "warn"}},
        "extra": {"generator": False, "polyfills": ["assets/iframe-worker.js"]},
    }


def _replace(old: Path, new: Path) -> None:
    """The new folder where the old one was; the old one is there until the new one is whole."""
    aside = new.with_name("before")
    if old.exists():
        old.rename(aside)
    new.rename(old)


def size(folder: Path) -> int:
    """Its bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def told(folder: Path) -> str:
    where = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
    return f"{where}/index.html: {len(list(folder.rglob('*.html')))} pages, {size(folder) / 1e6:.1f} MB"
