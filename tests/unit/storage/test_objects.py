"""Object stores: the conformance suite on a real S3 server, and what only they have."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError, StorageError
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.registry import Entry, load
from lakehouse_cli.storage import AssetStorage
from lakehouse_cli.storage.base import Provenance, Scan
from lakehouse_cli.storage.keyed.memory import MemoryStorage
from lakehouse_cli.storage.keyed.object_errors import explain_text
from lakehouse_cli.storage.keyed.object_reading import RangeReader
from lakehouse_cli.storage.keyed.objects import S3Storage
from lakehouse_cli.storage_types import STORAGE_TYPES
from lakehouse_cli.testing.storage import ORIGIN, StorageConformance, column, csv_of, data_of, planned, table
from tests.servers.s3 import S3Server
from tests.unit.storage.suites import ObjectConformance, behind

pytestmark = pytest.mark.slow

WRONG = {"secret_access_key": "not-the-secret"}
_roots = (f"root{number}" for number in itertools.count())


def s3_spec(server: S3Server, root: str, **options: Any) -> StorageSpec:
    connection = {**server.options, "retry_seconds": 1, **options}
    return StorageSpec("lake", root, root, type="s3", connection=connection)


@pytest.fixture
def lake(s3_server: S3Server) -> S3Storage:
    """A storage under a prefix of its own."""
    s3_server.make_bucket("lake")
    return S3Storage(s3_spec(s3_server, f"s3://lake/{next(_roots)}"))


class TestCsvOnS3(ObjectConformance):
    wrong_credentials = WRONG
    refused_with = "the server does not accept the credentials (SignatureDoesNotMatch)"

    @pytest.fixture
    def storage(self, lake: S3Storage) -> S3Storage:
        return lake


class ParquetS3(S3Storage):
    """A bucket whose tables are Parquet, as those are that a project file declares."""

    def _suffixes(self, declared: Table) -> tuple[str, ...]:
        return super()._suffixes(replace(declared, format="parquet"))

    def scan(self, declared: Table, columns: Any) -> Scan:
        return super().scan(replace(declared, format="parquet"), columns)

    def publish(self, declared: Table, data: pa.Table, origin: Any) -> Any:
        return super().publish(replace(declared, format="parquet"), data, origin)

    def count_rows(self, declared: Table) -> int | None:
        return super().count_rows(replace(declared, format="parquet"))


class TestParquetOnS3(ObjectConformance):
    wrong_credentials = WRONG
    refused_with = "the server does not accept the credentials (SignatureDoesNotMatch)"

    @pytest.fixture
    def storage(self, lake: S3Storage) -> ParquetS3:
        return ParquetS3(replace(lake.spec, format="parquet"))

    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        file = io.BytesIO()
        pq.write_table(data, file)
        behind(storage).put(f"{declared.path}.parquet", file.getvalue())

    def test_only_the_declared_columns_are_fetched(self, storage: ParquetS3, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of a table with one large column and a small one, the small one alone."""
        declared = table("t", column("id", "int64"), column("text", "string"))
        texts = [sha256(str(i).encode()).hexdigest() for i in range(200_000)]
        manifest = storage.publish(declared, pa.table({"id": range(200_000), "text": texts}), ORIGIN)
        fetched = 0
        real = RangeReader.__init__

        def counting(self: RangeReader, get: Any, size: int) -> None:
            def counted(start: int, end: int) -> Any:
                nonlocal fetched
                fetched += end - start
                return get(start, end)

            real(self, counted, size)

        monkeypatch.setattr(RangeReader, "__init__", counting)
        assert declared.columns is not None
        assert storage.scan(declared, declared.columns[:1]).table().num_rows == 200_000
        assert fetched < manifest.bytes / 2


class TestCsvInMemory(StorageConformance):
    @pytest.fixture
    def storage(self) -> MemoryStorage:
        return memory(f"memory://{next(_roots)}")

    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        assert isinstance(storage, MemoryStorage)
        key = f"{declared.path}.csv"
        storage.put_key(key, io.BytesIO(csv_of(data)), storage.head_key(key))

    def get(self, storage: AssetStorage, declared: Any) -> bytes | None:
        assert isinstance(storage, MemoryStorage)
        return storage.get_key(f"{declared.path}.csv")


def memory(root: str) -> MemoryStorage:
    return MemoryStorage(StorageSpec("scratch", root, root, type="memory"))


def publish(storage: AssetStorage, text: str, origin: Provenance = ORIGIN) -> None:
    storage.publish(table(), data_of(table(), (1, text)), origin)


