"""GitHub, as far as the tests of the CI need it: an honest repository, one that tries what it can, and an API that notes what it is asked."""

import contextlib
import http.server
import json
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from grader.course import section

STEM = "s1_forward_reverse"
REFERENCE = section(STEM).solution.read_text(encoding="utf-8")
RIGHT = "return (1 - beta).sqrt() * x + beta.sqrt() * noise"
HOSTILE_TEXT = "::error::owned\r\n::add-mask::x\n##[add-mask]x\u200b::set-output name=a::b\n#\u200d#[group]"
SEED = "987654321987"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder: Path, files: dict[str, str | Path]) -> str:
    """A repository with these files, a path standing for a link; gives its commit."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            path.symlink_to(content)
        else:
            path.write_bytes(content.encode())
    git(folder, "add", "-A", "-f")
    git(folder, "commit", "-q", "-m", "hand in")
    return git(folder, "rev-parse", "HEAD")


HOSTILE = {
    f"exercises/{STEM}.py": REFERENCE.replace(RIGHT, f"print({HOSTILE_TEXT!r}); raise ValueError({HOSTILE_TEXT!r})"),
    "exercises/s2_ddpm.py": Path("/etc/passwd"),
    "conftest.py": "raise SystemExit(0)",
    "exercises/conftest.py": "raise SystemExit(0)",
    "sitecustomize.py": "raise SystemExit(0)",
    "pytest.ini": "[pytest]\naddopts = --co\n",
    "grader/judging/judge.py": "raise SystemExit(0)",
    ".github/workflows/unstatic.yml": "on: push\n",
    ".gitattributes": f"exercises/{STEM}.py filter=evil eol=crlf ident\n",
    "::notice title=Grade::23 of 23 points/s1_forward_reverse.py": REFERENCE,
    f"submissions/bob/{STEM}.py": REFERENCE,
}


class Api(http.server.BaseHTTPRequestHandler):
    """GitHub's API, as far as it is asked here."""

    asked: ClassVar[list[tuple[str, str, dict]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers["Authorization"], body))
        self._answer(201 if "refused" not in self.path else 403, {})

    def do_GET(self) -> None:
        self._answer(200, {"private": "private" in self.path})

    def _answer(self, status: int, data: dict) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(data).encode())

    def log_message(self, *_: object) -> None:
        pass


ANSWERS = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "nothing": b"",
    "half of it": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
    "a list": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "another table": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
    "no length of a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n{",
}
"""What something that is not GitHub's API may answer."""


@contextlib.contextmanager
def answering(data: bytes) -> Iterator[str]:
    """The address of what answers with these bytes, whatever it is asked."""

    class Other(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1 << 16)
            self.request.sendall(data)

    with socketserver.TCPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def api() -> Iterator[str]:
    Api.asked = []
    server = http.server.HTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
