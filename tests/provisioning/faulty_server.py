"""A server of an API on 127.0.0.1 in this process, of which single calls can be made to fail on the wire."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Manner = Literal["status 500", "dropped"]
"""How a call fails: by an answer that says so, or by a connection that is cut without one."""


@dataclass
class Faults:
    """Counts calls and fails some; one of them stands before each account of an API."""

    manner: Manner = "status 500"
    calls: int = 0
    failing: dict[int, bool] = field(default_factory=dict)
    """Numbers of calls that fail, and whether after they took effect."""

    def fail(self, nth: int, *, after_effect: bool) -> None:
        """Make the `nth` call from now on fail, once."""
        self.failing = {self.calls + nth: after_effect}

    def around(self, serve: Application, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a call, or fail it: before it is passed on, or after."""
        self.calls += 1
        after_effect = self.failing.pop(self.calls, None)
        if after_effect is None:
            return serve(environ, start)
        if after_effect:
            list(serve(environ, lambda *answer: lambda data: None))
        if self.manner == "dropped":
            cut(environ)
        start("500 Internal Server Error", [("Content-Type", "text/html")])
        return [b"<h1>something broke</h1>"]


def cut(environ: dict[str, Any]) -> None:
    """Close the connection without an answer."""
    with suppress(OSError):
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionError("cut by the test")


def read_body(environ: dict[str, Any]) -> bytes:
    """The body of a request, which is put back for whoever reads it next."""
    import io

    body = bytes(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


@contextmanager
def served(application: Application, handler: Any = None) -> Iterator[str]:
    """Serve it on a free port of 127.0.0.1; gives ``http://127.0.0.1:port``."""
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(handler or WSGIRequestHandler):  # type: ignore[misc]
        def log(self, *args: Any) -> None:
            pass

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
