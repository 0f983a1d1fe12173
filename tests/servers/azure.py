"""An Azure Blob server for tests: Azurite on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.servers.s3 import free_ports

ACCOUNT = "devstoreaccount1"
#: Azurite's own, the same everywhere.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class AzureServer:
    """A server that keeps blobs in its memory.

    Attributes:
        port: Where it listens on loopback.
    """

    def __init__(self, command: str, folder: Path) -> None:
        (self.port,) = free_ports(1)
        arguments = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--inMemoryPersistence"]
        arguments += ["--disableTelemetry", "--skipApiVersionCheck", "--silent"]
        self.process = subprocess.Popen([command, *arguments], cwd=folder, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while True:
            try:
                self.make_container("warm")
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > until or self.process.poll() is not None:
                    self.stop()
                    raise RuntimeError("the Azure server does not start") from None
                time.sleep(0.1)
            else:
                return

    @property
    def options(self) -> dict[str, Any]:
        """What a storage's ``options`` need to reach it."""
        endpoint = f"http://127.0.0.1:{self.port}/{ACCOUNT}"
        return {"account_name": ACCOUNT, "account_key": KEY, "endpoint": endpoint, "allow_http": True}

    def make_container(self, name: str) -> None:
        """Make a container, if it is not there; obstore cannot."""
        date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = f"x-ms-date:{date}\nx-ms-version:2021-08-06\n"
        resource = f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        text = "PUT" + "\n" * 12 + headers + resource
        digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
        request = urllib.request.Request(f"{self.options['endpoint']}/{name}?restype=container", method="PUT")
        for line in headers.splitlines():
            request.add_header(*line.split(":", 1))
        request.add_header("Authorization", f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}")
        try:
            with urllib.request.urlopen(request, timeout=10):
                pass
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 409:  # it is there
                raise

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureServer]:
    """A running server for the whole session; skips where it, or the client, is not installed."""
    pytest.importorskip("obstore", reason="no client of object stores: `pip install obstore` installs it")
    beside = Path(sys.prefix, "azurite", "node_modules", ".bin", "azurite-blob")  # where `make servers` puts it
    command = str(beside) if beside.exists() else shutil.which("azurite-blob")
    if command is None:
        pytest.skip("no Azure server: `make servers` installs one")
    server = AzureServer(command, tmp_path_factory.mktemp("azure"))
    yield server
    server.stop()
