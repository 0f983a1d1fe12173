"""Tables of cases that one test judges: to collect, run and report a test for each takes longer than most do."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest


def each_case(names: str | tuple[str, ...], values: Iterable[Any]) -> Callable[[Any], Any]:
    """Call a test for each of these values, all of them in any case; what fails names its case.

    Written and stacked as `pytest.mark.parametrize`. Fixtures are those of the one test, but that each case has a
    `tmp_path` of its own: where one may leave something to the next, let it be a test.
    """
    of_each = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else tuple(names)
    cases = [value if len(of_each) > 1 else (value,) for value in values]
    assert cases

    def decorated(test: Any) -> Any:
        signature = inspect.signature(test)
        assert set(of_each) <= set(signature.parameters)

        @functools.wraps(test)
        def of_all(**fixtures: Any) -> None:
            failed: list[Exception] = []
            folder = fixtures.get("tmp_path")
            for number, case in enumerate(cases):
                arguments = dict(zip(of_each, case, strict=True))
                if folder is not None:
                    fixtures["tmp_path"] = folder / str(number)
                    fixtures["tmp_path"].mkdir()
                try:
                    test(**fixtures, **arguments)
                except (Exception, pytest.fail.Exception) as error:
                    found = error if isinstance(error, Exception) else AssertionError(str(error))
                    found.add_note("case: " + ", ".join(f"{name}={value!r}" for name, value in arguments.items()))
                    failed.append(found.with_traceback(error.__traceback__))
            if len(failed) == 1:
                raise failed[0]
            if failed:
                raise ExceptionGroup(f"{len(failed)} of {len(cases)} cases fail", failed)

        kept = [parameter for name, parameter in signature.parameters.items() if name not in of_each]
        of_all.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return of_all

    return decorated
