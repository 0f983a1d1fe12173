"""Tables: the nodes of one, its defaults beneath them, → `Table`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from collections.abc import Mapping as AnyMapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.config.brought_words import TABLE_WORDS
from lakehouse_cli.config.dimensions import split_inputs
from lakehouse_cli.config.keys import TABLE_KEYS
from lakehouse_cli.config.made_dimensions import placeholders_of
from lakehouse_cli.config.options import FILE_COLUMN, MANY_FILES, read_options
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import EMPTY, Reader, read_keys
from lakehouse_cli.config.scalars import loses_digits
from lakehouse_cli.config.value_types import NAME_RULE, is_parameter
from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar, Sequence
from lakehouse_cli.errors import Location
from lakehouse_cli.formats import FORMATS, SERIALIZERS
from lakehouse_cli.model import Column, Contract, FunctionRef, SqlQuery, StorageSpec, Table, Uses, parse_column_type
from lakehouse_cli.model.check import every_check
from lakehouse_cli.model.project import UNREAD_PATH
from lakehouse_cli.model.quarantine import puts_rows_aside

# Without these a table's part in the graph is unknown; what follows from them would be guesswork.
_VITAL = frozenset(("kind", "function", "sql", "sql_file", "inputs", "params"))
# What computes a table: one of these, or the function of its name.
_COMPUTES = ("function", "sql", "sql_file")
_MERGED = frozenset(("params", "meta", "uses"))
# What speaks of rows and columns.
_OF_TABLES = (
    "columns",
    "key",
    "order_by",
    "extra_columns",
    "checks",
    "quarantine",
    "sql",
    "sql_file",
    "engine",
    "reproducible",
)
# What a table has as it is written, and its own defaults where nothing is.
_AS_WRITTEN = frozenset(
    (
        *("output", "publish", "order_by", "reproducible", "partitions", "gone", "on_code_change", "params"),
        *("tags", "description", "owner", "meta", "version", "refresh", "retries", "retry_delay", "timeout"),
        *("resources", "quarantine"),
    )
)
_WITH_PARTS = frozenset(("inputs", "params", "key", "order_by", "uses", "partitions"))


class Draft(Struct):
    """The keys of one table, or of the defaults, each read by itself.

    Attributes:
        reader: Of the file it stands in.
        owner: What messages call it: "table `x`".
        location: Where its name stands.
        node: Its map.
        values: By key, those that could be read.
        places: Where keys, inputs and params stand.
        invalid: Keys that could not be read.
        private: The params in which variables are filled in, as they are written.
    """

    reader: Reader
    owner: str
    location: Location
    node: Mapping
    values: dict[str, Any]
    places: dict[str, Location]
    invalid: set[str]
    private: AnyMapping[str, Any] = {}

    @property
    def columns(self) -> dict[str, tuple[Scalar, Node]]:
        """The columns as they are written, right or wrong."""
        columns = self.node.get("columns")
        return columns.entries if isinstance(columns, Mapping) else {}


def _serializer(draft: Draft, values: AnyMapping[str, Any]) -> str:
    """The serializer of an asset that is no table; empty for a table.

    The format that a storage or the defaults have is that of tables, where it may be. One array of objects is a table
    as well as a JSON value: what is declared of its rows makes it a table, and so do a query and a file that is there
    already.
    """
    name = values.get("format")
    if name is None:
        return ""
    if name not in [*SERIALIZERS]:  # those of packages are asked for last, which takes long
        return str(name) if name not in FORMATS and name in SERIALIZERS else ""
    is_inherited = "format" not in draft.values
    is_table = is_inherited or values.get("kind") == "source" or any(key in values for key in _OF_TABLES)
    return "" if name in FORMATS and is_table else str(name)


def read_draft(reader: Reader, name: Scalar, node: Mapping, owner: str) -> Draft:
    """Read the keys of a table or of the defaults, each by itself."""
    values, invalid = read_keys(reader, node, TABLE_KEYS, owner, TABLE_WORDS)
    places: dict[str, Location] = {}
    for each, (key, value) in node.entries.items():
        if each in values or each in invalid:
            places[each] = reader.place(key, value)
        if each in values and each in _WITH_PARTS:
            places.update(_parts(reader, each, value))
    return Draft(reader, owner, reader.at(name), node, values, places, invalid)


def _parts(reader: Reader, name: str, node: Node) -> Iterator[tuple[str, Location]]:
    """Where the parts of a value stand, by dotted path: items of a list, entries of a map."""
    if isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield f"{name}.{index}", reader.at(item)
    elif isinstance(node, Mapping):
        for part, (key, value) in node.entries.items():
            of_key = name != "inputs" or isinstance(value, Mapping)
            yield f"{name}.{part}", reader.at(key if of_key else value)
            if name == "uses" or (name.startswith("inputs") and isinstance(value, Mapping)):
                yield from _parts(reader, f"{name}.{part}", value)
    else:
        yield f"{name}.0", reader.at(node)  # a single text in place of a list


def read_table(reader: Reader, name: Scalar, node: Node) -> Draft | None:
    """Read one table by itself; None after a problem that leaves it without shape."""
    table = name.text
    owner = f"table {quoted(table)}"
    named = table.isascii() and table.isidentifier()  # as `NAME_PATTERN` says
    if not named:
        fixed = re.sub("[^A-Za-z0-9_]+", "_", table).strip("_")
        fixed = f"t_{fixed}" if fixed[:1].isdigit() else fixed
        shown_name = quoted(table) if table else EMPTY
        hint = f"{NAME_RULE}: `{fixed}`" if fixed else NAME_RULE
        reader.report(name, f"{shown_name} is not a table's name", hint)
    if not isinstance(node, Mapping):
        if isinstance(node, Scalar) and node.is_null:
            hint = "write `{}` after its name for a computed table with nothing but defaults"
            reader.report(name, f"{owner} is empty", hint)
        else:
            reader.mismatch(node, owner, "a map of keys", "write its keys below it, indented: `columns: …`")
        return None
    draft = read_draft(reader, name, node, owner)
    return None if not named or draft.invalid & _VITAL else draft


def _entries(node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node, Mapping):
        yield from ((name, value) for name, (_, value) in node.entries.items())


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    for _, value in _entries(node):
        yield from _scalars(value)
    for item in node.items if isinstance(node, Sequence) else ():
        yield from _scalars(item)


class Resolution(Struct):
    """The tables of one environment: what was read of each, the defaults beneath, the storages at hand.

    Args:
        drafts: The tables by name.
        defaults: What holds where a table does not say otherwise.
        storages: Those of the environment.
        module: Dotted name of the project's module, if it names one.
        environment: Its name.
        base: The storages that stand at the top.

    Attributes:
        wants_module: The first computed table whose function needs the module, with the table's place.
    """

    drafts: AnyMapping[str, Draft]
    defaults: Draft | None
    storages: AnyMapping[str, StorageSpec]
    module: str | None
    environment: str
    base: AnyMapping[str, StorageSpec]
    wants_module: tuple[str, Location] | None = None

    def column_type(self, table: Table, column: str) -> Location | None:
        """The place of a column's type."""
        draft = self._draft_of_columns(table)
        key, value = draft.columns[column]
        return draft.reader.at((value.get("type") or key) if isinstance(value, Mapping) else value)

    def unread(self, table: Table) -> set[str]:
        """Parts that could not be read, by dotted path."""
        read = {column.name for column in table.columns or ()}
        written = self._draft_of_columns(table).columns
        return self.drafts[table.name].invalid | {f"columns.{name}" for name in written if name not in read}

    def _draft_of_columns(self, table: Table) -> Draft:
        own = self.drafts[table.name]
        return own if "columns" in own.values or self.defaults is None else self.defaults

    def table(self, name: str) -> Table:
        """One table, with what holds of it in the environment."""
        draft = self.drafts[name]
        own = draft.values
        defaults = self.defaults
        values = own
        places = draft.places
        if defaults is not None:
            values = {**defaults.values, **own}
            places = {**defaults.places, **places}
            for key in _MERGED & defaults.values.keys() & own.keys():
                values[key] = {**defaults.values[key], **own[key]}
        private = draft.private
        if defaults is not None and defaults.private:
            of_defaults = defaults.private.keys() - own.get("params", {}).keys()
            private = {**{each: defaults.private[each] for each in of_defaults}, **private}
        source = values.get("kind") == "source"
        if source:
            values = self._without_transform(draft, values)
        query = None if source else self._query(draft, values)
        storage_name = values.get("storage", "default")
        storage = self.storages.get(storage_name)
        serializer = _serializer(draft, values)
        wants_function = not source and query is None
        if serializer:
            values = self._without_table(draft, values)
            query = None
        options = dict(self._options(draft, values, storage)) if storage else {}
        file_column, columns = str(options.pop(FILE_COLUMN, "")), values.get("columns")
        if file_column and columns is not None:
            named = {name for each in columns for name in (each.name, each.source_name)}
            if file_column not in named:
                columns = (*columns, Column(file_column, parse_column_type("string"), nullable=False))
        inputs, input_options = split_inputs(values.get("inputs"))
        of_columns = [check for column in columns or () if column.checks for check in column.checks]
        table = Table(
            name=name,
            kind="source" if source else "computed",
            storage=storage_name,
            path=values.get("path", name),
            format=self._format(draft, values, storage),
            serializer=serializer,
            contract=Contract(
                columns,
                values.get("key", ()),
                values.get("extra_columns", "error"),
                every_check((*of_columns, *values.get("checks", ())), self.module),
            ),
            function=self._function(name, draft, values, places) if wants_function else None,
            query=query,
            inputs=inputs,
            input_options=input_options,
            private={each: private[each] for each in private if each in values.get("params", {})} if private else {},
            options=options,
            file_column=file_column,
            uses=Uses(**values["uses"]) if "uses" in values else None,
            location=draft.location,
            locations=places,
            **{key: values[key] for key in _AS_WRITTEN & values.keys()},
        )
        written = self._draft_of_columns(table)
        if len(written.columns) > len(columns or ()):  # some could not be read; that they are there, their places say
            read = {each.name for each in columns or ()}
            unread = {key.text: key for key, _ in written.columns.values() if key.text not in read}
            places = {**places, **{f"columns.{each}": written.reader.at(key) for each, key in unread.items()}}
            table = replace(table, locations=places)
        if "path" in draft.invalid:  # nor could what it says of partitions
            table = replace(table, locations={**table.locations, UNREAD_PATH: draft.location})
        if made := tuple(placeholders_of(table)):
            table = replace(table, partitions=made)
        # Defaults speak of all tables, and mean those that have checks.
        meant = table.quarantine is None or "quarantine" in own or puts_rows_aside(table)
        return table if meant else replace(table, quarantine=None)

    @staticmethod
    def _without_transform(draft: Draft, values: dict[str, Any]) -> dict[str, Any]:
        """Report the keys that speak of a transform which a source does not have; defaults are not meant for it."""
        for key in draft.places:
            if "." not in key and TABLE_KEYS[key].computed:
                message = f"`{key}` of {draft.owner} is for computed tables, and this is a source"
                draft.reader.problems.report(message, "remove it: a source has no transform", draft.places[key])
        return {key: value for key, value in values.items() if not TABLE_KEYS[key].computed}

    @staticmethod
    def _without_table(draft: Draft, values: dict[str, Any]) -> dict[str, Any]:
        """Report the keys that speak of rows and columns, which an asset that is no table has not."""
        for key in draft.places:
            if key in _OF_TABLES:
                what = f"stored as {values['format']}, which is no table"
                hint = "remove it, or choose a format of tables, such as `parquet`"
                draft.reader.problems.report(f"`{key}` of {draft.owner}, {what}", hint, draft.places[key])
        return {key: value for key, value in values.items() if key not in _OF_TABLES}

    def _query(self, draft: Draft, values: dict[str, Any]) -> SqlQuery | None:
        """The query that computes a table; None where a function does."""
        of = draft if self.defaults is None or any(key in draft.values for key in _COMPUTES) else self.defaults
        named = [key for key in _COMPUTES if key in of.values]
        if len(named) > 1:
            message = f"{of.owner} has both `{named[0]}` and `{named[1]}`"
            draft.reader.problems.report(message, "keep one of the two", of.places[named[1]])
        key = named[0] if named else "function"
        engine = values.get("engine", "duckdb")
        if key != "function":
            self._check_params(draft)
            if "output" in draft.values:
                message = f"`output` of {draft.owner} is for functions, and a query gives one result"
                draft.reader.problems.report(message, "remove it", draft.places["output"])
        if key == "sql":
            place, in_lines = of.reader.text_place(of.node.entries["sql"][1])
            return SqlQuery(of.values["sql"], engine=engine, in_lines=in_lines, location=place)
        if key == "sql_file":
            return SqlQuery("", of.values["sql_file"], engine, location=of.places["sql_file"])
        for each in ("engine", "reproducible"):
            if each in draft.values:
                message = f"`{each}` of {draft.owner} is for queries, and a function computes it"
                draft.reader.problems.report(message, "remove it, or add `sql:`", draft.places[each])
        return None

    def _check_params(self, draft: Draft) -> None:
        """Report params of a query that are decimals with more digits than are kept."""
        params: dict[str, tuple[Reader, Node]] = {}
        for each in (self.defaults, draft):
            if each is not None and "params" in each.values:
                params.update((name, (each.reader, value)) for name, value in _entries(each.node.entries["params"][1]))
        for name, (reader, value) in params.items():
            for number in _scalars(value):
                if number.plain and loses_digits(number.text):
                    message = f"param {quoted(name)} of {draft.owner} has more digits than a number keeps"
                    reader.report(number, message, "write it in quotes, and cast it to DECIMAL in the query")

    def _function(
        self, name: str, draft: Draft, values: dict[str, Any], places: dict[str, Location]
    ) -> FunctionRef | None:
        text: str | None = values.get("function")
        place = places.get("function", draft.location)
        if text is None and not is_parameter(name):
            hint = "name the function: `function: …`"
            draft.reader.problems.report(f"no function can be called `{name}`, as {draft.owner} is", hint, place)
            return None
        module, _, function = (text or name).rpartition(":")
        if not module:
            if self.wants_module is None:
                self.wants_module = (name, draft.location)
            if self.module is None:
                return None
        return FunctionRef(module or str(self.module), function, location=place)

    def options_place(self, table: Table, is_wrong: Callable[[AnyMapping[str, Any]], object]) -> Location | None:
        """The place of options that are wrong together: that of the environment's storage which makes them so."""
        storage, base = self.storages[table.storage], self.base.get(table.storage)
        if base is None or storage.format != base.format:
            return table.where("options")
        changed = {
            name
            for name, value in storage.options.items()
            if table.options.get(name) == value != base.options.get(name)
        }
        kept = {name: value for name, value in table.options.items() if name not in changed}
        before = {**{name: value for name, value in base.options.items() if name in changed}, **kept}
        return table.where("options") if not changed or is_wrong(before) else storage.location

    def overridden(self, name: str) -> str | None:
        """What to do where an environment's storage has no place for what a source says of its file."""
        return self._overridden(self.drafts[name])

    def _overridden(self, draft: Draft) -> str | None:
        values = {**(self.defaults.values if self.defaults is not None else {}), **draft.values}
        name = values.get("storage", "default")
        storage, base = self.storages.get(name), self.base.get(name)
        if draft.values.get("kind") != "source" or storage is None or base is None or storage == base:
            return None
        if name == "default":
            return "declare a storage for its file, such as `raw`, that no environment overrides"
        hint = f"take storage `{name}` out of environment `{self.environment}`"
        is_of_file = storage.format and base.format and "format" not in values
        return f"{hint}, or set `format: {base.format}` in the table" if is_of_file else hint

    def _format(self, draft: Draft, values: dict[str, Any], storage: StorageSpec | None) -> str:
        """The table's format, else the one of its storage; none where the storage's tables are no files."""
        if storage is None:
            return "csv"
        if storage.format:
            return str(values.get("format", storage.format))
        if "format" in draft.values:
            message = f"`format` of {draft.owner}: tables of storage `{storage.name}` are no files"
            hint = "remove it, or give the table a `storage:` of files: `{type: files, root: …}`"
            if _serializer(draft, values):
                message = (
                    f"storage `{storage.name}` holds tables alone, and {draft.owner} is stored as {values['format']}"
                )
                hint = "give it a `storage:` of files: a local folder or an object store"
                base = self.base.get(storage.name)
                if base is not None and base.format:
                    hint = f"declare a storage of files for it that environment `{self.environment}` does not override"
            draft.reader.problems.report(message, self._overridden(draft) or hint, draft.places["format"])
        return ""

    def _options(self, draft: Draft, values: dict[str, Any], storage: StorageSpec) -> AnyMapping[str, Any]:
        """The storage's options, over them the defaults', over them the table's; the storage's go with its format."""
        if not storage.format:
            if _serializer(draft, values):  # reported with its format
                return {}
            for key, _ in draft.values["options"].entries.values() if "options" in draft.values else ():
                message = f"unknown option {quoted(key.text)} in {draft.owner}"
                none = f"remove it: tables of storage `{storage.name}` have none"
                draft.reader.report(key, message, self._overridden(draft) or none)
            return {}
        format_name = values.get("format", storage.format)
        serializer = _serializer(draft, values)
        inherited = storage.options if format_name == storage.format and not serializer else {}
        layers = [each for each in (self.defaults, draft) if each is not None and "options" in each.values]
        if not layers:
            return inherited
        spec = SERIALIZERS.get(serializer) if serializer else FORMATS.get(format_name)
        if spec is None:
            return inherited
        options = dict(inherited)
        for each in layers:
            specs = [spec, MANY_FILES] if values.get("kind") == "source" and not serializer else [spec]
            options |= read_options(each.reader, each.values["options"], specs, each.owner, self._overridden(draft))
        return options
