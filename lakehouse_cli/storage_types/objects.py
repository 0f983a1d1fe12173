"""Object stores: S3 and what speaks its language, Google Cloud Storage, Azure Blob Storage.

Every credential may be left out: then it comes from where the provider's own tools have it.
"""

from __future__ import annotations

from functools import partial

from lakehouse_cli.formats.spec import FormatOption, JsonSchema
from lakehouse_cli.storage_types.spec import StorageType

_TEXT: JsonSchema = {"type": "string", "minLength": 1}
_URL: JsonSchema = {
    "type": "string",
    "pattern": r"^https?://[A-Za-z0-9.\-\[\]:_]+(?:/\S*)?$",
    "examples": ["https://host:9000"],
}
_FLAG: JsonSchema = {"type": "boolean"}

_ENDPOINT = FormatOption("endpoint", None, _URL, "URL of the server, where it is not the provider's own.")
_ALLOW_HTTP = FormatOption("allow_http", False, _FLAG, "Whether the endpoint may be reached without TLS.")
_ANONYMOUS = FormatOption("anonymous", False, _FLAG, "Whether to read public data without any credentials.")
_RETRY_SECONDS = FormatOption(
    "retry_seconds",
    30,
    {"type": "number", "minimum": 0},
    "For how long a request is repeated that a server does not answer, or answers with an error of its own.",
)
_object_store = partial(StorageType, root="url", formats=True, needs=("obstore",))

S3 = _object_store(
    "s3",
    "lakehouse_cli.storage.keyed.objects:S3Storage",
    schemes=("s3",),
    install="pip install 'lakehouse-cli[s3]'",
    options=(
        _ENDPOINT,
        FormatOption("region", None, _TEXT, "The bucket's region."),
        FormatOption("access_key_id", None, _TEXT, "Of the credentials; with `secret_access_key`."),
        FormatOption("secret_access_key", None, _TEXT, "Of the credentials; with `access_key_id`.", secret=True),
        FormatOption("session_token", None, _TEXT, "Of temporary credentials.", secret=True),
        FormatOption("profile", None, _TEXT, "Of `~/.aws/credentials` and `~/.aws/config`; default: `AWS_PROFILE`."),
        _ALLOW_HTTP,
        FormatOption("path_style", True, _FLAG, "Whether the bucket stands in the URL's path instead of its host."),
        _ANONYMOUS,
        FormatOption(
            "conditional_writes",
            True,
            _FLAG,
            "Whether the server understands `If-Match` and `If-None-Match` in writes; without, two runs at once are "
            "kept apart by a look just before writing.",
        ),
        _RETRY_SECONDS,
    ),
)

GCS = _object_store(
    "gcs",
    "lakehouse_cli.storage.keyed.objects:GcsStorage",
    schemes=("gs",),
    install="pip install 'lakehouse-cli[gcs]'",
    options=(
        _ENDPOINT,
        FormatOption("service_account", None, _TEXT, "Path of a service account's JSON key."),
        FormatOption("service_account_key", None, _TEXT, "The JSON of a service account's key itself.", secret=True),
        FormatOption("token", None, _TEXT, "An OAuth access token.", secret=True),
        _ALLOW_HTTP,
        _ANONYMOUS,
        _RETRY_SECONDS,
    ),
)

AZURE = _object_store(
    "azure",
    "lakehouse_cli.storage.keyed.objects:AzureStorage",
    schemes=("az",),
    install="pip install 'lakehouse-cli[azure]'",
    options=(
        FormatOption("account_name", None, _TEXT, "The storage account."),
        FormatOption("account_key", None, _TEXT, "Its access key.", secret=True),
        FormatOption(
            "sas_key", None, _TEXT, "A shared access signature, as the part of a URL behind `?`.", secret=True
        ),
        FormatOption("tenant_id", None, _TEXT, "Of a service principal."),
        FormatOption("client_id", None, _TEXT, "Of a service principal, or of a managed identity."),
        FormatOption("client_secret", None, _TEXT, "Of a service principal.", secret=True),
        FormatOption("use_azure_cli", False, _FLAG, "Whether to ask `az` for a token."),
        _ENDPOINT,
        _ALLOW_HTTP,
        _ANONYMOUS,
        _RETRY_SECONDS,
    ),
)

MEMORY = StorageType(
    "memory", "lakehouse_cli.storage.keyed.memory:MemoryStorage", root="url", schemes=("memory",), formats=True
)
