"""What docs/fingerprints.md says is not seen is not seen, and the way out that it names works."""

from __future__ import annotations

import locale
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.cli.test_incremental import reasons
from tests.conftest import Cli, ProjectFolder

DOCS = (Path(__file__).parents[2] / "docs" / "fingerprints.md").read_text("utf-8")


class _Counting(BaseHTTPRequestHandler):
    """Answers another number each time."""

    count = 0

    def do_GET(self) -> None:
        _Counting.count += 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(self.count).encode())

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Counting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def write(folder: ProjectFolder, value: str, keys: str = "") -> None:
    """A project with a table that consists of one value, by an expression."""
    folder.write("orders.txt", "1")
    folder.write("lakehouse.yaml", f"name: one\nmodule: transforms\ntables:\n  table: {{{keys or 'inputs: []'}}}\n")
    folder.write(
        "transforms.py",
        f"""
        import locale, os, pathlib, random, subprocess, sys, time, urllib.request
        import pandas as pd


        def table():
            return pd.DataFrame({{"value": [str({value})]}})
        """,
    )


def change(what: str, folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change the world around a transform."""
    if what in ("environment", "time zone"):
        monkeypatch.setenv("MARKET" if what == "environment" else "TZ", "XYZ-5")
    elif what in ("file", "program"):
        folder.write("orders.txt", "2")
    elif what == "locale":
        locale.setlocale(locale.LC_CTYPE, "C")
    elif what == "working directory":
        folder.write("elsewhere/x", "")
        monkeypatch.chdir(folder.path / "elsewhere")
    elif what == "command line":
        monkeypatch.setattr("sys.argv", ["another"])


VALUES = {
    "environment": 'os.environ.get("MARKET")',
    "file": 'pathlib.Path("orders.txt").read_text()',
    "time": "time.time_ns()",
    "randomness": "random.random()",
    "network": 'urllib.request.urlopen("ADDRESS").read()',
    "working directory": "os.getcwd()",
    "locale": "locale.setlocale(locale.LC_CTYPE)",
    "time zone": '(time.tzset(), time.strftime("%z"))',
    "program": 'subprocess.run(["cat", "orders.txt"], capture_output=True).stdout',
    "command line": "sys.argv[0]",
}
WAYS_OUT = {
    "environment": ("uses: {env: [MARKET]}", "variable_changed"),
    "time zone": ("uses: {env: [TZ]}", "variable_changed"),
    "file": ("uses: {files: [orders.txt]}", "file_changed"),
    "program": ("uses: {files: [orders.txt]}", "file_changed"),
    "time": ("refresh: always", "refresh_due"),
    "randomness": ("refresh: always", "refresh_due"),
    "network": ("refresh: always", "refresh_due"),
}


@pytest.mark.parametrize("what", VALUES)
def test_change_goes_unseen_and_its_key_sees_it(
    folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch, address: str, what: str
) -> None:
    kept = locale.setlocale(locale.LC_CTYPE)
    monkeypatch.delenv("MARKET", raising=False)
    locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    value = VALUES[what].replace("ADDRESS", address)
    root = str(folder.path)
    try:
        write(folder, value)
        assert cli("-C", root, "run").code == 0
        before = folder.read("data/table.csv")
        change(what, folder, monkeypatch)
        assert reasons(cli, "-C", root) == {}
        assert cli("-C", root, "run", "--force").code == 0
        assert folder.read("data/table.csv") != before
        if what not in WAYS_OUT:
            return
        key, code = WAYS_OUT[what]
        monkeypatch.undo()
        monkeypatch.chdir(folder.path)
        write(folder, value, key)
        assert cli("run").code == 0
        change(what, folder, monkeypatch)
        assert [found for found, _ in reasons(cli)["table"]] == [code]
    finally:
        locale.setlocale(locale.LC_CTYPE, kept)


@pytest.mark.parametrize(
    "word", ["environment", "files", "time", "randomness", "network", "working directory", "locale", "programs"]
)
def test_docs_list_it(word: str) -> None:
    rows = [line for line in DOCS.splitlines() if line.startswith("| ")]
    assert any(word in row.split("|")[1] for row in rows)
