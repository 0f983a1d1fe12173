"""Every key of the project file, once: how it is read, what it means, its default; for loader and JSON Schema."""

from __future__ import annotations

import keyword
from collections.abc import Mapping as AnyMapping
from importlib import import_module
from typing import Any

from msgspec import Struct

from lakehouse_cli.config.columns import Columns
from lakehouse_cli.config.dimensions import PARTITIONS, Inputs
from lakehouse_cli.config.paths import PATH_PATTERN, ROOT_PATTERN, path_problem
from lakehouse_cli.config.reading import JsonSchema, Key, Reader
from lakehouse_cli.config.uses import FILE_RULES, RefreshAge, UsesMap, file_problem
from lakehouse_cli.config.value_types import (
    NAME_PATTERN,
    CheckedText,
    Choice,
    Duration,
    Flag,
    FreeMap,
    Number,
    Section,
    TableName,
    Text,
    Texts,
)
from lakehouse_cli.config.yaml_tree import Node
from lakehouse_cli.formats import FORMATS, SERIALIZERS
from lakehouse_cli.storage_types import SCHEMES, STORAGE_TYPES

_IDENTIFIER = rf"(?!(?:{'|'.join(keyword.kwlist)})(?![A-Za-z0-9_]))[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*"
_DOTTED = rf"{_IDENTIFIER}(?:\.{_IDENTIFIER})*"
_NAME_TYPES = ("string", "boolean")

MEMORY_SIZE = r"\d+(?:\.\d+)? ?(?:B|kB|MB|GB|KiB|MiB|GiB)"
ENGINES = ("duckdb", "storage")
EXECUTORS = ("threads", "serial", "processes", "dask", "ray")


DESCRIPTION = Key(Text(), "What it is, for people.")
_STORAGE = Text("a storage's name", NAME_PATTERN, _NAME_TYPES, hint="name it as under `storages`")
_TABLE = TableName("a table's name", NAME_PATTERN, _NAME_TYPES, hint="name it as under `tables`")
_FUNCTION = Text(
    "a function's name, or `package.module:name`",
    rf"(?:{_DOTTED}:)?{_IDENTIFIER}",
    _NAME_TYPES,
    hint="name a function of `module`, or one elsewhere as `package.module:name`",
    names=True,
)

_OPTIONS = Section("a map of the format's options", "options")


class _LoadedWhenWritten(Struct, frozen=True):
    """The value of a key that few tables have; the class that reads it is loaded where it is written.

    Attributes:
        module: Within `config`.
        name: Of the class.
    """

    module: str
    name: str

    def _type(self) -> Any:
        return getattr(import_module(f"lakehouse_cli.config.{self.module}"), self.name)()

    def read(self, reader: Reader, node: Node, what: str) -> Any:
        """The value."""
        return self._type().read(reader, node, what)

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        schema: JsonSchema = self._type().schema()
        return schema


