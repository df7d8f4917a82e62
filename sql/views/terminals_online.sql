-- terminals_online - connections of terminals that can be believed: their notifier's lease holds,
-- and one that polls has done so within a minute.  Who is online is said here and nowhere else.
create or replace view orderbell.terminals_online as
select p.merchant_id, m.name as merchant, p.terminal, p.kind, p.audio, p.since, p.seen_at,
	n.name as notifier
from orderbell.presence p
join orderbell.notifier n on n.id = p.notifier_id
left join orderbell.merchant m on m.id = p.merchant_id
where n.lease_until >= statement_timestamp()
	and (p.kind <> 'poll' or p.seen_at >= statement_timestamp() - interval '1 minute');
comment on view orderbell.terminals_online is
	'Connections of terminals, now; empty for a moment after a crash of the server.';
comment on column orderbell.terminals_online.merchant is 'name of the merchant';
comment on column orderbell.terminals_online.terminal is 'its name; several may have the same';
comment on column orderbell.terminals_online.kind is 'v1, plain (WebSockets), sse or poll';
comment on column orderbell.terminals_online.audio is
	'whether it can be heard: armed, blocked or unknown';
comment on column orderbell.terminals_online.since is 'connected since';
comment on column orderbell.terminals_online.seen_at is 'last told of by its notifier';
comment on column orderbell.terminals_online.notifier is 'the notifier it is connected to';
