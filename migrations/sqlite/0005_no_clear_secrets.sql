-- The columns that held secrets in clear. Between the migration before this one and this one the dispatcher encrypts what
-- it finds there; should anything be left, this fails, and nothing is lost.
create table left_in_clear (webhooks integer not null check (webhooks = 0)) strict;
insert into left_in_clear
    select count(*) from webhook where coalesce(headers, authorization_fixed, authorization_headers, authorization_body) is not null;
drop table left_in_clear;

alter table webhook drop column headers;
alter table webhook drop column authorization_fixed;
alter table webhook drop column authorization_headers;
alter table webhook drop column authorization_body;
