"""The options about values that text formats share, as one checked value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Self

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.spec import FormatOptions, first_refused
from lakehouse_cli.model import ColumnType

# Of these numbers themselves are made.
_OF_NUMBERS = frozenset("0123456789+-()%")

# One text, or a list of such.
_NONE = ("none", ("none",), ["none"])
_UNSET_BY_NONE = frozenset(
    (
        *("thousands", "percent", "currency", "negative", "time_format", "duration_unit", "epoch_unit"),
        *("date_format", "timestamp_format", "escape_char", "comment"),
    )
)


def _holds(column_type: ColumnType, *ids: str) -> bool:
    return first_refused(column_type, lambda each: each.id in ids) is not None


class ValueOptions(FormatOptions, frozen=True):
    """How values are spelled; the options that `lakehouse_cli.formats.value_options` describes, None where unset.

    Texts that may be one or several are tuples, empty where unset.
    """

    thousands: str | None = None
    percent: str | None = None
    currency: tuple[str, ...] = ()
    negative: str | None = None
    time_format: tuple[str, ...] = ()
    duration_unit: str | None = None
    epoch_unit: str | None = None
    binary: str = "base64"

    def __post_init__(self) -> None:
        self._check_numbers(getattr(self, "decimal", "."))
        if self.time_format:
            from lakehouse_cli.formats.csv.directives import check_format

            for text in self.time_format:
                check_format(text, "time_format")

    def check_column(self, column_type: ColumnType, own: Collection[str]) -> None:
        """Refuse a format of times and durations that a column has no use for.

        Raises:
            StorageError: Naming it, and what to do.
        """
        if not self.time_format or "time_format" not in own:
            return
        from lakehouse_cli.formats.csv.directives import time_formats

        has_times, has_spans = _holds(column_type, "time32", "time64"), _holds(column_type, "duration")
        if self.duration_unit is not None and not has_times:
            raise StorageError(
                "`time_format` and `duration_unit` both say how its durations are spelled", hint="remove one of them"
            )
        usable = time_formats(self.time_format, spans=False) if has_times else ()
        if has_spans and self.duration_unit is None:
            usable += time_formats(self.time_format, spans=True)
        if unused := [each for each in self.time_format if each not in usable]:
            only = "`interval` and `iso8601` are for durations" if has_times else "%I and %p are for times"
            raise StorageError(
                f"`time_format: {unused[0]}` is no format of {column_type}", hint=f"write another: {only}"
            )

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Make the value of the ``options`` of a project file, some of which `none` unsets.

        Raises:
            StorageError: Options that cannot stand together, or an encoding or format that does not exist.
        """
        kept = {name: value for name, value in mapping.items() if value not in _NONE or name not in _UNSET_BY_NONE}
        return super().from_mapping(kept)

    @property
    def decorates_numbers(self) -> bool:
        """Whether numbers may be spelled in other ways than plain digits."""
        return bool(self.thousands or self.percent or self.currency or self.negative)

    def _check_numbers(self, point: str) -> None:
        group = self.thousands
        if group is not None and (group.isalnum() or group in _OF_NUMBERS or group in "\r\n\0"):
            raise StorageError(
                f"option `thousands` cannot be {group!r}", hint="such as `,` `.` `'` or a blank, or leave it out"
            )
        if group == "." and not hasattr(self, "decimal"):
            raise StorageError(
                "option `thousands` cannot be '.': in numbers of this format it is the decimal point",
                hint="declare such a column as string, and make numbers of it in a transform",
            )
        if group == point:
            raise StorageError(
                f"options `thousands` and `decimal` are both {group!r}",
                hint=f"set `decimal: '{',' if point == '.' else '.'}'`, or choose another character for one of them",
            )
        marks = {point, group or point}
        for symbol in self.currency:
            is_number = set(symbol) & _OF_NUMBERS or symbol[0] in marks or symbol.lower() == "e"
            if is_number or symbol != symbol.strip():
                raise StorageError(
                    f"option `currency` cannot be {symbol!r}, numbers are made of it",
                    hint="such as `$`, `Fr.` or `CHF`",
                )
            for other in self.currency:
                if symbol != other and symbol.startswith(other) and set(symbol.removeprefix(other)) <= marks:
                    raise StorageError(
                        f"option `currency` cannot be both {other!r} and {symbol!r}: `{symbol}5` may be two numbers",
                        hint="keep one of the two; where a column mixes them, declare it as string",
                    )
