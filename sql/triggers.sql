-- triggers.sql - what happens by itself.  A trigger that is there is left alone: making it anew
-- would lock the shop's orders.
do $$
begin
	if not exists (select from pg_trigger t where t.tgname = 'orderbell_merchant_made'
			and t.tgrelid = 'orderbell.merchant'::regclass) then
		create trigger orderbell_merchant_made after insert on orderbell.merchant
			for each row execute function orderbell.merchant_made();
	end if;

	if not exists (select from pg_trigger t where t.tgname = 'orderbell_number_events'
			and t.tgrelid = 'orderbell.order_event'::regclass) then
		create constraint trigger orderbell_number_events after insert on orderbell.order_event
			deferrable initially deferred
			for each row when (new.seq is null) execute function orderbell.number_events();
	end if;

	-- The conditions stand here, so that other updates of an order cost little; but no more of them
	-- than tell most apart: each operator is read and prepared anew by every update, and costs it
	-- more than the function would.
	if not exists (select from pg_trigger t where t.tgname = 'orderbell_order_made_paid'
			and t.tgrelid = 'orderbell.orders'::regclass) then
		create trigger orderbell_order_made_paid after insert on orderbell.orders
			for each row when (new.pay_status = 1) execute function orderbell.order_paid();
	end if;

	-- Not "update of pay_status": a BEFORE trigger of the shop's may set it as well.
	if not exists (select from pg_trigger t where t.tgname = 'orderbell_order_paid'
			and t.tgrelid = 'orderbell.orders'::regclass) then
		create trigger orderbell_order_paid after update on orderbell.orders
			for each row when (new.pay_status <> old.pay_status)
			execute function orderbell.order_paid();
	end if;

	if not exists (select from pg_trigger t where t.tgname = 'orderbell_order_moved'
			and t.tgrelid = 'orderbell.orders'::regclass) then
		create trigger orderbell_order_moved after update on orderbell.orders
			for each row when (new.status > 2)
			execute function orderbell.order_moved();
	end if;

	if not exists (select from pg_trigger t where t.tgname = 'orderbell_terminal_revoked'
			and t.tgrelid = 'orderbell.terminal'::regclass) then
		create trigger orderbell_terminal_revoked after update on orderbell.terminal
			for each row when (old.revoked_at is null and new.revoked_at is not null)
			execute function orderbell.terminal_gone();
	end if;

	if not exists (select from pg_trigger t where t.tgname = 'orderbell_terminal_deleted'
			and t.tgrelid = 'orderbell.terminal'::regclass) then
		create trigger orderbell_terminal_deleted after delete on orderbell.terminal
			for each row when (old.revoked_at is null)
			execute function orderbell.terminal_gone();
	end if;
end $$;

comment on trigger orderbell_merchant_made on orderbell.merchant is
	'a merchant has a stream from its first moment';
comment on trigger orderbell_number_events on orderbell.order_event is
	'at commit: events get their seqs, and ring';
comment on trigger orderbell_order_made_paid on orderbell.orders is
	'an order that is made paid is an event';
comment on trigger orderbell_order_paid on orderbell.orders is
	'an order that becomes paid is an event';
comment on trigger orderbell_order_moved on orderbell.orders is
	'an order that moves on acks its events';
comment on trigger orderbell_terminal_revoked on orderbell.terminal is
	'who came by a token that is revoked is closed';
comment on trigger orderbell_terminal_deleted on orderbell.terminal is
	'who came by a token that is deleted is closed';
