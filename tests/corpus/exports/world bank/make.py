"""Write the files of this folder as the World Bank gives them.

They imitate the CSV of https://data.worldbank.org (and of its API with ``downloadformat=csv``), which has four lines
before the header and a comma at the end of each line, and that of https://databank.worldbank.org, which has lines
behind the data.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
INDICATOR = """
"Data Source","World Development Indicators",

"Last Updated Date","2024-10-24",

"Country Name","Country Code","Indicator Name","Indicator Code","2021","2022","2023",
"Aruba","ABW","Population, total","SP.POP.TOTL","106537","106445","",
"Côte d'Ivoire","CIV","Population, total","SP.POP.TOTL","","30395002.5","31165654",
"Namibia","NAM","Population, total","SP.POP.TOTL","1.5E+10","","-1",
"""
DATABANK = """
Country Name,Country Code,Series Name,Series Code,2021 [YR2021],2022 [YR2022]
Aruba,ABW,"Population, total",SP.POP.TOTL,106537,106445
Côte d'Ivoire,CIV,"Population, total",SP.POP.TOTL,..,30395002.5
,,,,,
,,,,,
,,,,,
Data from database: World Development Indicators,,,,,
Last Updated: 10/24/2024,,,,,
"""

for name, text in (("population", INDICATOR), ("databank", DATABANK)):
    (FOLDER / f"{name}.csv").write_bytes(text.lstrip().replace("\n", "\r\n").encode("utf-8-sig"))
