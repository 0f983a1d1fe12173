"""Azure Blob Storage: the conformance suite on Azurite."""

from __future__ import annotations

import itertools
from typing import ClassVar

import pytest

from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.keyed.objects import AzureStorage
from tests.servers.azure import AzureServer
from tests.unit.storage.suites import ObjectConformance

_roots = (f"root{number}" for number in itertools.count())


class TestCsvOnAzure(ObjectConformance):
    wrong_credentials: ClassVar[dict[str, str]] = {"account_key": "bm90IHRoZSBrZXk="}
    refused_with = "the server denies access (AuthorizationFailure)"

    @pytest.fixture
    def storage(self, azure_server: AzureServer) -> AzureStorage:
        azure_server.make_container("lake")
        root = f"az://lake/{next(_roots)}"
        connection = {**azure_server.options, "retry_seconds": 1}
        return AzureStorage(StorageSpec("lake", root, root, type="azure", connection=connection))
