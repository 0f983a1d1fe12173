r"""Write the files of this folder as Eurostat's dissemination API gives them.

They imitate what https://ec.europa.eu/eurostat/web/user-guides/data-browser/api-data-access describes: the TSV has its
dimensions in one column, blanks before tabs, and flags behind values; SDMX-CSV has a row for each observation.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
TSV = [
    ["freq,unit,geo\\TIME_PERIOD", "2021 ", "2022 ", "2023 "],
    ["A,PC,AT", "12.3 ", "12.0 b", "11.9 p"],
    ["A,PC,EL", ": ", ": c", "-0.5 bp"],
    ["A,PC,NA", "7 ", ":", ": z"],
]
SDMX_CSV = """
DATAFLOW,LAST UPDATE,freq,unit,geo,TIME_PERIOD,OBS_VALUE,OBS_FLAG,CONF_STATUS
ESTAT:TEICP000(1.0),17/10/24 23:00:00,A,PC,AT,2021,12.3,,
ESTAT:TEICP000(1.0),17/10/24 23:00:00,A,PC,AT,2022,12.0,b,
ESTAT:TEICP000(1.0),17/10/24 23:00:00,A,PC,EL,2022,,,C
ESTAT:TEICP000(1.0),17/10/24 23:00:00,A,PC,EL,2023,-0.5,bp,
ESTAT:TEICP000(1.0),17/10/24 23:00:00,A,PC,NA,2021,7,,
"""

(FOLDER / "rates.tsv").write_bytes("".join("\t".join(row) + "\n" for row in TSV).encode())
(FOLDER / "rates.csv").write_bytes(SDMX_CSV.lstrip().replace("\n", "\r\n").encode())