_KINDS = {
    **dict.fromkeys(
        (
            *("incremental", "incremental_by_time_range", "incremental_by_partition", "incremental_by_unique_key"),
            *("append", "merge", "upsert", "scd_type_2", "scd_type_2_by_time", "scd_type_2_by_column", "snapshot"),
        ),
        "remove it, and write `partitions: [day]`, or `[file]` where its source is files",
    ),
    **dict.fromkeys(
        ("table", "view", "model", "full", "ephemeral", "embedded", "materialized_view"),
        "remove it: a table is `computed` where it says nothing",
    ),
    **dict.fromkeys(("seed", "external"), "write `source`"),
}
# Types of storages that people take for formats, and the end of a root of each.
_PLACES = {"delta": "", "duckdb": ".duckdb", "sqlite": ".sqlite"}
_STORAGES_FOR_FORMATS = {
    name: f"write `storage: lake` in its place, and under `storages:` `lake: {{type: {name}, root: lake{end}}}`"
    for name, end in _PLACES.items()
}
TABLE_KEYS: AnyMapping[str, Key] = {
    "kind": Key(
        Choice(("source", "computed"), (), _KINDS),
        "`source` for a table that is there already, `computed` for one that a transform makes.",
        "computed",
    ),
    "storage": Key(_STORAGE, "The storage it lives in, one of `storages`.", "default"),
    "path": Key(
        CheckedText("a path", check=path_problem, rules=PATH_PATTERN),
        "Where in the storage, without extension; may have folders. Default: the table's name.",
        examples=("raw/weather",),
    ),
    "format": Key(
        Choice(tuple(dict.fromkeys((*FORMATS, *SERIALIZERS))), ("formats", "serializers"), _STORAGES_FOR_FORMATS),
        "The format it is stored in. Default: its storage's. Assets that are not tables have one of their own, such as"
        " `pickle`, and no columns; `json` without columns is any JSON value.",
    ),
    "columns": Key(Columns(), "Its columns, in order: name to type. Default: all columns as they come."),
    "function": Key(
        _FUNCTION,
        "The transform: a name in `module`, or `package.module:name`. Default: the table's name.",
        examples=("hottest_dates", "reports.daily:summary"),
        computed=True,
    ),
    "output": Key(
        Text("the name of a result", NAME_PATTERN, _NAME_TYPES, hint="name it as the function returns it"),
        "Which of the results of a function that gives several: a key of the dict, a field of the NamedTuple, or a name"
        " for the next of a tuple, in the order of the tables.",
        examples=("train",),
        computed=True,
    ),
    "publish": Key(
        Choice(("together", "each")),
        "Of a function with several results: whether none is stored where one breaks its contract; `each` where every"
        " one of its tables says so.",
        "together",
        computed=True,
    ),
    "sql": Key(
        Text("a query"),
        "The query that computes the table, in the place of a function.",
        examples=("select station, max(tmpf) as high from observations group by station",),
        computed=True,
    ),
    "sql_file": Key(
        CheckedText("the path of a file", check=file_problem, rules=FILE_RULES),
        "The file with the query, relative to the project's folder.",
        examples=("sql/top.sql",),
        computed=True,
    ),
    "engine": Key(
        Choice(ENGINES),
        "What runs the query: DuckDB in the process of the run, or the database in which inputs and result are stored.",
        "duckdb",
        computed=True,
    ),
    "inputs": Key(
        Inputs(_TABLE, "a list of tables, or a map of parameters to tables"),
        "A list of tables, matched to the parameters in order, or a map of parameter to table, or to a map of `table`"
        " and what a partition gets of it. Default: the tables that the parameters are named after.",
        computed=True,
    ),
    "params": Key(
        FreeMap(parameters=True),
        "Constants passed to the transform by keyword, over those of the project.",
        {},
        computed=True,
    ),
    "partitions": Key(
        PARTITIONS,
        "The dimensions by which it is computed and stored, each partition by itself; `file`: each file of its source."
        " Of a source that is a folder, those that its `name=value` folders are.",
        examples=(["month"], ["region", "month"], "file"),
    ),
    "gone": Key(
        Choice(("fail", "keep", "drop")),
        "What becomes of a stored partition whose source is gone.",
        "fail",
        computed=True,
    ),
    "on_code_change": Key(
        Choice(("all", "new")),
        "Whether stored partitions are computed again when code, params or packages change, or new ones alone.",
        "all",
        computed=True,
    ),
    "extra_columns": Key(
        Choice(("error", "drop", "keep")),
        "What becomes of columns that a transform returns and `columns` does not name.",
        "error",
        computed=True,
    ),
    "options": Key(_OPTIONS, "Options of the format, over the storage's.", {}),
    "tags": Key(Texts(Text()), "For selection and docs.", [], examples=(["weather"],)),
    "description": DESCRIPTION,
    "owner": Key(Text(), "Who looks after it."),
    "meta": Key(FreeMap(), "Anything else worth keeping with it.", {}),
    "version": Key(
        Text(),
        "Stands for the code: while it is set, edits to the code alone do not re-run the table.",
        examples=("1.10",),
        computed=True,
    ),
    "uses": Key(
        UsesMap(),
        "Files and environment variables that the transform uses beside its inputs; a change of one re-runs the table.",
        examples=({"files": ["lookups/*.json"], "env": ["MARKET"]},),
        computed=True,
    ),
    "refresh": Key(
        RefreshAge(),
        "`always`, or the age at which the table is out of date.",
        examples=("6h", "always"),
        computed=True,
    ),
    "order_by": Key(
        Texts(Text("a column's name"), single=True, unique=True, minimum=1),
        "The columns by which its rows are stored in order. Default: as they come; of a query without ORDER BY,"
        " the key, else all columns.",
        examples=("day", ["station", "valid"]),
        computed=True,
    ),
    "reproducible": Key(
        Flag(),
        "Whether the query must give the same rows in the same order each time; `false` takes them as they come.",
        True,
        computed=True,
    ),
    "key": Key(
        Texts(Text("a column's name"), single=True, unique=True, minimum=1),
        "The column or columns that identify a row: not null, and unique together.",
        examples=("id", ["station", "valid"]),
    ),
    "retries": Key(Number(whole=True, minimum=0), "Attempts beyond the first.", 0, computed=True),
    "retry_delay": Key(Duration(minimum=0), "Seconds before the first retry, doubled each time.", 1, computed=True),
    "timeout": Key(
        Duration(minimum=0, above=True),
        "Seconds it may take. Default: no limit.",
        examples=(90, "5m"),
        computed=True,
    ),
    "resources": Key(
        _LoadedWhenWritten("cluster_options", "Resources"),
        "What it asks of a worker of a cluster: `memory`, of which a list is one size for each attempt, and amounts of"
        " what workers offer.",
        examples=({"memory": "4GiB", "gpus": 1}, {"memory": ["4GiB", "8GiB"]}),
        computed=True,
    ),
    "checks": Key(
        _LoadedWhenWritten("checks", "TableChecks"),
        "What the data must satisfy beyond types; checks of single columns stand in the columns.",
        examples=([{"unique": ["station", "day"]}, {"row_count": {"min": 1}}],),
    ),
    "quarantine": Key(
        _LoadedWhenWritten("quarantine", "Quarantine"),
        "Publish the rows that keep its checks, and store the others, with the checks they broke, as"
        " `NAME__quarantine`.",
        examples=({"max": "1%"}, True),
        computed=True,
    ),
    "tests": Key(
        _LoadedWhenWritten("transform_tests", "Tests"),
        "Tests of its transform, on rows that they give; `lakehouse test` runs them.",
        computed=True,
    ),
}

