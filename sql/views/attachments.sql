-- attachments - the shop's own tables that orderbell.attach() made ring, and when they do.
create or replace view orderbell.attachments as
select format('%I.%I', n.nspname, c.relname) as order_table, t.tgname as trigger,
	t.tgenabled in ('O', 'A') as is_on, pg_get_triggerdef(t.oid, true) as definition
from pg_trigger t
join pg_class c on c.oid = t.tgrelid
join pg_namespace n on n.oid = c.relnamespace
where t.tgparentid = 0 and t.tgfoid in (
	'orderbell.attached_ring()'::regprocedure, 'orderbell.attached_moved()'::regprocedure)
order by 1, 2;
comment on view orderbell.attachments is
	'The shop''s own tables that ring, by which triggers, and when.';
comment on column orderbell.attachments.order_table is
	'with its schema, as in order_event and template';
comment on column orderbell.attachments.is_on is 'whether the trigger is enabled';
comment on column orderbell.attachments.definition is 'with the columns, values and texts';
