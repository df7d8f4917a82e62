-- grants.sql - each role may do its own work and nothing else.  Functions that write are SECURITY
-- DEFINER, so a program needs no right on a table that it only writes through them.
-- A shop's own role needs usage on the schema and its rights on orders, nothing besides.
revoke all on schema orderbell from public, orderbell_fcgi, orderbell_notifier, orderbell_dba;
revoke all on all tables in schema orderbell
	from public, orderbell_fcgi, orderbell_notifier, orderbell_dba;
revoke all on all functions in schema orderbell
	from public, orderbell_fcgi, orderbell_notifier, orderbell_dba;

grant usage on schema orderbell to orderbell_fcgi, orderbell_notifier, orderbell_dba;

-- fcgi-order: pays and reminds, and keeps what gateways say besides.
grant execute on function
	orderbell.pay(text, numeric, text, text, text, text, bigint, int, text, text),
	orderbell.note_callback(text, text, text, text, text, text, text),
	orderbell.remind(bigint, bigint, text),
	orderbell.ring(bigint),
	orderbell.ring_all(bigint[])
to orderbell_fcgi;

-- notifier: reads events and the tokens of terminals, acks, tells of itself and its terminals,
-- raises alerts.
grant select on orderbell.stream, orderbell.order_event, orderbell.terminal to orderbell_notifier;
grant execute on function
	orderbell.timeline(),
	orderbell.wire_epoch(text),
	orderbell.ack(bigint, bigint[], text),
	orderbell.notifier_beat(text, text, text, text, timestamptz),
	orderbell.notifier_gone(text),
	orderbell.tell_presence(text, bigint[], bigint[], text[], text[], text[], timestamptz[],
		bigint[]),
	orderbell.forget_presence(text),
	orderbell.tell_delivered(bigint[], timestamptz[], text[]),
	orderbell.escalate(interval, int)
to orderbell_notifier;

-- DBA: sees all, keeps merchants and orders, settles payment exceptions, uses every verb; streams
-- and events are written through these only.
grant select on all tables in schema orderbell to orderbell_dba;
grant insert, update, delete on orderbell.merchant, orderbell.orders, orderbell.template
	to orderbell_dba;
grant update, delete on orderbell.payment_exception to orderbell_dba;
grant execute on function
	orderbell.version(),
	orderbell.timeline(),
	orderbell.wire_epoch(text),
	orderbell.ring(bigint),
	orderbell.ring_all(bigint[]),
	orderbell.pay(text, numeric, text, text, text, text, bigint, int, text, text),
	orderbell.remind(bigint, bigint, text),
	orderbell.notify(bigint, int, text, bigint, jsonb),
	orderbell.ack(bigint, bigint[], text),
	orderbell.prune(interval, interval, int),
	orderbell.terminal_add(bigint, text, text),
	orderbell.terminal_revoke(bigint, text),
	orderbell.prune_callbacks(interval, int),
	orderbell.new_epoch(bigint),
	orderbell.renumber(bigint),
	orderbell.doctor()
to orderbell_dba;

-- attach() and detach() act with the rights of who calls them, since the table is not ours: so
-- these need what they call.
grant execute on function
	orderbell.attach(regclass, text, text[], text, bigint, text, text, text, text[], text, text, text,
		text, text),
	orderbell.detach(regclass),
	orderbell.attachable(regclass),
	orderbell.has_columns(regclass, text[], text[]),
	orderbell.has_value(text, text, text[]),
	orderbell.items_kind(regclass, text),
	orderbell.placeholders(text),
	orderbell.drop_attached(regclass),
	orderbell.attached_ring(),
	orderbell.attached_moved()
to orderbell_dba;
