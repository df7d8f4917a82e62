-- attach.sql - two shops whose own tables ring.  Run by whoever owns the tables and may use
-- orderbell (grant orderbell_dba to ...), once:
--   psql -v ON_ERROR_STOP=1 -d shop -f attach.sql
-- The shops' programs stay as they are, and their roles need no right on orderbell.
-- select * from orderbell.attachments tells what rings; orderbell.detach('...') ends it.

-- A PHP shop.  Its table has these columns, among others:
--   public.shop_order (id serial, sn varchar, shop_id int, total numeric, is_paid boolean,
--                      state varchar, reminded_at timestamp)
-- A payment comes in, the merchant takes the order, the customer asks where it is (shop.php is
-- this, whole):
--   $db->prepare('UPDATE shop_order SET is_paid = true WHERE sn = ?')->execute([$sn]);
--   $db->prepare('UPDATE shop_order SET state = ? WHERE id = ?')->execute(['cooking', $id]);
--   $db->prepare('UPDATE shop_order SET reminded_at = now() WHERE id = ?')->execute([$id]);
select orderbell.attach('public.shop_order', 'is_paid', '{true}',
	p_merchant_column => 'shop_id',
	p_content => '订单号:{sn} 共{total}元',
	p_moved_column => 'state', p_moved_values => '{cooking,sent,done,cancelled}',
	p_remind_column => 'reminded_at', p_remind_content => '催单:{sn}');

-- Its merchants that want English have other texts.
insert into orderbell.template (language, order_table, type, content) values
	('en', 'public.shop_order', 1, 'Order {sn}, {total} CNY'),
	('en', 'public.shop_order', 2, 'Where is order {sn}?');

-- A shop with WooCommerce's table and status words, all of it merchant 1's:
--   public.wc_orders (id bigint, status varchar, currency varchar, total_amount numeric)
-- It is paid as wc-processing; on-hold and pending are not.  Virtual goods go to wc-completed at
-- once, which is paid as well.
select orderbell.attach('public.wc_orders', 'status', '{wc-processing,wc-completed}',
	p_merchant_id => 1,
	p_content => 'Order #{id}: {total_amount} {currency}',
	p_moved_column => 'status', p_moved_values => '{wc-completed,wc-cancelled,wc-refunded}');
