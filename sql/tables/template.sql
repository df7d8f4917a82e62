-- template - the shop's own texts of events, for merchants or languages that want another one than
-- the attached table's, or the number of an order in orders.  The closest row that has a content
-- counts for the content, the closest that has a voice for the voice: a merchant's own before its
-- language's before everybody's; of these one for the order's table before one for any.
create table if not exists orderbell.template (
	id          bigint generated always as identity primary key,
	merchant_id bigint references orderbell.merchant on delete cascade,
	language    text check (language ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$'),
	order_table text,
	type        int not null default 1 check (type in (1, 2)),
	content     text check (content <> '' and octet_length(content) <= 8192),
	voice       text check (voice <> '' and octet_length(voice) <= 500),
	check (num_nonnulls(content, voice) > 0)
);
do $$
begin
	if to_regclass('orderbell.template_once') is null then
		create unique index template_once on orderbell.template (coalesce(merchant_id, 0), type,
			coalesce(language, ''), coalesce(order_table, ''));
	end if;
end $$;
comment on index orderbell.template_once is 'for one purpose there is one text';
comment on table orderbell.template is
	'Texts of events, to show and to speak, by merchant or language: the closest row counts.';
comment on column orderbell.template.id is 'of the text';
comment on column orderbell.template.merchant_id is 'for this merchant only; null: for all';
comment on column orderbell.template.language is
	'for merchants of this language only (zh is for zh-CN too); null: for all';
comment on column orderbell.template.order_table is
	'for orders of this table only: orderbell.orders, or as in view attachments; null: for all';
comment on column orderbell.template.type is '1 for a paid order, 2 for a reminder';
comment on column orderbell.template.content is
	'the text, with the order''s columns in braces: No. {number}; braces of its own are doubled';
comment on column orderbell.template.voice is
	'what terminals speak in place of the recorded sentence, with columns in braces as well';
