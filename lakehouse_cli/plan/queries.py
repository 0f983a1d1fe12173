"""Queries as computations: their tables and params found, bound to contracts, their fingerprint, their run.

A plan loads neither DuckDB nor a parser where it finds kept what these said of the same texts and contracts.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import xxhash
from msgspec import Struct, json
from msgspec.structs import replace

from lakehouse_cli.code.fingerprints import CodeFingerprint
from lakehouse_cli.code.fingerprints.packages import find_package
from lakehouse_cli.code.fingerprints.value import CURRENT_RULES, QUERY, RULES
from lakehouse_cli.errors import Location, Problem
from lakehouse_cli.model import Column, ProjectSpec, Table
from lakehouse_cli.model.computation import Fingerprint, Input, MatchedInputs
from lakehouse_cli.model.query import DUCKDB, OF_CONNECTION, OF_TEXTS, QueryProblem, QueryReading
from lakehouse_cli.plan.queries_in_databases import DatabaseEngine, read_by_tokens, unlisted, unlisted_hint
from lakehouse_cli.registry import Entry, install_command, load
from lakehouse_cli.runs.local_state import keep, kept, with_hash
from lakehouse_cli.storage_types.names import MANIFESTS_HINT, OWN, ascii_lower
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.sql import tokens
from lakehouse_cli.version import __version__

# Named, not imported: they load pyarrow and DuckDB, which a plan does not need.
_RUN = Entry("lakehouse_cli.transforms.queries.call:run_query")
_ANALYSIS = Entry("lakehouse_cli.transforms.queries.analysis:QueryAnalysis")
_IN_DATABASE = Entry("lakehouse_cli.storage.relational.duckdb_queries:judge_result")
_FOLDER, _FILE = "cache", "queries.json"
_FORMAT = 8
# Of DuckDB. Those before take -0.0 for 0.0 where they sort, and integers of more than 128 bits for floats.
_LEAST = 2
# Whose names may differ in case alone.
_DISTINGUISHES_CASE = "PostgreSQL"

#: Name and type of each column of a result, as far as they are known.
Shape = tuple[tuple[str, str], ...]


class _Kept(Struct):
    key: str
    readings: dict[str, QueryReading]
    shapes: dict[str, Shape]


class QueryCode:
    """The queries of one project, as far as they are known without data.

    Args:
        folder: The project's.

    Attributes:
        version: Of DuckDB; None where it is not installed.
        key: What all that is kept of queries belongs to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        found = find_package("duckdb", sys.path)
        self.version = None if found is None else found.version
        self.key = f"{_FORMAT} {__version__} {self.version} {sys.version_info[:2]}"
        read = kept(self._folder, _FOLDER, _FILE, _Kept)
        self._kept = read if read is not None and read.key == self.key else _Kept(self.key, {}, {})
        self._used = _Kept(self.key, {}, {})
        self._engine = ExitStack()
        self._analysis: Any = None

    def with_readings(self, spec: ProjectSpec) -> ProjectSpec:
        """The project with what is found in its queries."""
        dialects = {name: storage.type for name, storage in spec.storages.items()}
        self._read([table.query.bare for table in spec.tables.values() if table.query and not table.runs_in_storage])
        return replace(
            spec,
            tables={
                name: self.with_reading(table, dialects.get(table.storage, "")) for name, table in spec.tables.items()
            },
        )

    def with_reading(self, table: Table, storage_type: str = "") -> Table:
        """A table with what is found in its query, where it has one; the type of its storage may be its dialect."""
        if table.query is None:
            return table
        if table.runs_in_storage and (reading := read_by_tokens(table.query.bare, storage_type)) is not None:
            return replace(table, query=replace(table.query, reading=reading))
        if self.version is None:
            return table
        text = table.query.bare
        self._read([text])
        return replace(table, query=replace(table.query, reading=self._used.readings[_hash(text)]))

    def _read(self, texts: Iterable[str]) -> None:
        """Read queries, as far as that is not known; together, they take a fifth of the time."""
        readings = self._used.readings
        new: dict[str, str] = {}
        for text in texts:
            key = _hash(text)
            if key in readings:
                continue
            if (found := self._kept.readings.get(key)) is not None:
                readings[key] = found
            else:
                new[key] = text
        if new and self.version is not None:
            readings.update(zip(new, self._analyse().read([*new.values()]), strict=True))

    def bind(self, text: str, inputs: Mapping[str, Sequence[Column]], table: Table) -> Shape | list[QueryProblem]:
        """The columns of a query's result, or what is wrong with it or with the contract.

        Args:
            text: The query.
            inputs: The columns of each table, by its name in the query.
            table: With the contract and the params.
        """
        key = binding_key(text, inputs, table)
        found = self._used.shapes.get(key) or self._kept.shapes.get(key)
        if found is None:
            rules = load(_IN_DATABASE) if table.runs_in_storage else None
            bound = self._analyse().bind(text, inputs, table, rules)
            if isinstance(bound, list):
                return bound
            found = bound
        self._used.shapes[key] = found
        return found

    def _analyse(self) -> Any:
        if self._analysis is None:
            self._analysis = self._engine.enter_context(load(_ANALYSIS)())
        return self._analysis

    def close(self) -> None:
        """Let go of DuckDB."""
        self._engine.close()
        self._analysis = None

    def keep(self) -> None:
        """Keep what was found for the commands to come."""
        self._used.readings = {key: each for key, each in self._used.readings.items() if each.problem is None}
        if self._used != self._kept:
            keep(self._folder, _FOLDER, _FILE, with_hash(self._used))


