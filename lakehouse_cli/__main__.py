"""`python -m lakehouse_cli`."""

from lakehouse_cli.cli.main import main

main()
