"""Delta Lake tables in a local folder or an S3 bucket."""

from __future__ import annotations

from lakehouse_cli.formats.spec import FormatOption, JsonSchema, first_refused
from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage_types.spec import StorageType

_TEXT: JsonSchema = {"type": "string", "minLength": 1}
_URL: JsonSchema = {"type": "string", "pattern": r"^https?://[A-Za-z0-9.\-\[\]:_]+(?:/\S*)?$"}
_FLAG: JsonSchema = {"type": "boolean"}
# Of https://github.com/delta-io/delta/blob/master/PROTOCOL.md#primitive-types: no such type at all, or none that is as
# wide or as fine. Narrower unsigned integers are stored in the next wider signed ones.
_LACKING = frozenset(("uint64", "time32", "time64", "duration"))


def _refusal(column_type: ColumnType) -> str | None:
    lacking = first_refused(column_type, lambda t: t.id in _LACKING or (t.id == "timestamp" and t.unit == "ns"))
    if lacking is not None:
        finest = "; its timestamps are timestamp[us]" if lacking.id == "timestamp" else ""
        return f"Delta Lake has no {lacking}{finest}"
    if first_refused(column_type, _is_ambiguous) is not None:
        return "two fields of a struct differ only in upper and lower case, which Delta Lake does not tell apart"
    return None


def _is_ambiguous(column_type: ColumnType) -> bool:
    names = {name.lower() for name, _ in column_type.fields}
    return len(names) < len(column_type.fields)


DELTA = StorageType(
    "delta",
    "lakehouse_cli.storage.delta:DeltaStorage",
    root="folder or url",
    schemes=("s3",),
    refusal=_refusal,
    install="pip install 'lakehouse-cli[delta]'",
    options=(
        FormatOption("endpoint", None, _URL, "URL of the server, where it is not the provider's own."),
        FormatOption("region", None, _TEXT, "The bucket's region."),
        FormatOption("access_key_id", None, _TEXT, "Of the credentials; with `secret_access_key`."),
        FormatOption("secret_access_key", None, _TEXT, "Of the credentials; with `access_key_id`."),
        FormatOption("session_token", None, _TEXT, "Of temporary credentials."),
        FormatOption("allow_http", False, _FLAG, "Whether the endpoint may be reached without TLS."),
        FormatOption("path_style", True, _FLAG, "Whether the bucket stands in the URL's path instead of its host."),
        FormatOption("anonymous", False, _FLAG, "Whether to read public data without any credentials."),
        FormatOption(
            "conditional_writes",
            True,
            _FLAG,
            "Whether the server understands `If-Match` and `If-None-Match` in writes; without, two runs at once are "
            "kept apart by a look just before writing.",
        ),
        FormatOption(
            "retry_seconds",
            30,
            {"type": "number", "minimum": 0},
            "For how long a request is repeated that a server does not answer, or answers with an error of its own.",
        ),
    ),
)
