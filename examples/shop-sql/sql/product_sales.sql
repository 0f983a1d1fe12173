-- Pieces and revenue of every product, also of those that nobody bought.
with sold as (
    select
        sku,
        quantity,
        round(quantity * unit_price * (100 - coalesce(discount_percent, 0)) * 0.01, 2) as amount,
        ordered_at::date as sold_on
    from order_lines
    join orders on id = order_id
    where status <> all ($unsold)
)

select
    sku,
    name,
    category,
    coalesce(sum(quantity), 0) as sold,
    coalesce(sum(amount), 0) as revenue,
    max(sold_on) as last_sold
from products
left join sold using (sku)
group by all