def texts(storage: AssetStorage) -> list[str]:
    found: list[str] = storage.scan(table(), table().columns).table().column("text").to_pylist()
    return found


def test_memory_is_shared_by_url() -> None:
    publish(memory("memory://one/a"), "a")
    assert texts(memory("memory://one/a/")) == ["a"]
    assert memory("memory://one/b").stat(table()) is None


def test_objects_lie_under_the_prefix_and_nothing_else(lake: S3Storage) -> None:
    publish(lake, "a")
    paths = sorted(meta["path"] for batch in behind(lake).list() for meta in batch)
    assert paths == [".lakehouse/manifests/table.json", "table.csv"]


def test_two_first_runs_without_conditional_writes(lake: S3Storage) -> None:
    spec = replace(lake.spec, connection={**lake.spec.connection, "conditional_writes": False})
    first, second = S3Storage(spec), S3Storage(spec)
    origins = [planned(run, table()) for run in (first, second)]
    publish(first, "first", origins[0])
    with pytest.raises(StorageError, match="another run"):
        publish(second, "second", origins[1])
    assert texts(lake) == ["first"]


def test_object_removed_meanwhile_is_reported(lake: S3Storage) -> None:
    publish(lake, "old")
    first = S3Storage(lake.spec)
    origin = planned(first, table())
    lake.delete(table())
    with pytest.raises(StorageError, match="another run"):
        publish(first, "first", origin)


def test_a_table_beyond_one_request_goes_in_parts(lake: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse_cli.storage.keyed.objects.ONE_REQUEST", 1 << 20)
    monkeypatch.setattr("lakehouse_cli.storage.keyed.objects._PART", 5 << 20)
    ids = list(range(300_000))
    data = pa.table({"id": pa.array(ids), "text": pa.array([f"{i:030}" for i in ids])})
    manifest = lake.publish(table(), data, ORIGIN)
    head = lake.head_key("table.csv")
    assert head is not None
    assert head.version is not None
    assert "-" in head.version  # S3's mark of an upload in parts
    assert lake.scan(table(), table().columns).table().equals(data)
    content = lake.content(table(), ())
    assert content is not None
    assert content.content_hash == manifest.content_hash
    other = S3Storage(lake.spec)
    origin = planned(other, table())
    publish(lake, "changed")
    with pytest.raises(StorageError, match="another run"):
        other.publish(table(), data.slice(1), origin)


def test_a_large_upload_takes_little_memory(lake: S3Storage) -> None:
    """What is sent in one request is mapped from a file, not copied."""
    import os
    from tempfile import SpooledTemporaryFile
    from typing import BinaryIO, cast

    peak = 0
    stop = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.005):
            peak = max(peak, anonymous_memory())

    piece = os.urandom(1 << 20)
    with SpooledTemporaryFile(1 << 20) as file:
        for _ in range(120):
            file.write(piece)
        before = anonymous_memory()
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            head = lake.put_key("large", cast(BinaryIO, file), None)
        finally:
            stop.set()
            watcher.join()
    assert head.bytes == 120 << 20
    assert "-" not in (head.version or "")  # in one request, so on its condition
    assert peak - before < 40 << 20


