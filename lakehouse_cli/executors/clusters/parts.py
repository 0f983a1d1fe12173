"""Parts of a computation that a job spreads over its cluster, such as partitions of a frame: bytes in, bytes out.

A worker has a child process compute a part, as it does with a job. It never opens what a part is given and returns:
only its processes have the project's modules, and only those of one bundle.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from io import BytesIO
from pathlib import Path
from typing import Any

import cloudpickle
from msgspec import Struct
from tblib import Traceback

from lakehouse_cli.errors import TransformError
from lakehouse_cli.executors import threads
from lakehouse_cli.executors.base import WorkerDiedError, WorkUnwantedError
from lakehouse_cli.executors.clusters.bundle import FILES, mask_of_bundle
from lakehouse_cli.executors.clusters.messages import packed, raise_unprepared, unpacked
from lakehouse_cli.executors.clusters.worker import OUT_OF_MEMORY, cause_of_death, end, folder_of, oom_kills, processes
from lakehouse_cli.executors.worker import portable
from lakehouse_cli.text.causes import system_reason

# Stands for the folder of the project's files, which is another one at each worker.
_FOLDER = "\0"


class PartError(Exception):
    """A part failed; what with is in bytes, which no worker opens."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.content = content

    def __repr__(self) -> str:
        """Engines log it."""
        return "a part failed"

    __str__ = __repr__


class Kept:
    """Stands for a value that the cluster has under a key; in a part, the value itself is in its place."""

    def __init__(self, key: str) -> None:
        self.key = key


class Part(Struct, frozen=True):
    """What is to be computed.

    Attributes:
        content: A function of values by key, as bytes.
        keys: Of the values that it is given.
    """

    content: bytes
    keys: tuple[str, ...]

    @classmethod
    def of(cls, function: Callable[[Mapping[str, Any]], Any], keys: Mapping[Any, str]) -> Part:
        """Pack a function.

        Args:
            function: Takes values by names; may refer to others by `Kept`.
            keys: Of the values, by the names by which it takes them.

        Raises:
            Exception: Whatever its own methods raise as it is pickled.
        """
        file = BytesIO()
        pickler = _Pickler(file, pickle.HIGHEST_PROTOCOL)
        pickler.dump((function, dict(keys)))
        return cls(file.getvalue(), tuple(dict.fromkeys([*keys.values(), *pickler.kept])))


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: BytesIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.kept: list[str] = []

    def persistent_id(self, value: Any) -> str | None:
        if isinstance(value, Kept):
            self.kept.append(value.key)
            return value.key
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, values: Mapping[str, Any]) -> None:
        super().__init__(BytesIO(content))
        self._values = values

    def persistent_load(self, key: str) -> Any:
        return self._values[key]


def dumps(value: Any) -> bytes:
    """A value as bytes, whatever it is of; cloudpickle looks at each object, which takes its time.

    Raises:
        Exception: Whatever its own methods raise.
    """
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001  # functions within functions, for one
        content: bytes = cloudpickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        return content


def compute_part(
    bundle: str,
    part: Part,
    values: tuple[bytes, ...],
    folder: str,
    address: str,
    say: Callable[[str, Any], None],
    is_wanted: Callable[[], bool],
) -> bytes:
    """Compute a part, in a process of a worker's.

    Args:
        bundle: The id of the bundle that it is computed with.
        part: The part.
        values: Of its keys.
        folder: As of `worker.answer`.
        address: Names the worker.
        say: As of `worker.answer`; takes what is printed alone.
        is_wanted: As of `worker.answer`.

    Raises:
        PartError: It failed.
    """
    place = folder_of(folder, bundle)
    if not place.is_dir():
        raise _failed(TransformError("the project's code is not there any more; was the worker started anew?"))
    try:
        process = processes.take(place, 1)
    except OSError as error:
        raise _failed(TransformError(f"no process can be started: {system_reason(error)}")) from None
    mask, kills = mask_of_bundle(place), oom_kills()

    def say_masked(kind: str, value: Any) -> None:
        if isinstance(value, str):
            say(kind, mask(value))

    work = threads.Work(Future(), _compute, (part, values, str(place / FILES)), None)
    try:
        is_error, content = process.compute(work, _nothing, say_masked, is_wanted)
    except WorkUnwantedError:
        end(process)
        raise _failed(TransformError("a partition is not asked for any more")) from None
    except WorkerDiedError as error:
        end(process)
        why = cause_of_death(error, kills)
        hint = "look for what ends processes in the transform, or what is out of memory"
        if why == OUT_OF_MEMORY:
            hint = "make smaller partitions of it (`repartition`), or have workers with fewer threads or more memory"
        raise _failed(TransformError(f"the process of a partition at {address} {why}", hint=hint)) from None
    processes.put_back(place, process)
    if is_error:
        raise PartError(content)
    found: bytes = content
    return found


def _nothing() -> None:
    """Take note of nothing."""


def _compute(part: Part, values: tuple[bytes, ...], folder: str) -> tuple[bool, bytes]:
    """Compute a part, in the process of a worker's that is prepared; returns whether it failed, and what with."""
    try:
        raise_unprepared()
        given = {key: pickle.loads(value) for key, value in zip(part.keys, values, strict=True)}  # noqa: S301
        function, keys = _Unpickler(part.content, given).load()
        return False, dumps(function({name: given[key] for name, key in keys.items()}))
    except BaseException as error:  # noqa: BLE001  # raised where the whole is computed
        return True, _packed_error(error, folder)


def _failed(error: TransformError) -> PartError:
    return PartError(_packed_error(error, ""))


def _packed_error(error: BaseException, folder: str) -> bytes:
    trace = None if error.__traceback__ is None else Traceback(error.__traceback__).to_dict()
    _move(trace, folder, _FOLDER)
    return packed((portable(error), trace))


def _move(trace: dict[str, Any] | None, folder: str, other: str) -> None:
    """Have the frames of a traceback be of files in another folder."""
    while trace is not None and folder:
        code = trace["tb_frame"]["f_code"]
        if code["co_filename"].startswith(f"{folder}/"):
            code["co_filename"] = other + code["co_filename"].removeprefix(folder)
        trace = trace["tb_next"]


def error_of(failed: PartError, folder: Path) -> BaseException:
    """The error of a part, with its traceback; `folder` is that of the project's files here."""
    error: BaseException
    error, trace = unpacked(failed.content)
    _move(trace, _FOLDER, str(folder))
    return error.with_traceback(None if trace is None else Traceback.from_dict(trace).as_traceback())


def value_of(content: bytes) -> Any:
    """The value that a part returned."""
    return pickle.loads(content)  # noqa: S301  # of our own processes
