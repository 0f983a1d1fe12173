"""Credentials from ``~/.aws``, which ``obstore`` does not read for itself."""

from __future__ import annotations

import os
from configparser import ConfigParser, Error
from pathlib import Path
from typing import Any

from lakehouse_cli.errors import UnreachableError
from lakehouse_cli.model import StorageSpec

_KEYS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}
_ELSEWHERE = ("sso_session", "sso_start_url", "role_arn", "credential_process", "source_profile")


def credentials_of_profile(name: str | None, spec: StorageSpec) -> dict[str, Any]:
    """Return what a profile sets, as ``obstore`` calls it; nothing where the environment has credentials of its own.

    Args:
        name: The profile; None for that of ``AWS_PROFILE``, or ``default`` if there is one.
        spec: The storage, for messages.

    Raises:
        UnreachableError: There is no such profile, or it gets its credentials in a way that needs ``boto3``.
    """
    asked_for = name or os.environ.get("AWS_PROFILE")
    if name is None and "AWS_ACCESS_KEY_ID" in os.environ:
        return {}
    profile = asked_for or "default"
    values = _read(profile)
    if values is None:
        if asked_for is None:
            return {}
        message = f"there is no AWS profile `{profile}` for storage `{spec.name}`"
        hint = "name one of `~/.aws/credentials` or `~/.aws/config`"
        raise UnreachableError(message, reason=message, hint=hint, location=spec.location)
    settings: dict[str, Any] = {ours: values[theirs] for theirs, ours in _KEYS.items() if theirs in values}
    # The environment's word on the region goes before the profile's.
    if "region" in values and not {"AWS_REGION", "AWS_DEFAULT_REGION"} & set(os.environ):
        settings["region"] = values["region"]
    if "access_key_id" not in settings and any(key in values for key in _ELSEWHERE):
        settings["credential_provider"] = _by_boto3(profile, spec)
    return settings


def _read(profile: str) -> dict[str, str] | None:
    """Return what the two files say of a profile; None where neither knows it."""
    found: dict[str, str] = {}
    known = False
    for variable, default, prefix in (
        ("AWS_CONFIG_FILE", "~/.aws/config", "profile "),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", ""),
    ):
        parser = ConfigParser(interpolation=None, default_section="")
        try:
            parser.read_string(Path(os.environ.get(variable, default)).expanduser().read_text())
        except (OSError, ValueError, Error):
            continue
        section = profile if profile == "default" else f"{prefix}{profile}"
        if parser.has_section(section):
            known = True
            found.update(parser.items(section))
    return found if known else None


def _by_boto3(profile: str, spec: StorageSpec) -> Any:
    try:
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        message = f"AWS profile `{profile}` of storage `{spec.name}` gets its credentials by signing in or from a role"
        hint = "`pip install boto3`, or set what `aws configure export-credentials --format env` prints"
        raise UnreachableError(message, reason=message, hint=hint, location=spec.location) from error
    return Boto3CredentialProvider(boto3.Session(profile_name=profile))