def binding_key(text: str, inputs: Mapping[str, Sequence[Column]], table: Table) -> str:
    """What all that is found by binding a query belongs to; the arguments are those of `QueryCode.bind`."""
    shapes = {name: [(each.name, str(each.type)) for each in columns] for name, columns in inputs.items()}
    declared = [(each.name, str(each.type)) for each in table.columns or ()]
    params = [(name, str(value), type(value).__name__) for name, value in table.sample_params.items()]
    contract = (table.columns is None, declared, table.extra_columns, table.key, table.order_by, table.partitions)
    known = (text, shapes, contract, params, table.runs_in_storage)
    return _hash(json.encode(known).decode())


class QueryComputation(Struct, frozen=True):
    """A query as a computation.

    Attributes:
        table: The table that it computes, with its query.
        code: What is known of queries; only to match inputs and to take its fingerprint.
        workers: How many tables are computed at once, which share the cores and the memory; only to run it.
        now: When the run began; likewise.
        engine: What runs it, where that is a database; only to take its fingerprint.
        params: Names of the params of the project; only to match inputs.
    """

    table: Table
    code: QueryCode | None = None
    workers: int = 1
    now: datetime | None = None
    engine: DatabaseEngine | None = None
    params: Collection[str] = ()

    @property
    def name(self) -> str:
        """What messages call it."""
        return "the query"

    def inputs(self, tables: Collection[str]) -> MatchedInputs:
        """Match the tables that it reads to those there are."""
        assert self.code is not None  # noqa: S101  # set in every plan
        query = self.table.query
        assert query is not None  # noqa: S101  # what it is made of
        # A query that is asked of the stored tables computes no table.
        who = f"table `{self.table.name}` is computed by a query, which" if self.table.name else "a query"
        reading = query.reading
        if reading is not None and reading.dialect != DUCKDB:
            pass  # the database reads it
        elif self.code.version is None:
            message = f"{who} needs duckdb, and that is not installed"
            return MatchedInputs(None, [Problem(message, install_command("duckdb"), query.location)])
        elif int(self.code.version.partition(".")[0]) < _LEAST:
            message = f"{who} needs duckdb {_LEAST}.0 or later"
            hint = f"update it, {self.code.version} is installed: {install_command('duckdb')}"
            return MatchedInputs(None, [Problem(message, hint, query.location)])
        assert reading is not None  # noqa: S101  # set in every plan
        if reading.problem is not None:
            return MatchedInputs(None, [self._problem(reading.problem)])
        problems = [*self._param_problems(reading)]
        matched = _Matched(self.table, tables, problems).of(reading)
        if self.table.name and not self.table.runs_in_storage:  # of those more is refused
            problems += self._connection_problems(reading, matched, tables)
        return MatchedInputs(matched, problems)

    def _connection_problems(
        self, reading: QueryReading, inputs: Sequence[Input], tables: Collection[str]
    ) -> Iterator[Problem]:
        """What a table's query asks of the connection that runs it, whose settings are those of the machine."""
        asked = [each for each in reading.outside if re.match(OF_CONNECTION, each)]
        if asked:
            message = f"{self.table.computed_by} uses `{asked[0]}`, which reads DuckDB's own settings or catalog"
            yield Problem(message, "leave it out; give a value that it needs as one of `params:`", self._place())
        for each in reading.outside:
            if each in OF_TEXTS:
                message = f"{self.table.computed_by} uses `{each}`, and what is in its text is not known"
                yield Problem(message, f"write that text where `{each}` stands, in parentheses", self._place())
        missing = len(self.table.inputs or ()) > len(inputs)  # tables that there are not, as is said already
        for other in () if missing else unlisted(self.table, inputs):
            problem = QueryProblem(
                f"`{other.name}` is not among its inputs", unlisted_hint([other], tables), other.line, other.column
            )
            yield self._problem(problem)

    def _param_problems(self, reading: QueryReading) -> Iterator[Problem]:
        for name in reading.params:
            if name not in self.table.constants:
                hint = (
                    did_you_mean(name, [*self.table.params, *self.params]) or f"give its value: `params: {{{name}: …}}`"
                )
                yield Problem(
                    f"the query has a param `${name}`, and `params` has no value", hint, self._place("params")
                )
        for name in self.table.params:
            if name not in reading.params:
                hint = did_you_mean(name, reading.params) or f"write `${name}` in the query, or remove it"
                yield Problem(f"the query has no param `${name}`", hint, self._place(f"params.{name}", "params"))

    def _place(self, *keys: str) -> Location | None:
        return self.table.where(*keys, "sql", "sql_file")

    def _problem(self, problem: QueryProblem) -> Problem:
        assert self.table.query is not None  # noqa: S101  # what it is made of
        place = self.table.query.place(problem.line, problem.column)
        return Problem(f"{self.table.computed_by}: {problem.message}", problem.hint, place)

    def fingerprint(self) -> Fingerprint:
        """Fingerprint its tokens, and the engine by its version."""
        assert self.code is not None  # noqa: S101  # set in every plan
        assert self.table.query is not None  # noqa: S101  # what it is made of
        return query_fingerprint(self.table, self.code.version, self.engine)

    def run(self, inputs: Sequence[tuple[Input, Any]]) -> Any:
        """Run it on tables."""
        return load(_RUN)(self.table, inputs, self.workers, self.now)


