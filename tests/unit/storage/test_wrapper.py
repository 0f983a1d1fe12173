"""Wrappers of storages do what the storage within does, in every method that there is."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage import capabilities
from lakehouse_cli.storage.base import AssetStorage, Scan
from lakehouse_cli.storage.capabilities import CountsRows, KeepsVersions, Prefetches, PublishesPieces, PublishesTogether
from lakehouse_cli.storage.own import GuardedStorage
from lakehouse_cli.storage.read_only import ReadOnlyStorage
from lakehouse_cli.storage.wrapper import WrapperStorage
from lakehouse_cli.testing.storage import table
from tests.cases import each_case

PROTOCOLS = [
    each
    for each in vars(capabilities).values()
    if getattr(each, "_is_protocol", False) and each.__module__.startswith("lakehouse_cli.storage.")
]
METHODS = sorted(
    {
        name
        for each in (AssetStorage, *PROTOCOLS)
        for name, method in vars(each).items()
        if inspect.isfunction(method) and not name.startswith("_") and name != "capability"
    }
)
ATTRIBUTES = sorted(name for name in inspect.get_annotations(AssetStorage) if not name.startswith("_"))
CHANGING = {
    "publish",
    "publish_pieces",
    "publish_together",
    "publish_query",
    "storing_anew",
    "keep_checks",
    "keep_digests",
    "drop_digests",
    "delete",
    "drop",
    "claim",
    "may_replace",
    "remove_leftovers",
    "remove_stray",
}


def recording(names: list[str]) -> tuple[Any, list[tuple[str, tuple[Any, ...], dict[str, Any]]]]:
    """A storage with some methods, and what is called of them."""
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def method(name: str) -> Any:
        def called(self: Any, *arguments: Any, **keywords: Any) -> Any:
            calls.append((name, arguments, keywords))
            return Scan(self, table(), lambda known: ("data", known)) if name == "scan" else f"result of {name}"  # type: ignore[arg-type, return-value]

        return called

    abstract = AssetStorage.__abstractmethods__
    made: Any = type("Recording", (AssetStorage,), {name: method(name) for name in {*abstract, *names}})
    return made(), calls


def wrappers(inner: AssetStorage) -> list[Any]:
    return [WrapperStorage(inner), ReadOnlyStorage(inner, "prod"), GuardedStorage(StorageSpec("s", "", ""), inner)]


def test_there_are_methods_and_protocols() -> None:
    assert {"concurrency", "of_one_process"} <= set(ATTRIBUTES)
    assert {"uri", "scan", "publish", "prefetch", "count_rows", "strays"} <= set(METHODS)
    assert len(PROTOCOLS) == len(capabilities.CAPABILITIES)


@each_case("name", METHODS)
@each_case("kind", [0, 1, 2])
def test_every_method_is_forwarded(kind: int, name: str) -> None:
    inner, calls = recording(METHODS)
    wrapper = wrappers(inner)[kind]
    arguments, keywords = (table(), object()), {"forced": True}
    if kind == 1 and name in CHANGING:
        return  # refused, see below
    if name in ("scan", "uri"):
        arguments, keywords = arguments[: 2 if name == "scan" else 1], {}  # type: ignore[assignment]
    result = getattr(wrapper, name)(*arguments, **keywords)
    if name == "scan":
        assert result.table() == "data"
        assert result.table_with_content(["record"]) == ("data", ("record",))
    else:
        assert result == f"result of {name}"
    assert calls == [(name, arguments, keywords)]


@pytest.mark.parametrize("kind", [0, 1, 2], ids=["plain", "read-only", "guarded"])
def test_a_wrapper_can_do_what_the_storage_within_can(kind: int) -> None:
    inner, _ = recording(["count_rows"])
    wrapper = wrappers(inner)[kind]
    assert wrapper.capability(CountsRows) is wrapper
    assert wrapper.capability(KeepsVersions) is None
    assert wrapper.capability(Prefetches) is None
    assert WrapperStorage(wrapper).capability(CountsRows) is not None


def test_what_publishes_by_itself_does_so_one_by_one() -> None:
    class Staging(WrapperStorage):
        def publish_pieces(self, *_: object) -> None:
            """Keep them elsewhere."""

    inner, _ = recording(["publish_pieces", "publish_together"])
    assert WrapperStorage(inner).capability(PublishesTogether) is not None
    staging = Staging(inner)
    assert (staging.capability(PublishesTogether), staging.capability(PublishesPieces)) == (None, staging)


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("kind", [0, 1, 2], ids=["plain", "read-only", "guarded"])
def test_every_attribute_is_that_of_the_storage_within(kind: int, name: str) -> None:
    inner, _ = recording([])
    setattr(inner, name, value := object())
    assert getattr(wrappers(inner)[kind], name) is value


@each_case("name", sorted(CHANGING))
def test_what_is_read_only_is_not_changed(name: str) -> None:
    inner, calls = recording(METHODS)
    storage = ReadOnlyStorage(inner, "prod")
    if name == "remove_stray":
        assert storage.remove_stray(object()) == "environment `prod` is read-only"  # type: ignore[arg-type]
    else:
        given: dict[str, tuple[Any, ...]] = {"publish": (table(), None, None)}
        given |= dict.fromkeys(("remove_leftovers", "drop", "claim"), ([table()],))
        with pytest.raises(StorageError, match="`table` is read from environment `prod`"):
            getattr(storage, name)(*given.get(name, (table(),)), **({"forced": True} if name == "may_replace" else {}))
    assert calls == []


def test_error_on_reading_names_the_storage() -> None:
    inner, _ = recording([])
    guarded = GuardedStorage(StorageSpec("mine", "", ""), inner)
    inner.scan = lambda *_: Scan(inner, table(), lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
    scan = guarded.scan(table(), None)
    with pytest.raises(StorageError, match=r"storage `mine` .* failed at reading `table`: ZeroDivisionError"):
        scan.table()
    with pytest.raises(StorageError, match="failed at reading `table`"):
        scan.table_with_content(())
