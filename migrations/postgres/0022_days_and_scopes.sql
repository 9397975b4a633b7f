-- What a week says, in fewer rows than its hours are, written with the hours. What a webhook did in a day of UTC:
create table delivery_stat_day (like delivery_stat_hour including defaults) with (fillfactor = 50);
alter table delivery_stat_day rename column hour to day;
alter table delivery_stat_day add primary key (webhook_id, day);

-- And what all webhooks together did in an hour, those of one client or, where the scope is the nil id, of everybody. Two
-- nodes would wait for one another's commits if they added to one row, so each adds to its own of a few, its shard.
create table delivery_stat_scope_hour (like delivery_stat_hour including defaults, shard smallint not null) with (fillfactor = 50);
alter table delivery_stat_scope_hour rename column webhook_id to scope;
alter table delivery_stat_scope_hour add primary key (scope, hour, shard);

alter table delivery_stat_day set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
alter table delivery_stat_scope_hour set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

insert into delivery_stat_day
select webhook_id, hour / 24,
    sum(delivered), sum(failed), sum(retries), sum(dead_lettered), sum(answer_us), sum(answers_to_1_ms),
    sum(answers_to_2_ms), sum(answers_to_3_ms), sum(answers_to_5_ms), sum(answers_to_8_ms), sum(answers_to_12_ms),
    sum(answers_to_20_ms), sum(answers_to_30_ms), sum(answers_to_50_ms), sum(answers_to_80_ms), sum(answers_to_120_ms),
    sum(answers_to_200_ms), sum(answers_to_300_ms), sum(answers_to_500_ms), sum(answers_to_800_ms),
    sum(answers_to_1200_ms), sum(answers_to_2000_ms), sum(answers_to_3000_ms), sum(answers_to_5000_ms),
    sum(answers_to_8000_ms), sum(answers_to_12000_ms), sum(answers_to_20000_ms), sum(answers_to_30000_ms),
    sum(answers_to_60000_ms), sum(answers_beyond)
from delivery_stat_hour group by 1, 2;

insert into delivery_stat_scope_hour
select scope, hour,
    sum(delivered), sum(failed), sum(retries), sum(dead_lettered), sum(answer_us), sum(answers_to_1_ms),
    sum(answers_to_2_ms), sum(answers_to_3_ms), sum(answers_to_5_ms), sum(answers_to_8_ms), sum(answers_to_12_ms),
    sum(answers_to_20_ms), sum(answers_to_30_ms), sum(answers_to_50_ms), sum(answers_to_80_ms), sum(answers_to_120_ms),
    sum(answers_to_200_ms), sum(answers_to_300_ms), sum(answers_to_500_ms), sum(answers_to_800_ms),
    sum(answers_to_1200_ms), sum(answers_to_2000_ms), sum(answers_to_3000_ms), sum(answers_to_5000_ms),
    sum(answers_to_8000_ms), sum(answers_to_12000_ms), sum(answers_to_20000_ms), sum(answers_to_30000_ms),
    sum(answers_to_60000_ms), sum(answers_beyond), 0
from delivery_stat_hour s join webhook w on w.id = s.webhook_id
    cross join lateral (values (w.client_id), ('00000000-0000-0000-0000-000000000000')) c (scope)
group by 1, 2;
