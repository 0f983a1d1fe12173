#!/bin/sh
# obstore and puts that depend on what is there: with mode="create" (or a version) put sends one request whatever its
# size, and sets use_multipart=True aside; open_writer, which always sends parts, takes no mode; and the version that put
# returns is refused as mode where the store has no versions, though it has the declared type.
#
# S3 itself takes If-None-Match and If-Match for the completion of an upload in parts. In object_store, the Rust library
# below: https://github.com/apache/arrow-rs-object-store/issues/289; obstore's documentation of `mode` says so too.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q obstore==0.12.1
NO_PROXY=127.0.0.1 "$folder/venv/bin/python" - <<'PYTHON'
import inspect
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import obstore
from obstore.store import MemoryStore, S3Store

requests = []


class Requests(BaseHTTPRequestHandler):
    """Notes what is sent, and says what S3 says."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        size = int(self.headers["Content-Length"])
        self.rfile.read(size)
        conditions = [f"{name}: {self.headers[name]}" for name in ("If-None-Match", "If-Match") if name in self.headers]
        requests.append((self.command, size >> 20, *conditions))
        body = b""
        if self.command == "POST":
            body = b"<R><Bucket>b</Bucket><Key>k</Key><UploadId>u</UploadId><ETag>e</ETag></R>"
        self.send_response(200)
        self.send_header("ETag", '"e"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT

    def log_message(self, *words):
        pass


print(f"obstore {obstore.__version__}")
server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
s3 = S3Store("b", endpoint=url, region="r", skip_signature=True, client_options={"allow_http": True})


def sent(**options):
    requests.clear()
    s3.put("k", iter([bytes(12 << 20)]), **options)
    print(f"put of 12 MiB with {options}, as (method, MiB, condition): {sorted(requests)}")
    return sorted(requests)


print("One would expect parts each time, and the condition with the last request.")
assert [request[0] for request in sent(use_multipart=True)] == ["POST", "POST", "PUT", "PUT", "PUT"]
assert sent(mode="create", use_multipart=True) == [("PUT", 12, "If-None-Match: *")]
assert sent(mode={"e_tag": '"e"'}, use_multipart=True) == [("PUT", 12, 'If-Match: "e"')]
parameters = list(inspect.signature(obstore.open_writer).parameters)
print(f"open_writer takes {parameters}")
assert "mode" not in parameters

store = MemoryStore()
version = store.put("k", b"old")
try:
    store.put("k", b"new", mode=version)
    refusal = ""
except TypeError as error:
    refusal = f"{error}"
print(f"put returned {version}; with that as mode: {refusal or 'taken'}")
assert refusal == "'None' is not an instance of 'str'"
without = {name: value for name, value in version.items() if value is not None}
print(f"with {without} as mode: {store.put('k', b'new', mode=without)}")
PYTHON
