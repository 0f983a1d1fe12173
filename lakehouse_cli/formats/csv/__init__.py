"""CSV through Arrow, typed and lossless: what is written with a contract is read back equal, types and values.

`read_csv` and `write_csv` are the whole of it; `CsvFormat` is what `lakehouse_cli.formats` names as the implementation.
How each type is spelled is told in ``docs/csv.md``.
"""

from lakehouse_cli.formats.csv.format import CsvFormat
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import read_csv
from lakehouse_cli.formats.csv.write import write_csv

__all__ = ["CsvFormat", "CsvOptions", "read_csv", "write_csv"]
