-- orderbell.terminal_add(merchant_id, name, url) - a terminal of a merchant may connect from now
-- on, by a token.
--   p_name  by which it acks: [A-Za-z0-9._-]{1,64}
--   p_url   of the merchant's page; null: the setting orderbell.console_url (alter database ...
--           set orderbell.console_url = 'https://shop.example/console/'), else '/console/'
-- Gives one row: the terminal's id; its token, which is shown this once and kept nowhere; and the
-- link that the merchant opens on it.  The token stands behind the #, so no server and no log sees
-- it.
-- Raises OB404: no such merchant; OB409: it has a terminal of that name (revoke that one first);
-- 22023: bad name, or an address that has a # already.
-- Touches: terminal (insert).
create or replace function orderbell.terminal_add(
	p_merchant_id bigint, p_name text, p_url text default null)
	returns table (terminal_id bigint, token text, link text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_url constant text := coalesce(p_url,
		nullif(current_setting('orderbell.console_url', true), ''), '/console/');
begin
	if p_name is null or p_name !~ '^[A-Za-z0-9._-]{1,64}$' then
		raise 'a name is 1 to 64 of A-Z a-z 0-9 . _ -, not %', coalesce(quote_literal(p_name), 'null')
			using errcode = 'invalid_parameter_value';
	end if;
	if v_url ~ '[#[:space:][:cntrl:]]' then
		raise 'the address of the page has a # or a space in it: %', quote_literal(v_url)
			using errcode = 'invalid_parameter_value';
	end if;
	perform from orderbell.merchant m where m.id = p_merchant_id for key share;
	if not found then
		raise 'no such merchant: %', p_merchant_id using errcode = 'OB404';
	end if;

	-- 32 bytes of the server's strong random numbers, 244 bits of them free.
	terminal_id := nextval(pg_get_serial_sequence('orderbell.terminal', 'id')::regclass);
	token := 'obt_' || terminal_id || '_' || translate(encode(
		uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'base64'), '+/=', '-_');
	insert into orderbell.terminal (id, merchant_id, name, token_hash) overriding system value
	values (terminal_id, p_merchant_id, p_name, sha256(convert_to(token, 'UTF8')))
	on conflict do nothing;
	if not found then
		raise 'the merchant has a terminal of that name: %', p_name using errcode = 'OB409',
			hint = format('select orderbell.terminal_revoke(%s, %L)', p_merchant_id, p_name);
	end if;
	link := v_url || '#token=' || token;
	return next;
end $$;
comment on function orderbell.terminal_add(bigint, text, text) is
	'A terminal may connect from now on; gives its token and link, this once.';
