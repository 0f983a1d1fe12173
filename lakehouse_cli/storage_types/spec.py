"""What a type of storage says of itself."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from lakehouse_cli.formats.spec import FormatOption, Refusal
from lakehouse_cli.storage_types.names import Names


class StorageType(Struct, frozen=True):
    """A type of storage by name.

    Attributes:
        name: What ``type:`` calls it.
        implementation: ``module:Class`` of the `AssetStorage`, made with its `StorageSpec`.
        root: What ``root:`` is: a folder or a file of this machine, a URL, any text that the storage itself
            understands, or nothing.
        schemes: URL schemes its root may have, where that is a URL.
        url_encoded: Whether the parts of its root, a URL, are percent-encoded.
        formats: Whether its tables are files of a format, so that ``format`` and its options apply.
        options: Its own options, beside those of a format.
        refusal: Why it cannot hold a column type, if it cannot.
        dimension_refusal: Why a column of that type cannot hold the value of a partition there, if it cannot.
        schema: Of a database, the schema of a path that names none, where ``schema`` does not say otherwise.
        names: Of a database, what names its tables and columns may have.
        needs: Modules of packages that lakehouse does not itself depend on.
        install: What to install where one of these is missing.
        required: Names of the options that have no default.
        root_required: Whether ``root`` must be given.
        own: Whether it is not the tool's: a class of the project's, or of an installed package.
    """

    name: str
    implementation: str
    root: Literal["folder", "file", "url", "folder or url", "text", "none"] = "folder"
    schemes: tuple[str, ...] = ()
    url_encoded: bool = False
    formats: bool = False
    options: tuple[FormatOption, ...] = ()
    refusal: Refusal | None = None
    dimension_refusal: Refusal | None = None
    needs: tuple[str, ...] = ()
    install: str | None = None
    schema: str = ""
    names: Names | None = None
    required: tuple[str, ...] = ()
    root_required: bool = True
    own: bool = False

    def option(self, name: str) -> FormatOption | None:
        """Return the option of that name, None where there is none."""
        return next((option for option in self.options if option.name == name), None)


def schema_option(default: str | None) -> FormatOption:
    """Return the option of a database that has schemas."""
    description = "The schema of tables whose path names none; made where it is not there."
    return FormatOption("schema", default, {"type": "string", "minLength": 1}, description)


def lock_timeout(waiting: str) -> FormatOption:
    """Return the option of a database that is waited for; `waiting` is for whom."""
    return FormatOption("lock_timeout", 60, {"type": "integer", "minimum": 1}, f"Seconds to wait for {waiting}.")