STORAGE_KEYS: AnyMapping[str, Key] = {
    "type": Key(
        Text("a type of storage"),
        f"What it is: {', '.join(STORAGE_TYPES)}. Default: by its root.",
        examples=tuple(STORAGE_TYPES),
    ),
    "root": Key(
        CheckedText("a folder", rules=ROOT_PATTERN, hint="name a folder, or a URL"),
        "The folder its tables live in, relative to the project file or absolute, or a URL.",
        examples=("data", "${HOME}/lake", *(f"{scheme}://…" for scheme in SCHEMES)),
    ),
    "format": Key(
        Choice(
            tuple(FORMATS), ("formats",), {name: f"write `type: {name}` in the place of `format`" for name in _PLACES}
        ),
        "The format of its tables, where they are files.",
        "csv",
    ),
    "options": Key(_OPTIONS, "Options of the format, and of the storage itself.", {}),
    "shared": Key(
        Flag(), "Whether the workers of a cluster see the same at its root, a path, as this machine.", default=False
    ),
}

SPARK_KEYS: AnyMapping[str, Key] = {
    "remote": Key(
        Text("the URL of a server of Spark Connect"),
        "A server of Spark Connect; in the place of `master`.",
        examples=("sc://localhost:15002",),
    ),
    "master": Key(Text("what Spark runs on"), "What Java's Spark runs on, begun for the run.", "local[*]"),
    "config": Key(FreeMap(item=Text()), "Spark's own settings.", {}, examples=({"spark.driver.memory": "4g"},)),
}
_SPARK = Section("a map with `remote` or `master`, and `config`", "spark")

#: Settings of Spark that are lakehouse's own, each with what to do.
SPARK_OWN = {
    "spark.sql.session.timeZone": "remove it: it is UTC in every run, so that no instant is shifted",
    "spark.master": "write `master:` beside `config:`",
    "spark.remote": "write `remote:` beside `config:`",
}
#: How the URL of a server of Spark Connect begins.
SPARK_REMOTE = "^sc://[^/]"

