"""Python functions as computations: their parameters matched to tables, their fingerprint, their call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from lakehouse_cli.code.module_search import find_module
from lakehouse_cli.code.source import FunctionSource, Parameter, SourceError, SourceReader
from lakehouse_cli.errors import Location, Problem
from lakehouse_cli.formats.objects.spec import PATHS
from lakehouse_cli.model import FunctionRef, ProjectSpec, Table, polars_types, spark_types
from lakehouse_cli.model.computation import Fingerprint, Input, MatchedInputs
from lakehouse_cli.model.frame_names import IBIS, LAZY, OPTIONAL, POLARS, RELATION, SPARK, UnsupportedType, unsupported
from lakehouse_cli.registry import Entry, install_command, installed, load
from lakehouse_cli.storage_types.duckdb import same_to_duckdb, unread
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.counts import count_text, plural

# Named, not imported: it loads pandas, which a plan does not need.
_RUN = Entry("lakehouse_cli.transforms.functions:call_function")
#: By frame type, what holds not all column types: its name, what it does not hold, and how that is said.
_TYPES_HELD = {
    SPARK: ("Spark", spark_types.not_in_spark, spark_types.refusal),
    POLARS: ("polars", polars_types.not_in_polars, polars_types.refusal),
    LAZY: ("polars", polars_types.not_in_polars, polars_types.refusal),
}
_IN_DUCKDB = (RELATION, IBIS)


class FunctionCode(Struct):
    """The code of a project's functions, read and never run.

    Attributes:
        spec: The project.
        source: Reads its modules.
        fingerprint: Fingerprints a function.
    """

    spec: ProjectSpec
    source: SourceReader
    fingerprint: Callable[[FunctionRef], Fingerprint]
    _broken: set[str] = field(default_factory=set)

    def find(self, ref: FunctionRef, table: Table) -> FunctionSource | Problem | None:
        """The source of a table's transform, or why there is none; a module's own trouble once, then None."""
        if ref.module in self._broken:
            return None
        where = ref.location or table.location
        try:
            module = self.source.module(ref.module)
        except SourceError as error:
            self._broken.add(ref.module)
            of_project = ref.module == self.spec.module
            place = error.location or (self.spec.module_location if of_project else where)
            return Problem(str(error), error.hint, place)
        function = module.functions.get(ref.name)
        if function is None:
            hint = did_you_mean(ref.name, module.functions)
            if hint is None:
                hint = f"define `def {ref.name}(…)` in {module.shown}, or name another with `function:`"
            elif hint.count("`") == 2:
                place = module.functions[hint.split("`")[1]].location
                hint = f"{hint.removesuffix('?')} ({place.file}:{place.line})?"
            return Problem(f"function `{ref.name}` is not in {module.shown}", hint, where)
        if function.is_async:
            hint = "write it with plain `def`: a transform does no waiting of its own"
            return Problem(f"function `{ref.name}` is `async`", hint, function.location)
        return function


class PythonFunction(Struct, frozen=True):
    """A Python function as a computation.

    Attributes:
        ref: The function.
        table: The table that it computes.
        code: Reads it; only to match inputs and to take its fingerprint.
        folder: The project's, absolute and with links resolved; only to run it.
        uses_duckdb: Whether it reaches that package; likewise.
        workers: How many tables are computed at once; likewise.
    """

    ref: FunctionRef
    table: Table
    code: FunctionCode | None = None
    folder: Path = Path()
    uses_duckdb: bool = False
    workers: int = 1

    @property
    def name(self) -> str:
        """The function's name."""
        return self.ref.name

    def inputs(self, tables: Collection[str]) -> MatchedInputs:
        """Match its parameters to tables."""
        assert self.code is not None  # noqa: S101  # set in every plan
        function = self.code.find(self.ref, self.table)
        if not isinstance(function, FunctionSource):
            return MatchedInputs(None, [] if function is None else [function])
        if (plain := _plain_inputs(self.table, function, tables)) is not None:
            return MatchedInputs(plain, [])
        matcher = _Matcher(self.table, function, tables, self.code)
        return MatchedInputs(matcher.match(), matcher.problems)

    def fingerprint(self) -> Fingerprint:
        """Fingerprint all code that it reaches."""
        assert self.code is not None  # noqa: S101  # set in every plan
        return self.code.fingerprint(self.ref)

    def run(self, inputs: Sequence[tuple[Input, Any]]) -> Any:
        """Import it and call it."""
        run = load(_RUN)
        return run(self.ref, self.folder, self.table, inputs, uses_duckdb=self.uses_duckdb, workers=self.workers)


