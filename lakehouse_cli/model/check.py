"""What data must satisfy beyond their types: one check, its thresholds, and what a judgement of it found."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from lakehouse_cli.errors import HIDDEN, Example, Location
from lakehouse_cli.model.declaration import Declaration
from lakehouse_cli.model.query import TextPlace

Severity = Literal["error", "warn", "info"]
CheckStatus = Literal["passed", "warned", "failed", "errored", "skipped"]

_NUMBERS = ("int", "float", "decimal128")
_TIMES = ("date32", "timestamp", "time32", "time64", "duration")
#: Kinds that stand in a column, each with the beginnings of the types that it fits; none for every type.
COLUMN_KINDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("min", "max", "above", "below"), (*_NUMBERS, "uint", *_TIMES)),
    **dict.fromkeys(("in", "not_in"), (*_NUMBERS, "uint", *_TIMES, "string", "bool")),
    **dict.fromkeys(("matches", "length", "not_blank"), ("string",)),
    "unique": (),
    "nulls": (),
}
#: Kinds that stand in the list of a table.
TABLE_KINDS = ("unique", "row_count", "foreign_key", "freshness", "expression", "sql", "function")
#: Kinds that say of each row whether it is good.
ROW_KINDS = frozenset((*COLUMN_KINDS, *TABLE_KINDS)) - {"nulls", "row_count", "freshness"}


class Ratio(NamedTuple):
    """An exact fraction; its denominator is above zero."""

    numerator: int
    denominator: int


class Limit(NamedTuple):
    """A count, or a share of some rows.

    Attributes:
        value: The count, or the share.
        is_share: Which of the two it is.
    """

    value: Ratio
    is_share: bool

    @classmethod
    def of(cls, text: str) -> Limit:
        """Read a text such as ``10``, ``1%``, ``0.25%`` or ``-10%``, which the loader has found to be one."""
        number, is_share = text.removesuffix("%"), text.endswith("%")
        whole, _, decimals = number.partition(".")
        return cls(Ratio(int(whole + decimals), 10 ** len(decimals) * (100 if is_share else 1)), is_share)

    def is_exceeded(self, count: int, rows: int) -> bool:
        """Whether so many of some rows are more than it allows; compared exactly."""
        return count * self.value.denominator > self.value.numerator * (rows if self.is_share else 1)


# A plan of many tables has many checks: `json.dumps` makes an encoder for each.
_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode


class Check(Declaration, frozen=True):
    """One check.

    Attributes:
        kind: One of `COLUMN_KINDS` and `TABLE_KINDS`.
        name: What reports call it; unique in its table.
        columns: The columns that it is about; none where an expression, a query or a function says so.
        arguments: What the kind needs, of plain values; bounds and members as they are written, which is exact.
        severity: What a violation is.
        where: The rows that are judged, in SQL; None for all.
        nulls: What becomes of null: ``pass`` (not judged), ``fail``, or ``equal``, in `unique`, to other nulls.
        warn_above: How many violations, or what share, are still no warning; None where nothing is said.
        error_above: How many, or what share, are still no error; None where nothing is said.
        places: Where its texts in SQL stand: ``text`` of an expression or query, ``where``.
    """

    kind: str
    name: str = ""
    columns: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity = "error"
    where: str | None = None
    nulls: str = "pass"
    warn_above: str | None = None
    error_above: str | None = None
    places: Mapping[str, TextPlace] = field(default_factory=dict)

    @property
    def is_of_rows(self) -> bool:
        """Whether it says of each row whether it is good."""
        return self.kind in ROW_KINDS

    @property
    def blocks(self) -> bool:
        """Whether its violations can keep a table from being published."""
        return self.error_above is not None or (self.severity == "error" and self.warn_above is None)

    @property
    def references(self) -> str | None:
        """The other table whose data it looks at; None where it looks at none."""
        found: str | None = self.arguments.get("table", self.arguments.get("equals"))
        return found

    @property
    def measured(self) -> Check:
        """The same check `freshness` without an age that is too old."""
        return replace(self, arguments={name: each for name, each in self.arguments.items() if name != "within"})

    @property
    def threshold(self) -> str | None:
        """The threshold that decides first, as it is written: of errors before that of warnings."""
        return self.error_above if self.error_above is not None else self.warn_above

    def judged_as(self) -> str:
        """What decides the verdict on a row, as text: all but name, severity and thresholds."""
        parts = [self.kind, self.columns, self.arguments, self.where, self.nulls]
        if self.kind in ("row_count", "nulls", "freshness"):  # what they measure is kept, and compared anew
            parts = [self.kind, self.columns, self.arguments.get("equals"), self.where, self.nulls]
        return _ENCODE(parts)

    def verdict(self, count: int, rows: int) -> CheckStatus:
        """What so many violations among so many judged rows are."""
        if self.error_above is not None or self.warn_above is not None:
            if self.error_above is not None and Limit.of(self.error_above).is_exceeded(count, rows):
                return "failed"
            if self.warn_above is not None and Limit.of(self.warn_above).is_exceeded(count, rows):
                return "warned"
            return "passed"
        return self.bad_status if count else "passed"

    @property
    def bad_status(self) -> CheckStatus:
        """The status where it is violated, whatever the share."""
        by_severity: dict[Severity, CheckStatus] = {"error": "failed", "warn": "warned", "info": "passed"}
        return by_severity[self.severity]


class CheckResult(Struct, frozen=True, omit_defaults=True):
    """What a judgement of a check found.

    Attributes:
        name: Of the check.
        check: Its kind.
        column: The column that it is about; several with commas; None for the table.
        severity: Of the check.
        status: How it ended.
        count: How many rows violate it; 0 or 1 where it is about the table as a whole.
        rows: How many were judged.
        not_judged: How many were not, as they are null.
        errored: In how many its SQL raised, which are neither good nor bad.
        value: What was measured, as text: the share of violations as a fraction, a count of rows, the newest value.
        threshold: What that was compared with, as it is written.
        examples: The first rows that violate it, in the table's order.
        message: What is wrong, one sentence; empty where nothing is.
        location: Where the check stands.
        earlier: Whether it was judged by an earlier run than the one that reports it.
        quarantined: How many of the rows that violate it were put aside, and not published.
    """

    name: str
    check: str
    column: str | None
    severity: Severity
    status: CheckStatus
    count: int = 0
    rows: int = 0
    not_judged: int = 0
    errored: int = 0
    value: str | None = None
    threshold: str | None = None
    examples: tuple[Example, ...] = ()
    message: str = ""
    location: Location | None = None
    earlier: bool = False
    quarantined: int = 0

    def to_json(self) -> dict[str, Any]:
        """Its entry in documents."""
        known = ("row", "value", "line", "key", "file", "file_row")
        examples = [
            {name: value for name in known if (value := getattr(each, name)) or name in ("row", "value")}
            for each in self.examples
        ]
        document: dict[str, Any] = {
            "name": self.name, "check": self.check, "column": self.column, "severity": self.severity,
            "status": self.status, "count": self.count, "rows": self.rows, "not_judged": self.not_judged,
            "value": self.value, "threshold": self.threshold, "examples": examples, "message": self.message or None,
        }  # fmt: skip
        for name in ("errored", "quarantined"):
            if number := getattr(self, name):
                document[name] = number
        return document | ({"earlier": True} if self.earlier else {})


#: In the state of a check `unique` of a partition: the other partitions that have the same values.
SHARED = "shared"


class CheckRecord(Struct, frozen=True, omit_defaults=True):
    """What a manifest keeps of a check that was judged on the stored data.

    Attributes:
        result: What was found.
        judged: What decided it, as of `Check.judged_as`, and the code of a function.
        against: The content of the other table that it looked at.
        state: What was measured: ``newest``, ``before``, ``other``, `SHARED`, as text.
        hidden: The columns that were sensitive, whose values it does not show.
    """

    result: CheckResult
    judged: str
    against: str = ""
    state: Mapping[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()

    def without_values(self, sensitive: Collection[str]) -> CheckRecord:
        """The same without values of columns that have become sensitive since it was judged."""
        new = {*sensitive}.difference(self.hidden) if sensitive else ()
        result = self.result
        if not new:
            return self
        if result.column is None or not {*new}.isdisjoint(result.column.split(", ")):
            examples = tuple(replace(each, value=HIDDEN) for each in result.examples)
            message = result.message
            if result.status == "errored":
                message = f"check `{result.name}` cannot be judged, and its error may show sensitive values"
            result = replace(result, examples=examples, message=message)
        keys = (each if each.key is UNSET else replace(each, key=HIDDEN) for each in result.examples)
        return replace(self, result=replace(result, examples=tuple(keys)))


def with_unique_names(checks: Sequence[Check]) -> Iterable[tuple[Check, str]]:
    """Each check with its name; the second of one name gets `_2`."""
    taken = {each.name for each in checks}
    seen: set[str] = set()
    for check in checks:
        name, number = check.name, 1
        while name in seen or (number > 1 and name in taken):
            number += 1
            name = f"{check.name}_{number}"
        seen.add(name)
        yield check, name


def every_check(checks: Sequence[Check], module: str | None) -> tuple[Check, ...]:
    """The checks of a table, each with a name of its own and its function by its module."""
    if not checks:
        return ()
    named = [check if name == check.name else replace(check, name=name) for check, name in with_unique_names(checks)]
    return tuple(_with_module(check, module) for check in named)


def _with_module(check: Check, module: str | None) -> Check:
    if check.kind != "function" or ":" in check.arguments["function"] or module is None:
        return check
    return replace(check, arguments={"function": f"{module}:{check.arguments['function']}"})
