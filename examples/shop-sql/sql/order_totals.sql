-- One row per order; an order without lines comes to nothing.
with amounts as (
    select
        order_id,
        quantity,
        -- Times 0.01, as `/ 100` makes a float of a decimal; half a cent is rounded up.
        round(quantity * unit_price * (100 - coalesce(discount_percent, 0)) * 0.01, 2) as amount
    from order_lines
)

select
    orders.id as order_id,
    customer_id,
    ordered_at::date as ordered_on,
    status,
    coalesce(sum(quantity), 0) as items,
    coalesce(sum(amount), 0) as total
from orders
left join amounts on order_id = orders.id
group by all
