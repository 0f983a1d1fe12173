"""Assets that are not tables at the edge of a transform: objects in, bytes on their way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse_cli.code.failure import Failure, failure_of, place_of_result
from lakehouse_cli.code.fingerprints.packages import find_distributions
from lakehouse_cli.code.importing import activate
from lakehouse_cli.errors import Interrupted, LakehouseError, StorageError, TransformError
from lakehouse_cli.executors.forks import forks_end_here
from lakehouse_cli.formats import SERIALIZERS, file_suffixes, form_of
from lakehouse_cli.formats.objects.base import Serializer
from lakehouse_cli.formats.objects.partitions import divided
from lakehouse_cli.formats.objects.paths import PathSerializer
from lakehouse_cli.formats.objects.stored import PartsSink, hash_of_parts, reader_of, with_record
from lakehouse_cli.model import Table
from lakehouse_cli.model.dimension import Every
from lakehouse_cli.model.manifest import InputRecord, Manifest, ObjectRecord
from lakehouse_cli.model.partition import Partition, dimension_params
from lakehouse_cli.model.pickle_trust import distrust
from lakehouse_cli.model.unit import selected_alone, unit_of
from lakehouse_cli.registry import Entry, load
from lakehouse_cli.runs.temporary_files import spill_folder, spilling
from lakehouse_cli.transforms.loading import Transform
from lakehouse_cli.transforms.shared_tables import SharedTable, StreamedTable


@cache
def serializer_named(name: str) -> Serializer:
    """The serializer of a name."""
    spec = SERIALIZERS[name]
    made: Serializer = load(Entry(spec.implementation, spec.install))()
    return made


def serialize(transform: Transform, result: Any, name: str) -> pa.Table:
    """The bytes of what a transform returned, with the record of what they are.

    Args:
        transform: The transform.
        result: Of it.
        name: Of the serializer.

    Raises:
        TransformError: The serializer takes no such object, or failed.
    """
    sink = PartsSink()
    activate(transform.folder)
    try:
        with forks_end_here():
            modules = serializer_named(name).dump(result, sink)
    except Interrupted:
        raise
    except TransformError as error:
        place = place_of_result(transform.fn, transform.folder)
        raise TransformError(
            f"result of `{transform.name}`: {error.message}", hint=error.hint, location=place
        ) from error
    except BaseException as error:
        failure = failure_of(error, transform.folder, transform.file)
        hint = "look at what the transform returns"
        if failure.location is None and SERIALIZERS[name].runs_code:
            hint = "return what Python can pickle: no lambda, generator, open file or connection is"
            if "local object" in failure.headline and "<lambda>" not in failure.headline:
                hint = "define it at the top of its module, outside of any function: a pickle names it by its module"
            if isinstance(error, RecursionError):
                hint = "return an object that is nested less deeply"
        raise TransformError(
            f"the result of `{transform.name}` cannot be stored as {name}: {failure.headline}",
            exception=failure.exception,
            frames=failure.frames,
            traceback=failure.traceback,
            hint=hint,
            location=failure.location or place_of_result(transform.fn, transform.folder),
        ) from error
    kind = type(result)
    record = ObjectRecord(f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."), _distributions(modules))
    return with_record(sink.table(), record)


def _distributions(modules: Collection[str]) -> dict[str, str]:
    """Versions of the distributions that modules belong to, by name; those of Python and of the project to none."""
    found = (find_distributions(each, sys.path) for each in modules if each not in sys.stdlib_module_names)
    return dict(sorted(pair for each in found for pair in each.items()))


def deserialize(
    data: pa.Table, declared: Table, project: str, folder: Path, content: InputRecord | None, manifest: Manifest | None
) -> Any:
    """The object of bytes.

    Args:
        data: All of them, as they are stored.
        declared: What is stored.
        project: Name of the project that asks.
        folder: Its folder, where classes of its own may be.
        content: What was read; None where the bytes were made in this run and are stored nowhere.
        manifest: Of what is stored.

    Raises:
        StorageError: To read the bytes would run code, and no manifest of the project describes them.
        TransformError: They cannot be read.
    """
    if SERIALIZERS[declared.serializer].runs_code and content is not None:
        recorded = None if manifest is None else manifest.content_hash
        refused = distrust(declared, project, manifest, lambda: recorded != hash_of_parts(data))
        if refused is not None:
            raise refused
    activate(folder)
    try:
        with forks_end_here():
            return serializer_named(declared.serializer).load(reader_of(data))
    except Interrupted:
        raise
    except BaseException as error:
        failure = failure_of(error, folder)
        made = () if manifest is None else tuple(made_with(manifest))
        runs_code = SERIALIZERS[declared.serializer].runs_code
        why = str(error) if isinstance(error, ValueError) and not runs_code else failure.headline
        message = f"`{declared.name}` cannot be loaded as {declared.serializer}: {why}"
        raise TransformError(
            "; ".join((message, *made)),
            exception=failure.exception,
            frames=failure.frames,
            traceback=failure.traceback,
            hint=_loading_hint(declared, failure, other_packages=bool(made)),
            location=failure.location or (declared.location if declared.kind == "source" else None),
        ) from error


def _loading_hint(declared: Table, failure: Failure, *, other_packages: bool) -> str:
    """What to do where loading raised: what is made anew by the same code would raise again."""
    if not SERIALIZERS[declared.serializer].runs_code or other_packages:
        return _remedy(declared)
    if failure.location is not None:
        return f"correct {failure.location}, or have `{declared.name}` return what can be loaded"
    return f"{_remedy(declared)}; if that cannot be loaded either, return another object"


def _remedy(declared: Table) -> str:
    if declared.kind == "source":
        return "correct the file, or declare another `format`"
    return f"`lakehouse run --force {selected_alone(declared)}` makes it anew"


def made_with(manifest: Manifest) -> Iterator[str]:
    """In which packages the place where an object was made differs from this one: a sentence for each."""
    for name, before in (manifest.object.packages if manifest.object is not None else {}).items():
        now = installed_version(name)
        if now != before:
            here = "not installed here" if now is None else f"here {now}"
            yield f"`{manifest.table}` was made with {name} {before}, {here}"


def installed_version(distribution: str) -> str | None:
    """The version of a distribution; None where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version  # takes longer to load than all of this room

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def path_name(declared: Table) -> str:
    """What a file or folder is called where it is made anew."""
    suffix = file_suffixes(form_of(declared), declared.options)[0]
    name = declared.name.partition("/")[0]
    return name if declared.serializer == "folder" else f"{name}{suffix}"


