"""A storage of the user's own behind the tool's manners.

Whatever it raises becomes a `StorageError` that names table, storage and line.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lakehouse_cli.errors import LakehouseError, StorageError
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.storage.base import AssetStorage

_DOING = {
    "stat": "looking at",
    "content": "looking at",
    "read": "reading",
    "read_with_content": "reading",
    "publish": "storing",
    "read_manifest": "reading the manifest of",
    "delete": "deleting",
}


def _told(spec: StorageSpec, method: str, arguments: tuple[Any, ...], error: Exception) -> StorageError:
    table = next((each for each in arguments if isinstance(each, Table)), None)
    doing = _DOING.get(method, f"`{method}` of")
    what = f"{doing} `{table.name}`" if table is not None else f"`{method}`"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if spec.folder is not None and Path(frame.filename).is_relative_to(spec.folder)]
    last = (own or frames)[-1]
    shown = Path(last.filename)
    if spec.folder is not None and shown.is_relative_to(spec.folder):
        shown = shown.relative_to(spec.folder)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return StorageError(
        f"storage `{spec.name}` ({spec.type}) failed at {what}: {text}",
        hint=f"look at {shown}:{last.lineno}",
        location=table.where("storage") if table is not None else spec.location,
    )


class GuardedStorage(AssetStorage):
    """Does what the storage within does, method by method.

    Attributes:
        inner: The user's.
    """

    def __init__(self, spec: StorageSpec, inner: AssetStorage) -> None:
        self.spec = spec
        self.inner = inner
        self.concurrency = inner.concurrency
        self.of_one_process = inner.of_one_process

    def uri(self, table: Table) -> str:
        """Where a table is, with the root as it is written: one that is filled in may hold a password."""
        with self._guarded("uri", (table,)):
            uri = self.inner.uri(table)
            return uri.replace(self.spec.root, self.spec.root_text) if self.spec.root else uri

    @contextmanager
    def _guarded(self, method: str, arguments: tuple[Any, ...]) -> Iterator[None]:
        try:
            yield
        except LakehouseError:
            raise
        except Exception as error:
            raise _told(self.spec, method, arguments, error) from error


def _delegate(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: GuardedStorage, *arguments: Any, **keywords: Any) -> Any:
        with self._guarded(name, arguments):
            result = getattr(self.inner, name)(*arguments, **keywords)
            # What is made while it is asked for would raise where nobody looks.
            return list(result) if isinstance(result, Iterator) else result

    method.__name__ = name
    method.__doc__ = original.__doc__
    return method


for _name, _original in vars(AssetStorage).items():
    if not _name.startswith("_") and callable(_original) and _name not in vars(GuardedStorage):
        setattr(GuardedStorage, _name, _delegate(_name, _original))
GuardedStorage.__abstractmethods__ = frozenset()


def guarded(spec: StorageSpec, inner: AssetStorage) -> AssetStorage:
    """A user's storage as the tool uses it."""
    # Its methods are all there, though the type checker has not seen them made.
    concrete: Any = GuardedStorage
    storage: AssetStorage = concrete(spec, inner)
    return storage
