-- attach.sql - two shops whose own tables ring.  Run by whoever owns the tables and may use
-- orderbell (grant orderbell_dba to ...), once:
--   psql -v ON_ERROR_STOP=1 -d shop -f attach.sql
-- The shops' programs stay as they are, and their roles need no right on orderbell.
-- select * from orderbell.attachments tells what rings; orderbell.detach('...') ends it.

-- A PHP shop.  Its table has these columns, among others:
--   public.shop_order (id serial, sn varchar, shop_id int, total numeric, is_paid boolean,
--                      state varchar, reminded_at timestamp, dishes text)
-- dishes has one in each line: that is what terminals show as ordered, beside the amount.
-- A payment comes in, the merchant takes the order, the customer asks where it is (shop.php is
-- this, whole):
--   $db->prepare('UPDATE shop_order SET is_paid = true WHERE sn = ?')->execute([$sn]);
--   $db->prepare('UPDATE shop_order SET state = ? WHERE id = ?')->execute(['cooking', $id]);
--   $db->prepare('UPDATE shop_order SET reminded_at = now() WHERE id = ?')->execute([$id]);
select orderbell.attach('public.shop_order', 'is_paid', '{true}',
	p_merchant_column => 'shop_id',
	p_content => '订单号:{sn} 共{total}元',
	p_moved_column => 'state', p_moved_values => '{cooking,sent,done,cancelled}',
	p_remind_column => 'reminded_at', p_remind_content => '催单:{sn}',
	p_amount_column => 'total', p_items_column => 'dishes');

-- Its merchants that want English have other texts, and hear another sentence, where their browser
-- has a voice of that language.
insert into orderbell.template (language, order_table, type, content, voice) values
	('en', 'public.shop_order', 1, 'Order {sn}, {total} CNY', 'New order: {dishes}'),
	('en', 'public.shop_order', 2, 'Where is order {sn}?', null);

-- A shop with WooCommerce's table and status words, all of it merchant 1's:
--   public.wc_orders (id bigint, status varchar, currency varchar, total_amount numeric,
--                     line_items jsonb)
-- Where the lines are rows of another table the column is filled from there, before the order is
-- paid: by the shop, or by
--   update public.wc_orders o set line_items = (
--     select jsonb_agg(jsonb_build_object('name', l.name, 'quantity', l.quantity) order by l.id)
--     from public.order_lines l where l.order_id = o.id) where o.id = ...;
-- It is paid as wc-processing; on-hold and pending are not.  Virtual goods go to wc-completed at
-- once, which is paid as well.
select orderbell.attach('public.wc_orders', 'status', '{wc-processing,wc-completed}',
	p_merchant_id => 1,
	p_content => 'Order #{id}: {total_amount} {currency}',
	p_moved_column => 'status', p_moved_values => '{wc-completed,wc-cancelled,wc-refunded}',
	p_amount_column => 'total_amount', p_currency_column => 'currency',
	p_items_column => 'line_items');
