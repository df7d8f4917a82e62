-- payment_callback - what gateways said, as far as it was proven to be them: one row per
-- notification, however often it came.  No bodies, no secrets.  Forgotten by
-- orderbell.prune_callbacks().
--
-- The order number comes first in the key: what was said of an order is what is asked for, and new
-- rows land beside each other in the index, which random ids would not.
create table if not exists orderbell.payment_callback (
	number          text not null,
	gateway         text not null,
	notification_id text not null,
	transaction_id  text,
	state           text,
	verdict         text not null,
	detail          text,
	first_at        timestamptz not null default clock_timestamp(),
	last_at         timestamptz not null default clock_timestamp(),
	count           int not null default 1,
	primary key (number, gateway, notification_id)
) with (fillfactor = 90);
do $$
begin
	if to_regclass('orderbell.payment_callback_age') is null then
		create index payment_callback_age on orderbell.payment_callback using brin (first_at);
	end if;
end $$;
comment on index orderbell.payment_callback_age is 'for orderbell.prune_callbacks()';
comment on table orderbell.payment_callback is
	'What gateways said, one row per notification, however often it came.';
comment on column orderbell.payment_callback.number is
	'the order number that was named; empty where none was';
comment on column orderbell.payment_callback.gateway is 'who said so';
comment on column orderbell.payment_callback.notification_id is
	'the gateway''s own id of the notification';
comment on column orderbell.payment_callback.transaction_id is
	'the gateway''s own id of the payment, as far as it is known';
comment on column orderbell.payment_callback.state is
	'what happened, in the gateway''s own words: TRANSACTION.SUCCESS, TRADE_CLOSED, order.paid';
comment on column orderbell.payment_callback.verdict is
	'of orderbell.pay(), of the last time, but paid stays; ignored: of no payment; malformed, '
	'sealed: signed by the gateway, but not to be read, or not with our key';
comment on column orderbell.payment_callback.detail is 'more, in words';
comment on column orderbell.payment_callback.first_at is 'when it first came';
comment on column orderbell.payment_callback.last_at is 'when it last came';
comment on column orderbell.payment_callback.count is 'how often it came';
