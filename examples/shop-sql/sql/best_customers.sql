-- The customers who spent most; of equals the one with the lower id first.
with spent as (
    select
        customer_id,
        count(*) as orders,
        sum(total) as revenue,
        max(ordered_on) as last_order
    from order_totals_sql
    where status <> all ($unsold)
    group by customer_id
)

select
    row_number() over (order by revenue desc, customer_id) as rank,
    customer_id,
    name,
    points,
    orders,
    revenue,
    last_order
from spent
join customers on id = customer_id
order by rank
limit $top