def anonymous_memory() -> int:
    """Bytes of this process that the system cannot give up."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) << 10


@pytest.mark.parametrize("format_name", ["csv", "parquet", "ipc", "jsonl", "json"])
def test_a_table_replaced_while_it_is_read_is_read_anew(
    lake: S3Storage, monkeypatch: pytest.MonkeyPatch, format_name: str
) -> None:
    declared = replace(table(), format=format_name)
    lake.publish(declared, data_of(declared, (1, "old")), ORIGIN)
    format_class = load(Entry(FORMATS[format_name].implementation))
    real, turns = format_class().read, iter([True])

    def read(*arguments: Any) -> pa.Table:
        if next(turns, False):
            S3Storage(lake.spec).publish(declared, data_of(declared, (1, "new")), ORIGIN)
        table: pa.Table = real(*arguments)
        return table

    monkeypatch.setattr(format_class, "read", staticmethod(read))
    assert lake.scan(declared, declared.columns).table().column("text").to_pylist() == ["new"]


def test_outside_change_in_the_same_second_is_seen(lake: S3Storage) -> None:
    manifest = lake.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    content = lake.content(table(), ())
    assert content is not None
    behind(lake).put("table.csv", b"id,text\n1,b\n")
    again = lake.content(table(), (content,))
    assert again is not None
    assert again.content_hash != manifest.content_hash
    assert again.bytes == manifest.bytes


def test_the_time_is_the_servers(lake: S3Storage) -> None:
    publish(lake, "a")
    stored = lake.stat(table())
    assert stored is not None
    reported = behind(lake).head("table.csv")["last_modified"].timestamp()
    assert stored.modified_ns // 10**9 == int(reported)


class TestRefusals:
    def test_nobody_answers(self) -> None:
        pytest.importorskip("obstore")
        options = {"endpoint": "http://127.0.0.1:1", "allow_http": True, "access_key_id": "a", "retry_seconds": 0}
        options["secret_access_key"] = "b"
        storage = S3Storage(StorageSpec("lake", "s3://lake", "s3://lake", type="s3", connection=options))
        with pytest.raises(StorageError) as caught:
            storage.stat(table())
        assert caught.value.message == "s3://lake/table.csv cannot be looked at: the server does not answer"
        assert "endpoint of storage `lake`" in (caught.value.hint or "")

    def test_plain_http_must_be_meant(self, s3_server: S3Server) -> None:
        storage = S3Storage(s3_spec(s3_server, "s3://lake", allow_http=False))
        with pytest.raises(StorageError, match="reached without TLS") as caught:
            storage.stat(table())
        assert "`allow_http: true`" in (caught.value.hint or "")

    def test_a_missing_package_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys

        monkeypatch.setitem(sys.modules, "obstore", None)
        monkeypatch.setitem(sys.modules, "obstore.store", None)
        storage = S3Storage(StorageSpec("lake", "s3://lake", "s3://lake", type="s3"))
        with pytest.raises(LakehouseError) as caught:
            storage.stat(table())
        assert caught.value.hint == "pip install 'lakehouse-cli[s3]'"


@pytest.mark.parametrize("name", ["s3", "gcs", "azure"])
def test_extras_are_those_of_the_package(name: str) -> None:
    import tomllib

    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert name in project["optional-dependencies"]
    assert STORAGE_TYPES[name].install == f"pip install 'lakehouse-cli[{name}]'"


class TestProfiles:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3_server: S3Server) -> Iterator[Path]:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        keys = s3_server.options
        (tmp_path / "credentials").write_text(
            f"[work]\naws_access_key_id={keys['access_key_id']}\naws_secret_access_key={keys['secret_access_key']}\n"
        )
        (tmp_path / "config").write_text(
            "[profile work]\nregion = us-east-1\n[profile single]\nsso_session = x\n[default]\nregion = eu-west-1\n"
        )
        return tmp_path

    def storage(self, server: S3Server, root: str, **options: Any) -> S3Storage:
        connection = {"endpoint": server.endpoint, "allow_http": True, "retry_seconds": 1, **options}
        return S3Storage(StorageSpec("lake", root, root, type="s3", connection=connection))

    def test_named_in_the_options(self, lake: S3Storage, s3_server: S3Server) -> None:
        publish(self.storage(s3_server, lake.spec.root, profile="work"), "a")
        assert texts(lake) == ["a"]

    def test_named_in_the_environment(
        self, lake: S3Storage, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_PROFILE", "work")
        publish(self.storage(s3_server, lake.spec.root), "a")
        assert texts(lake) == ["a"]

    def test_unknown(self, lake: S3Storage, s3_server: S3Server) -> None:
        with pytest.raises(StorageError, match="there is no AWS profile `play` for storage `lake`"):
            self.storage(s3_server, lake.spec.root, profile="play").stat(table())

    def test_one_that_needs_signing_in(self, lake: S3Storage, s3_server: S3Server) -> None:
        with pytest.raises(StorageError, match="AWS profile `single` of storage `lake`") as caught:
            self.storage(s3_server, lake.spec.root, profile="single").stat(table())
        assert "pip install boto3" in (caught.value.hint or "")

    def test_variables_of_the_environment(
        self, lake: S3Storage, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in s3_server.environ.items():
            monkeypatch.setenv(name, value)
        storage = S3Storage(StorageSpec("lake", lake.spec.root, lake.spec.root, type="s3"))
        publish(storage, "a")
        assert texts(lake) == ["a"]


def test_clock_that_is_wrong_is_what_is_said() -> None:
    """By the answer that S3 gives to a request of another time; not that access is denied."""
    spec = StorageSpec("lake", "s3://lake", "s3://lake", type="s3")
    said = "Server returned non-2xx status code: 403 Forbidden: <Error><Code>RequestTimeTooSkewed</Code></Error>"
    cause = explain_text(said, spec, "lake", "bucket")
    assert cause is not None
    assert cause.reason == "the server does not accept the time of the request (RequestTimeTooSkewed)"
    assert cause.hint == "set the clock of the machine that asked: this one, or the worker's"
