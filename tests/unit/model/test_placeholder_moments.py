"""Times in names of files: read quickly where they are plain numbers, and as `strptime` reads them."""

from datetime import datetime

import pytest

from lakehouse_cli.model import file_pattern
from lakehouse_cli.model.file_pattern import PatternError, Placeholder, parse_moment

FORMATS = ["%Y-%m-%d", "%Y%m%dT%H", "%d.%m.%Y", "%Y", "%Y-%m-%d %H_%M_%S", "%m", "%y%m", "%Y-%j", "%Y %b"]
FORMATS += ["%Y%%%m", "%Y%Y"]
TEXTS = ["2024-01-03", "20240103T14", "03.01.2024", "2024", "0999", "2024-02-30", "2024-1-3", "2024-01-03 23_59_60"]
TEXTS += ["02", "2401", "2024-366", "2024 Jan", "2024%01", "20242024", "2024-01-03 ", "\u0662\u0660\u0662\u0664", ""]


@pytest.mark.parametrize("form", FORMATS)
def test_quick_way_is_the_same(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def parsed(text: str) -> datetime | None:
        try:
            return parse_moment(text, Placeholder("d", form))
        except PatternError:
            return None

    quick = [parsed(text) for text in TEXTS]
    monkeypatch.setattr(file_pattern, "_moment_of_digits", lambda *_: None)
    assert quick == [parsed(text) for text in TEXTS]


def test_part_that_is_there_twice_is_refused() -> None:
    found = file_pattern.pattern_problem("a_{d:%Y%Y}")
    assert found is not None
    assert "strptime does not take" in found[0]
