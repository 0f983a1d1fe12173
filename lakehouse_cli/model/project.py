"""What a project declares, as frozen values: tables, columns, storages, and the project itself.

These are made by ``lakehouse_cli.config`` from the project file and only read afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse_cli.errors import Location
from lakehouse_cli.model.contract import Column, Contract, ExtraColumns
from lakehouse_cli.model.declaration import Declaration
from lakehouse_cli.model.dimension import Dimension, Every, InputOptions
from lakehouse_cli.model.partition import Partition, dimension_params
from lakehouse_cli.model.query import QueryReading, TextPlace

Kind = Literal["source", "computed"]
Publish = Literal["together", "each"]
#: The environment that is there without being declared: storages and execution as they stand at the top.
DEFAULT_ENVIRONMENT = "default"


#: What runs a query in the database in which its result is stored.
STORAGE_ENGINE = "storage"
#: Under which a table whose `path` could not be read, which was reported, has a place.
UNREAD_PATH = "path (unread)"
_Seconds = int | float  # a whole number comes back from JSON as it was
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class FunctionRef(Declaration, frozen=True):
    """The transform of a computed table: `name` in the module `module` (dotted)."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}:{self.name}"


class SqlQuery(Declaration, frozen=True):
    """The query that computes a table.

    Attributes:
        text: As it is written; of a file, empty until it is read.
        file: That under `sql_file`, below the project's folder; else what messages call the text; None in the table.
        engine: What runs it: ``duckdb``, or `STORAGE_ENGINE`.
        location: Where its text begins; of a file, where it is named.
        in_lines: Whether each line of the text is a line of the file that the text stands in, from `location` on.
        reading: What a parser found in it; None until it is read.
    """

    text: str
    file: str | None = None
    engine: str = "duckdb"
    in_lines: bool = False
    reading: QueryReading | None = None

    @property
    def bare(self) -> str:
        """The text up to the semicolon at its end, if it has one."""
        from lakehouse_cli.text.sql import without_semicolon  # not loaded where no table has a query

        return without_semicolon(self.text)

    def place(self, line: int | None, column: int | None = None) -> Location | None:
        """The place of a 1-based line and column of the text, as far as they can be given."""
        if self.file is None or line is None:
            return self.location and TextPlace(self.location, self.in_lines).at(self.text, line, column)
        source = (self.text.splitlines() or [""])[line - 1 : line]
        return Location(self.file, line, column, source=source[0] if source and column else None)


class StorageSpec(Declaration, frozen=True):
    """A named place where tables live.

    Attributes:
        name: What tables call it by.
        root: Where it is: an absolute local path or a URL, variables filled in; may hold a password.
        root_text: The root as the user wrote it, for messages and URIs.
        format: Of its tables where they name none; empty where they are no files.
        options: Of the format; validated against ``lakehouse_cli.formats``.
        type: What ``lakehouse_cli.storage_types`` calls it.
        connection: The storage's own options, such as an endpoint; may hold secrets.
        location: Where it is declared; None for the implied default.
        folder: The project's, where the class of a type of its own is found; None for a storage of no project.
        many_files: Whether files of some of its sources are looked for, as a pattern names them, or some of its tables
            are stored by partition.
        shared: Whether the workers of a cluster find the same there, though it is a path of this machine.
        template: Its keys as they are written, no variable filled in, for `config.templates`; None where it is not
            declared.
        is_known: Whether it is known what and where it is: not where keys are wrong, or a variable is not set.
    """

    name: str
    root: str
    root_text: str
    format: str = "csv"
    options: Mapping[str, Any] = field(default_factory=dict)
    type: str = "files"
    connection: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    many_files: bool = False
    shared: bool = False
    template: Any = None
    is_known: bool = True

    @property
    def as_written(self) -> StorageSpec:
        """The same without what variables stand for, as it may be sent to other machines."""
        return self if self.template is None else replace(self, root="", options={}, connection={}, folder=None)

    def __repr__(self) -> str:
        """Without what may be secret."""
        return f"StorageSpec({self.name!r}, {self.root_text!r}, type={self.type!r})"

    def shown(self, path: str) -> str:
        """A path under the root as messages show it: behind the root as the project file spells it."""
        root = self.root_text.rstrip("/")
        return f"{root}/{path}" if root not in ("", ".") else path


