#!/bin/sh
# bash divides the line at colons before it asks a program for completions, and typer takes what it is given: a word such
# as `tag:north` is not completed behind its colon, without a word of why. zsh and fish do not divide there.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q typer==0.29.2
bash --version | head -n 1
cat > "$folder/shop.py" <<'EOF'
import typer


def names(ctx: typer.Context, incomplete: str):
    return ["tag:north", "plain"]


def main(words: list[str] = typer.Argument(None, autocompletion=names)):
    print(words)


app = typer.Typer()
app.command()(main)
app(prog_name="shop")
EOF
printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$folder/venv/bin/python" "$folder/shop.py" > "$folder/venv/bin/shop"
chmod +x "$folder/venv/bin/shop"
PATH="$folder/venv/bin:$PATH" "$folder/venv/bin/python" - <<'PYTHON'
import os
import pty
import re
import select
from importlib.metadata import version

print("typer", version("typer"))
print("One would expect each line to be completed, as the first two are.")


def said(keys: str) -> str:
    """What an interactive bash shows after some keys, up to a pause."""
    os.write(screen, keys.encode())
    shown = b""
    while select.select([screen], [], [], 4)[0]:
        shown += os.read(screen, 4096)
    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]|[\r\x07]", "", shown.decode())


process, screen = pty.fork()
if process == 0:
    os.environ.update(PS1="$ ", TERM="dumb", HISTFILE="")
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
said('eval "$(_SHOP_COMPLETE=source_bash shop)"\n')
found = {}
for typed in ("shop pl", "shop ta", "shop tag:n"):
    line = said(f"{typed}\t").replace("$ ", "").strip()
    found[typed] = line
    print(f"{typed:<10} and Tab: {line}")
    said("\x15")
os.close(screen)
assert found == {"shop pl": "shop plain", "shop ta": "shop tag:north", "shop tag:n": "shop tag:n"}
PYTHON
