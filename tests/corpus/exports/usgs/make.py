"""Write the files of this folder as the services of the U.S. Geological Survey give them.

They imitate the RDB of https://waterservices.usgs.gov/docs/instantaneous-values/ (comments, names, widths, values) and
the feed of https://earthquake.usgs.gov/earthquakes/feed/v1.0/csv.php.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
RDB = """
# ---------------------------------- WARNING ----------------------------------------
# Some of the data that you have obtained may not have received Director's approval.
#
# Data provided for site 02395120
#            TS_ID       Parameter Description
#            40346       00060     Discharge, cubic feet per second
#
agency_cd|site_no|datetime|tz_cd|40346_00060|40346_00060_cd
5s|15s|20d|6s|14n|10s
USGS|02395120|2024-03-10 01:45|EST|864|A
USGS|02395120|2024-03-10 03:00|EDT|863.5|A:e
USGS|02395120|2024-03-10 03:15|EDT|Ice|P
USGS|02395120|2024-03-10 03:30|EDT||
"""
QUAKES = """
time,latitude,longitude,depth,mag,magType,nst,gap,net,id,updated,place,type
2024-01-01T07:10:09.476Z,37.4874,137.271,10,7.5,mww,,26,us,us6000m0xl,2024-04-02T15:30:59.040Z,"Noto, Japan",earthquake
1969-12-31T23:59:59.000Z,-61.5,-179.99,-1.2,3,ml,12,,ak,ak01,2015-09-03T00:13:35.618Z,"60km W of ""A"", AK",quarry blast
"""

(FOLDER / "flow.rdb").write_bytes(RDB.lstrip().replace("|", "\t").encode())
(FOLDER / "quakes.csv").write_bytes(QUAKES.lstrip().encode())
