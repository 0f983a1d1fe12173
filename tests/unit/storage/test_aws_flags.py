"""What options and variables of the environment say of S3: the options' word goes first."""

from __future__ import annotations

import pytest

from lakehouse_cli.storage.keyed.aws_flags import aws_flags

FLAGS = {
    "AWS_ALLOW_HTTP": ("allow_http", {"allow_http": True}, {"allow_http": False}),
    "AWS_SKIP_SIGNATURE": ("skip_signature", {"anonymous": True}, {"anonymous": False}),
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": ("virtual_hosted_style_request", {"path_style": False}, {"path_style": True}),
}


@pytest.mark.parametrize("variable", FLAGS)
@pytest.mark.parametrize("said", ["true", "TRUE", "1", "yes", "on"])
def test_yes(variable: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flag, yes, no = FLAGS[variable]
    monkeypatch.delenv(variable, raising=False)
    assert not aws_flags({})[flag]
    assert aws_flags(yes)[flag]
    monkeypatch.setenv(variable, said)
    assert aws_flags({})[flag]
    assert not aws_flags(no)[flag]


@pytest.mark.parametrize("variable", FLAGS)
@pytest.mark.parametrize("said", ["", "false", "0", "no"])
def test_no(variable: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flag, yes, _ = FLAGS[variable]
    monkeypatch.setenv(variable, said)
    assert not aws_flags({})[flag]
    assert aws_flags(yes)[flag]
