"""What a backend raises → the error of the table or storage that it was met at.

A storage says what an exception means (`Explaining.explain`); the message is made here, for all storages alike.
"""

from __future__ import annotations

import errno
import re
import traceback
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from lakehouse_cli.errors import HIDDEN, LakehouseError, OvertakenError, StorageError, UnreachableError
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.text.causes import system_reason

_PACKAGE = Path(__file__).resolve().parent.parent
#: What is out of reach: all tables of a storage, or one.
OutOfReach = Literal["storage", "table"]
# What a sentence of a database may quote: from the first quote, bracket or number to the last.
_QUOTED = r"""(?s)(?:["'`(]|(?<!\w)[0-9]).*["'`)0-9]|(?<!\w)[0-9]"""
#: What to do about an operating system's error.
_ADVICE = {
    errno.ENOSPC: "make room on the disk and run again",
    errno.EDQUOT: "make room within the quota and run again",
    errno.EFBIG: "the limit on file sizes (`ulimit -f`) is too low for this table",
    errno.EROFS: "the storage is read-only; give it another `root:` in the project file",
    errno.EACCES: "check the permissions of the storage's folder",
    errno.EPERM: "check the permissions of the storage's folder",
    errno.ELOOP: "remove the link that leads to itself",
    errno.ENAMETOOLONG: "give the table a shorter `path:`",
}


class Cause(NamedTuple):
    """What an exception of a backend means.

    Attributes:
        reason: Why something could not be done, to follow a colon.
        hint: What to do; None for a look at the storage.
        out_of_reach: What cannot be reached, such as all of a server that does not answer. A plan then says that a
            run would fail, and the run fails these tables before it computes them.
        shown: What it could not be done with, where that is not the table itself.
    """

    reason: str
    hint: str | None = None
    out_of_reach: OutOfReach | None = None
    shown: str | None = None


def system_cause(error: OSError) -> Cause:
    """What an error of the operating system means."""
    return Cause(system_reason(error), _ADVICE.get(error.errno or 0))


class Explaining(Protocol):
    """A storage that knows what its backend raises."""

    @property
    def spec(self) -> StorageSpec:
        """Its declaration."""

    def uri(self, table: Table) -> str:
        """Return where a table is, for messages."""

    def explain(self, error: Exception, table: Table | None) -> Cause | None:
        """What an exception means that was raised at a table; None for the system's own, and for faults of the tool."""


class translate_errors(Struct):  # noqa: N801  # used as a function is; a class, as it is entered for every look at a table
    """Raise what a backend raises as an error that names table, storage and line.

    Args:
        storage: Whose backend it is.
        table: What it was to be done with; None for the storage as a whole.
        doing: What was to be done, to follow "cannot be".
    """

    storage: Explaining
    table: Table | None
    doing: str

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None:
            return
        storage, table = self.storage, self.table
        is_private = table is not None and bool(table.contract.sensitive)
        if isinstance(error, LakehouseError) and is_private:
            from lakehouse_cli.contracts.hiding import hide_data  # seldom needed

            hide_data(error)
        if not isinstance(error, Exception) or isinstance(error, LakehouseError):
            return
        cause = storage.explain(error, table)
        if cause is None and isinstance(error, OSError) and error.strerror:
            cause = system_cause(error)
        if cause is None:
            return
        named = f"storage `{storage.spec.name}`"
        shown = cause.shown or (named if table is None else storage.uri(table))
        # A database says which value it cannot cast, or has twice.
        may_quote = is_private and cause.out_of_reach is None and not isinstance(error, OSError)
        reason = re.sub(_QUOTED, HIDDEN, cause.reason) if may_quote else cause.reason
        message = f"{shown} cannot be {self.doing}: {reason}"
        hint = cause.hint or f"look at {named}"
        where = storage.spec.location if table is None else table.where("path", "storage")
        if cause.out_of_reach is None:
            raise StorageError(message, hint=hint, location=where) from error
        everywhere = cause.out_of_reach == "storage"
        raise UnreachableError(
            message, reason=cause.reason, everywhere=everywhere, hint=hint, location=where
        ) from error


class ChangedError(StorageError):
    """Something else is stored by now than what was seen there."""


class MisnamedFilesError(StorageError):
    """Files of a source have names that are not as its path says."""


def overtaken(table: Table, shown: str) -> OvertakenError:
    """Return the error of a table that another run stored while this one computed it; `shown` is where it is."""
    return OvertakenError(
        f"another run stored {shown} while this one computed it",
        hint="what it stored is left as it is; run again to look at it anew",
        location=table.where("path", "storage"),
    )


def other_types_hint(table: Table) -> str:
    """Return what to do about columns that have other types in the partitions of a table than a new one has."""
    if table.runs_in_storage:  # its query publishes each by itself
        return "drop the table and run again, which computes its partitions anew; or keep the type"
    name = table.name.partition("/")[0]
    return f"`lakehouse run --force --together {name}` stores all of its partitions anew, at once; or keep the type"


def changed_while_read(table: Table, shown: str) -> StorageError:
    """Return the error of a table that others changed whenever it was read; `shown` is where it is."""
    return StorageError(
        f"{shown} changed while it was read",
        hint="run again when no other program writes it",
        location=table.where("path", "storage"),
    )


def gone_while_read(table: Table, shown: str) -> StorageError:
    """Return the error of a file that was listed for a table, or planned with, and is not there; `shown` is where."""
    return StorageError(
        f"{shown} is gone since the run was planned",
        hint="run again, when no other program moves the files",
        location=table.where("path"),
    )


_DOING = {
    "stat": "looking at",
    "content": "looking at",
    "scan": "reading",
    "publish": "storing",
    "read_manifest": "reading the manifest of",
    "delete": "deleting",
    "may_replace": "looking at",
    "altered_by": "looking at",
    "keep_checks": "storing the checks of",
}


def own_storage_error(spec: StorageSpec, method: str, table: Table | None, error: BaseException) -> StorageError:
    """Return the error of a storage that is not the tool's, with the line of its code that raised it.

    Args:
        spec: Its declaration.
        method: What was called.
        table: What it was called for.
        error: What it raised.
    """
    from lakehouse_cli.code.importing import is_own_file  # slow to load, and seldom needed

    doing = _DOING.get(method, f"`{method}` of")
    what = f"{doing} `{table.name}`" if table is not None else f"`{method}`"
    frames, folder = traceback.extract_tb(error.__traceback__), spec.folder
    own = [frame for frame in frames if folder is not None and is_own_file(frame.filename, folder)]
    # Of a storage from a package its own line, rather than that of a library that it calls.
    packaged = [frame for frame in frames if not frame.filename.startswith(f"{_PACKAGE}/")]
    hint = f"look at `{spec.type}`"
    if own or packaged:
        last = own[-1] if own else packaged[0]
        shown = Path(last.filename).relative_to(folder) if own and folder is not None else last.filename
        hint = f"look at {shown}:{last.lineno}"
    is_private = table is not None and bool(table.contract.sensitive)
    said = HIDDEN if is_private and str(error) else str(error)
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return StorageError(
        f"storage `{spec.name}` ({spec.type}) failed at {what}: {text}",
        hint=hint,
        location=table.where("storage") if table is not None else spec.location,
    )


def not_replaced(path: str) -> str:
    """What to add to a hint on the path of a source that was not found: `$VAR` in it stands for itself."""
    found = re.search(r"\$([A-Za-z_]\w*)", path)
    return f"; `{found[0]}` stands for itself, and `${{{found[1]}}}` is replaced, in `root:`" if found else ""
