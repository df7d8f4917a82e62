-- orderbell.terminal_revoke(merchant_id, name) - a terminal may not connect any more, and the
-- notifiers close it: they hear it on order_control, {"revoked":3,"merchant":7}.
-- Returns whether there was one of that name that might.  The name is free again.
-- Touches: terminal (update).
create or replace function orderbell.terminal_revoke(p_merchant_id bigint, p_name text)
	returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_id bigint;
begin
	update orderbell.terminal t set revoked_at = clock_timestamp()
	where t.merchant_id = p_merchant_id and t.name = p_name and t.revoked_at is null
	returning t.id into v_id;
	if v_id is null then
		return false;
	end if;
	if current_setting('synchronous_commit') = 'off' then
		perform set_config('synchronous_commit', 'local', true);
	end if;
	-- With a full queue the notifiers find out when they read the terminals again.
	if pg_notification_queue_usage() < 0.9 then
		perform pg_notify('order_control',
			json_build_object('revoked', v_id, 'merchant', p_merchant_id)::text);
	end if;
	return true;
end $$;
comment on function orderbell.terminal_revoke(bigint, text) is
	'A terminal may not connect any more: it is closed at once.';
