-- The stations with most departures and arrivals; of equals the one with the lower id first.
with visits as (
    select from_station as station, 'departure' as what from trips
    union all
    select to_station, 'arrival' from trips
),

counts as (
    select
        station,
        count(*) filter (where what = 'departure') as departures,
        count(*) filter (where what = 'arrival') as arrivals
    from visits
    group by station
)

select
    row_number() over (order by departures + arrivals desc, station) as rank,
    station,
    name,
    departures,
    arrivals
from counts
join stations on stations.id = station
order by rank
limit $top
