"""Write the files of this folder as https://gtfs.org/documentation/schedule/reference/ describes them.

They imitate a feed: UTF-8 with a byte order mark, CRLF, optional fields left out or blank, times beyond midnight.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
FILES = {
    "agency": """
agency_id,agency_name,agency_url,agency_timezone,agency_lang
1,"Verkehrsbetriebe, Zürich",https://example.com,Europe/Zurich,de
""",
    "stops": """
stop_id,stop_code,stop_name,stop_desc,stop_lat,stop_lon,location_type,parent_station,wheelchair_boarding
0001,,"Zürich, Hauptbahnhof",,47.378177,8.540212,1,,
0001:1,31,"Zürich, Hauptbahnhof","Gleis ""31"" Nord",47.3784,8.5397,,0001,1
NA,,Naters,,46.326,7.9886,0,,2
""",
    "calendar": """
service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date
WK,1,1,1,1,1,0,0,20240229,20241231
WE,0,0,0,0,0,1,1,20240229,20241231
""",
    "stop_times": """
trip_id,arrival_time,departure_time,stop_id,stop_sequence,stop_headsign,pickup_type,shape_dist_traveled,timepoint
007,8:05:00,8:05:30,0001:1,1,,,0,1
007,,,NA,2,"Naters, Bahnhof",1,1234.5,0
007,24:00:00,24:00:00,0001,3,,0,,1
N1,25:35:00, 25:35:00,0001,1,,,0.0,
N1,125:00:00,125:10:00,NA,2,,3,,
""",
}

for name, text in FILES.items():
    (FOLDER / f"{name}.txt").write_bytes(text.lstrip().replace("\n", "\r\n").encode("utf-8-sig"))
