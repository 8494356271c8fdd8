"""A cloud for machines on one computer: cloud.py METADATA-ADDRESS ADDRESS PORT

Metadata as EC2 gives them in version 2, with the credentials of a role, and behind ADDRESS:PORT moto's Systems Manager.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CREDENTIALS = {
    "Code": "Success",
    "Type": "AWS-HMAC",
    "AccessKeyId": "ASIANODE",
    "SecretAccessKey": "of-the-role",
    "Token": "session",
    "Expiration": "2099-01-01T00:00:00Z",
}
ROLE = "/latest/meta-data/iam/security-credentials/"


class Metadata(BaseHTTPRequestHandler):
    """Version 2 only: nothing without a session's token."""

    def do_PUT(self) -> None:
        self._answer("session" if self.path == "/latest/api/token" else None)

    def do_GET(self) -> None:
        known = {ROLE: "node", f"{ROLE}node": json.dumps(CREDENTIALS)}
        allowed = self.headers.get("X-aws-ec2-metadata-token") == "session"
        self._answer(known.get(self.path) if allowed else None)

    def _answer(self, text: str | None) -> None:
        self.send_response(404 if text is None else 200)
        body = (text or "").encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def main(metadata: str, address: str, port: str) -> None:
    """Serve until ended."""
    from moto.server import ThreadedMotoServer

    threading.Thread(target=ThreadingHTTPServer((metadata, 80), Metadata).serve_forever, daemon=True).start()
    ThreadedMotoServer(address, int(port), verbose=False).start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
