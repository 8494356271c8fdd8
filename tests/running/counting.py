"""A server between a client and a store that writes down what passes."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from tests.stores import Store


@dataclass(frozen=True)
class Request:
    """One question and its answer."""

    method: str
    path: str
    """Decoded, without host and query."""
    query: str
    sent: int
    """Bytes of the body."""
    received: int
    """Bytes of the answer's body."""
    status: int


@dataclass
class Passed:
    """All that passed so far."""

    requests: list[Request] = field(default_factory=list)

    def reads(self) -> list[Request]:
        """Answers with the content of an object, by S3's interface or by Google's."""
        return [
            each
            for each in self.requests
            if each.method == "GET" and each.received and each.status in (200, 206) and _is_content(each)
        ]


def _is_content(request: Request) -> bool:
    if request.path.startswith(("/storage/", "/download/")):
        return "alt=media" in request.query
    return "/" in request.path.strip("/") and "list-type" not in request.query


@contextmanager
def counted(store: Store) -> Iterator[tuple[Store, Passed]]:
    """The store, reached by a way on which everything is written down."""
    passed = Passed()
    inner = urlsplit(store.endpoint)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self._body()
            headers = {name: value for name, value in self.headers.items() if name.lower() != "transfer-encoding"}
            if body:
                headers["Content-Length"] = str(len(body))
            # The host stays what the client meant: it is part of what it signed.
            inside = http.client.HTTPConnection(str(inner.hostname), inner.port or 80, timeout=60)
            inside.request(self.command, self.path, body or None, headers)
            answer = inside.getresponse()
            content = answer.read()
            parts = urlsplit(self.path)
            passed.requests.append(
                Request(self.command, unquote(parts.path), parts.query, len(body), len(content), answer.status)
            )
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
            inside.close()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = forward  # noqa: N815

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                found = b""
                while size := int(self.rfile.readline().partition(b";")[0], 16):
                    found += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return found
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        environment = {k: v.replace(store.endpoint, endpoint) for k, v in store.environment.items()}
        options = {**store.options, "endpoint_url": endpoint}
        yield replace(store, endpoint=endpoint, options=options, environment=environment), passed
    finally:
        server.shutdown()
        server.server_close()
