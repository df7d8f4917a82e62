create schema if not exists orderbell;
comment on schema orderbell is 'Paid orders ring at their merchants'' terminals. Verbs for the DBA: \df orderbell.*';
