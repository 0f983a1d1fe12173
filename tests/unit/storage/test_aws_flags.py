"""What options and variables of the environment say of S3: the options' word goes first."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse_cli.storage.keyed.aws_flags import allows_http, is_anonymous, is_virtual_hosted

FLAGS = {
    "AWS_ALLOW_HTTP": (allows_http, {"allow_http": True}, {"allow_http": False}),
    "AWS_SKIP_SIGNATURE": (is_anonymous, {"anonymous": True}, {"anonymous": False}),
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": (is_virtual_hosted, {"path_style": False}, {"path_style": True}),
}


@pytest.mark.parametrize("variable", FLAGS)
@pytest.mark.parametrize("said", ["true", "TRUE", "1", "yes", "on"])
def test_yes(variable: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flag, yes, no = FLAGS[variable]
    monkeypatch.delenv(variable, raising=False)
    assert not flag({})
    assert flag(yes)
    monkeypatch.setenv(variable, said)
    assert flag({})
    assert not flag(no)


@pytest.mark.parametrize("variable", FLAGS)
@pytest.mark.parametrize("said", ["", "false", "0", "no"])
def test_no(variable: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flag, yes, _ = FLAGS[variable]
    options: dict[str, Any] = {}
    monkeypatch.setenv(variable, said)
    assert not flag(options)
    assert flag(yes)
