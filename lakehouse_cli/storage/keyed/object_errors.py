"""What object stores say when they refuse, in words a person can act on.

Their own texts hold addresses, which may hold signatures; of those only the provider's codes are shown.
"""

from __future__ import annotations

import re

from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.errors import Cause

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})\b")
_MISSING_CONTAINER = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")
_WRONG_CREDENTIALS = {
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
    "InvalidToken",
    "ExpiredToken",
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
}
_WRONG_CLOCK = "RequestTimeTooSkewed"
# What is missing is called by the format's own name; all else in quotes is the user's.
_QUOTED = re.compile(r'(missing field `\w+`)|"(?:[^"\\]|\\.)*"?|`[^`]*`?')
# Where a machine of the provider's would get its credentials.
_INSTANCE = re.compile(r"169\.254\.|metadata\.google|token request")


class NoClientError(Exception):
    """A client cannot be made of a storage's options and of what the environment adds to them.

    What is quoted of them is taken out: it may be a part of a key.
    """

    def __init__(self, said: object) -> None:
        text = _QUOTED.sub(lambda found: found[1] or "…", str(said))
        super().__init__(without_addresses(text).rpartition(" error: ")[2])


def is_missing_container(said: object) -> bool:
    """Return whether an error, or its text, says that what is missing is the bucket, not an object in it."""
    return any(code in str(said) for code in _MISSING_CONTAINER)


def is_wordless(error: BaseException) -> bool:
    """Return whether a server refused without saying why, as the answer to HEAD has no room for it."""
    text = str(error)
    status = _STATUS.search(text)
    return status is not None and status[1].startswith("4") and _CODE.search(text) is None


def explain_request(error: BaseException, spec: StorageSpec, bucket: str, container: str) -> Cause | None:
    """Return why a request failed, and what to do; None for what does not come from a server."""
    from obstore import exceptions

    if isinstance(error, NoClientError):
        return Cause(str(error), f"look at the options of storage `{spec.name}`", "storage")
    if not isinstance(error, (exceptions.BaseError, FileNotFoundError)):
        return None
    known = explain_text(str(error), spec, bucket, container)
    said = without_addresses(str(error)).rpartition(" error: ")[2]
    return known or Cause(said, f"look at the options of storage `{spec.name}`")


def explain_text(text: str, spec: StorageSpec, bucket: str, container: str) -> Cause | None:
    """The same of an error's text, which obstore and delta-rs have from one library; None where nothing is known."""
    found = _CODE.search(text)
    code = found[1] if found else None
    status = _STATUS.search(text)
    named = f"storage `{spec.name}`"
    if _INSTANCE.search(text.partition("\n")[0]):
        hint = f"set them in the environment (a file `.env` only fills in `${{VAR}}`), or in the options of {named}"
        return Cause("no credentials are found", hint, "storage")
    if is_missing_container(text):
        return Cause(f"there is no {container} `{bucket}`", f"make it, or correct the root of {named}", "storage")
    if code in _WRONG_CREDENTIALS or "valid authentication credentials" in text:
        reason = f"the server does not accept the credentials{_in(code)}"
        return Cause(reason, f"look at the credentials of {named}", "storage")
    if code == _WRONG_CLOCK:
        reason = f"the server does not accept the time of the request{_in(code)}"
        return Cause(reason, "set the clock of the machine that asked: this one, or the worker's", "storage")
    if "necessary privileges" in text or (status and status[1] in ("401", "403")):
        hint = f"look at the credentials of {named}, and at what they are allowed to in `{bucket}`"
        return Cause(f"the server denies access{_in(code)}", hint, "table")
    if "builder error" in text or "URL scheme is not allowed" in text:
        hint = f"set `allow_http: true` in the options of {named} if that is meant"
        return Cause("the endpoint is reached without TLS", hint, "storage")
    if code or status:
        said = code or f"status {status[1] if status else ''}"
        return Cause(f"the server says {said}", f"look at {named}")
    if "error sending request" in text or "timed out" in text or "HTTP error" in text:
        hint = f"look whether it runs and can be reached, and at the endpoint of {named}"
        return Cause("the server does not answer", hint, "storage")
    return None


def _in(code: str | None) -> str:
    return f" ({code})" if code else ""


def without_addresses(text: str) -> str:
    """Return the first line of an error's text; addresses in it may hold secrets."""
    return re.sub(r"\b\w+://\S+", "…", text.partition("\n")[0])