EXECUTION_KEYS: AnyMapping[str, Key] = {
    "executor": Key(Choice(EXECUTORS, ("executors",)), "Where transforms are computed.", "threads"),
    "workers": Key(Number(whole=True, minimum=1), "How many tables are computed at once."),
    "memory": Key(
        Text(
            "a size such as `4GiB` or `800 MB`", MEMORY_SIZE, hint="write a number and B, kB, MB, GB, KiB, MiB or GiB"
        ),
        "What all tables under way may take together; none: no limit.",
        examples=("4GiB", "800 MB"),
    ),
    "publish": Key(
        Choice(("each", "together")),
        "`each`: a result is published once it has passed; `together`: once all of its run have.",
        "each",
    ),
    "options": Key(
        FreeMap(), "Options of the executor.", {}, examples=({"address": "tcp://10.0.0.5:8786", "reconnect": "60s"},)
    ),
    "spark": Key(_SPARK, "The session that all transforms on Spark share in a run."),
}

_STORAGES = Section("a map of names to storages", "storages")
_OF_EXECUTION = "a map with `executor`, `workers`, `memory`, `publish`, `spark` and `options`"

ENVIRONMENT_KEYS: AnyMapping[str, Key] = {
    "description": DESCRIPTION,
    "storages": Key(Section("a map of names to storages", "overrides"), "Storages by name, each over that at the top."),
    "execution": Key(Section(_OF_EXECUTION, "executionOverride"), "Over that at the top."),
    "params": Key(FreeMap(parameters=True), "Params by name, each over that at the top."),
}

_PROJECT_NAME = Text("one line of text", r"(?=.*\S)[^\x00-\x1f\x7f-\x9f\u2028\u2029]+", hint="name the project")
_MODULE = Text(
    "a module's name such as `transforms` or `package.module`",
    _DOTTED,
    _NAME_TYPES,
    hint="write it as in an `import`, without `.py`",
    names=True,
)
PATTERNS = Texts(Text("a file pattern"))
ASSETS = Text(
    "a module's name, or `module:name`",
    rf"{_DOTTED}(?::{_IDENTIFIER})?",
    _NAME_TYPES,
    hint="name the module as in an `import`, and its `Lakehouse` where it has several",
    names=True,
)

#: Keys of the project file, in the order in which they are usually written.
PROJECT_KEYS: AnyMapping[str, Key] = {
    "name": Key(_PROJECT_NAME, "The project's name."),
    "description": DESCRIPTION,
    "module": Key(
        _MODULE,
        "Python module with the transform functions, beside this file or installed.",
        examples=("transforms",),
    ),
    "storages": Key(
        _STORAGES,
        "Where tables live, by name; `default` is that of a table that names none.",
        examples=({"default": {"root": "data", "format": "csv"}},),
    ),
    "params": Key(
        FreeMap(parameters=True),
        "Constants for every transform that has a parameter, or a query that has a `$name`, of the name.",
        examples=({"month": "2025-10", "token": "${TOKEN}"},),
    ),
    "environments": Key(
        Section("a map of names to environments", "environments"),
        "Named sets of overrides: what one does not name stays as it is above.",
        examples=({"prod": {"storages": {"default": {"root": "${LAKE}/prod"}}}},),
    ),
    "defaults": Key(Section("a map of table keys", "defaults"), "Any table key, for all tables that do not set it."),
    "execution": Key(Section(_OF_EXECUTION, "execution"), "Where and how transforms are computed."),
    "include": Key(
        PATTERNS, "Patterns of files with more `tables`, relative to this file.", examples=(["tables/*.yaml"],)
    ),
    "dimensions": Key(
        Section("a map of names to dimensions", "dimensions"),
        "What tables are divided by: periods of time, or values. Placeholders in the paths of sources make them too.",
        examples=({"month": {"every": "month", "start": "2024-01"}, "region": ["eu", "us"]},),
    ),
    "tables": Key(Section("a map of names to tables", "tables"), "The tables, by name."),
    "types": Key(
        Section("a map of names to types", "types"),
        "Named column types: a type, with checks and options, for columns to name.",
        examples=({"station_id": {"type": "string", "matches": "[A-Z]{3}"}},),
    ),
    "assets": Key(
        ASSETS,
        "The Python module whose `Lakehouse` declares more tables, and perhaps storages; loading the project runs it.",
        examples=("tables:lakehouse",),
    ),
}
INCLUDED_KEYS = ("include", "tables")