class SparkSpec(Declaration, frozen=True):
    """The session that transforms on Spark share in a run.

    Attributes:
        remote: URL of a server of Spark Connect, ``sc://…``; may hold secrets. None for Java's Spark on this machine.
        master: What Java's Spark runs on.
        config: Spark's own settings, by name; may hold secrets.
    """

    remote: str | None = None
    master: str = "local[*]"
    config: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Without what may be secret."""
        return f"SparkSpec({self.master!r})"


class UnsetValue(Struct, frozen=True):
    """Stands for the value of a param in a project that may lack variables.

    Attributes:
        variables: Those that it needs and that are not set.
        kind: The type that it has whatever they are set to; None where it may be any.
    """

    variables: tuple[str, ...]
    kind: Literal["text", "list", "map"] | None = None


class Param(Declaration, frozen=True):
    """A param of the project, in one environment.

    Attributes:
        value: As transforms get it.
        is_private: Whether it is never shown or kept: a variable is filled in there.
        loses_digits: Whether it holds a number with more digits than are kept, which a query would get wrong.
        template: As it is written, for `config.templates`.
    """

    value: Any = None
    is_private: bool = False
    loses_digits: bool = False
    template: Any = None

    def __repr__(self) -> str:
        """Without what may be secret."""
        return "Param(***)" if self.is_private else f"Param({self.value!r})"


class EnvironmentSpec(Declaration, frozen=True):
    """A named set of overrides, over what it overrides.

    Attributes:
        name: ``default`` is the base itself.
        description: For docs.
        storages: By name, all of them. Where the environment is not the chosen one, variables that are not set stand in
            them as they are written.
        written: Of each storage, its keys as they are written: variables not filled in, passwords hidden.
        execution: Its keys likewise.
        params: By name.
        written_params: As they are written; those that are named as secrets hidden.
        unset: Names of the variables it needs that are not set.
        location: Where it is declared; None for the base.
    """

    name: str
    description: str | None = None
    storages: Mapping[str, StorageSpec] = field(default_factory=dict)
    written: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    execution: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Param] = field(default_factory=dict)
    written_params: Mapping[str, Any] = field(default_factory=dict)
    unset: tuple[str, ...] = ()


class Uses(Struct, frozen=True):
    """What a transform uses beside its inputs, as declared.

    Attributes:
        files: Files, folders and patterns below the project's folder; None where the key is not written.
        env: Names of environment variables; None where the key is not written.
    """

    files: tuple[str, ...] | None = None
    env: tuple[str, ...] | None = None


class Asset(Declaration, frozen=True):
    """Something that is stored, and perhaps computed from others.

    Attributes:
        name: Its name in the project.
        kind: ``source`` (no computation) or ``computed``.
        storage: Name of its storage.
        path: Where in the storage, ``/``-separated, without extension.
        format: Its own, or its storage's; empty where the storage's tables are no files.
        serializer: Of an asset that is no table, what writes and reads it: its format. Empty for a table.
        function: The transform; None for a source, and where a query computes it.
        output: Which of several results of its function; empty where it has one.
        publish: Of several results, whether they are stored ``together`` or ``each`` by itself.
        query: The query that computes it, in the place of a function.
        order_by: Columns by which its rows are stored; none for the order in which they come.
        reproducible: Whether a query must give the same rows in the same order each time.
        inputs: As declared: a tuple matched to the parameters in order, a mapping parameter → table, or None
            for the parameters' names.
        params: Constants passed by keyword; once its computation is read, also those of the project that this takes.
        private: The params that are never shown or kept, as they are written: variables are filled in there.
        options: Of the format, already merged over the storage's where they have the same format.
        retries: Attempts beyond the first.
        retry_delay: Seconds before the first retry, doubled each time.
        timeout: Seconds, None for none.
        resources: What it asks of a worker of a cluster, beside a place: `memory` in bytes, of one attempt after the
            other, and amounts of whatever workers offer.
        version: Stands for the code where it is set.
        uses: Files and environment variables that its transform uses; None where nothing is said of them.
        refresh: ``always``, or the age at which it is out of date, such as ``6h``; None for no age.
        location: Where the table's name stands.
        locations: Where each of its keys stands, by dotted path (``"function"``, ``"inputs.0"``).
    """

    name: str
    kind: Kind = "computed"
    storage: str = "default"
    path: str = ""
    format: str = "csv"
    serializer: str = ""
    function: FunctionRef | None = None
    output: str = ""
    publish: Publish = "together"
    query: SqlQuery | None = None
    order_by: tuple[str, ...] = ()
    reproducible: bool = True
    inputs: tuple[str, ...] | Mapping[str, str] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    private: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    description: str | None = None
    owner: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None
    uses: Uses | None = None
    refresh: str | None = None
    retries: int = 0
    retry_delay: _Seconds = 1.0
    timeout: _Seconds | None = None
    resources: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    locations: Mapping[str, Location] = field(default_factory=dict)

    @property
    def refresh_age(self) -> timedelta | None:
        """The age at which it is out of date; None where age does not count."""
        if self.refresh is None:
            return None
        if self.refresh == "always":
            return timedelta(0)
        return timedelta(seconds=int(self.refresh[:-1]) * _UNITS[self.refresh[-1]])

    @property
    def transform(self) -> FunctionRef:
        """The function of a computed table.

        Raises:
            TypeError: The table is a source.
        """
        if self.function is None:
            raise TypeError(f"source `{self.name}` has no transform")
        return self.function

    @property
    def returns_table(self) -> bool:
        """Whether its function returns a table, of the type by which it is annotated."""
        return not self.serializer and not self.output

    @property
    def runs_in_storage(self) -> bool:
        """Whether its query runs in the database in which it is stored."""
        return self.query is not None and self.query.engine == STORAGE_ENGINE

    @property
    def computed_by(self) -> str:
        """What messages call its computation: the function, or the query."""
        if self.function is not None:
            return f"`{self.function.name}`"
        return f"the query of `{self.name}`" if self.name else "the query"

    def where(self, *keys: str) -> Location | None:
        """Where the first of `keys` that is written stands, else the table's own place."""
        return next((self.locations[key] for key in keys if key in self.locations), self.location)


