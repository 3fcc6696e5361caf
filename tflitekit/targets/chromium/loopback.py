"""A web server for one browser on this machine: what it serves lies behind a random path, so no other page here can read it."""

from __future__ import annotations

import http.server
import mimetypes
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Loopback"]

_HEADERS = {
    # What makes a page cross-origin isolated: threads, and a clock in steps of 5 microseconds instead of 100.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TYPES = {
    ".js": "text/javascript",
    ".wasm": "application/wasm",
    ".html": "text/html",
}  # as every system's table has not


class Loopback:
    """Serves folders and bytes on a free port of 127.0.0.1, and takes bytes back.

    Args:
        folders: By the first part of their address.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders
        self._offered: dict[str, bytes] = {}
        self._expected: set[str] = set()
        self._taken: dict[str, bytes] = {}
        self._count = 0
        token = secrets.token_urlsafe(32)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, f"/{token}/"))
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/{token}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def offer(self, content: bytes) -> str:
        """Serves bytes until they are withdrawn; returns their address, relative to that of the server."""
        self._count += 1
        name = f"bytes/{self._count}"
        self._offered[name] = content
        return name

    def withdraw(self, name: str) -> None:
        """Ends an offer."""
        self._offered.pop(name, None)

    def reserve(self) -> str:
        """Returns an address that the page may send bytes to."""
        self._count += 1
        name = f"bytes/{self._count}"
        self._expected.add(name)
        return name

    def expects(self, name: str) -> bool:
        """Whether the page may send bytes to an address."""
        return name in self._expected

    def take(self, name: str) -> bytes:
        """Returns what the page sent there, and expects no more."""
        self._expected.discard(name)
        return self._taken.pop(name)

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()

    def find(self, name: str) -> bytes | None:
        """Returns what lies at an address; None for nothing."""
        if name in self._offered:
            return self._offered[name]
        first, _, rest = name.partition("/")
        folder = self._folders.get(first)
        path = (folder / rest).resolve() if folder is not None else None
        if folder is None or path is None or not path.is_relative_to(folder.resolve()) or not path.is_file():
            return None
        return path.read_bytes()

    def put(self, name: str, content: bytes) -> None:
        """Takes what the page sends."""
        self._taken[name] = content


def _handler(place: Loopback, root: str) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = self._name()
            self._answer(None if name is None else place.find(name), name or "")

        def do_POST(self) -> None:
            name = self._name()
            expected = name is not None and place.expects(name)
            if name is not None and expected:
                place.put(name, self.rfile.read(int(self.headers.get("Content-Length", "0"))))
            self.close_connection = not expected  # what it sends is not read
            self._answer(b"" if expected else None, "")

        def _name(self) -> str | None:
            return self.path.removeprefix(root) if self.path.startswith(root) else None

        def _answer(self, content: bytes | None, name: str) -> None:
            self.send_response(404 if content is None else 200)
            for header, value in _HEADERS.items():
                self.send_header(header, value)
            suffix = Path(name).suffix
            kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_arguments: Any) -> None:
            """Says nothing."""

    return Handler
