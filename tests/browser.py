"""A browser without a screen, for tests of what pages do; they are skipped where there is none."""

import contextlib
import importlib.util
import shutil
from collections.abc import Iterator

import pytest

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


@contextlib.contextmanager
def started() -> Iterator:
    """Chromium without a screen, or the test is skipped."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip('playwright, which drives the browser, is not installed: it is in the extra "dev"')
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome is on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()
