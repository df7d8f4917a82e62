-- orderbell.wire_epoch(epoch) - a stream's epoch as terminals see it: with the server's timeline.
-- For many streams at once ask orderbell.timeline() once and put them together.
create or replace function orderbell.wire_epoch(p_epoch text) returns text
language sql stable parallel safe set search_path = pg_catalog, pg_temp as $$
	select p_epoch || '-' || orderbell.timeline()
$$;
comment on function orderbell.wire_epoch(text) is 'A stream''s epoch as terminals see it.';
