"""What is handed to worker processes: jobs of one size, without secrets; and what workers have at hand for them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from lakehouse_cli import Project
from lakehouse_cli.executors.base import WorkerDiedError
from lakehouse_cli.executors.processes import ProcessesExecutor
from tests.conftest import Cli, ProjectFolder

Jobs = Callable[[str], bytes]


@pytest.fixture
def job_of(monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """The bytes of the job of one table in a run of them all, none of which is carried out."""
    submitted: dict[str, bytes] = {}

    def note(self: ProcessesExecutor, fn: Any, /, *args: Any, timeout: float | None = None) -> Future[Any]:
        del self, timeout
        submitted[args[0].table.name] = pickle.dumps((fn, args))
        future: Future[Any] = Future()
        future.set_exception(WorkerDiedError("was not started"))
        return future

    def run(table: str) -> bytes:
        submitted.clear()
        Project.load().run(executor="processes", workers=1)
        return submitted[table]

    monkeypatch.setattr(ProcessesExecutor, "submit", note)
    return run


def project_of(folder: ProjectFolder, tables: int, storage: str = "{root: data}") -> None:
    """A source, the table `looked_at` and others computed from it."""
    others = [f"other{n}" for n in range(tables)]
    declared = "".join(f"  {name}: {{columns: {{n: int64}}}}\n" for name in ("looked_at", *others))
    folder.write(
        "lakehouse.yaml",
        f"name: many\nmodule: transforms\nstorages: {{default: {storage}, raw: {{root: raw}}}}\n"
        f"tables:\n  src: {{kind: source, storage: raw, columns: {{n: int64}}}}\n{declared}",
    )
    code = "".join(f"def {name}(src):\n    return src\n\n\n" for name in ("looked_at", *others))
    folder.write("transforms.py", code)
    folder.write("raw/src.csv", "n\n1\n")


@pytest.mark.parametrize("storage", ["{root: data}", "{type: sqlite, root: lake.db}", "{root: 'memory://jobs'}"])
def test_a_job_is_of_one_size(folder: ProjectFolder, job_of: Jobs, storage: str) -> None:
    sizes = []
    for tables in (10, 1000):
        project_of(folder, tables, storage)
        sizes.append(len(job_of("looked_at")))
    assert abs(sizes[1] - sizes[0]) < 1000, sizes


def test_no_secret_is_in_a_job(folder: ProjectFolder, job_of: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "Zq7xR-Kw9pT")
    monkeypatch.setenv("UNRELATED", "Yp3-unrelated")
    folder.write(".env", "BESIDE=Wm4-beside\n")
    monkeypatch.setenv("TOKEN", "Hs8k-of-a-param")
    project_of(folder, 1, '{type: sqlite, root: "${PLACE}-${BESIDE}.db"}')
    folder.edit("lakehouse.yaml", "tables:\n", 'params: {token: "${TOKEN}", words: ["${TOKEN}"]}\ntables:\n', 1)
    folder.edit("transforms.py", "def looked_at(src)", "def looked_at(src, words, token=None)")
    job = job_of("looked_at")
    for secret in ("Zq7xR-Kw9pT", "Yp3-unrelated", "Wm4-beside", "Hs8k-of-a-param"):
        assert secret.encode() not in job


def test_a_worker_keeps_its_storages_open(folder: ProjectFolder, cli: Cli) -> None:
    project_of(folder, 5, '{type: "stores:Noted", root: data}')
    folder.write(
        "stores.py",
        """
        import os
        from lakehouse_cli.storage.local.storage import FileStorage

        class Noted(FileStorage):
            formats = True

            def __init__(self, spec):
                super().__init__(spec)
                with open("opened", "a") as file:
                    file.write(f"{os.getpid()}\\n")
        """,
    )
    ran = cli("run", "--executor", "processes", "--workers", "1")
    assert ran.code == 0, ran.err
    opened = folder.read("opened").split()
    assert len(opened) == len(set(opened)) == 2, "once here, once in the worker"


def test_the_memory_of_one_process_is_not_that_of_another(folder: ProjectFolder, cli: Cli) -> None:
    project_of(folder, 1, '{root: "memory://jobs"}')
    ran = cli("run", "looked_at", "--executor", "processes", "-o", "json")
    [table] = ran.json["tables"]
    assert (ran.code, table["status"]) == (1, "failed")
    assert table["error"]["message"] == "storage `default` lives in the memory of one process"
    assert "`--executor threads`" in table["error"]["hint"]
