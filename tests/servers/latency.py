"""A server as it is far away: a proxy on loopback that holds back what is asked for a while."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass
class Far:
    """What passes through a proxy.

    Attributes:
        port: Where it listens on loopback.
        at_once: How many requests were under way at once, at most.
        requests: How many there were.
    """

    port: int
    at_once: int = 0
    requests: int = 0
    _under_way: int = 0

    def began(self) -> None:
        """A request comes in."""
        self.requests += 1
        self._under_way += 1
        self.at_once = max(self.at_once, self._under_way)

    def answered(self) -> None:
        """An answer goes out."""
        self._under_way -= 1


@contextmanager
def far_away(port: int, seconds: float) -> Iterator[Far]:
    """A way to the server at `port` of loopback that takes `seconds` to ask and none to answer."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    far = Far(listener.getsockname()[1])
    lock = threading.Lock()
    ends: list[socket.socket] = []

    def serve(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", port)) as server, selectors.DefaultSelector() as selector:
            ends.extend((client, server))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(end, selectors.EVENT_READ)
            asking = False
            while True:
                for key, _ in selector.select():
                    try:
                        data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]  # what was registered above
                        if not data:
                            return
                        if key.fileobj is client:
                            if not asking:
                                asking = True
                                with lock:
                                    far.began()
                                time.sleep(seconds)
                            server.sendall(data)
                        else:
                            if asking:
                                asking = False
                                with lock:
                                    far.answered()
                            client.sendall(data)
                    except OSError:
                        return

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield far
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for end in ends:
            with suppress(OSError):  # closed already
                end.shutdown(socket.SHUT_RDWR)
