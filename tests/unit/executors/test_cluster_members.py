"""Workers of a cluster as they come: what they are given first, and what is said of it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from lakehouse_cli.executors.clusters import sending
from lakehouse_cli.testing.executors import PATIENCE, double, outcome
from tests.clusters.here import Here, HereExecutor


@pytest.mark.parametrize("takes_long", [True, False])
def test_code_that_takes_long_to_send_is_said(monkeypatch: pytest.MonkeyPatch, *, takes_long: bool) -> None:
    """Once, with the number of workers; not where they have it at once."""
    said: list[str] = []
    is_said = threading.Event()

    def say(kind: str, line: str) -> None:
        said.append(f"{kind} {line}")
        is_said.set()

    class OnSlow(HereExecutor):
        class engine(Here):  # noqa: N801  # as the executor calls it
            def call(self, worker: str, key: str, message: bytes, resources: Any) -> None:
                if takes_long and key.startswith("take "):
                    given = worker, key, message, resources
                    threading.Thread(target=self._take, args=given, daemon=True).start()
                else:
                    super().call(worker, key, message, resources)

            def _take(self, *given: Any) -> None:
                assert is_said.wait(PATIENCE)
                super().call(*given)

    monkeypatch.setattr(sending, "say_here", say)
    monkeypatch.setattr(sending, "_SILENT_S", 0.3 if takes_long else PATIENCE)
    with OnSlow() as executor:
        assert outcome(executor.submit(double, 1)) == 2
    assert said == (["stderr sending the project's code (0.0 MB) to 2 workers"] if takes_long else [])
