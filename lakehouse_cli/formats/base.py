"""The seam of formats: how a table is read from bytes and written to them.

A format needs no path logic and no atomicity.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, Protocol, TypeVar

from lakehouse_cli.formats.spec import FormatOptions
from lakehouse_cli.model import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.formats.summary import Summary
    from lakehouse_cli.model.time_span import TimeSpan

Options = TypeVar("Options", bound=FormatOptions)


#: Opens the bytes of a file; may be called more than once.
Opener = Callable[[], BinaryIO]


class Sink(Protocol):
    """What data are written to."""

    def write(self, data: Any, /) -> int:
        """Take bytes, or what has their buffer; returns how many."""


class NullSink:
    """A sink that keeps nothing."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Drop bytes; returns how many."""
        return memoryview(data).nbytes


class Format(ABC, Generic[Options]):
    """How a table is read from and written to bytes, with options of a class of its own.

    Attributes:
        holds_count: Whether the bytes state how many rows there are, so that few of them are read for it.
    """

    holds_count: bool = False

    @abstractmethod
    def read(self, open_source: Opener, name: str, columns: Sequence[Column] | None, options: Options) -> pa.Table:
        """Read the declared columns (all, with their own types, where None are declared).

        Args:
            open_source: Opens the bytes; may be called more than once.
            name: The file as messages show it.
            columns: What to read, in the order of the result.
            options: Of the format, checked.

        Returns:
            The declared columns and no others, in the declared order, with exactly their Arrow types, all nullable.

        Raises:
            DataError: Columns that are missing (check ``missing``), and values that do not fit (check ``type``).
            StorageError: Bytes that are not of this format at all.
        """

    @abstractmethod
    def write(self, table: pa.Table, sink: Sink, options: Options) -> None:
        """Write a table so that `read` with the same columns and options gives it back, in bounded memory.

        Raises:
            StorageError: The format cannot hold a type or value; column names that are empty or there twice.
        """

    def read_pieces(
        self, open_source: Opener, name: str, columns: Sequence[Column] | None, options: Options
    ) -> Iterator[pa.Table]:
        """Read what `read` does piece by piece, in order, at least one; by default all as one.

        The arguments are those of `read`, which raises the same: some of it after pieces were given out.
        """
        yield self.read(open_source, name, columns, options)

    def read_together(
        self, block: bytearray, files: Sequence[tuple[slice, str]], columns: Sequence[Column], options: Options
    ) -> pa.Table | None:
        """Read small files at once, as `read` of one after the other, in less time; by default None.

        Args:
            block: The bytes of all, the first at its begin, a newline behind each; changed.
            files: Where each is in it, and its name as messages show it.
            columns: What to read, at least one.
            options: Of the format, checked.

        Returns:
            Their rows; None where they are to be read one by one, which says what is wrong with them, if anything.

        Raises:
            LakehouseError: As None.
        """
        del block, files, columns, options
        return None

    def read_some(
        self, open_source: Opener, name: str, columns: Sequence[Column] | None, options: Options, some: TimeSpan | range
    ) -> Iterator[pa.Table]:
        """Read what `read_pieces` does; rows outside of a span of time may be left out, by default none are.

        Of numbers of rows, no others are read; only a format that has its own method is given such. The other arguments
        are those of `read`, which raises the same of what is read.
        """
        del some
        yield from self.read_pieces(open_source, name, columns, options)

    def write_pieces(self, pieces: Iterable[pa.Table], sink: Sink, options: Options) -> None:
        """Write the bytes that `write` does of all together; by default from memory.

        Args:
            pieces: Of one schema, at least one.
            sink: As of `write`, which raises the same.
            options: Of the format, checked.
        """
        import pyarrow as pa

        self.write(pa.concat_tables(pieces), sink, options)

    def count_rows(self, open_source: Opener, name: str, options: Options) -> int | None:
        """Count the rows that `read` would find, in bounded memory and much faster; by default None, which is unknown.

        Args:
            open_source: Opens the bytes; may be called more than once.
            name: The file as messages show it.
            options: Of the format, checked.

        Raises:
            Exception: The bytes are not as they should be; callers treat the number as unknown.
        """
        del open_source, name, options
        return None

    def summary(self, open_source: Opener, name: str, columns: Sequence[Column]) -> Summary | None:
        """What a file that lakehouse wrote says of columns without their values being read; by default None.

        Args:
            open_source: Opens the bytes.
            name: The file as messages show it.
            columns: The declared ones.
        """
        del open_source, name, columns
        return None

    def find_lines(self, open_source: Opener, name: str, rows: Sequence[int], options: Options) -> Mapping[int, int]:
        """Find the lines on which rows begin, both counted from 1; by default none, as for bytes without lines.

        Args:
            open_source: Opens the bytes; may be called more than once.
            name: The file as messages show it.
            rows: Of the rows that `read` finds.
            options: Of the format, checked.
        """
        del open_source, name, rows, options
        return {}
