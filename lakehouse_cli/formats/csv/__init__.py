"""CSV through Arrow, typed and lossless: what is written with a contract is read back equal, types and values.

How each type is spelled is told in ``docs/csv.md``.
"""
