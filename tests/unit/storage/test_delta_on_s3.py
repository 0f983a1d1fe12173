"""Delta tables in a bucket: the conformance suite, and what only servers do."""

from __future__ import annotations

import itertools

import pytest

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.delta.partitioned import DeltaStorage
from lakehouse_cli.storage.keyed.objects import S3Storage
from lakehouse_cli.testing.storage import ORIGIN, data_of, planned, table
from tests.servers.s3 import S3Server
from tests.unit.storage.test_delta import DeltaConformance

_prefixes = itertools.count()


def opened(server: S3Server, root: str, **options: object) -> DeltaStorage:
    connection = {**server.options, "retry_seconds": 1, **options}
    return DeltaStorage(StorageSpec("lake", root, root, "", type="delta", connection=connection))


@pytest.mark.slow
class TestDeltaOnS3(DeltaConformance):
    @pytest.fixture
    def storage(self, s3_server: S3Server) -> DeltaStorage:
        s3_server.make_bucket("delta")
        return opened(s3_server, f"s3://delta/with space {next(_prefixes)}/ü")


def test_second_of_two_equal_runs_is_refused(s3_server: S3Server) -> None:
    s3_server.make_bucket("delta")
    root = f"s3://delta/{next(_prefixes)}"
    first, second = opened(s3_server, root), opened(s3_server, root)
    origins = [planned(run, table()) for run in (first, second)]
    first.publish(table(), data_of(table(), (1, "first")), origins[0])
    with pytest.raises(StorageError, match="another run stored"):
        second.publish(table(), data_of(table(), (1, "second")), origins[1])
    assert first.scan(table(), table().columns).table().column("text").to_pylist() == ["first"]


@pytest.mark.parametrize("storage_class", [DeltaStorage, S3Storage])
def test_variables_of_the_environment_count_as_for_objects(
    storage_class: type[DeltaStorage | S3Storage], s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3_server.make_bucket("delta")
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    root = f"s3://delta/{next(_prefixes)}"
    storage = storage_class(StorageSpec("lake", root, root))
    storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    assert storage.scan(table(), table().columns).table().column("text").to_pylist() == ["a"]

    without_tls = storage_class(StorageSpec("lake", root, root, connection={"allow_http": False, "retry_seconds": 1}))
    with pytest.raises(StorageError, match="the endpoint is reached without TLS"):
        without_tls.scan(table(), table().columns).table()


@pytest.mark.parametrize(
    ("root", "options", "message"),
    [
        ("s3://delta/x", {"secret_access_key": "wrong-and-secret"}, "the server does not accept the credentials"),
        ("s3://delta/x", {"access_key_id": "nobody"}, "the server does not accept the credentials"),
        ("s3://no-such-bucket/x", {}, "there is no bucket `no-such-bucket`"),
        ("s3://delta/x", {"endpoint": "http://127.0.0.1:9"}, "the server does not answer"),
    ],
    ids=["secret", "key", "bucket", "server"],
)
def test_what_a_server_refuses(s3_server: S3Server, root: str, options: dict[str, object], message: str) -> None:
    s3_server.make_bucket("delta")
    storage = opened(s3_server, root, **options)
    for look in (
        lambda: storage.content(table(), ()),
        lambda: storage.publish(table(), data_of(table(), (1, "a")), ORIGIN),
    ):
        with pytest.raises(StorageError) as caught:
            look()
        assert message in caught.value.message
        assert root in caught.value.message
        assert "wrong-and-secret" not in str(caught.value)
        assert caught.value.hint
