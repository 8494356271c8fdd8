"""Google at an address of this machine."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from providers.provisioning.base import ClusterPlan

from .cloud_contract import small_plan
from .fake_gce import Google
from .fake_gce_shapes import REGION, Json


def gce_plan() -> ClusterPlan:
    """A head and two spot workers."""
    return replace(small_plan("gcp", REGION, head="e2-standard-2", worker="n2-standard-8"), identity="nodes")


class Server(ThreadingHTTPServer):
    """Speaks for one `Google` at a time."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.google = Google()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def new(self, **account: Any) -> Google:
        """An empty account, reached at this server from now on."""
        self.google = Google(url=f"http://127.0.0.1:{self.server_address[1]}", **account)
        return self.google


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet an answer: two would wait for each other 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Server

    def _do(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        if parts.path == "/token":
            self._say(200, {"access_token": "ya29.for-a-key-file", "expires_in": 3600, "token_type": "Bearer"})
            return
        body = json.loads(sent or b"{}")
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        headers = {key.lower(): value for key, value in self.headers.items()}
        found = self.server.google.answer(self.command, unquote(parts.path), query, body, headers)
        if found is None:
            self.close_connection = True
            return
        self._say(*found)

    def _say(self, status: int, body: Json) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = _do  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""
