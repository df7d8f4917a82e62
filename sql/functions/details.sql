-- orderbell.details(amount, currency, items, voice, language) - what a terminal may show and say of
-- an event besides its content: order_event.details.  What is null, or not as it must be, is left
-- out; null where nothing is left.
--   p_amount    money as it is written, at most 40 bytes; of 38.50000000 zeros are left away
--   p_currency  three capitals of ISO 4217; only with an amount
--   p_items     see orderbell.items_of()
--   p_voice     a text to be spoken; cut to 500 bytes
--   p_language  of that
-- Touches: nothing.  Internal.
create or replace function orderbell.details(
	p_amount text, p_currency text, p_items jsonb, p_voice text, p_language text) returns jsonb
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
	v_amount text := btrim(p_amount);
	v_number numeric;
	v_voice text;
begin
	if v_amount = '' or octet_length(v_amount) > 40 then
		v_amount := null;
	elsif v_amount ~ '^-?[0-9]+[.][0-9]{3,}$' then
		v_number := trim_scale(v_amount::numeric);
		v_amount := round(v_number, greatest(scale(v_number), 2))::text;
	end if;
	v_voice := nullif(orderbell.cut(btrim(p_voice), 500), '');
	return nullif(jsonb_strip_nulls(jsonb_build_object('amount', v_amount,
			'currency', case when v_amount is not null then substring(p_currency, '^[A-Z]{3}$') end,
			'voice', v_voice,
			'language', case when v_voice is not null then p_language end))
		|| coalesce(orderbell.items_of(p_items), '{}'), '{}');
end $$;
comment on function orderbell.details(text, text, jsonb, text, text) is
	'Internal: what a terminal may show and say of an event besides its content.';
