"""An input that is read from another environment."""

from __future__ import annotations

from msgspec import Struct

from lakehouse_cli.text.name_lists import first_named


class DeferredInput(Struct, frozen=True):
    """An input that is not there in the environment of a run, and is in another.

    Attributes:
        name: The table.
        environment: The one it is read from.
        uri: Where it is there.
    """

    name: str
    environment: str
    uri: str

    def to_json(self) -> dict[str, str]:
        """As in the documents of `lakehouse plan` and `lakehouse run`."""
        return {"name": self.name, "environment": self.environment, "uri": self.uri}


def deferred_note(inputs: tuple[DeferredInput, ...]) -> str:
    """Deferred inputs in a sentence.

    >>> deferred_note((DeferredInput("a", "prod", "x/a.csv"),))
    'not materialized here, read from `prod`: `a`'
    """
    shown = first_named([each.name for each in inputs], 5)
    return f"not materialized here, read from `{inputs[0].environment}`: {shown}"
