"""`lakehouse schema`: the JSON Schema of the project file."""

from __future__ import annotations

from lakehouse_cli.cli import options, output

EXAMPLES = """\b
Examples:
  lakehouse schema > lakehouse.schema.json
  as the first line of lakehouse.yaml, for editors with the YAML language server; any command that
  loads the project then keeps the file that it names, and nothing has to be written by hand:
  # yaml-language-server: $schema=.lakehouse/cache/schema.json"""


@options.everywhere
def command(settings: options.Settings) -> None:
    """Print the JSON Schema of lakehouse.yaml.

    JSON Schema draft 07, so that editors complete and check the file as it is written.
    """
    del settings  # takes the options, and needs none
    from lakehouse_cli.config.schema import json_schema

    output.write_json(json_schema())