def query_fingerprint(table: Table, version: str | None, engine: DatabaseEngine | None = None) -> CodeFingerprint:
    """The fingerprint of a table's query; case counts, as it does in texts and in the names of columns.

    Args:
        table: With its query.
        version: Of DuckDB.
        engine: What runs it, where that is a database.
    """
    assert table.query is not None  # noqa: S101  # what it is made of
    name, version = ("duckdb", version) if engine is None else (engine.type, engine.version)
    parts = {QUERY: _token_hash(table.query.bare), f"package {name}": str(version), RULES: CURRENT_RULES}
    return CodeFingerprint(_hash(json.encode(parts).decode()), parts)


@lru_cache(4096)
def _token_hash(text: str) -> str:
    return _hash("\n".join(tokens(text)))[:12]


class _Matched(Struct):
    """Matches the tables of a query to those of the project."""

    table: Table
    tables: Collection[str]
    problems: list[Problem]

    def of(self, reading: QueryReading) -> tuple[Input, ...]:
        inputs: dict[str, Input] = {}
        for each in self._named(reading):
            name = str(each.parameter)
            other = inputs.setdefault(name if reading.dialect == _DISTINGUISHES_CASE else ascii_lower(name), each)
            if other.table != each.table:
                names = f"`{other.parameter}` and `{each.parameter}`"
                message = f"{self.table.computed_by} reads {names}, which are one to {reading.dialect}"
                hint = "give one another name there, and list it under `inputs:` by that name"
                self.problems.append(Problem(message, hint, self.table.where("inputs", "sql", "sql_file")))
        return tuple(inputs.values())

    def _named(self, reading: QueryReading) -> Iterator[Input]:
        """The input of each name, as far as there is one."""
        declared = self.table.inputs
        if declared is not None:
            named = declared if isinstance(declared, Mapping) else {name: name for name in declared}
            for name, table in named.items():
                if self._known(table, f"inputs.{name}", "inputs"):
                    yield Input(table, name)
        elif reading.tables is None:
            why = reading.dialect if reading.dialect != DUCKDB else reading.sensitive[0]
            message = f"the tables of {self.table.computed_by} cannot be determined from its text ({why})"
            self.problems.append(Problem(message, "list them under `inputs:`", self.table.where("sql", "sql_file")))
        else:
            yield from (found for each in reading.tables if (found := self._input(each)) is not None)

    def _known(self, name: str, *keys: str) -> bool:
        if name in self.tables:
            return True
        hint = did_you_mean(name, self.tables) or "declare it under `tables:`"
        message = f"input `{name}` of table `{self.table.name}` is not a table"
        self.problems.append(Problem(message, hint, self.table.where(*keys)))
        return False

    def _input(self, mention: Any) -> Input | None:
        assert self.table.query is not None  # noqa: S101  # what it is made of
        name = mention.name
        if name in self.tables:
            return Input(name, name)
        close = [each for each in self.tables if each.lower() == name.lower()]
        if len(close) == 1:
            return Input(close[0], name)
        place = self.table.query.place(mention.line, mention.column)
        hint = did_you_mean(name, self.tables) or "declare it under `tables:`"
        if "." in name or "/" in name:
            alone = name.rpartition(".")[2]
            hint = "a query reads the project's tables and nothing else: declare a file as a source, and name that"
            if alone in self.tables:
                hint = f"name it without what stands before: `{alone}`"
        if ascii_lower(name) in OWN:
            hint = MANIFESTS_HINT
        if close:
            hint = f"name one under `inputs:`: {', '.join(f'`{each}`' for each in close)}"
        self.problems.append(Problem(f"{self.table.computed_by} reads `{name}`, which is not a table", hint, place))
        return None


def _hash(text: str) -> str:
    return xxhash.xxh3_128_hexdigest(text.encode())
