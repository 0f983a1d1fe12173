"""What object stores say when they refuse, in words a person can act on.

Their own texts hold addresses, which may hold signatures; of those only the provider's codes are told.
"""

from __future__ import annotations

import re

from lakehouse_cli.model import StorageSpec

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
# Where a machine of the provider's would get its credentials.
_INSTANCE = re.compile(r"169\.254\.|metadata\.google|token request")


def is_missing_container(error: BaseException) -> bool:
    """Whether what is missing is the bucket, not an object in it."""
    return any(code in str(error) for code in _MISSING_CONTAINER)


def explain(error: BaseException, spec: StorageSpec, bucket: str, container: str) -> tuple[str, str] | None:
    """Why a request failed, to follow a colon, and what to do; None for what does not come from a server."""
    from obstore import exceptions

    if not isinstance(error, (exceptions.BaseError, FileNotFoundError)):
        return None
    text = str(error)
    found = _CODE.search(text)
    code = found[1] if found else None
    status = _STATUS.search(text)
    named = f"storage `{spec.name}`"
    if _INSTANCE.search(text.partition("\n")[0]):
        return "no credentials are found", f"set them in the environment, or in the options of {named}"
    if is_missing_container(error):
        return f"there is no {container} `{bucket}`", f"make it, or correct the root of {named}"
    if code in _WRONG_CREDENTIALS or isinstance(error, exceptions.UnauthenticatedError):
        return f"the server does not accept the credentials{_in(code)}", f"look at the credentials of {named}"
    if isinstance(error, exceptions.PermissionDeniedError) or (status and status[1] in ("401", "403")):
        hint = f"look at the credentials of {named}, and at what they are allowed to in `{bucket}`"
        return f"the server denies access{_in(code)}", hint
    if "builder error" in text or "URL scheme is not allowed" in text:
        return (
            "the endpoint is reached without TLS",
            f"set `allow_http: true` in the options of {named} if that is meant",
        )
    if code or status:
        said = code or f"status {status[1] if status else ''}"
        return f"the server says {said}", f"look at {named}"
    if "error sending request" in text or "timed out" in text or "HTTP error" in text:
        return "the server does not answer", f"look whether it runs and can be reached, and at the endpoint of {named}"
    return _without_addresses(text).rpartition(" error: ")[2], f"look at the options of {named}"


def _in(code: str | None) -> str:
    return f" ({code})" if code else ""


def _without_addresses(text: str) -> str:
    return re.sub(r"\b\w+://\S+", "…", text.partition("\n")[0])
