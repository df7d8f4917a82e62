-- schema.sql - the schema, where the server and the database can hold it.
do $$
begin
	if current_setting('server_version_num')::int < 130000 then
		raise 'orderbell needs PostgreSQL 13 or newer, this is %', current_setting('server_version')
			using errcode = 'feature_not_supported';
	end if;
	if pg_encoding_to_char((select d.encoding from pg_database d
			where d.datname = current_database())) <> 'UTF8' then
		raise 'orderbell needs a database in UTF8, this one is in %',
			current_setting('server_encoding') using errcode = 'feature_not_supported';
	end if;
end $$;

do $$
begin
	if to_regnamespace('orderbell') is null then -- CREATE EXTENSION has made it already
		create schema orderbell;
	end if;
end $$;
comment on schema orderbell is
	'Paid orders ring at their merchants'' terminals. Verbs for the DBA: \df orderbell.*';
