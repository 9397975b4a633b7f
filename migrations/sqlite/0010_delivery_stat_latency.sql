-- Statistics tell how long receivers took: how many answers came within each range, which reaches up to the time in the
-- name of its column (and began where the one before ends).
alter table delivery_stat add column retries integer not null default 0;
alter table delivery_stat add column answers_to_1_ms integer not null default 0;
alter table delivery_stat add column answers_to_2_ms integer not null default 0;
alter table delivery_stat add column answers_to_3_ms integer not null default 0;
alter table delivery_stat add column answers_to_5_ms integer not null default 0;
alter table delivery_stat add column answers_to_8_ms integer not null default 0;
alter table delivery_stat add column answers_to_12_ms integer not null default 0;
alter table delivery_stat add column answers_to_20_ms integer not null default 0;
alter table delivery_stat add column answers_to_30_ms integer not null default 0;
alter table delivery_stat add column answers_to_50_ms integer not null default 0;
alter table delivery_stat add column answers_to_80_ms integer not null default 0;
alter table delivery_stat add column answers_to_120_ms integer not null default 0;
alter table delivery_stat add column answers_to_200_ms integer not null default 0;
alter table delivery_stat add column answers_to_300_ms integer not null default 0;
alter table delivery_stat add column answers_to_500_ms integer not null default 0;
alter table delivery_stat add column answers_to_800_ms integer not null default 0;
alter table delivery_stat add column answers_to_1200_ms integer not null default 0;
alter table delivery_stat add column answers_to_2000_ms integer not null default 0;
alter table delivery_stat add column answers_to_3000_ms integer not null default 0;
alter table delivery_stat add column answers_to_5000_ms integer not null default 0;
alter table delivery_stat add column answers_to_8000_ms integer not null default 0;
alter table delivery_stat add column answers_to_12000_ms integer not null default 0;
alter table delivery_stat add column answers_to_20000_ms integer not null default 0;
alter table delivery_stat add column answers_to_30000_ms integer not null default 0;
alter table delivery_stat add column answers_to_60000_ms integer not null default 0;
alter table delivery_stat add column answers_beyond integer not null default 0;

-- The same per hour, written with the minutes, so that a week of many webhooks is read as fast as an hour.
create table delivery_stat_hour (
    webhook_id     blob    not null references webhook (id),
    hour           integer not null,
    delivered           integer not null default 0,
    failed              integer not null default 0,
    retries             integer not null default 0,
    dead_lettered       integer not null default 0,
    answer_us           integer not null default 0,
    answers_to_1_ms     integer not null default 0,
    answers_to_2_ms     integer not null default 0,
    answers_to_3_ms     integer not null default 0,
    answers_to_5_ms     integer not null default 0,
    answers_to_8_ms     integer not null default 0,
    answers_to_12_ms    integer not null default 0,
    answers_to_20_ms    integer not null default 0,
    answers_to_30_ms    integer not null default 0,
    answers_to_50_ms    integer not null default 0,
    answers_to_80_ms    integer not null default 0,
    answers_to_120_ms   integer not null default 0,
    answers_to_200_ms   integer not null default 0,
    answers_to_300_ms   integer not null default 0,
    answers_to_500_ms   integer not null default 0,
    answers_to_800_ms   integer not null default 0,
    answers_to_1200_ms  integer not null default 0,
    answers_to_2000_ms  integer not null default 0,
    answers_to_3000_ms  integer not null default 0,
    answers_to_5000_ms  integer not null default 0,
    answers_to_8000_ms  integer not null default 0,
    answers_to_12000_ms integer not null default 0,
    answers_to_20000_ms integer not null default 0,
    answers_to_30000_ms integer not null default 0,
    answers_to_60000_ms integer not null default 0,
    answers_beyond      integer not null default 0,
    primary key (webhook_id, hour)
) strict, without rowid;

insert into delivery_stat_hour (webhook_id, hour, delivered, failed, dead_lettered, answer_us)
    select webhook_id, minute / 60, sum(delivered), sum(failed), sum(dead_lettered), sum(answer_us) from delivery_stat group by 1, 2;

-- The dead letters of a webhook: counted, and sent again in the order in which they were made.
create index delivery_dead_letter_webhook on delivery (webhook_id, id) where state = 'dead_lettered';
