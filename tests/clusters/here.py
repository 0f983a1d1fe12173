"""An engine whose workers are threads of this process, each with a folder and child processes of its own."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from lakehouse_cli.executors.base import WorkerDiedError
from lakehouse_cli.executors.clusters.engine import ClusterLostError, Engine, Slots
from lakehouse_cli.executors.clusters.executor import ClusterExecutor
from lakehouse_cli.executors.clusters.requirements import Requirements, unlike
from lakehouse_cli.executors.clusters.worker import answer

Answering = Callable[[str, bytes | None, WorkerDiedError | ClusterLostError | None], None]


class Here(Engine):
    """Two workers that do one piece of work at once each."""

    name = "threads"

    def connect(self) -> None:
        """They are here."""
        self._folders = {name: Path(mkdtemp()) for name in ("one", "two")}
        self._wanted: set[str] = set()

    def workers(self) -> Mapping[str, Slots]:
        """They stay."""
        return dict.fromkeys(self._folders, Slots(1))

    def greet(self, worker: str, key: str, message: bytes, requirements: Requirements) -> None:
        """Ask this process."""
        if differences := eval(requirements.probe(__name__)):
            threading.Thread(target=self.on_answer, args=(key, None, unlike(differences)), daemon=True).start()
        else:
            self.call(worker, key, message, None)

    def call(self, worker: str, key: str, message: bytes, resources: Mapping[str, float] | None) -> None:
        """Answer in a thread."""
        self._wanted.add(key)
        threading.Thread(target=self._answer, args=(worker, key, message, resources is not None), daemon=True).start()

    def _answer(self, worker: str, key: str, message: bytes, is_work: bool) -> None:
        def say(kind: str, value: Any) -> None:
            self.on_said(key, kind, value)

        found = answer(message, str(self._folders[worker]), say, lambda: key in self._wanted)
        if key in self._wanted:
            self.answered(key, found, is_work)

    def answered(self, key: str, content: bytes, is_work: bool) -> None:
        """Hand on an answer; to override for workers that die before."""
        del is_work
        self.on_answer(key, content, None)

    def cancel(self, key: str) -> None:
        """Let it be unwanted."""
        self._wanted.discard(key)

    def close(self) -> None:
        """Let all be unwanted."""
        self._wanted.clear()
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)


class HereExecutor(ClusterExecutor):
    """Leads the engine that a test sets."""

    engine = Here