class Table(Asset, frozen=True):
    """An asset with typed columns.

    Attributes:
        contract: What is promised of its data.
        quarantine: How many rows of its result, or what share, may be put aside for breaking checks; None for none.
        quarantine_of: The table whose rows are put aside here; empty for every other.
        file_column: Of a source of many files, the column that names the file of each row; empty for none.
        partitions: Dimensions by which it is computed and stored; none for a table that is computed whole.
        input_options: What a partition gets of its inputs, by parameter, where that is declared.
        gone: What becomes of a stored partition whose source is gone.
        on_code_change: Whether history is computed again when code, params or packages change.
        periods: Of a source, those of its dimensions that are of time, of whose periods its files must be.
        dimension_params: Dimensions that its computation takes as params, once it is read: periods, or None of texts.
        partition: The one partition that is meant in the place of the whole table; None for the table.
        selected: The partitions that are read in its place, in order; None for all.
        base_path: Of one partition, the path of its table; empty for a table.
    """

    contract: Contract = Contract()
    quarantine: str | None = None
    quarantine_of: str = ""
    file_column: str = ""
    partitions: tuple[str, ...] = ()
    input_options: Mapping[str, InputOptions] = field(default_factory=dict)
    gone: Literal["fail", "keep", "drop"] = "fail"
    on_code_change: Literal["all", "new"] = "all"
    periods: Mapping[str, Dimension] = field(default_factory=dict)
    dimension_params: Mapping[str, Every | None] = field(default_factory=dict)
    partition: Partition | None = None
    selected: tuple[Partition, ...] | None = None
    base_path: str = ""

    @property
    def is_partitioned(self) -> bool:
        """Whether it is stored by partition, or is one of these."""
        return bool(self.partitions) and self.kind == "computed"

    @property
    def is_many_units(self) -> bool:
        """Whether it is all or some of its partitions, and not one of them."""
        return self.partition is None and bool(self.partitions) and self.kind == "computed"

    @property
    def constants(self) -> frozenset[str]:
        """The names of all that its computation takes beside tables."""
        return frozenset((*self.params, *self.dimension_params))

    @property
    def sample_params(self) -> Mapping[str, Any]:
        """Its params, with values of its dimensions by which a query is typed: those of its partition, or of any."""
        return {**self.params, **dimension_params(self.dimension_params, self.partition)}

    @property
    def columns(self) -> tuple[Column, ...] | None:
        """The contract's."""
        return self.contract.columns

    @property
    def key(self) -> tuple[str, ...]:
        """The contract's."""
        return self.contract.key

    @property
    def extra_columns(self) -> ExtraColumns:
        """The contract's."""
        return self.contract.extra_columns

    @property
    def row_order(self) -> tuple[str, ...] | None:
        """Columns by which its rows are stored in order; None where they are stored as they come.

        Rows of a query without an order of its own are stored in that of the key, else of all columns.
        """
        reading = self.query.reading if self.query is not None else None
        if self.order_by or (reading is not None and self.reproducible and not reading.ordered):
            return self.order_by or self.key
        return None


class ProjectSpec(Declaration, frozen=True):
    """A whole project file, includes and defaults resolved.

    Attributes:
        name: The project's name.
        file: The project file, absolute.
        module: Dotted name of the module with the transforms, None where no table needs one.
        storages: By name; always holds ``default``.
        tables: By name, in the order of the file.
        dimensions: By name, in the order of the file.
        broken: Names of tables declared so badly that they are not in `tables`; not to be called unknown.
        executor: Name of the executor.
        workers: How many tables at once, None for the executor's own choice.
        memory: Bytes that all tables under way may take together, None for no limit.
        spark: The session of transforms on Spark.
        params: Of the environment, by name.
        given: Names of the params, of the project and of tables, whose values the command gave.
        executor_options: Of the executor, by name.
        together: Whether results are published once all of their run have passed.
        execution_location: Where ``execution`` stands.
        module_location: Where ``module`` stands.
        environment: The one that storages and execution are of.
        environments: All there are, by name; always holds ``default``.
    """

    name: str
    file: Path
    module: str | None = None
    description: str | None = None
    storages: Mapping[str, StorageSpec] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    dimensions: Mapping[str, Dimension] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    executor: str = "threads"
    workers: int | None = None
    memory: int | None = None
    spark: SparkSpec = SparkSpec()
    params: Mapping[str, Param] = field(default_factory=dict)
    given: frozenset[str] = frozenset()
    together: bool = False
    executor_options: Mapping[str, Any] = field(default_factory=dict)
    execution_location: Location | None = None
    module_location: Location | None = None
    environment: str = DEFAULT_ENVIRONMENT
    environments: Mapping[str, EnvironmentSpec] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder of the project file."""
        return self.file.parent
