"""What is found in a query before there are data."""

from __future__ import annotations

from msgspec import Struct

from lakehouse_cli.errors import Location

#: Matches, of what a query reads beyond tables, what shows the settings and the catalog of a connection: SHOW, its
#: own tables where there is no tree, and functions.
OF_CONNECTION = (
    r"\w+$|(current_(setting|connection_id|query|query_id|transaction_id)|getvariable|stats|vector_type"
    r"|duckdb_\w+|pragma_\w+|pg_get_\w+|which_secret|(force_)?checkpoint|(en|dis)able_\w+|truncate_duckdb_logs"
    r"|\w+_external_resource(_type)?)\(\)$"
)
#: Functions that run a text, of which nothing is known before.
OF_TEXTS = ("query()", "json_execute_serialized_sql()")

DUCKDB = "DuckDB"


class TextPlace(Struct, frozen=True):
    """Where a text in SQL stands.

    Attributes:
        location: Where it begins.
        in_lines: Whether each line of the text is a line of the file, from there on.
    """

    location: Location
    in_lines: bool = False

    def at(self, text: str, line: int | None, column: int | None = None) -> Location:
        """The place of a 1-based line and column of the text, as far as they can be given."""
        if line is None or not self.in_lines:
            return self.location
        source = (text.splitlines() or [""])[line - 1 : line]
        indent, first = (self.location.column or 1) - 1, self.location.line or 1
        shown = self.location.source if line == 1 else " " * indent + source[0] if source else None
        return Location(self.location.file, first + line - 1, indent + (column or 1), source=shown)


class QueryProblem(Struct, frozen=True):
    """Something wrong with a query.

    Attributes:
        message: One sentence.
        hint: What to do.
        line: 1-based, of the query's text; None where it is not known.
        column: 1-based.
        location: Where it is, of something beside the query.
    """

    message: str
    hint: str | None = None
    line: int | None = None
    column: int | None = None
    location: Location | None = None


class Mention(Struct, frozen=True):
    """A table that a query reads.

    Attributes:
        name: As the query has it.
        line: 1-based, of the first place.
        column: 1-based.
    """

    name: str
    line: int
    column: int


class QueryReading(Struct, frozen=True):
    """What a parser found in a query.

    Attributes:
        tables: What it reads, each spelling once; None where the parser cannot give its tree.
        params: Names of its parameters.
        ordered: Whether it has an ORDER BY of its own.
        sensitive: What in it depends on the order in which rows come, or on the number of threads.
        random: What in it gives something else each time.
        problem: What is wrong with it.
        dialect: Of whose SQL it is: `DUCKDB`, or the name of a database whose SQL nothing here parses.
        outside: What in it reaches beyond the tables that it names.
    """

    tables: tuple[Mention, ...] | None = None
    params: tuple[str, ...] = ()
    ordered: bool = False
    sensitive: tuple[str, ...] = ()
    random: tuple[str, ...] = ()
    problem: QueryProblem | None = None
    dialect: str = DUCKDB
    outside: tuple[str, ...] = ()
