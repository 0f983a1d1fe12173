"""Digests of the keys of a stored partition, kept beside the index of its table, by which keys of others are judged.

A digest has 128 bits. Those of a partition are kept as bytes: a hash of what follows, a line of JSON that says how many
there are of each `Unique`, and of each the upper halves, ascending, and the lower halves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from xxhash import xxh3_128_digest

from lakehouse_cli.checks.wording import sentence_of
from lakehouse_cli.errors import ContractError, StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import SHARED, CheckRecord
from lakehouse_cli.model.check_verdict import verdict_on_rows
from lakehouse_cli.model.key_bounds import KeyBounds
from lakehouse_cli.model.manifest import UNFINISHED, Manifest
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_keys import KEY, Unique, digests_name
from lakehouse_cli.storage.digest_capability import KeepsDigests
from lakehouse_cli.text.counts import plural

#: What the partitions are called, beside the digests, that a run is about to replace.
REPLACING = "replacing"
# Bytes of the hash before all else, of what a killed system did not write as a whole.
_CHECKSUM = 16
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(dict[str, KeyBounds]).decode


class Recorded(Protocol):
    """What an index says of a partition, as far as its keys are judged by it."""

    @property
    def content_hash(self) -> str:
        """As of `Manifest`."""

    @property
    def run_id(self) -> str:
        """As of `Manifest`."""

    @property
    def keys(self) -> Mapping[str, KeyBounds]:
        """As of `Manifest`."""


class Digests(NamedTuple):
    """The digests of keys; arrays of numpy's of uint64.

    Attributes:
        high: Their upper halves, ascending.
        low: Their lower halves, in the same order.
        bounds: What is known of the keys without these.
    """

    high: Any
    low: Any
    bounds: KeyBounds

    def are_in(self, other: Digests) -> Any:
        """Which of these are among others; an array of numpy's of bool."""
        import numpy as np

        at, found = np.searchsorted(other.high, self.high), np.zeros(len(self.high), bool)
        left = np.arange(len(self.high))
        while len(left):
            places = at[left]
            inside = places < len(other.high)
            left, places = left[inside], places[inside]
            alike = other.high[places] == self.high[left]
            left, places = left[alike], places[alike]
            same = other.low[places] == self.low[left]
            found[left[same]] = True
            left = left[~same]
            at[left] += 1
        return found

    def are_repeated(self) -> Any:
        """Which of these are there more than once; an array of numpy's of bool."""
        import numpy as np

        pairs = np.stack([self.high, self.low])
        _, group, sizes = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
        return sizes[group.reshape(-1)] > 1


def encoded(found: Mapping[str, Digests]) -> bytes:
    """Return digests as they are kept, by `Unique.id`."""
    head = _encode({id_: each.bounds for id_, each in found.items()})
    rest = b"".join([head, b"\n", *(part.astype("<u8").tobytes() for each in found.values() for part in each[:2])])
    return xxh3_128_digest(rest) + rest


def decoded(content: bytes | None) -> dict[str, Digests]:
    """Return digests as of `encoded`; none of what is not whole."""
    import numpy as np

    if content is None or content[:_CHECKSUM] != xxh3_128_digest(memoryview(content)[_CHECKSUM:]):
        return {}
    end = content.index(b"\n", _CHECKSUM)
    found: dict[str, Digests] = {}
    at = end + 1
    for id_, bounds in _decode(content[_CHECKSUM:end]).items():
        high, low = (np.frombuffer(content, "<u8", bounds.rows, at + part * 8 * bounds.rows) for part in (0, 1))
        found[id_] = Digests(high, low, bounds)
        at += 16 * bounds.rows
    return found


