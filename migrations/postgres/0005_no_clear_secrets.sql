-- The columns that held secrets in clear. Between the migration before this one and this one the dispatcher encrypts what
-- it finds there; should anything be left, as by an older node that still runs, this fails, and nothing is lost.
lock table webhook in access exclusive mode;
create table left_in_clear (webhooks bigint not null check (webhooks = 0));
insert into left_in_clear
    select count(*) from webhook
    where headers is not null or authorization_fixed is not null or authorization_headers is not null or authorization_body is not null;
drop table left_in_clear;

alter table webhook
    drop column headers, drop column authorization_fixed, drop column authorization_headers, drop column authorization_body;
