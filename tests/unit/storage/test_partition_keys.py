"""Partitions under keys: an index of segments, few requests, what a killed run leaves, and two runs at once."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import NewerVersionError, UnclaimedError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import UNFINISHED
from lakehouse_cli.storage.capabilities import check_replaceable, in_use
from lakehouse_cli.storage.keyed import index_keys, memory
from lakehouse_cli.storage.keyed.head import Head
from lakehouse_cli.storage.keyed.memory import MemoryStorage
from lakehouse_cli.storage.partition_capability import claim, contents, drop, partitions
from lakehouse_cli.testing.storage_partitions import by_day, divided
from lakehouse_cli.testing.stored_tables import ORIGIN, data_of, storage_of

DECLARED = divided()
ONE, TWO, THREE = by_day(DECLARED, "2024-01-01", "2024-01-02", "2024-01-03")
MANY = by_day(DECLARED, *(f"2023-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)))
ROOT = "memory://partitions"


class Server(MemoryStorage):
    """Counts its requests, a thousand keys to a listing, and shows versions in listings."""

    def __init__(self, spec: Any) -> None:
        super().__init__(spec)
        self.requests: Counter[str] = Counter()

    def head_key(self, key: str) -> Head | None:
        self.requests["head"] += 1
        return super().head_key(key)

    def get_key(self, key: str) -> bytes | None:
        self.requests["get"] += 1
        return super().get_key(key)

    def put_key(self, key: str, data: BinaryIO, seen: Head | None) -> Head:
        self.requests["put"] += 1
        return super().put_key(key, data, seen)

    def heads(self, prefix: str) -> Iterator[tuple[str, Head | None]]:
        found = [(key, head) for key, (_, head) in tuple(self._here.items()) if key.startswith(prefix)]
        self.requests["list"] += 1 + len(found) // 1000
        return iter(found)

    def keys(self, prefix: str) -> list[str]:
        return [key for key, _ in self.heads(prefix)]


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_things", {})


def opened() -> Server:
    return storage_of(Server, ROOT)


def publish(storage: Server, unit: Table, *ids: int, **origin: Any) -> Any:
    return storage.publish(unit, data_of(DECLARED, *((each, "a") for each in ids)), replace(ORIGIN, **origin))


def segments() -> list[str]:
    return sorted(key for key in opened().keys(".lakehouse/manifests/daily.partitions/"))


def days(storage: Server) -> list[str]:
    """Of the partitions whose data are those that the index describes."""
    found = contents(storage, DECLARED, {})
    records = partitions(storage, DECLARED)
    return [e.values[0] for e, record in records.items() if e in found and found[e] == record.content]


def test_run_takes_few_requests_and_leaves_few_segments() -> None:
    run = opened()
    with in_use([run]):
        claim(run, MANY, "run", "now")
        run.requests.clear()
        for unit in MANY:
            publish(run, unit, 1)
    # Of each partition a look before and after, the data, and a hundredth of a segment.
    assert run.requests.total() <= 3 * len(MANY) + 60
    assert len(segments()) <= 5
    plan = opened()
    assert len(days(plan)) == len(MANY)
    assert plan.requests.total() <= 10
    again = plan.requests.total()
    assert len(days(plan)) == len(MANY)
    assert plan.requests.total() - again <= 4


def test_many_short_runs_leave_few_segments() -> None:
    for number in range(40):
        publish(opened(), (ONE, TWO, THREE)[number % 3], number)
        assert len(segments()) <= 6
    plan = opened()
    assert len(days(plan)) == 3
    assert plan.requests.total() <= 10


def test_killed_run_loses_what_was_not_put_yet() -> None:
    publish(opened(), ONE, 1)
    run = opened()
    using = run.in_use()
    using.__enter__()
    claim(run, [TWO, THREE], "killed", "2024-01-01T00:00:00.000+00:00")
    for unit in (ONE, TWO):
        publish(run, unit, 7, run_id="killed")
    assert len(days(run)) == 2
    del run  # killed: nothing is put at the end
    after = opened()
    assert days(after) == []
    manifest = after.read_manifest(TWO)
    assert manifest is not None
    assert (manifest.content_hash, manifest.run_id) == (UNFINISHED, "killed")
    for unit in (ONE, TWO, THREE):
        check_replaceable(after, unit, forced=False)
        publish(after, unit, 8)
    assert len(days(opened())) == 3


def test_claims_leave_others_data_alone() -> None:
    run = opened()
    opened().put_key("daily/day=2024-01-02/data.csv", io.BytesIO(b"mine"), None)
    with in_use([run]):
        claim(run, [ONE, TWO, THREE], "run", "now")
        with pytest.raises(UnclaimedError):
            check_replaceable(run, TWO, forced=False)
        publish(run, ONE, 1)
    after = opened()
    assert days(after) == ["2024-01-01"]
    assert after.read_manifest(THREE) is None


def test_without_a_claim_it_is_made_before_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    run = opened()
    put = Server.put_key

    def dies(self: Server, key: str, data: BinaryIO, seen: Head | None) -> Head:
        found = put(self, key, data, seen)
        if key.startswith("daily/"):
            raise KeyboardInterrupt
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Server, "put_key", dies)
        with pytest.raises(KeyboardInterrupt):
            publish(run, ONE, 1)
    after = opened()
    assert days(after) == []
    check_replaceable(after, ONE, forced=False)


def test_two_runs_lose_nothing_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_keys, "_BATCH", 3)

    def work(number: int) -> None:
        run = opened()
        mine = MANY[number:120:4]
        with in_use([run]):
            claim(run, mine, f"run{number}", "now")
            for unit in mine:
                publish(run, unit, number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(days(opened())) == 120


def test_number_of_a_deleted_segment_is_not_lost() -> None:
    """A run that looked before another put all segments together takes a number that was there."""
    for unit in (ONE, TWO):
        publish(opened(), unit, 1)
    slow, index = opened(), index_keys.IndexKeys
    assert len(days(slow)) == 2
    for number in range(12):
        publish(opened(), TWO, number)
    looks = iter([False, False])  # before the claim, and before it is put

    def refresh(self: Any) -> None:
        if next(looks, True):
            index._refresh(self)

    kept = slow._index(DECLARED)
    kept._refresh = refresh.__get__(kept)  # type: ignore[method-assign]
    publish(slow, THREE, 3)
    assert next(looks, None) is None
    assert days(opened()) == ["2024-01-01", "2024-01-02", "2024-01-03"]


def test_dropped_is_gone_for_others_too() -> None:
    one, two = opened(), opened()
    for unit in (ONE, TWO):
        publish(one, unit, 1)
    assert len(days(two)) == 2
    drop(one, [ONE])
    assert days(two) == ["2024-01-02"]


def test_newer_index_is_left_alone() -> None:
    publish(opened(), ONE, 1)
    opened().put_key(".lakehouse/manifests/daily.partitions/000000000099.jsonl", io.BytesIO(b'["format",99]\n'), None)
    for use in (lambda s: partitions(s, DECLARED), lambda s: publish(s, TWO, 2)):
        with pytest.raises(NewerVersionError, match="a newer version of lakehouse wrote it"):
            use(opened())
