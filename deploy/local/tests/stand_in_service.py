"""The least program that the local runtime can treat as a service.

It knows `migrate`, `run`, /readyz and ingest's /v1/sources (in memory). `STAND_IN` changes it:
`broken` ends at once, `migration` fails to migrate.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

MODE = os.environ.get("STAND_IN", "")


class Handler(BaseHTTPRequestHandler):
    """Ready at once."""

    sources: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        listed = {"items": self.sources, "next": None}
        self._answer(listed if self.path.startswith("/v1/sources") else {"ready": True})

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        number = len(self.sources) + 1
        source = {"id": f"src_{number}", "name": wanted["name"]}
        self.sources.append(source)
        self._answer({**source, "write_key": f"wk_{number}"})

    def _answer(self, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def run() -> None:
    if MODE == "broken":
        sys.exit("cannot work: STAND_IN says so")
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["RAPPORT_PORT"])), Handler).serve_forever()


if sys.argv[1] == "run":
    run()
elif MODE == "migration":
    sys.exit("cannot migrate: STAND_IN says so")
