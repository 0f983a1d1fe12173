"""Tables as objects of S3, Google Cloud Storage or Azure Blob Storage, through ``obstore``.

An object is replaced by one request, or by the last of several, which the server does all or nothing. The request
says what it replaces (``If-Match``, ``If-None-Match``), so that of two runs at once one is refused. ``obstore`` sends
no such condition with an upload in parts; one request carries up to `ONE_REQUEST` bytes, sent from a file that is
mapped into memory and so takes none. Only what is larger is uploaded in parts, after a look that it replaces what was
seen.
"""

from __future__ import annotations

import io
import mmap
import threading
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, BinaryIO, ClassVar

from lakehouse_cli.formats.base import Opener
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.registry import Entry, load
from lakehouse_cli.storage.errors import Cause, ChangedError
from lakehouse_cli.storage.keyed.aws_flags import aws_flags
from lakehouse_cli.storage.keyed.base import IN_MEMORY, KeyedStorage
from lakehouse_cli.storage.keyed.head import Head
from lakehouse_cli.storage.keyed.object_errors import NoClientError, explain_request, is_missing_container, is_wordless
from lakehouse_cli.storage.keyed.object_reading import RangeReader
from lakehouse_cli.storage_types import STORAGE_TYPES

#: What S3 takes in one request, less a little; Azure takes about as much, Google more.
ONE_REQUEST = 4 << 30
_PART = 16 << 20
_MOST_PARTS = 9_000  # S3 takes 10,000
_PARTS_AT_ONCE = 4
_SMALL_SECONDS = 60
_SLOWEST = 100_000  # bytes a second; an upload that is slower is given up


