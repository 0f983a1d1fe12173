"""CSV through Arrow, typed and lossless: what is written with a contract is read back equal, types and values.

``docs/csv.md`` says how each type is spelled.
"""
