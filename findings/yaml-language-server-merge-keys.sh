#!/bin/sh
# The YAML language server holds the key of a merge, `<<`, to a schema's `propertyNames`, though it takes it out for
# `additionalProperties`: a valid file with `<<: *anchor` is marked where the schema limits names by a pattern.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit yaml-language-server@1.25.0 > npm.log 2>&1 || { cat npm.log; exit 1; }
cat > names.json <<'EOF'
{"additionalProperties": {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}}}
EOF
cat > keys.json <<'EOF'
{"additionalProperties": {"type": "object", "properties": {"a": true, "b": true}, "additionalProperties": false}}
EOF
for schema in names keys; do
    printf '# yaml-language-server: $schema=%s.json\nfirst: &first {a: 1}\nsecond:\n  <<: *first\n  b: 2\n' "$schema" > "$schema.yaml"
done
python3 - <<'PYTHON'
import json
import subprocess
from pathlib import Path

server = subprocess.Popen(
    ["node", "node_modules/yaml-language-server/bin/yaml-language-server", "--stdio"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
)


def send(**message: object) -> None:
    content = json.dumps({"jsonrpc": "2.0", **message}).encode()
    server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
    server.stdin.flush()


def received() -> dict:
    size = 0
    while header := server.stdout.readline().strip():
        name, _, value = header.partition(b":")
        size = int(value) if name.lower() == b"content-length" else size
    return json.loads(server.stdout.read(size))


send(id=1, method="initialize", params={"processId": None, "rootUri": None, "capabilities": {}})
while "result" not in received():
    pass
send(method="initialized", params={})
print("yaml-language-server", json.loads(Path("node_modules/yaml-language-server/package.json").read_text())["version"])
print("One would expect no marks: `second` is {a: 1, b: 2}.")
marks = {}
for name in ("names", "keys"):
    file = Path(f"{name}.yaml").absolute()
    document = {"uri": file.as_uri(), "languageId": "yaml", "version": 1, "text": file.read_text()}
    send(method="textDocument/didOpen", params={"textDocument": document})
    while name not in marks:
        message = received()
        if "method" in message and "id" in message:
            send(id=message["id"], result=[None] * len(message["params"]["items"]) if "items" in (message["params"] or {}) else None)
        elif message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == file.as_uri():
            marks[name] = [each["message"] for each in message["params"]["diagnostics"]]
    print({"names": "propertyNames", "keys": "additionalProperties"}[name], marks[name])
server.kill()
assert marks == {"names": ['String does not match the pattern of "^[a-z]+$".'], "keys": []}
PYTHON
