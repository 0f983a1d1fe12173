"""What Google Cloud Storage does with the requests of its XML API, as far as tables need it: a stand-in on loopback.

Google has no server to install, and those of others lack the very part that counts here: fake-gcs-server (1.x) refuses
uploads by the XML API, gcp-storage-emulator (2026.7) has no HEAD, and both pass over ``x-goog-if-generation-match``. So
this follows Google's reference (https://cloud.google.com/storage/docs/xml-api/reference-headers) to the letter for
generations and preconditions, and knows nothing else. It proves what the client sends, not what Google answers.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

TOKEN = "a-token-of-the-tests"


class Stored:
    """One object: its bytes, its generation, and when it was put."""

    def __init__(self, data: bytes, generation: int) -> None:
        self.data = data
        self.generation = generation
        self.at = time.time()
        self.e_tag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


class GcsServer:
    """Buckets in memory.

    Attributes:
        port: Where it listens on loopback.
        buckets: Objects by bucket and name.
        asked: Method, path and generation condition of each request, in order.
    """

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, Stored]] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.lock = threading.Lock()
        self._generation = 1_700_000_000_000_000
        served = self

        class Handler(_Handler):
            server_state = served

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def options(self) -> dict[str, Any]:
        """What a storage's ``options`` need to reach it."""
        return {"endpoint": f"http://127.0.0.1:{self.port}", "token": TOKEN, "allow_http": True}

    def put(self, bucket: str, name: str, data: bytes) -> Stored:
        """Store an object, whatever is there."""
        self._generation += 1
        self.buckets[bucket][name] = stored = Stored(data, self._generation)
        return stored

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server_state: GcsServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *reported: Any) -> None:
        """Log nothing."""

    def do_PUT(self) -> None:
        self._do(self._put)

    def do_GET(self) -> None:
        self._do(self._get)

    def do_HEAD(self) -> None:
        self._do(self._get)

    def do_DELETE(self) -> None:
        self._do(self._delete)

    def _do(self, what: Any) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        bucket, _, name = parts.path.lstrip("/").partition("/")
        self.name, self.query, self.body = unquote(name), parse_qs(parts.query), body
        state = self.server_state
        with state.lock:
            state.asked.append((self.command, parts.path, self.headers.get("x-goog-if-generation-match")))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self._refuse(401, "AuthenticationRequired")
            if bucket not in state.buckets:
                return self._refuse(404, "NoSuchBucket")
            self.bucket, self.objects = bucket, state.buckets[bucket]
            return what()

    def _fits(self, found: Stored | None) -> bool:
        """Whether the object is as the request asks: of a generation, 0 for none, or of an ETag."""
        wanted = self.headers.get("x-goog-if-generation-match")
        if wanted is not None and int(wanted) != (0 if found is None else found.generation):
            return False
        e_tag = self.headers.get("If-Match")
        return e_tag is None or (found is not None and e_tag == found.e_tag)

    def _put(self) -> None:
        if not self._fits(self.objects.get(self.name)):
            return self._refuse(412, "PreconditionFailed")
        return self._answer(200, self.server_state.put(self.bucket, self.name, self.body))

    def _get(self) -> None:
        if not self.name:
            return self._list()
        found = self.objects.get(self.name)
        if found is None:
            return self._refuse(404, "NoSuchKey")
        if not self._fits(found):
            return self._refuse(412, "PreconditionFailed")
        asked = self.headers.get("Range")
        if asked is None:
            return self._answer(200, found, found.data)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last) + 1, len(found.data))
        if start >= len(found.data):
            return self._refuse(416, "InvalidRange")
        reported = {"Content-Range": f"bytes {start}-{end - 1}/{len(found.data)}"}
        return self._answer(206, found, found.data[start:end], reported)

    def _delete(self) -> None:
        if self.objects.pop(self.name, None) is None:
            return self._refuse(404, "NoSuchKey")
        return self._answer(204)

    def _list(self) -> None:
        prefix, after = self.query.get("prefix", [""])[0], self.query.get("continuation-token", [""])[0]
        names = sorted(name for name in self.objects if name.startswith(prefix) and name > after)
        page, rest = names[:100], names[100:]
        contents = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{len(self.objects[name].data)}</Size>"
            f"<ETag>{escape(self.objects[name].e_tag)}</ETag>"
            f"<LastModified>{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(self.objects[name].at))}</LastModified>"
            "</Contents>"
            for name in page
        )
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if rest else ""
        text = f"<?xml version='1.0' encoding='UTF-8'?><ListBucketResult>{contents}{more}</ListBucketResult>"
        self._answer(200, None, text.encode())

    def _answer(
        self, code: int, stored: Stored | None = None, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if stored is not None:
            self.send_header("ETag", stored.e_tag)
            self.send_header("Last-Modified", formatdate(stored.at, usegmt=True))
            self.send_header("x-goog-generation", str(stored.generation))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, code: int, reason: str) -> None:
        text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{reason}</Code><Message>{reason}</Message></Error>"
        self._answer(code, None, text.encode())


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[GcsServer]:
    """A running stand-in for the whole session; skips where the client is not installed."""
    pytest.importorskip("obstore", reason="no client of object stores: `pip install obstore` installs it")
    server = GcsServer()
    yield server
    server.stop()
