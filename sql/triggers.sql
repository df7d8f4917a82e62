-- triggers.sql - what happens by itself.  Made anew at each run, so that an upgrade changes them.
drop trigger if exists orderbell_merchant_made on orderbell.merchant;
create trigger orderbell_merchant_made after insert on orderbell.merchant
	for each row execute function orderbell.merchant_made();

drop trigger if exists orderbell_number_events on orderbell.order_event;
create constraint trigger orderbell_number_events after insert on orderbell.order_event
	deferrable initially deferred
	for each row when (new.seq is null) execute function orderbell.number_events();

-- The conditions stand here and not in the functions: other updates of an order cost nothing.
drop trigger if exists orderbell_order_paid_insert on orderbell.orders;
create trigger orderbell_order_paid_insert after insert on orderbell.orders
	for each row when (new.pay_status = 1) execute function orderbell.order_paid();

drop trigger if exists orderbell_order_paid on orderbell.orders;
create trigger orderbell_order_paid after update on orderbell.orders
	for each row when (new.pay_status = 1 and old.pay_status is distinct from 1)
	execute function orderbell.order_paid();

drop trigger if exists orderbell_order_moved on orderbell.orders;
create trigger orderbell_order_moved after update on orderbell.orders
	for each row when (new.status > 2 and new.status is distinct from old.status)
	execute function orderbell.order_moved();
