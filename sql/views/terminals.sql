-- terminals - terminals that have or had a token, without what could tell the token.
create or replace view orderbell.terminals as
select t.merchant_id, m.name as merchant, t.name, t.created_at, t.revoked_at,
	t.revoked_at is null and exists (
		select from orderbell.terminals_online o
		where o.merchant_id = t.merchant_id and o.terminal = t.name) as is_online,
	t.id
from orderbell.terminal t
join orderbell.merchant m on m.id = t.merchant_id
order by t.merchant_id, t.name, t.id;
comment on view orderbell.terminals is 'Terminals that have or had a token.';
comment on column orderbell.terminals.merchant is 'name of the merchant';
comment on column orderbell.terminals.name is 'for orderbell.terminal_revoke()';
comment on column orderbell.terminals.revoked_at is 'since when it may not connect; null: it may';
comment on column orderbell.terminals.is_online is 'whether one of that name is connected now';
comment on column orderbell.terminals.id is 'is part of the token';
