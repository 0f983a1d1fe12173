"""The grammar of column types as a regular expression, for the JSON Schema.

Regular expressions cannot count brackets: types nested up to three levels are matched exactly but for what needs
arithmetic or a table (a scale above the precision, the names of time zones, a struct's field named twice); deeper
ones are accepted whatever they hold. The loader itself uses `lakehouse_cli.model.column_type`, which is exact.
"""

from __future__ import annotations

from functools import cache

from lakehouse_cli.model.column_type import _ALIASES, _MEANT, _PLAIN, _UNITS

_S = r"\s*"
_LEVELS = 3
#: What may name a type of the project's own: a schema cannot know which there are, but what is none.
NAMED_TYPE = rf"(?!(?:{'|'.join(name for name in _MEANT if name.isidentifier())})$)[A-Za-z_][A-Za-z0-9_]*"


def _flat() -> str:
    plain = "|".join([*_PLAIN, *(alias for alias in _ALIASES if "[" not in alias), r"date32\[day\]"])
    zone = rf"(?:,{_S}tz{_S}={_S}[^\]\s]+{_S})?"
    units = [
        rf"{name}{_S}\[{_S}(?:{'|'.join(choices)}){_S}{zone if name == 'timestamp' else ''}\]"
        for name, choices in _UNITS.items()
    ]
    digits = "0*(?:[12]?[0-9]|3[0-8])"
    decimal = rf"decimal128{_S}\({_S}(?=0*[1-9]){digits}{_S},{_S}-?{digits}{_S}\)".replace("-?", "")
    return "|".join([plain, *units, decimal])


@cache
def type_pattern() -> str:
    """Matches the text of a column type as a whole. Made when asked for: loading a project does without."""
    flat = _flat()
    indices = rf",{_S}indices{_S}={_S}u?int(?:8|16|32|64){_S}(?:,{_S}ordered{_S}={_S}[01]{_S})?"
    dictionary = rf"dictionary{_S}<{_S}(?:values{_S}={_S})?(?:{flat}){_S}(?:{indices})?>"
    simple = f"{flat}|{dictionary}"
    # Deeper than the levels below: anything between the brackets.
    nested = f"{simple}|(?:list|struct|map){_S}<.+>"
    for _ in range(_LEVELS):
        item = rf"list{_S}<{_S}(?:(?:item|element){_S}:{_S})?(?:{nested}){_S}>"
        field = rf"[^:<>,]*[^:<>,\s]{_S}:{_S}(?:{nested}){_S}"
        struct = rf"struct{_S}<{_S}(?:{field}(?:,(?!{_S}>)|(?=>)))+>"
        sorted_ = rf"(?:,{_S}keys_sorted{_S})?"
        map_ = rf"map{_S}<{_S}(?!(?:float|double))(?:{flat}){_S},{_S}(?:{nested}){_S}{sorted_}>"
        nested = f"{simple}|{item}|{struct}|{map_}"
    return f"{_S}(?:{nested}){_S}"
