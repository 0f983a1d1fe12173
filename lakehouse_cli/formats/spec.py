"""What a format, and a type of storage, say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from importlib import import_module
from typing import Any, Generic, Self, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model import ColumnType
from lakehouse_cli.registry import installed, load_installed

JsonSchema = dict[str, Any]
#: Says why a format cannot hold a column type, to follow "cannot hold"; None where it can.
Refusal = Callable[[ColumnType], str | None]
_Spec = TypeVar("_Spec")
#: For `FormatOption.by_column`: types by what is said of them.
EVERY_TYPE = ("every type",)
NUMBERS_WITH_POINT = ("float32", "float64", "decimal128")
NUMBERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", *NUMBERS_WITH_POINT)


class FormatOption(Struct, frozen=True, eq=False):
    """One option of a format or of a type of storage.

    Attributes:
        name: The key under ``options``.
        default: What holds where it is not set.
        schema: JSON Schema of its value.
        description: For docs and editors.
        secret: Whether its value is a credential, which is never shown.
        reading: Whether it decides how stored bytes are read, and not only how they are written.
        by_column: Ids of the types whose columns may have it too, for themselves; `EVERY_TYPE` for all. Of a dictionary
            the type of its values counts.
        nested: Whether it counts for such values inside lists and structs as well.
        replaces: Names of options of the table that do not hold for a column which sets this one.
    """

    name: str
    default: Any
    schema: JsonSchema
    description: str
    secret: bool = False
    reading: bool = True
    by_column: tuple[str, ...] = ()
    nested: bool = False
    replaces: tuple[str, ...] = ()

    def fits(self, column_type: ColumnType) -> bool:
        """Whether a column of a type may have it."""
        if self.by_column == EVERY_TYPE:
            return True
        kind = column_type.plain
        return kind.id in self.by_column or (self.nested and any(self.fits(child) for _, child in kind.fields))


class FormatSpec(Struct, frozen=True, dict=True):
    """A format by name.

    Attributes:
        name: What ``format:`` calls it.
        implementation: ``module:Class`` of the `Format` that reads and writes it.
        suffix: File name ending, dot included.
        options: What ``options`` may hold.
        options_class: ``module:Class`` of the `FormatOptions` that the format is given.
        compressions: By the value of the option ``compression``, the ending it adds to the file's name.
        refusal: Why it cannot hold a column type, if it cannot.
        writable: Whether computed tables can be stored in it.
        needs: Modules of packages that lakehouse does not itself depend on.
        install: What to install where one of these is missing.
        by_position: Whether `read` finds columns by `Column.from_`, positions too; others go by name, and are given it.
        typed: Whether the bytes state by themselves how they are read: the types of columns, whatever the options.
    """

    name: str
    implementation: str
    suffix: str
    options: tuple[FormatOption, ...] = ()
    options_class: str = "lakehouse_cli.formats.spec:FormatOptions"
    compressions: Mapping[str, str] | None = None
    refusal: Refusal | None = None
    writable: bool = True
    needs: tuple[str, ...] = ()
    install: str | None = None
    by_position: bool = False
    typed: bool = False

    @cached_property
    def suffixes(self) -> tuple[str, ...]:
        """The endings that a file may have where no option says so."""
        return (self.suffix, *(self.suffix + ending for ending in (self.compressions or {}).values()))

    def option(self, name: str) -> FormatOption | None:
        """Find the option of that name, None where there is none."""
        return next((option for option in self.options if option.name == name), None)

    def of_column(self, options: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options that hold for a column: its own over those of the table."""
        setting = [option for name in own if (option := self.option(name)) is not None]
        replaced = {name for option in setting for name in option.replaces}
        # A character means one thing: the column's `thousands: "."` takes the place of the table's `decimal: "."`.
        meant = [value for value in own.values() if isinstance(value, str) and len(value) == 1]
        replaced |= {each.name for each in self.options if each.by_column and options.get(each.name) in meant}
        return {**{name: value for name, value in options.items() if name not in replaced}, **own}

    def checked(self, options: Mapping[str, Any], by_column: Iterable[tuple[str, Mapping[str, Any]]] = ()) -> Any:
        """Options of the project file, of the right form each, as the one value that the format is given.

        Args:
            options: Of the table.
            by_column: Names of columns, and what they set over that.

        Raises:
            StorageError: The format cannot work with them.
        """
        columns = tuple([(name, _sorted(self.of_column(options, own))) for name, own in by_column])
        return _checked(self.options_class, _sorted(options), columns)


