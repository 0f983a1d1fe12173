"""A contract enforced on rows where they are, by SQL that PostgreSQL, DuckDB and SQLite have in common.

Only counts leave the database, and the rows that break the contract.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing

import pyarrow as pa
from msgspec import UNSET, Struct

from lakehouse_cli.arrow.conversion.refusal import EXAMPLES, InexactError, refusal_text, shorten
from lakehouse_cli.contracts.enforcement import nulls_text
from lakehouse_cli.contracts.keys import key_nulls_text, repeated_keys_text
from lakehouse_cli.errors import KEPT_ROWS, Example, FailedRow, FailedRows, Violation, WrittenRows, some_rows
from lakehouse_cli.model import Column, ColumnType
from lakehouse_cli.storage.relational.session import Session
from lakehouse_cli.text.abbreviation import cut_end
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.sql import quote
from lakehouse_cli.violating_rows.writing import WIDEST, ViolatingRows

#: How many counts or conditions a query asks for; PostgreSQL takes 1,664.
_AT_ONCE = 500
#: Characters of a value that a message shows.
_LONGEST = 60


class Fault(Struct, frozen=True):
    """A way in which values of one type have no exact counterpart in another.

    Attributes:
        condition: True, as SQL, of such a value; of null it may be anything.
        quality: What they are, to follow "2 values that are".
    """

    condition: str
    quality: str


class Conversion(Struct, frozen=True):
    """How values of a column become those of a declared type.

    Attributes:
        expression: What they become, as SQL.
        faults: Of the values that do not.
    """

    expression: str
    faults: tuple[Fault, ...] = ()


class JudgedColumn(Struct, frozen=True):
    """A column of what is judged.

    Attributes:
        name: Its name.
        faults: From its conversion.
        declared: As the contract has it; None for one that is kept without being declared.
        is_text: Whether its values are shown in quotes.
    """

    name: str
    faults: tuple[Fault, ...] = ()
    declared: Column | None = None
    is_text: bool = False


class Judgement(Struct, frozen=True):
    """What is wrong with rows.

    Attributes:
        rows: How many rows there are.
        violations: Each way in which they break the contract.
        failed: The rows that do; None for none.
    """

    rows: int
    violations: tuple[Violation, ...] = ()
    failed: FailedRows | None = None


class _Check(Struct, frozen=True):
    """One thing to look for.

    Attributes:
        kind: ``type``, ``null``, ``key`` for a null in a key, ``repeat`` for a key that an earlier row has,
            ``partition`` for a value of another partition.
        columns: The columns whose values it is about.
        condition: True, as SQL, of each row that breaks it.
        declared: Type of the column, where it is declared.
        quality: Of a `Fault`; the partition that a row is to be of; empty for other kinds.
    """

    kind: str
    columns: tuple[str, ...]
    condition: str
    declared: ColumnType | None = None
    quality: str = ""

    def message(self, count: int) -> str:
        """Say that so many rows break it."""
        name = self.columns[0]
        match self.kind:
            case "type":
                return refusal_text(InexactError(self.quality, pa.array([], pa.int64())), name, self.declared, count)
            case "null":
                return nulls_text(name, count)
            case "key":
                return key_nulls_text(name, count)
            case "partition":
                message = f"column `{name}` has values other than that of its partition, {self.quality}"
                return f"{message}: {plural(count, 'row')}"
        return repeated_keys_text(self.columns, count)


def is_text(declared: ColumnType) -> bool:
    """Whether values of a type are shown in quotes."""
    return declared.id in ("string", "dictionary")


def judge(
    session: Session, source: str, columns: Sequence[JudgedColumn], key: Sequence[str], hidden: Collection[str]
) -> Judgement:
    """Look for rows that break a contract.

    Args:
        session: The transaction.
        source: What has the rows, as SQL that can stand in FROM.
        columns: Those that are judged.
        key: Columns that must be non-null and, together, unique; none where some are not there.
        hidden: Columns whose values the caller hides; they are in no file.
    """
    return _judged(session, source, columns, key, hidden, list(_checks(columns, key)))


def judge_partition(
    session: Session,
    source: str,
    columns: Sequence[JudgedColumn],
    others: Mapping[str, str],
    partition: str,
    hidden: Collection[str],
) -> Judgement:
    """Look for rows of other partitions.

    Args:
        session: The transaction.
        source: As of `judge`, with rows that have the declared types.
        columns: Those whose values are shown.
        others: True, as SQL, of each row that is of another partition, by the column that says so.
        partition: Of which the rows are to be.
        hidden: As of `judge`.
    """
    checks = [_Check("partition", (name,), condition, quality=partition) for name, condition in others.items()]
    return _judged(session, source, columns, (), hidden, checks)


def _judged(
    session: Session,
    source: str,
    columns: Sequence[JudgedColumn],
    key: Sequence[str],
    hidden: Collection[str],
    checks: Sequence[_Check],
) -> Judgement:
    rows, broken = 0, []
    for start in range(0, max(len(checks), 1), _AT_ONCE):
        some = checks[start : start + _AT_ONCE]
        counts = ["count(*)", *(f"count(*) FILTER (WHERE {each.condition})" for each in some)]
        rows, *numbers = map(int, session.rows(f"SELECT {', '.join(counts)} FROM {source}")[0])
        broken += [check for check, number in zip(some, numbers, strict=True) if number]
    if key and _repeats(session, source, key):
        broken.append(_Check("repeat", tuple(key), ""))
    return _Explanation(session, source, columns, key, hidden).of(broken, rows) if broken else Judgement(rows)


def _checks(columns: Sequence[JudgedColumn], key: Sequence[str]) -> Iterator[_Check]:
    for column in columns:
        for fault in column.faults:
            declared = None if column.declared is None else column.declared.type
            condition = f"({quote(column.name)} IS NOT NULL AND ({fault.condition}))"
            yield _Check("type", (column.name,), condition, declared, fault.quality)
        if column.declared is not None and not column.declared.nullable:
            yield _Check("null", (column.name,), f"{quote(column.name)} IS NULL")
        if column.name in key and (column.declared is None or column.declared.nullable):
            yield _Check("key", (column.name,), f"{quote(column.name)} IS NULL")


def _repeats(session: Session, source: str, key: Sequence[str]) -> bool:
    names, valid = ", ".join(map(quote, key)), _valid(key)
    twice = f"SELECT 1 FROM {source} WHERE {valid} GROUP BY {names} HAVING count(*) > 1 LIMIT 1"
    return bool(session.rows(f"SELECT count(*) FROM ({twice}) AS twice")[0][0])


def _valid(key: Sequence[str]) -> str:
    return " AND ".join(f"{quote(name)} IS NOT NULL" for name in key)


class _Explanation:
    """Finds the rows that break a contract, once it is known that there are some."""

    def __init__(
        self,
        session: Session,
        source: str,
        columns: Sequence[JudgedColumn],
        key: Sequence[str],
        hidden: Collection[str],
    ) -> None:
        self._session = session
        self._columns = {column.name: column for column in columns}
        self._key = key
        self._hidden = hidden
        self._number, self._repeats = (_unlike(name, self._columns) for name in ("row_of_result", "row_repeats"))
        self._numbered = f"SELECT *, row_number() OVER () AS {self._number} FROM {source}"
        if key:
            order = f"OVER (PARTITION BY {', '.join(map(quote, key))} ORDER BY {self._number}) > 1"
            repeats = f"({_valid(key)}) AND row_number() {order} AS {self._repeats}"
            self._numbered = f"SELECT *, {repeats} FROM ({self._numbered}) AS numbered"

    def of(self, broken: Sequence[_Check], rows: int) -> Judgement:
        """What is wrong with rows, of which there are so many."""
        wrong = {name for check in broken for name in check.columns}
        shown = sorted(self._columns, key=lambda name: name not in wrong)[:WIDEST]
        by_row: dict[int, tuple[dict[str, str | None], list[int]]] = {}
        violations: list[Violation] = []
        for number, check in enumerate(broken):
            count, first = self._first(check, shown)
            violations.append(self._violation(check, count, first[:EXAMPLES]))
            for row, values in first:
                by_row.setdefault(row, (values, []))[1].append(number)
        reasons = [(each.message, check.columns) for each, check in zip(violations, broken, strict=True)]
        rows_that_fail = [
            FailedRow(
                row,
                None,
                tuple(reasons[number][0] for number in why),
                values,
                tuple(dict.fromkeys(name for number in why for name in reasons[number][1])),
            )
            for row, (values, why) in sorted(by_row.items())
        ]
        kept, total = some_rows(rows_that_fail, KEPT_ROWS), self._count(_any([*map(self._condition, broken)]))
        written = self._written(broken, reasons, shown) if len(kept) < total else None
        return Judgement(rows, tuple(violations), FailedRows(total, tuple(shown), kept, written))

    def _written(
        self, broken: Sequence[_Check], reasons: Sequence[tuple[str, Sequence[str]]], shown: Sequence[str]
    ) -> WrittenRows | None:
        """All rows that break any of some checks, in a file; None where they are not kept."""
        every = ViolatingRows.here(self._hidden)
        if every is None:
            return None
        with closing(every):
            for start in range(0, len(broken), _AT_ONCE):
                self._write(every, start, [*map(self._condition, broken[start : start + _AT_ONCE])], shown)
                every.end_segment()
            return every.written(reasons)

    def _write(self, every: ViolatingRows, first: int, conditions: Sequence[str], shown: Sequence[str]) -> None:
        """Write the rows of which some conditions are true, whose reasons have the numbers from `first` on."""
        broken_by = [f"({condition}) AS b{number}" for number, condition in enumerate(conditions)]
        query = self._selected([*self._texts(shown), *broken_by], _any(conditions))
        for some in filter(None, self._session.some_rows(query)):
            numbers, *columns = zip(*some, strict=True)
            why = [[at for at, is_broken in enumerate(row[-len(conditions) :], first) if is_broken] for row in some]
            every.add_texts(numbers, why, dict(zip(shown, columns, strict=False)))

    def _selected(self, selected: Iterable[str], condition: str) -> str:
        """The numbers of rows with what is selected of them, in order."""
        listed = ", ".join([self._number, *selected])
        return f"SELECT {listed} FROM ({self._numbered}) AS judged WHERE {condition} ORDER BY {self._number}"

    def _texts(self, shown: Sequence[str]) -> Iterator[str]:
        return (f"{self._session.text_of(quote(name))} AS t{position}" for position, name in enumerate(shown))

    def _condition(self, check: _Check) -> str:
        return check.condition or self._repeats

    def _count(self, condition: str) -> int:
        return int(self._session.rows(f"SELECT count(*) FROM ({self._numbered}) AS judged WHERE {condition}")[0][0])

    def _first(self, check: _Check, shown: Sequence[str]) -> tuple[int, list[tuple[int, dict[str, str | None]]]]:
        """How many rows break it, and the first of them with their values."""
        condition = self._condition(check)
        found = self._session.rows(f"{self._selected(self._texts(shown), condition)} LIMIT {KEPT_ROWS}")
        count = len(found) if len(found) < KEPT_ROWS else self._count(condition)
        return count, [(int(row), dict(zip(shown, values, strict=True))) for row, *values in found]

    def _violation(self, check: _Check, count: int, first: Sequence[tuple[int, dict[str, str | None]]]) -> Violation:
        column = check.columns[0] if len(check.columns) == 1 else None
        others = [] if check.kind == "repeat" else [name for name in self._key if name != column]
        examples = tuple(
            Example(
                row,
                ", ".join(self._shown(values, name) for name in check.columns),
                key=", ".join(f"{name} {self._shown(values, name)}" for name in others) if others else UNSET,
            )
            for row, values in first
        )
        declared = self._columns[check.columns[0]].declared
        kind = "key" if check.kind == "repeat" else check.kind
        place = declared.location if declared is not None else None
        return Violation(column, kind, count, check.message(count), examples, place)

    def _shown(self, values: Mapping[str, str | None], name: str) -> str:
        value = values.get(name)
        if value is None:
            return "null"
        return shorten(value) if self._columns[name].is_text else cut_end(value, _LONGEST)


def _any(conditions: Sequence[str]) -> str:
    """True of what fulfils any of some conditions; SQLite takes expressions a thousand deep."""
    some = [conditions[start : start + _AT_ONCE] for start in range(0, len(conditions), _AT_ONCE)]
    return " OR ".join(f"({' OR '.join(f'({each})' for each in group)})" for group in some)


def _unlike(name: str, others: Collection[str]) -> str:
    """A name that none of the others is, in whatever case."""
    taken = {each.lower() for each in others}
    while name in taken:
        name += "_"
    return name