def restore(serializer: PathSerializer, data: pa.Table, declared: Table, path: Path) -> None:
    """Make a file or folder at a path that is not there.

    Raises:
        StorageError: What is stored is no such thing.
    """
    try:
        serializer.unpack(reader_of(data), path)
    except ValueError as error:
        hint = _remedy(declared)
        raise StorageError(f"`{declared.name}` cannot be read as {declared.serializer}: {error}", hint=hint) from error


class ObjectInput:
    """A stored asset that is no table, as the argument of one transform.

    Args:
        shared: Its bytes.
        declared: What it is.
        project: Name of the project.
        manifest: As it is stored; None where nothing is, or where it is not asked for.

    Attributes:
        notes: Remarks on it, once it was loaded.
        error: What was raised as it was loaded; None for nothing.
    """

    num_rows, num_columns = -1, 0
    schema = pa.schema([])

    def __init__(
        self, shared: SharedTable | StreamedTable, declared: Table, project: str, manifest: Manifest | None
    ) -> None:
        self.content = shared.content
        self.nbytes = shared.nbytes
        self.notes: tuple[str, ...] = ()
        self.error: LakehouseError | None = None
        self._shared = shared
        self._declared = declared
        self._project = project
        self._manifest = manifest

    def load(self, scopes: ExitStack, folder: Path) -> Any:
        """Make the object, a new one for each transform; raises as `deserialize` does.

        Args:
            scopes: Keeps what is there for as long as the transform needs it.
            folder: The project's.
        """
        try:
            return self._loaded(scopes, folder)
        except LakehouseError as error:
            self.error = error
            raise

    def _loaded(self, scopes: ExitStack, folder: Path) -> Any:
        data = self._shared.arrow()
        serializer = serializer_named(self._declared.serializer)
        if isinstance(serializer, PathSerializer):
            with spilling(f"`{self._declared.name}`"):
                path = Path(scopes.enter_context(spill_folder()), path_name(self._declared))
                restore(serializer, data, self._declared, path)
                return path
        found = deserialize(data, self._declared, self._project, folder, self.content, self._manifest)
        if self._manifest is not None:
            self.notes = tuple(made_with(self._manifest))
        return found


class PartitionedObjects(ObjectInput):
    """Stored partitions of an asset that is no table, as the argument of one transform: a dict of objects.

    Its keys are what a parameter named as the dimension gets, tuples of these where there are several.

    Args:
        shared: Their bytes, as of `gathered`.
        declared: What they are partitions of.
        project: Name of the project.
        periods: The periods of its dimensions; None for those of texts.
        manifest_of: Gives the manifest of a partition as it is stored; None where it is not asked for.
    """

    def __init__(
        self,
        shared: SharedTable | StreamedTable,
        declared: Table,
        project: str,
        periods: Mapping[str, Every | None],
        manifest_of: Callable[[Table], Manifest | None] | None,
    ) -> None:
        super().__init__(shared, declared, project, None)
        self._periods, self._manifest_of = periods, manifest_of

    @property
    def absent(self) -> AbsentObject:
        """None of them, for what gets one where there is one."""
        return AbsentObject(self)

    def _loaded(self, scopes: ExitStack, folder: Path) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        notes: list[str] = []
        for partition, data in divided(self._shared.arrow()):
            unit = unit_of(self._declared, partition)
            manifest = None if self._manifest_of is None else self._manifest_of(unit)
            one = ObjectInput(SharedTable(data, (), self.content), unit, self._project, manifest)
            found[partition_key(self._periods, partition)] = one.load(scopes, folder)
            notes += one.notes
        self.notes = tuple(dict.fromkeys(notes))
        return found


class AbsentObject(ObjectInput):
    """A partition that is not there, as the argument of one transform: None."""

    def __init__(self, none: PartitionedObjects) -> None:
        super().__init__(none._shared, none._declared, none._project, None)

    def load(self, scopes: ExitStack, folder: Path) -> None:
        """Nothing."""


def partition_key(periods: Mapping[str, Every | None], partition: Partition) -> Any:
    """The values of a partition, as parameters named as its dimensions get them; one alone where it has one."""
    values = tuple(dimension_params({name: periods.get(name) for name in partition.dimensions}, partition).values())
    return values if len(values) > 1 else values[0]


#: What a transform is given.
Argument = SharedTable | StreamedTable | ObjectInput