class OwnKeys(Struct, frozen=True):
    """The keys of a partition that is about to be stored.

    Attributes:
        run_id: The run.
        found: Their digests, with what must not be there twice.
        judged: The content of the partitions by which they were judged already.
        replaced: The partitions that the run replaces or removes.
    """

    run_id: str
    found: Sequence[tuple[Unique, Digests]]
    judged: Mapping[Partition, str]
    replaced: Collection[Partition]

    @property
    def bounds(self) -> Mapping[str, KeyBounds]:
        """What an index keeps of them."""
        return {unique.id: digests.bounds for unique, digests in self.found}

    @property
    def content(self) -> bytes:
        """As they are kept."""
        return encoded({unique.id: digests for unique, digests in self.found})

    def as_stored(self, hashes: Mapping[str, str]) -> OwnKeys:
        """The same where partitions by which they were judged have been stored since, with other hashes."""
        return replace(self, judged={each: hashes.get(hash_, hash_) for each, hash_ in self.judged.items()})

    def judged_anew(
        self,
        unit: Table,
        manifest: Manifest,
        records: Mapping[Partition, Recorded],
        read: Callable[[str], bytes | None],
    ) -> Manifest:
        """Judge them by the partitions that were stored since they were judged; called while nobody else stores one.

        Args:
            unit: The partition.
            manifest: Of it.
            records: What is stored by now.
            read: Gives the digests that have a name.

        Returns:
            The manifest, in which the checks have what they find by now, and are such as the next run judges.

        Raises:
            ContractError: Other partitions have some of them, which are too many.
            StorageError: Nothing is kept of the keys of another partition.
        """
        late: dict[str, list[tuple[Partition, Any]]] = {}
        for partition, record in records.items():
            if not self._counts(unit, partition, record) or self.judged.get(partition) == record.content_hash:
                continue
            kept: Mapping[str, Digests] | None = None
            for unique, own in self.found:
                known = record.keys.get(unique.id)
                if known is not None and not own.bounds.may_share(known):
                    continue
                kept = decoded(read(digests_name(partition, record.content_hash))) if kept is None else kept
                if unique.id not in kept:
                    raise StorageError(
                        f"partition {partition} was stored meanwhile, and nothing is kept of its keys",
                        hint="run again",
                        location=unit.where("partitions"),
                    )
                rows = own.are_in(kept[unique.id])
                if not (count := int(rows.sum())):
                    continue
                if unique.blocks:
                    raise _taken(unit, unique, count, partition)
                late.setdefault(unique.name, []).append((partition, rows))
        if not late:
            return manifest
        checks = {each.result.name: each for each in manifest.checks}
        for unique, own in self.found:
            if unique.name in late and unique.name in checks:
                counted = own.are_repeated() | self._were_taken(unit, unique, own, records, read)
                checks[unique.name] = _with_late(unit, unique, checks[unique.name], counted, late[unique.name])
        return replace(manifest, checks=tuple(checks.values()))

    def _were_taken(
        self,
        unit: Table,
        unique: Unique,
        own: Digests,
        records: Mapping[Partition, Recorded],
        read: Callable[[str], bytes | None],
    ) -> Any:
        """Which rows have keys of the partitions by which they were judged already."""
        found = own.are_in(own._replace(high=own.high[:0], low=own.low[:0]))
        for partition, record in records.items():
            if self._counts(unit, partition, record) and self.judged.get(partition) == record.content_hash:
                known = record.keys.get(unique.id)
                if known is None or own.bounds.may_share(known):
                    kept = decoded(read(digests_name(partition, record.content_hash)))
                    if unique.id in kept:
                        found |= own.are_in(kept[unique.id])
        return found

    def _counts(self, unit: Table, partition: Partition, record: Recorded) -> bool:
        assert unit.partition is not None  # noqa: S101  # of units alone
        if partition == unit.partition or partition.dimensions != unit.partition.dimensions:
            return False
        return counts(partition, record, self.run_id, self.replaced)


def counts(partition: Partition, record: Recorded, run_id: str, replaced: Collection[Partition]) -> bool:
    """Whether the keys of a stored partition count: not where a run replaces it, before it did."""
    return record.content_hash != UNFINISHED and (record.run_id == run_id or partition not in replaced)


def _taken(unit: Table, unique: Unique, count: int, partition: Partition) -> ContractError:
    names = ", ".join(f"`{name}`" for name in unique.columns)
    have = "has" if count == 1 else "have"
    what = (
        f"key {names}: {plural(count, 'row')} {have} a key"
        if unique.name == KEY
        else f"{names}: {plural(count, 'row')} {have} values"
    )
    return ContractError(
        f"{what} that partition {partition} has, which was stored at the same time",
        hint="leave the rows out of one of the partitions, or relax the contract",
        location=unit.where("key" if unique.name == KEY else "checks"),
    )


def _with_late(
    unit: Table, unique: Unique, record: CheckRecord, counted: Any, late: Iterable[tuple[Partition, Any]]
) -> CheckRecord:
    """Add the rows of which partitions that were stored at the same time have the values.

    Delta judges a partition as it is written, and again as it is committed: what the state names is counted already.
    """
    check = next(each for each in unit.contract.checks if each.name == unique.name)
    say, before = sentence_of(check), record.result
    state = record.state.get(SHARED, "")
    named = state.split("; ")
    note, count = before.message.removeprefix(say(before.count)) if before.count else "", before.count
    for partition, rows in late:
        text = f"partition {partition}"
        new = int((rows & ~counted).sum())
        counted = counted | rows
        if text in named:
            continue
        state = f"{state}; {text}" if state else text
        count += new
        if new:
            note += f", {plural(new, 'row')} with {text}, which was stored at the same time"
    result = replace(before, count=count, value=f"{count}/{before.rows}" if before.rows else before.value)
    if count > before.count and before.status != "errored":
        result = replace(result, message=f"{say(count)}{note}", status=verdict_on_rows(check, result))
    if result.status == "failed":
        raise ContractError(
            result.message,
            hint="leave the rows out of one of the partitions, or relax the contract",
            location=check.location or unit.where("checks"),
        )
    return replace(record, result=result, state={**record.state, SHARED: state})


def keep_own(storage: KeepsDigests, unit: Table, keys: OwnKeys, content_hash: str) -> None:
    """Keep the digests of a partition that is about to be stored."""
    assert unit.partition is not None  # noqa: S101  # of units alone
    storage.keep_digests(unit, digests_name(unit.partition, content_hash), keys.content)


def drop_former(storage: KeepsDigests, unit: Table, before: Recorded | None, now: Recorded) -> None:
    """Remove the digests of what a partition was before."""
    assert unit.partition is not None  # noqa: S101  # of units alone
    if before is None or before.content_hash in (UNFINISHED, now.content_hash):
        return
    if before.keys or now.keys:
        storage.drop_digests(unit, [digests_name(unit.partition, before.content_hash)])
