"""What the adapter of Ray makes of addresses, before it loads Ray."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lakehouse_cli.executors.clusters.engine import ClusterLostError
from lakehouse_cli.executors.clusters.http2 import PREFACE, begins_http2, call_of, lacks_method
from lakehouse_cli.executors.ray import RayEngine
from lakehouse_cli.testing.executors import PATIENCE

METHOD = "/ray.rpc.NodeInfoGcsService/GetClusterId"


def connect(address: str) -> None:
    RayEngine({"address": address}, lambda *_: None, lambda *_: None)


def test_server_of_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known by its first words, also where a variable names it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in range(2):
                with server.accept()[0] as connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ClusterLostError, match=f"no Ray cluster answers at `{address}`"):
            connect(address)
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(ClusterLostError, match="no Ray cluster answers at `auto`"):
            connect("auto")


def test_other_server_of_grpc() -> None:
    """It lacks the method that a head is asked for first; one that refuses the call, as without a token, does not."""
    grpc = pytest.importorskip("grpc")

    class Head(grpc.GenericRpcHandler):  # type: ignore[misc, name-defined]
        def service(self, details: Any) -> Any:
            if details.method != METHOD:
                return None
            return grpc.unary_unary_rpc_method_handler(
                lambda _, call: call.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
            )

    server = grpc.server(ThreadPoolExecutor(1), handlers=(Head(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    for method, lacks in ((METHOD, False), ("/other/Method", True)):
        with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as received:
            connection.settimeout(PATIENCE)
            connection.sendall(PREFACE)
            assert begins_http2(received)
            connection.sendall(call_of(method, f"127.0.0.1:{port}"))
            assert lacks_method(received) is lacks
    server.stop(None)


def test_variable_that_names_no_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:1")
    with pytest.raises(ClusterLostError, match="`RAY_ADDRESS` is a URL, and not the address of a head"):
        connect("auto")
