"""A web server that says one thing to everybody: what S3 and Google Cloud Storage answer when something is wrong.

Statuses, headers and bodies are those of their references: 'Error responses' of Amazon S3's API, 'HTTP status and error
codes for JSON' of Google's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass(frozen=True)
class Answer:
    """What the server says to each request."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


def s3(status: int, code: str, message: str, more: str = "", **headers: str) -> Answer:
    """An error in S3's words."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message>{more}"
        "<RequestId>4442587FB7D0A2F9</RequestId><HostId>none</HostId></Error>"
    )
    told = {key.replace("_", "-"): value for key, value in headers.items()}
    return Answer(status, body, {"Content-Type": "application/xml", **told})


def google(status: int, message: str, reason: str) -> Answer:
    """An error in Google's words."""
    told = {"message": message, "domain": "global", "reason": reason}
    body = json.dumps({"error": {"code": status, "message": message, "errors": [told]}})
    return Answer(status, body, {"Content-Type": "application/json; charset=UTF-8"})


PAGE = Answer(200, "<!DOCTYPE html><html><body>It works!</body></html>", {"Content-Type": "text/html"})
NO_PAGE = Answer(404, "<!DOCTYPE html><html><body>Not found</body></html>", {"Content-Type": "text/html"})


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """The address of a server that gives `answer`."""

    class Handler(BaseHTTPRequestHandler):
        def _say(self) -> None:
            content = answer.body.encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = _say  # noqa: N815 (http.server finds them by these names)

        def log_message(self, format: str, *args: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_address[1]}"
    finally:
        running.shutdown()
        running.server_close()
        thread.join()
