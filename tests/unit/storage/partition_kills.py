"""Kills processes that store partitions, at random moments, and looks whether anything is lost or twice.

Tests kill a few; `python -m tests.unit.storage.partition_kills 300` kills as many, a quarter of each kind of storage.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.storage import AssetStorage
from lakehouse_cli.storage.capabilities import check_replaceable, in_use, remove_leftovers
from lakehouse_cli.storage.opening import open_storage
from lakehouse_cli.storage.partition_capability import claim, contents, partitions
from lakehouse_cli.testing.storage_partitions import by_day, divided
from lakehouse_cli.testing.stored_tables import ORIGIN, data_of
from tests.preloaded import Preloaded

KINDS = ("csv", "parquet", "delta", "postgresql")
_FOLDER = Path(__file__).resolve().parents[3]
_DAYS = [f"2024-01-{day:02}" for day in range(1, 13)]
#: A process is killed this long, at most, after it begins to store.
_LONGEST = 0.6


def opened(kind: str, root: str) -> AssetStorage:
    """The storage of a kind, as a project opens it that has such tables."""
    is_file = kind in ("csv", "parquet")
    spec = StorageSpec("s", root, "root", kind if is_file else "", type="files" if is_file else kind, many_files=True)
    return open_storage(replace(spec, folder=Path(root)) if is_file else spec)


def units_of(kind: str) -> tuple[Table, list[Table]]:
    """The table, and its partitions."""
    declared = replace(divided(), format=kind if kind in ("csv", "parquet") else "")
    return declared, by_day(declared, *_DAYS)


def store(storage: AssetStorage, declared: Table, units: list[Table], turn: int) -> None:
    """Store partitions in one run: each row has the turn, and how many there are follows from it."""
    data = data_of(declared, *((turn, str(number)) for number in range(1 + turn % 5)))
    with in_use([storage]):
        claim(storage, units, f"run{turn}", "2026-01-01T00:00:00.000+00:00")
        for unit in units:
            storage.publish(unit, data, replace(ORIGIN, run_id=f"run{turn}"))


def store_forever(kind: str, root: str, turn: int) -> None:
    """What is killed: stores all partitions again and again, in any order, and says what it has done."""
    declared, units = units_of(kind)
    storage = opened(kind, root)
    for number in range(turn, turn + 1000):
        random.shuffle(units)
        print("storing", flush=True)
        store(storage, declared, units, number)
        print(f"stored {number}", flush=True)


def kill_one(kind: str, root: str, turn: int, chance: random.Random) -> int:
    """Kill a process that stores, at some moment; return the last turn that it had stored, -1 for none."""
    code = f"from tests.unit.storage.partition_kills import store_forever; store_forever({kind!r}, {root!r}, {turn})"
    with Preloaded([sys.executable, "-c", code], cwd=_FOLDER, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline()]
        time.sleep(chance.uniform(0, _LONGEST))
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
    assert (said[0], process.returncode) == ("storing\n", -signal.SIGKILL), "it ended by itself"
    return max([-1, *(int(line.split()[1]) for line in said if line.startswith("stored ") and line[-1] == "\n")])


def look(kind: str, root: str, at_least: int) -> int:
    """Assert that each partition is whole, of the last run that came to its end or a later one; return the last."""
    declared, units = units_of(kind)
    storage = opened(kind, root)
    records, found = partitions(storage, declared), contents(storage, declared, {})
    last = at_least
    for unit in units:
        check_replaceable(storage, unit, forced=False)  # whatever was left, it is known to be ours
        content = storage.content(unit, ())
        assert content is not None or at_least < 0, f"{unit.name} is lost"
        if content is None:
            continue
        rows = storage.scan(unit, declared.columns).table()
        turns = set(rows["id"].to_pylist())
        assert len(turns) == 1, f"{unit.name} holds rows of turns {turns}"
        (turn,) = turns
        assert rows["text"].to_pylist() == [str(number) for number in range(1 + turn % 5)], unit.name
        assert turn >= at_least, f"{unit.name} is of turn {turn}, after {at_least} had been stored"
        record = records.get(unit.partition)  # type: ignore[arg-type]
        if record is not None and found[unit.partition].content_hash == record.content_hash:  # type: ignore[index]
            assert (record.run_id, record.rows) == (f"run{turn}", rows.num_rows)
        last = max(last, turn)
    assert outside(kind, root) == len([unit for unit in units if storage.content(unit, ()) is not None])
    return last


def outside(kind: str, root: str) -> int:
    """How many partitions another program finds, each of them once."""
    seen: list[tuple[str, int, str]]
    if kind in ("csv", "parquet"):
        return len(list(Path(root, "daily").glob(f"day=*/data.{kind}")))
    if kind == "delta":
        import deltalake

        if not Path(root, "daily/_delta_log").exists():
            return 0
        rows = deltalake.DeltaTable(f"{root}/daily").to_pyarrow_table().to_pydict()
        seen = list(zip(rows["day"], rows["id"], rows["text"], strict=True))
    else:
        storage: Any = opened(kind, root)
        while hasattr(storage, "inner"):
            storage = storage.inner
        with storage.session(write=True) as session:
            there = session.rows("SELECT to_regclass('daily') IS NOT NULL")[0][0]
            seen = session.rows("SELECT day, id, text FROM daily") if there else []
        storage.close_idle()
    assert len(seen) == len(set(seen)), "rows are there twice"
    days = {(day, turn) for day, turn, _ in seen}
    assert len(days) == len({day for day, _ in days}), "a partition has rows of two turns"
    return len(days)


def finish(kind: str, root: str, turn: int) -> None:
    """Assert that the next run makes good what is not up to date, and leaves nothing half-written."""
    declared, units = units_of(kind)
    storage = opened(kind, root)
    remove_leftovers(storage, units)
    store(storage, declared, units, turn)
    again = opened(kind, root)
    records, found = partitions(again, declared), contents(again, declared, {})
    assert [each.values[0] for each in records] == _DAYS
    assert {e: r.content_hash for e, r in records.items()} == {e: c.content_hash for e, c in found.items()}
    assert again.scan(declared, declared.columns).table()["id"].to_pylist() == [turn] * (12 * (1 + turn % 5))
    assert outside(kind, root) == len(_DAYS)
    if kind in ("csv", "parquet"):
        left = [path for path in Path(root, "daily").rglob("*") if path.is_file() and path.name != f"data.{kind}"]
        assert left == []


def kill(kind: str, root: str, times: int, seed: int) -> None:
    """Kill so many processes one after the other, and look after each."""
    chance, stored, turn = random.Random(seed), -1, 0
    for _ in range(times):
        stored = max(stored, kill_one(kind, root, turn, chance))
        turn = look(kind, root, stored) + 1
    finish(kind, root, turn)


def main(times: int) -> None:
    """Kill a quarter of so many processes of each kind."""
    from tests.servers.postgresql import running

    with tempfile.TemporaryDirectory() as folder, running(4) as server:
        for kind in KINDS:
            begun = time.monotonic()
            root = server.url(server.new_database()) if kind == "postgresql" else f"{folder}/{kind}"
            kill(kind, root, times // len(KINDS), times)
            print(f"{kind}: {times // len(KINDS)} kills, {time.monotonic() - begun:.0f} s: nothing lost, nothing twice")


if __name__ == "__main__":
    main(int(sys.argv[1]))
