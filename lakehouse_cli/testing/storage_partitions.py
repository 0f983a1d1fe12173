"""What every storage must do that stores tables by partition; a part of `StorageConformance`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import ContractError, MissingDataError, StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import CheckRecord, CheckResult
from lakehouse_cli.model.key_bounds import KeyBounds
from lakehouse_cli.model.manifest import InputRecord, Manifest, Recipe
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_content import content_of_partitions
from lakehouse_cli.model.partition_keys import KEY, Unique, digests_name
from lakehouse_cli.model.unit import selection_of, unit_of
from lakehouse_cli.storage.base import AssetStorage, Provenance, Stray
from lakehouse_cli.storage.capabilities import (
    Cleans,
    KeepsChecks,
    check_replaceable,
    identities,
    keep_checks,
    remove_stray,
    strays,
)
from lakehouse_cli.storage.digest_capability import KeepsDigests
from lakehouse_cli.storage.opening import with_parts
from lakehouse_cli.storage.partition_capability import Partitioned, contents, drop, partitions
from lakehouse_cli.storage.partition_digests import Digests, OwnKeys
from lakehouse_cli.storage.partition_index import recipe_digest
from lakehouse_cli.testing.stored_tables import ORIGIN, data_of, table

RECIPE = Recipe("code", {}, None, (), "error", {}, "csv", ())


def divided(name: str = "daily", *dimensions: str) -> Table:
    """A table by partition, of an id and a text."""
    return replace(table(name), partitions=dimensions or ("day",))


def by_day(declared: Table, *days: str) -> list[Table]:
    """The units of days."""
    return [unit_of(declared, Partition(("day",), (day,))) for day in days]


def refusal_of(act: Callable[[], object]) -> str:
    """What a storage refuses something with; empty where it does it."""
    try:
        act()
    except StorageError as error:
        return error.message
    return ""


def keys_of(*ids: int) -> OwnKeys:
    """The keys of a partition that is about to be stored, judged by no others."""
    unique = Unique(KEY, ("id",), "id", equal_nulls=False, blocks=True)
    high, low = (np.array(sorted(ids), np.uint64) for _ in range(2))
    digests = Digests(high, low, KeyBounds(len(ids), ((min(ids), max(ids)),)))
    return OwnKeys(ORIGIN.run_id, [(unique, digests)], {}, ())


class PartitionsConformance:
    """The suite; storages that store nothing by partition pass it by."""

    @pytest.fixture
    def parted(self, storage: AssetStorage) -> AssetStorage:
        """The storage as a project opens it that has such tables."""
        if storage.capability(Partitioned) is None:
            pytest.skip("it stores nothing by partition")
        return with_parts(storage)

    def test_partitions_are_stored_one_by_one(self, parted: AssetStorage) -> None:
        """Each is read by itself, and all of them together in order, whatever the order in which they were stored."""
        declared = divided()
        second, first = by_day(declared, "2024-01-02", "2024-01-01")
        assert partitions(parted, declared) == {}
        two = parted.publish(second, data_of(declared, (2, "b"), (3, None)), ORIGIN)
        one = parted.publish(first, data_of(declared, (1, "a")), replace(ORIGIN, recipe=RECIPE))
        assert (one.table, two.table) == ("daily/day=2024-01-01", "daily/day=2024-01-02")
        assert parted.scan(first, declared.columns).table().equals(data_of(declared, (1, "a")))
        whole = parted.scan(declared, declared.columns).table()
        assert whole.equals(data_of(declared, (1, "a"), (2, "b"), (3, None)))
        assert [each.values for each in partitions(parted, declared)] == [("2024-01-01",), ("2024-01-02",)]
        assert parted.read_manifest(first) == one
        assert parted.read_manifest(second) == two
        assert parted.read_manifest(declared) is None

    def test_records_say_what_manifests_say(self, parted: AssetStorage) -> None:
        """The recipe by its digest."""
        declared = divided()
        inputs = {"raw": InputRecord("abc", 3, 4, 5, "csv {}"), "other": InputRecord("def", -1, 1)}
        (unit,) = by_day(declared, "2024-01-01")
        manifest = parted.publish(
            unit, data_of(declared, (1, "a")), replace(ORIGIN, recipe=RECIPE, inputs=inputs, memory_bytes=7)
        )
        (record,) = partitions(parted, declared).values()
        assert record.content == manifest.content
        assert record.recipe == recipe_digest(RECIPE)
        assert record.inputs == inputs
        assert (record.run_id, record.finished_at) == (manifest.run_id, manifest.finished_at)

    def test_published_again_replaces_that_partition(self, parted: AssetStorage) -> None:
        """And no other."""
        declared = divided()
        one, two = by_day(declared, "2024-01-01", "2024-01-02")
        for unit in (one, two):
            parted.publish(unit, data_of(declared, (1, "a")), ORIGIN)
        before = parted.read_manifest(two)
        again = parted.publish(one, data_of(declared, (5, "e"), (6, "f")), ORIGIN)
        assert parted.read_manifest(one) == again
        assert parted.read_manifest(two) == before
        ids = parted.scan(declared, declared.columns).table()["id"].to_pylist()
        assert ids == [5, 6, 1]

    def test_selections_are_read_in_their_order(self, parted: AssetStorage) -> None:
        """With the digest of what was read; of none, a table without rows."""
        declared = divided()
        units = by_day(declared, "2024-01-01", "2024-01-02", "2024-01-03")
        records = {}
        for number, unit in enumerate(units):
            manifest = parted.publish(unit, data_of(declared, (number, "a")), ORIGIN)
            assert unit.partition is not None
            records[unit.partition] = manifest.content
        chosen = [units[2].partition, units[0].partition]
        selected = selection_of(declared, filter(None, chosen))
        data, content = parted.scan(selected, declared.columns).table_with_content(())
        assert data["id"].to_pylist() == [2, 0]
        expected = content_of_partitions([(each, records[each]) for each in chosen if each])
        assert (content.content_hash, content.rows) == (expected.content_hash, 2)
        assert parted.content(selected, ()) == content
        pieces, found = parted.scan(selected, declared.columns).pieces_with_content(())
        assert (pa.concat_tables(pieces())["id"].to_pylist(), found) == ([2, 0], content)
        assert parted.content(declared, ()) == content_of_partitions(records.items())
        none = selection_of(declared, ())
        assert parted.scan(none, declared.columns).table().equals(data_of(declared))
        assert parted.content(none, ()) == content_of_partitions(())

    def test_contents_are_those_of_the_units(self, parted: AssetStorage) -> None:
        """As they are recorded, where nobody altered them."""
        declared = divided()
        units = by_day(declared, "2024-01-01", "2024-01-02")
        for number, unit in enumerate(units):
            parted.publish(unit, data_of(declared, (number, "a")), ORIGIN)
        records = partitions(parted, declared)
        hashes = {each: content.content_hash for each, content in contents(parted, declared, {}).items()}
        assert hashes == {each: record.content_hash for each, record in records.items()}
        assert parted.content(units[0], ()) == records[Partition(("day",), ("2024-01-01",))].content._replace(rows=-1)

    def test_dropped_partitions_are_gone(self, parted: AssetStorage) -> None:
        """Without a trace, and the others stay."""
        declared = divided()
        units = by_day(declared, "2024-01-01", "2024-01-02", "2024-01-03")
        for unit in units:
            parted.publish(unit, data_of(declared, (1, "a")), ORIGIN)
        drop(parted, units[:2])
        drop(parted, units[:1])
        assert [each.values for each in partitions(parted, declared)] == [("2024-01-03",)]
        assert list(contents(parted, declared, {})) == [units[2].partition]
        assert parted.stat(units[0]) is None
        assert parted.read_manifest(units[0]) is None
        with pytest.raises(MissingDataError):
            parted.scan(units[0], declared.columns).table()
        with pytest.raises(MissingDataError):
            parted.scan(selection_of(declared, [u.partition for u in units if u.partition]), declared.columns).table()
        parted.delete(units[2])
        assert partitions(parted, declared) == {}
        assert parted.content(declared, ()) is None

    def test_values_of_any_text(self, parted: AssetStorage) -> None:
        """Which the paths of files would not bear."""
        declared = divided("odd", "region", "day")
        texts = [
            "eu",
            "a/b",
            "a=b",
            "100%",
            "%2F",
            " x ",
            "zürich",
            "..",
            ".hidden",
            "ä\n\"'",
            "EU",
            "_x",
            "{d}",
            "",
        ]
        values, refused = [(text, "2024-01-01") for text in texts], []
        for number, value in enumerate(values):
            unit = unit_of(declared, Partition(("region", "day"), value))
            if refusal_of(partial(parted.publish, unit, data_of(declared, (number, "a")), ORIGIN)):
                refused.append(value)
        assert refused in ([], [("", "2024-01-01")])
        values = [each for each in values if each not in refused]
        assert [each.values for each in partitions(parted, declared)] == sorted(values)
        for number, value in enumerate(values):
            unit = unit_of(declared, Partition(("region", "day"), value))
            assert parted.scan(unit, declared.columns).table()["id"].to_pylist() == [number]

    def test_other_dimensions_are_another_table(self, parted: AssetStorage) -> None:
        """What was stored by day is no part of a table that is stored by month now, or in the way of it."""
        by_days = divided()
        by_months = replace(by_days, partitions=("month",))
        parted.publish(by_day(by_days, "2024-01-01")[0], data_of(by_days, (1, "a")), ORIGIN)
        month = unit_of(by_months, Partition(("month",), ("2024-01",)))
        assert partitions(parted, by_months) == {}
        if refusal := refusal_of(partial(check_replaceable, parted, month, forced=False)):
            assert "is divided by day" in refusal
            return
        parted.publish(month, data_of(by_days, (2, "b")), ORIGIN)
        assert [each.values for each in partitions(parted, by_months)] == [("2024-01",)]
        assert parted.scan(by_months, by_months.columns).table()["id"].to_pylist() == [2]

    def test_checks_are_kept_of_a_partition(self, parted: AssetStorage) -> None:
        """Where its manifest is still the one that was seen."""
        if parted.capability(KeepsChecks) is None:
            return
        declared = divided()
        one, two = by_day(declared, "2024-01-01", "2024-01-02")
        manifest = parted.publish(one, data_of(declared, (1, "a")), ORIGIN)
        other = parted.publish(two, data_of(declared, (2, "a")), ORIGIN)
        checks = (CheckRecord(CheckResult("c", "min", "id", "error", "passed"), "judged"),)
        assert keep_checks(parted, one, manifest, checks)
        kept = parted.read_manifest(one)
        assert kept is not None
        assert kept.checks == checks
        assert parted.read_manifest(two) == other
        assert not keep_checks(parted, one, other, checks)

    def test_key_of_another_partition_is_refused(self, parted: AssetStorage) -> None:
        """Where it was stored since keys were judged, and is not replaced; its digests go with it."""
        keeps = parted.capability(KeepsDigests)
        if keeps is None:
            return
        declared = divided()
        one, two, three = by_day(declared, "2024-01-01", "2024-01-02", "2024-01-03")
        former = parted.publish(one, data_of(declared, (1, "a")), replace(ORIGIN, keys=keys_of(1)))
        assert former.keys == {"id": KeyBounds(1, ((1, 1),))}

        def publish(unit: Table, *ids: int, **known: Any) -> Manifest:
            return parted.publish(unit, data_of(declared, *((each, "a") for each in ids)), known_to(*ids, **known))

        def known_to(*ids: int, **known: Any) -> Provenance:
            return replace(ORIGIN, keys=replace(keys_of(*ids), **known), run_id=known.get("run_id", ORIGIN.run_id))

        with pytest.raises(ContractError, match="1 row has a key that partition day=2024-01-01 has"):
            publish(two, 1, 2)
        assert parted.read_manifest(two) is None
        first = one.partition
        assert first is not None
        publish(two, 1, 2, judged={first: former.content_hash})
        drop(parted, [two])
        publish(two, 1, 2, run_id="next", replaced=(first,))
        publish(one, 4, run_id="next", replaced=(first,))
        with pytest.raises(ContractError, match="partition day=2024-01-02 has"):
            publish(three, 2)
        names = [
            digests_name(first, each)
            for each in (former.content_hash, partitions(parted, declared)[first].content_hash)
        ]
        assert [keeps.kept_digests(one, each) is None for each in names] == [True, False]
        drop(parted, [one, two])
        assert keeps.kept_digests(one, names[1]) is None
        publish(three, 2)

    def test_extra_columns_are_read_by_the_manifest(self, parted: AssetStorage) -> None:
        """Of a table that declares none."""
        declared = replace(divided(), contract=replace(table().contract, columns=None))
        data = pa.table({"x": pa.array([1, 2], pa.int8()), "y": ["a", None]})
        for unit in by_day(declared, "2024-01-01", "2024-01-02"):
            parted.publish(unit, data, ORIGIN)
        assert parted.scan(declared, None).table().equals(pa.concat_tables([data, data]))

    def test_whole_is_stored_by_its_partitions_alone(self, parted: AssetStorage) -> None:
        """Storing it as one is refused."""
        declared = divided()
        with pytest.raises(StorageError, match="stored by partition"):
            parted.publish(declared, data_of(declared, (1, "a")), ORIGIN)

    def test_undeclared_partitions_are_strays(self, parted: AssetStorage) -> None:
        """Those of a table that is not declared, or by other dimensions; and no declared one."""
        if parted.capability(Cleans) is None:
            return
        daily, other = divided(), divided("other")
        for declared in (daily, other):
            for unit in by_day(declared, "2024-01-01", "2024-01-02"):
                parted.publish(unit, data_of(declared, (1, "a")), ORIGIN)

        def found(*declared: Table) -> list[Stray]:
            taken = [identity for each in declared for identity in identities(parted, each)]
            return sorted(strays(parted, declared, frozenset(taken)), key=lambda stray: stray.table or "")

        assert found(daily, other) == []
        listed = found(daily)
        assert [stray.table for stray in listed] == ["other/day=2024-01-01", "other/day=2024-01-02"]
        assert {stray.keep for stray in listed} == {None}
        assert len(found(daily, replace(other, partitions=("month",)))) == 2
        parted.publish(by_day(other, "2024-01-02")[0], data_of(other, (2, "b")), ORIGIN)
        assert [remove_stray(parted, stray) is None for stray in listed] == [True, False]
        assert [stray.table for stray in found(daily)] == ["other/day=2024-01-02"]
        assert [remove_stray(parted, stray) for stray in found(daily)] == [None]
        assert found(daily) == []
        assert list(partitions(parted, other)) == []
        assert len(contents(parted, daily, {})) == 2