def _plain_inputs(table: Table, function: FunctionSource, tables: Collection[str]) -> tuple[Input, ...] | None:
    """The inputs where each parameter plainly takes the table of its name, as nearly everywhere; None elsewhere."""
    if table.inputs is not None or table.serializer or table.params or table.dimension_params:
        return None
    if function.parameters is None or function.unsupported_result is not None:
        return None
    for each in function.parameters:
        if each.kind != "positional" or each.name not in tables or each.unsupported is not None or each.is_target:
            return None
    return tuple([Input(each.name, each.name) for each in function.parameters])


class _Matcher:
    """Matches the parameters of one transform to tables and constants."""

    def __init__(self, table: Table, function: FunctionSource, tables: Collection[str], code: FunctionCode) -> None:
        self.table = table
        self.constants = table.constants
        self.function = function
        self.tables = tables
        self.spec = code.spec
        self.broken = code.spec.broken
        self.declared = code.spec.tables
        self.folder = code.source.folder
        self.problems: list[Problem] = []
        self.parameters = function.parameters
        plain = [p for p in function.parameters or () if not p.kind.startswith("var_")]
        self.named = {p.name: p for p in plain if not p.is_target}
        self.targets = [p for p in plain if p.is_target]
        # The name and place of a parameter that can only be the path to write to, and is not annotated so.
        self.perhaps_target: tuple[str, Location] | None = None
        kinds = {p.kind for p in function.parameters or ()}
        self.takes_any_position = "var_positional" in kinds
        self.takes_any_name = "var_keyword" in kinds or function.parameters is None

    def match(self) -> tuple[Input, ...]:
        for key in (*self.table.params, *self.table.dimension_params):
            if key not in self.named and not self.takes_any_name:
                self.problem(
                    f"`{self.function.name}` has no parameter `{key}`",
                    did_you_mean(key, self.named) or self.signature(),
                    f"params.{key}",
                    "params",
                )
            elif key in self.named and self.named[key].kind == "positional_only":
                message = f"parameter `{key}` of `{self.function.name}` is taken by place alone, and a param by name"
                self.problem(message, "move the `/` before it", place=self.named[key].location)
        declared = self.table.inputs
        if declared is None:
            found = self.by_name()
        elif isinstance(declared, Mapping):
            found = self.by_map(declared)
        else:
            found = self.by_position(declared)
        self.check_annotations(found)
        self.check_targets()
        return found

    def check_targets(self) -> None:
        """Report a path to write to that is missing, or is there and is nothing to be written to."""
        writes = self.table.serializer in PATHS
        if not writes and not self.targets:
            return
        what = f"`{self.table.name}` is stored as {self.table.serializer or self.table.format or 'a table'}"
        if writes and not self.targets and self.parameters is not None:
            name, place = ("out", None) if self.perhaps_target is None else self.perhaps_target
            hint = f"annotate the one that takes the path: `def {self.function.name}(…, {name}: lakehouse_cli.Target)`"
            message = f"`{self.function.name}` has no parameter that is a Target, and {what}"
            self.problem(message, hint, "format", place=place)
        for each in self.targets[1 if writes else 0 :]:
            message = f"parameter `{each.name}` of `{self.function.name}` is a Target, and {what}"
            hint = "keep one" if writes else "set `format: file` or `format: folder`, or remove it"
            self.problem(message, hint, place=each.location)

    def check_annotations(self, inputs: tuple[Input, ...]) -> None:
        """Report annotations of tables, and of the result, that cannot name a frame type."""
        tables = [each for each in inputs if not self.declared[each.table].serializer]
        for parameter in self.parameters or ():
            if parameter.unsupported and any(self.takes(parameter, each.parameter) for each in tables):
                what = f"parameter `{parameter.name}`"
                self.check_type(parameter.unsupported, what, parameter.location, returned=False)
            self.check_columns(parameter, inputs)
        if self.function.unsupported_result and self.table.returns_table:
            self.check_type(self.function.unsupported_result, "result", self.function.location, returned=True)
            both = same_to_duckdb(column.name for column in self.table.columns or ())
            if self.function.unsupported_result.name in _IN_DUCKDB and both is not None:
                hint = "rename one, or annotate the result with pyarrow.Table"
                self.problem(f"result of `{self.function.name}`: it has {both}", hint, place=self.function.location)

    def check_columns(self, parameter: Parameter, inputs: tuple[Input, ...]) -> None:
        """Report columns of inputs that the library of a parameter's frames cannot hold."""
        name = parameter.unsupported.name if parameter.unsupported else ""
        if name not in _TYPES_HELD and name not in _IN_DUCKDB:
            return
        for each in inputs:
            table = self.spec.tables.get(each.table) if self.takes(parameter, each.parameter) else None
            columns = (table.columns if table is not None else None) or ()
            if name in _IN_DUCKDB:
                if columns and (why := unread((column.name, column.type) for column in columns)) is not None:
                    hint = "rename or cast it in a table between the two, or annotate the parameter with pyarrow.Table"
                    message = f"parameter `{parameter.name}` takes `{each.table}` into DuckDB: it {why}"
                    self.problems.append(Problem(message, hint, parameter.location))
                continue
            library, not_held, refusal = _TYPES_HELD[name]
            for column in columns:
                if (refused := not_held(column.type)) is not None:
                    message, hint = refusal(column.name, refused)
                    message = f"parameter `{parameter.name}` takes `{each.table}` into {library}: {message}"
                    self.problems.append(Problem(message, hint, parameter.location))

    def check_type(self, found: UnsupportedType, what: str, place: Location, *, returned: bool) -> None:
        """Report the type of an annotation, unless an installed package may support it."""
        library = found.name.partition(".")[0]
        if found.why not in {"unbound", "value", "syntax"} and "." in found.name and self.is_missing(library):
            message, hint = f"`{found.name}` needs {library}, which is not installed", install_command(library)
            hint = hint or "install it, or annotate with a type of a package that is installed"
        elif (
            (found.name in OPTIONAL and found.why == "kind")
            or found.why == "package"
            or library in {each.partition(".")[0] for each in installed("frames")}
        ):
            return
        elif found.why in {"kind", "value"}:
            message, hint = unsupported(found.name, returned=returned)
            if found.why == "value":
                message = f"`{found.name}` is a value, not a type"
        elif found.why == "syntax":
            message, hint = f"`{found.name}` is not an expression of Python", "correct the annotation"
        elif found.why == "unbound":
            message, hint = f"`{found.name}` is not defined in its module", "import it, or correct the annotation"
        else:
            message = f"`{found.name}` is imported for type checkers only, so that a run cannot know it"
            hint = "import it outside of `if TYPE_CHECKING:`"
        self.problem(f"{what} of `{self.function.name}`: {message}", hint, place=place)

    def is_missing(self, library: str) -> bool:
        """Whether a library is neither installed nor beside the project file."""
        beside = find_module(library, self.folder, installed=False) is not None or (self.folder / library).is_dir()
        return not beside and find_spec(library) is None

    def takes(self, parameter: Parameter, name: str | None) -> bool:
        """Whether an input of this name, None for one that has only a position, is given to a parameter."""
        if parameter.kind == "var_positional":
            return name is None
        return name == parameter.name or (parameter.kind == "var_keyword" and name not in {None, *self.named})

    def problem(self, message: str, hint: str | None, *keys: str, place: Location | None = None) -> None:
        self.problems.append(Problem(message, hint, place or self.table.where(*keys)))

    def signature(self) -> str:
        return f"its parameters are {', '.join(self.named) or 'none'} ({self.function.location})"

    def known(self, table: str, *keys: str) -> bool:
        if table in self.tables:
            return True
        if table not in self.broken:
            hint = did_you_mean(table, self.tables) or "declare it under `tables:`"
            self.problem(f"input `{table}` of table `{self.table.name}` is not a table", hint, *keys)
        return False

    def by_name(self) -> tuple[Input, ...]:
        if self.parameters is None:
            hint = "list the tables it takes under `inputs:`, or write `inputs: []` where it takes none"
            self.problem(f"the parameters of `{self.function.name}` cannot be read from its source", hint, "function")
            return ()
        found, unmatched = [], []
        for parameter in self.named.values():
            if parameter.name in self.constants:
                continue
            if parameter.name in self.tables:
                found.append(self.input(parameter, parameter.name))
            elif not parameter.has_default and parameter.name not in self.broken:
                unmatched.append(parameter)
        if self.table.serializer in PATHS and not self.targets and len(unmatched) == 1:
            self.perhaps_target = unmatched[0].name, unmatched[0].location
            return tuple(found)
        for parameter in unmatched:
            self.unmatched(parameter)
        return tuple(found)

    def unmatched(self, parameter: Parameter) -> None:
        others = [name for name in self.tables if name != self.table.name]
        hint = did_you_mean(parameter.name, [*others, *self.spec.params])
        hint = hint or f"name its table under `inputs:` of `{self.table.name}`, or its value under `params:`"
        message = f"parameter `{parameter.name}` of `{self.function.name}` matches no table"
        self.problem(message, hint, place=parameter.location)

    def input(self, parameter: Parameter, table: str) -> Input:
        # Python takes everything before *args by position once *args itself is filled.
        by_position = parameter.kind == "positional_only"
        return Input(table, parameter.name, by_position)

    def by_map(self, declared: Mapping[str, str]) -> tuple[Input, ...]:
        found: dict[str, Input] = {}
        for name, table in declared.items():
            parameter = self.named.get(name)
            if parameter is None and not self.takes_any_name:
                hint = did_you_mean(name, self.named) or self.signature()
                self.problem(f"`{self.function.name}` has no parameter `{name}`", hint, f"inputs.{name}", "inputs")
            elif name in self.constants:
                hint = "keep one of the two"
                self.problem(f"parameter `{name}` is both an input and a param", hint, f"inputs.{name}", "inputs")
            elif self.known(table, f"inputs.{name}", "inputs"):
                found[name] = self.input(parameter, table) if parameter else Input(table, name)
        for parameter in self.named.values():
            given = parameter.name in declared or parameter.name in self.constants
            if given or parameter.has_default:
                continue
            message = f"parameter `{parameter.name}` of `{self.function.name}` gets no table"
            self.problem(message, "add it to `inputs:` or `params:`", "inputs")
        in_order = [name for name in self.named if name in found]
        return tuple(found[name] for name in [*in_order, *(name for name in found if name not in in_order)])

    def by_position(self, declared: tuple[str, ...]) -> tuple[Input, ...]:
        free = [p for p in self.named.values() if p.name not in self.constants]
        slots = [p for p in free if p.kind != "keyword"]
        if not self.takes_any_position:
            slots += [p for p in free if p.kind == "keyword"]
        variadic = self.takes_any_position or self.parameters is None
        found = []
        for index, table in enumerate(declared):
            if not self.known(table, f"inputs.{index}", "inputs"):
                continue
            if index < len(slots):
                # What fills *args comes after all of these, so they go by position as well.
                by_position = slots[index].kind == "positional_only" or (variadic and len(declared) > len(slots))
                found.append(Input(table, slots[index].name, by_position))
            elif variadic:
                found.append(Input(table, None, True))
            else:
                count = len(declared)
                message = (
                    f"`{self.function.name}` takes {plural(len(slots), 'table')} and `inputs` lists {count_text(count)}"
                )
                self.problem(message, self.signature(), f"inputs.{index}", "inputs")
                break
        for parameter in slots[len(declared) :]:
            if not parameter.has_default:
                message = f"parameter `{parameter.name}` of `{self.function.name}` gets no table"
                self.problem(message, "add its table to `inputs:`, or its value to `params:`", "inputs")
        return tuple(found)
