-- escalation - how far orderbell.escalate() has come: a row for each time that it waits.  What
-- it has looked at is not looked at again soon, so that many events that nobody acks cost it no
-- more than few.
-- UNLOGGED: whether an event has its alert is said by table alert alone; without a row here all is
-- gone through again.
create unlogged table if not exists orderbell.escalation (
	after        interval,
	is_default   boolean,
	looked_until timestamptz not null,
	swept_until  timestamptz not null,
	rests_until  timestamptz not null default '-infinity',
	primary key (after, is_default)
) with (fillfactor = 50);
comment on table orderbell.escalation is
	'How far orderbell.escalate() has come. A hint, lost in a crash.';
comment on column orderbell.escalation.after is 'the time after which it raises an alert';
comment on column orderbell.escalation.is_default is
	'whether that is the notifiers'', for merchants without a time of their own';
comment on column orderbell.escalation.looked_until is
	'events of merchants with that time, up to this one, were looked at as they became due';
comment on column orderbell.escalation.swept_until is
	'and up to this one once more, in turns: for those that had been passed over';
comment on column orderbell.escalation.rests_until is
	'before that it does not do so: it rests fifty times as long as it took';
