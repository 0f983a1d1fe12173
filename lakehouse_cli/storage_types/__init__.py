"""The types of storages, as data: what their root is, their options, what they can hold.

The project file is checked against this without loading any of the code that talks to a storage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from lakehouse_cli.formats.spec import LazySpecs
from lakehouse_cli.registry import installed
from lakehouse_cli.storage_types.spec import StorageType

__all__ = ["SCHEMES", "STORAGE_TYPES", "StorageType", "bucket_problem", "find_type", "known_names", "scheme_of"]

STORAGE_TYPES: Mapping[str, StorageType] = LazySpecs(
    {
        "files": "lakehouse_cli.storage_types.files:FILES",
        "s3": "lakehouse_cli.storage_types.objects:S3",
        "gcs": "lakehouse_cli.storage_types.objects:GCS",
        "azure": "lakehouse_cli.storage_types.objects:AZURE",
        "memory": "lakehouse_cli.storage_types.objects:MEMORY",
        "postgresql": "lakehouse_cli.storage_types.postgresql:POSTGRESQL",
        "duckdb": "lakehouse_cli.storage_types.duckdb:DUCKDB",
        "sqlite": "lakehouse_cli.storage_types.sqlite:SQLITE",
        "delta": "lakehouse_cli.storage_types.delta:DELTA",
    },
    StorageType,
)

#: Which type a root with this URL scheme is of, where `type` does not say.
SCHEMES: Mapping[str, str] = {
    "s3": "s3",
    "gs": "gcs",
    "az": "azure",
    "memory": "memory",
    "postgresql": "postgresql",
    "postgres": "postgresql",
}


_WITH_BUCKETS = ("s3", "gs", "az")


def scheme_of(root: str) -> str | None:
    """Return the scheme of a root that is a URL, in lower case; None for a path.

    >>> scheme_of("s3://bucket/prefix"), scheme_of("data/x")
    ('s3', None)
    """
    scheme, separator, _ = root.partition("://")
    is_scheme = separator and scheme[:1].isalpha() and all(c.isalnum() or c in "+.-" for c in scheme)
    return scheme.lower() if is_scheme else None


def bucket_problem(root: str) -> tuple[str, str] | None:
    """What is wrong with a root of the form ``scheme://bucket/prefix``, and what to do; the message does not show it.

    >>> bucket_problem("s3://bucket/prefix"), bucket_problem("data/x")
    (None, None)
    >>> bucket_problem("s3:///prefix")
    ('names no bucket', 'name one: `s3://bucket/prefix`')
    """
    scheme = scheme_of(root)
    if scheme not in _WITH_BUCKETS:
        return None
    bucket, _, prefix = root.partition("://")[2].partition("/")
    if "@" in bucket or ":" in bucket:
        return "holds credentials or a port", "set them in `options`: `access_key_id`, `endpoint`, …"
    if not bucket:
        return "names no bucket", f"name one: `{scheme}://bucket/prefix`"
    if "?" in root or {".", ".."} & set(prefix.split("/")):
        return f"is not of the form `{scheme}://bucket/prefix`", "leave out `?`, `.` and `..`"
    return None


def find_type(name: str, folder: Path) -> StorageType | None:
    """Find a type of storage: built in, a class of the project's as ``module:Class``, or one that a package brings.

    Args:
        name: What ``type:`` says.
        folder: The project's.

    Raises:
        SourceError: It is a class that cannot be found, or that declares what no project file can hold.
    """
    if name in STORAGE_TYPES:
        return STORAGE_TYPES[name]
    from lakehouse_cli.storage_types.own import read_type

    target = name if ":" in name else installed("storages").get(name)
    return None if target is None else read_type(name, target, folder)


def known_names() -> Iterable[str]:
    """Return the names that ``type:`` may have, those of installed packages among them."""
    return dict.fromkeys([*STORAGE_TYPES, *installed("storages")])
