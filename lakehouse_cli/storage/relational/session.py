"""One transaction in a database, as a relational storage needs it: the seam behind which databases differ."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import xxhash
from msgspec import Struct

from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.storage.formatted import parse_manifest

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.arrow.conversion.refusal import InexactError
    from lakehouse_cli.model import ColumnType


class Relation(NamedTuple):
    """A table or view by its name; `schema` is empty in databases that have none."""

    schema: str
    name: str

    @property
    def quoted(self) -> str:
        """As SQL."""
        return f"{quote(self.schema)}.{quote(self.name)}" if self.schema else quote(self.name)


class Found(Struct, frozen=True):
    """What the catalog tells of a relation.

    Attributes:
        kind: ``table`` for one that can be replaced; else what it is, for messages.
        columns: Name and SQL type of each column, in order.
        bytes: Size on disk, as far as the database tells; else 0.
    """

    kind: Literal["table", "view", "materialized view", "foreign table", "partitioned table", "virtual table"]
    columns: tuple[tuple[str, str], ...]
    bytes: int = 0

    @property
    def signature(self) -> str:
        """Names and types of the columns, as text."""
        return json.dumps(self.columns)


class Kept(Struct, frozen=True):
    """A manifest as it is stored.

    Attributes:
        text: The manifest.
        stamp: By which the database tells that nobody touched the table since; empty where it cannot.
        signature: `Found.signature` of the table as it was published.
    """

    text: str
    stamp: str
    signature: str


class Digest(Struct, frozen=True):
    """The content of a relation.

    Attributes:
        hash: Hexadecimal; the same for the same rows, column names and types.
        rows: How many.
        bytes: Size of what was hashed.
    """

    hash: str
    rows: int
    bytes: int

    @classmethod
    def of_sums(cls, signature: str, rows: int, low: object, high: object, size: int | None) -> Digest:
        """Of rows that a database hashed and added up, so that their order does not count.

        Args:
            signature: `Found.signature`.
            rows: How many there are.
            low: The sum of one half of the hashes; None where there are no rows.
            high: Of the other half.
            size: Bytes of their texts; None where there are no rows.
        """
        content = f"{signature}\n{rows}\n{low}\n{high}"
        return cls(xxhash.xxh3_128_hexdigest(content.encode()), int(rows), int(size or 0))


class InTheWayError(Exception):
    """A table cannot be replaced, for a reason that is not the driver's.

    Attributes:
        message: Why, as what follows a colon.
        hint: What to do about it; with ``{table}`` where the table is to be named as the project calls it.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Refused(Struct, frozen=True):
    """A column that cannot be had exactly, whatever it is declared as.

    Attributes:
        refusal: Why.
        column: As it came, or as texts of what is refused, for the examples.
    """

    refusal: InexactError
    column: pa.ChunkedArray


#: Raw columns of a read, by name: Arrow's, or values of Python where the database has no types of columns.
Raw = Mapping[str, "pa.ChunkedArray | Sequence[Any] | Refused"]


class Session(ABC):
    """A transaction: what is done in it is seen by others all at once when it ends, or never.

    Whatever goes wrong is raised as the driver's own exception, which the storage puts into words.
    """

    @abstractmethod
    def find(self, wanted: Collection[Relation]) -> Mapping[Relation, Found]:
        """Those of the wanted relations that are there."""

    @abstractmethod
    def kept(self) -> Mapping[Relation, Kept]:
        """All manifests; empty where nothing was ever published."""

    @abstractmethod
    def kept_of(self, relation: Relation) -> Kept | None:
        """The manifest of one relation."""

    @abstractmethod
    def untouched(self, kept: Mapping[Relation, Kept]) -> Collection[Relation]:
        """Those of some published tables, which are all there, whose rows surely are those that were published."""

    def hold(self, relation: Relation) -> None:
        """Keep a relation from being replaced until the transaction ends, where that is not so by itself."""
        del relation

    @abstractmethod
    def digest(self, relation: Relation, found: Found) -> Digest:
        """Hash what is in a relation, wherever that is fastest; the order of columns counts."""

    @abstractmethod
    def count(self, relation: Relation) -> int:
        """How many rows are in a relation."""

    @abstractmethod
    def read(self, relation: Relation, found: Found, names: Sequence[str]) -> Raw:
        """Some columns of a relation, as exactly as the driver can give them."""

    @abstractmethod
    def lock(self, relation: Relation) -> None:
        """Keep other writers of this relation out until the transaction ends; waits for one that is at it."""

    @abstractmethod
    def write(self, relation: Relation, data: pa.Table, types: Mapping[str, ColumnType]) -> Relation:
        """Store rows in a new table; returns what it is called until it is put in place.

        Args:
            relation: What it will be in the end.
            data: Of the types that the storage's `prepared` makes.
            types: Declared type of each column.
        """

    @abstractmethod
    def put_in_place(self, aside: Relation, relation: Relation, digest: Digest, *, forced: bool) -> None:
        """Let a new table take the place of what is there.

        Args:
            aside: As `write` called it.
            relation: What it will be.
            digest: Of its rows.
            forced: Whether the user asked to replace whatever is there.

        Raises:
            InTheWayError: What hangs on the old table does not let it.
        """

    @abstractmethod
    def keep(self, relation: Relation, text: str, signature: str) -> None:
        """Store the manifest of a table that was published in this transaction."""

    @abstractmethod
    def drop(self, relation: Relation, *, table: bool) -> None:
        """Remove a manifest, and the table where that is asked for."""


def parsed(text: str, name: str) -> Manifest:
    """The manifest of a table called `name`.

    Raises:
        NewerVersionError: A newer version of the tool wrote it.
        StorageError: It is none.
    """
    return parse_manifest(text.encode(), f"the manifest of `{name}`")


def make_again(execute: Callable[[str], Any], hung: Iterable[tuple[str, str, str]]) -> None:
    """Make what went with a table that was dropped, on the one that took its place.

    Args:
        execute: Runs a statement.
        hung: Of each, what it is, its name, and the statement that made it.

    Raises:
        InTheWayError: One does not fit the new table.
    """
    for what, name, statement in hung:
        try:
            execute(statement)
        except Exception as error:
            raise InTheWayError(
                f"{what} `{name}` of the old table does not fit the new one: {str(error).splitlines()[0]}",
                f"drop the {what}, run again, and make it anew",
            ) from error


def quote(name: str) -> str:
    """A name as SQL.

    >>> print(quote('say "x" now'))
    "say ""x"" now"
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL, for databases in which a backslash is a backslash.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """Texts as a list in SQL; of one null where there are none, as SQL knows no empty list."""
    return f"({', '.join(map(literal, texts)) or 'NULL'})"