class FormatOptions(Struct, frozen=True, kw_only=True):
    """The options of a format as one checked value; a base, whose fields are called as the options are.

    ``__post_init__`` raises StorageError for options that cannot stand together.

    Attributes:
        by_column: What holds for the columns that set options of their own, by name.
    """

    by_column: tuple[tuple[str, Self], ...] = ()

    def of(self, column: str) -> Self:
        """Return the options that hold for a column."""
        if not self.by_column:
            return self
        return next((options for name, options in self.by_column if name == column), self)

    def check_column(self, column_type: ColumnType, own: Collection[str]) -> None:
        """Refuse options that a column cannot use, or that contradict each other for it.

        Args:
            column_type: Of the column.
            own: Names of the options that it sets for itself.

        Raises:
            StorageError: Naming them, and what to do.
        """

    def check_written(self) -> None:
        """Refuse options with which files can be read and none can be written.

        Raises:
            StorageError: Naming them, and what to do.
        """

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Make the value of the ``options`` of a project file; those that are not set, or say so, have their defaults.

        A text where several may be is the only one.

        Raises:
            StorageError: Options that cannot stand together.
        """
        defaults = dict(zip(cls.__struct_fields__[::-1], cls.__struct_defaults__[::-1], strict=False))
        given: dict[str, Any] = {}
        for name in cls.__struct_fields__:
            if (value := mapping.get(name)) is not None:
                is_one_of_several = type(value) is str and type(defaults.get(name)) is tuple
                given[name] = (value,) if is_one_of_several else _frozen(value)
        return cls(**given)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_Options = tuple[tuple[str, Any], ...]


def _sorted(options: Mapping[str, Any]) -> _Options:
    return tuple((name, _frozen(value)) for name, value in sorted(options.items()))


@lru_cache(maxsize=1024)
def _checked(options_class: str, options: _Options, by_column: tuple[tuple[str, _Options], ...] = ()) -> FormatOptions:
    """Make the typed options once for each set, for the project file's check and for every table's storage."""
    module, _, name = options_class.partition(":")
    found: type[FormatOptions] = getattr(import_module(module), name)
    made = found.from_mapping(dict(options))
    if not by_column:
        return made
    columns = tuple([(column, found.from_mapping(dict(own))) for column, own in by_column])
    return replace(made, by_column=columns)


#: Of files that are compressed as a whole, by the value of their option: the ending of the file's name.
TEXT_COMPRESSIONS: Mapping[str, str] = {"gzip": ".gz", "bz2": ".bz2", "zstd": ".zst"}
#: Of the formats of such files.
TEXT_COMPRESSION = FormatOption(
    "compression",
    None,
    {"enum": ["none", *TEXT_COMPRESSIONS]},
    "Adds .gz, .bz2 or .zst to the file's name; unset: read by suffix or first bytes, written plain.",
)
#: Of the formats that write durations as text.
DURATION_UNIT = FormatOption(
    "duration_unit",
    None,
    {"enum": ["s", "ms", "us", "ns", "none"]},
    "The unit of durations, which are numbers; unset: seconds, and in JSON a number without quotes is refused.",
    by_column=("duration",),
    nested=True,
)


def suffix_option(suffix: str) -> FormatOption:
    """Make the option for the ending of a format's files."""
    schema = {"type": "string", "pattern": r"^(?!.*\.(?:py|ya?ml)$)\.[A-Za-z0-9_.]+$"}
    return FormatOption("suffix", suffix, schema, "The file's ending.")


class LazySpecs(Mapping[str, _Spec], Generic[_Spec]):
    """Specs by name, each loaded when it is asked for: a project uses few of them.

    Those of installed packages are found by their names, and not among those that are listed.

    Args:
        targets: The tool's own: ``module:attribute`` by name.
        group: Of the entry points of packages; None where there are none.
        kind: What a spec is.
    """

    def __init__(self, targets: Mapping[str, str], kind: type[_Spec], group: str | None = None) -> None:
        self._targets = targets
        self._kind = kind
        self._group = group
        self._loaded: dict[str, _Spec] = {}

    def __getitem__(self, name: str) -> _Spec:
        loaded = self._loaded.get(name)  # asked for every table, several times
        if loaded is not None:
            return loaded
        if name not in self._targets:
            return self._of_package(name)
        module, _, attribute = self._targets[name].partition(":")
        self._loaded[name] = getattr(import_module(module), attribute)
        return self._loaded[name]

    def get(self, name: str, default: Any = None) -> Any:
        """As of any mapping; without two calls where it is loaded, as it is for nearly every table."""
        loaded = self._loaded.get(name)
        return super().get(name, default) if loaded is None else loaded

    def _of_package(self, name: str) -> _Spec:
        if self._group is None or not name or name not in installed(self._group):
            raise KeyError(name)
        found = load_installed(self._group, name)
        if not isinstance(found, self._kind):
            raise LakehouseError(
                f"`{name}` of `lakehouse.{self._group}` is not a `{self._kind.__name__}`",
                hint=f"correct the entry point of its package, `{installed(self._group)[name]}`",
            )
        return found

    def __contains__(self, name: object) -> bool:
        if name in self._targets:
            return True
        return bool(name) and self._group is not None and name in installed(self._group)

    def __iter__(self) -> Iterator[str]:
        return iter(self._targets)

    def __len__(self) -> int:
        return len(self._targets)


def first_refused(column_type: ColumnType, refused: Callable[[ColumnType], bool]) -> ColumnType | None:
    """Find the first type in a type, itself included, that is refused."""
    if refused(column_type):
        return column_type
    found = (first_refused(child, refused) for _, child in column_type.fields)
    return next((each for each in found if each is not None), None)
