-- orderbell.terminal_gone() - trigger of terminal: a token holds no more, by terminal_revoke() or by
-- whatever else a person does to the row.  The notifiers hear it on order_control,
-- {"revoked":3,"merchant":7}, and close who came by it.
-- Touches: nothing.
create or replace function orderbell.terminal_gone() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	if current_setting('synchronous_commit') = 'off' then
		perform set_config('synchronous_commit', 'local', true);
	end if;
	-- With a full queue the notifiers find out when they read the terminals again.
	if pg_notification_queue_usage() < 0.9 then
		perform pg_notify('order_control',
			json_build_object('revoked', old.id, 'merchant', old.merchant_id)::text);
	end if;
	return null;
end $$;
comment on function orderbell.terminal_gone() is
	'Trigger: who came by a token that holds no more is closed.';