class ObjectStorage(KeyedStorage):
    """A bucket, or what has a common prefix in one."""

    concurrency: int = 32
    #: ``obstore``'s class.
    store_class: ClassVar[str]
    #: What the provider calls what holds objects.
    container: ClassVar[str] = "bucket"
    #: The options that its class is made with, and what it calls those of other names.
    settings: ClassVar[tuple[str, ...]]
    renamed: ClassVar[Mapping[str, str]] = {}

    def __init__(self, spec: StorageSpec) -> None:
        super().__init__(spec)
        self.bucket, _, prefix = spec.root.partition("://")[2].partition("/")
        self._prefix = "".join(f"{part}/" for part in prefix.split("/") if part)
        self._stores: dict[int, Any] = {}
        self._making = threading.Lock()
        self._container_seen = False

    def _settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What ``obstore``'s class is made with, of the storage's options; what is not there it finds for itself."""
        settings = {self.renamed.get(name, name): options[name] for name in self.settings if name in options}
        return settings | ({"skip_signature": True} if options.get("anonymous") else {})

    def _store(self, seconds: int = _SMALL_SECONDS) -> Any:
        """Return the connection whose requests may each take so long."""
        with self._making:
            if seconds not in self._stores:
                self._stores[seconds] = self._connect(seconds)
            return self._stores[seconds]

    def _connect(self, seconds: int) -> Any:
        options = self.spec.connection
        store_class = load(Entry(f"obstore.store:{self.store_class}", STORAGE_TYPES[self.spec.type].install))
        patience = float(options.get("retry_seconds", 30))
        retry = {
            "max_retries": 10 if patience else 0,
            "retry_timeout": timedelta(seconds=patience),
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=5),
                "base": 2,
            },
        }
        client: dict[str, Any] = {"timeout": timedelta(seconds=seconds)}
        if aws_flags(options)["allow_http"]:
            client["allow_http"] = True
        settings = self._settings(options)
        from obstore.exceptions import BaseError

        try:
            return store_class(self.bucket, client_options=client, retry_config=retry, **settings)
        except (BaseError, ValueError) as error:
            raise NoClientError(error) from None  # its text may hold parts of a key

    def _path(self, key: str) -> str:
        return f"{self._prefix}{key}"

    def head_key(self, key: str) -> Head | None:
        """Size, time and ETag of an object."""
        store = self._store()
        from obstore.exceptions import BaseError

        try:
            return _head(store.head(self._path(key)))
        except FileNotFoundError:
            self._look_for_container(key)
            return None
        except BaseError as error:
            if is_wordless(error):
                store.get(self._path(key), options={"range": (0, 1)})  # refused in words, for which HEAD has no room
            raise

    def _look_for_container(self, key: str) -> None:
        """Distinguish a bucket that is not there from an object that is not there: the answer to HEAD does not say."""
        if not self._container_seen:
            try:
                self._store().get(self._path(key))
            except FileNotFoundError as error:
                if is_missing_container(error):
                    raise
            self._container_seen = True

    def get_key(self, key: str) -> bytes | None:
        """Return the bytes of an object."""
        try:
            return bytes(self._store().get(self._path(key)).bytes())
        except FileNotFoundError as error:
            if is_missing_container(error):
                raise
            return None

    def opener(self, key: str, seen: Head) -> Opener:
        """Reads an object by ranges, each on the condition that it is still the one seen."""
        e_tag, store, path = (seen.version or "").partition(" ")[0], self._store(), self._path(key)
        from obstore.exceptions import PreconditionError

        def get(start: int, end: int) -> Any:
            options: Any = {"range": (start, end), **({"if_match": e_tag} if e_tag else {})}
            try:
                return store.get(path, options=options).bytes()
            except (FileNotFoundError, PreconditionError) as error:
                raise ChangedError(f"`{key}` was replaced while it was read") from error

        return lambda: io.BufferedReader(RangeReader(get, seen.bytes))

    def put_key(self, key: str, data: BinaryIO, seen: Head | None) -> Head:
        """Replace what was seen, or nothing where nothing was; all or nothing."""
        size = data.seek(0, io.SEEK_END)
        data.seek(0)
        store = self._store(_SMALL_SECONDS + size // _SLOWEST // 60 * 60)
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        conditional = size <= ONE_REQUEST and self.spec.connection.get("conditional_writes", True)
        if not conditional and self.head_key(key) != seen:
            raise ChangedError(f"`{key}` is not what was seen")
        try:
            if size > ONE_REQUEST:
                part = max(_PART, size // _MOST_PARTS)
                store.put(self._path(key), data, chunk_size=part, max_concurrency=_PARTS_AT_ONCE)
            else:
                mode: Any = _mode(seen) if conditional else "overwrite"
                store.put(self._path(key), _body(data, size), mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError) as error:
            raise ChangedError(f"`{key}` is not what was seen") from error
        except FileNotFoundError as error:
            # S3 says so of an object that was to be replaced.
            if seen is None or is_missing_container(error):
                raise
            raise ChangedError(f"`{key}` was removed") from error
        found = self.head_key(key)
        if found is None or found.bytes != size:
            raise ChangedError(f"`{key}` was replaced at once")
        return found

    def delete_key(self, key: str) -> None:
        """Remove an object, if there."""
        try:
            self._store().delete(self._path(key))
        except FileNotFoundError as error:
            if is_missing_container(error):
                raise

    def keys(self, prefix: str) -> Iterable[str]:
        """Return all objects under a prefix."""
        return (key for key, _ in self.heads(prefix))

    def heads(self, prefix: str) -> Iterable[tuple[str, Head]]:
        """Return all objects under a prefix, with what the listing shows of them."""
        for batch in self._store().list(self._path(prefix).rstrip("/") or None):
            for entry in batch:
                yield entry["path"].removeprefix(self._prefix), _head(entry)

    def explain(self, error: Exception, table: Table | None) -> Cause | None:
        """Explain by what the server said, without the addresses and keys it said it with."""
        return explain_request(error, self.spec, self.bucket, self.container) or super().explain(error, table)


class S3Storage(ObjectStorage):
    """S3, and servers that speak its language."""

    store_class = "S3Store"
    settings = ("endpoint", "region", "access_key_id", "secret_access_key", "session_token")

    def _settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        settings = {**super()._settings(options), **aws_flags(options)}
        del settings["allow_http"]  # which is of the connection
        if not settings["skip_signature"] and "access_key_id" not in settings:
            from lakehouse_cli.storage.keyed.aws_profiles import credentials_of_profile

            settings = {**credentials_of_profile(options.get("profile"), self.spec), **settings}
        return settings


class GcsStorage(ObjectStorage):
    """Google Cloud Storage."""

    store_class = "GCSStore"
    settings = ("service_account", "service_account_key", "endpoint", "token")
    renamed: ClassVar[Mapping[str, str]] = {"endpoint": "base_url", "token": "bearer_token"}


class AzureStorage(ObjectStorage):
    """Azure Blob Storage."""

    store_class = "AzureStore"
    container = "container"
    settings = (
        *("account_name", "account_key", "sas_key", "tenant_id", "client_id", "client_secret"),
        *("use_azure_cli", "endpoint"),
    )


def _head(meta: Any) -> Head:
    version = " ".join(filter(None, (meta["e_tag"], meta["version"])))
    return Head(meta["size"], int(meta["last_modified"].timestamp()) * 1_000_000_000, version or None)


def _mode(seen: Head | None) -> Any:
    if seen is None:
        return "create"
    e_tag, _, version = (seen.version or "").partition(" ")
    return {**({"e_tag": e_tag} if e_tag else {}), **({"version": version} if version else {})}


def _body(data: BinaryIO, size: int) -> Any:
    """Return what is sent: bytes, or a file mapped into memory, of which the system keeps as much there as it likes."""
    if size <= IN_MEMORY:
        return data.read()
    return mmap.mmap(data.fileno(), size, access=mmap.ACCESS_READ)
