"""nbgrader's formgrader on a course, and what a browser shows of it."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "headless_shell")


def seen(url: str, profile: Path) -> str:
    """What a headless browser makes of a page, its scripts done."""
    browser = os.environ.get("UNSTATIC_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium or Chrome is here; UNSTATIC_BROWSER says where one is")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}"]
    command = [browser, *flags, "--virtual-time-budget=20000", "--dump-dom", url]
    ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False)
    assert ran.stdout, ran.stderr[-2000:]
    return ran.stdout


@contextlib.contextmanager
def formgrader(course: Path) -> Iterator[str]:
    """The address of a Jupyter server with nbgrader's formgrader on this course."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"IdentityProvider.token": "", "ServerApp.root_dir": str(course), "ServerApp.port": port}
    options = [f"--{name}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", *options]
    environment = os.environ | {"HOME": str(course), "JUPYTER_CONFIG_DIR": str(course / ".jupyter")}
    with (course / "server.txt").open("wb") as log:
        server = subprocess.Popen(command, cwd=course, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/api", timeout=5).close()
                break
            assert server.poll() is None, (course / "server.txt").read_text("utf-8")
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(30)
