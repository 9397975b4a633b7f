-- Claims leave the file: the one process that owns it keeps them in memory, for they end with it. What is in flight is
-- pending in here.
--
-- A list of three or more words in a CHECK is built anew as a table of its own for every row that is written, so the
-- words are compared one by one.

create table delivery_new (
    id             blob    not null primary key check (length(id) = 16),
    event_id       blob    not null references event (id),
    webhook_id     blob    not null references webhook (id),
    client_id      blob    not null,
    state          text    not null check (state = 'pending' or state = 'delivered' or state = 'dead_lettered' or state = 'cancelled'),
    due_at         integer not null,
    attempts       integer not null default 0 check (attempts >= 0),
    attempts_before_series integer not null default 0 check (attempts_before_series between 0 and attempts),
    dead_letter_reason text,
    created_at     integer not null,
    finished_at    integer,
    check ((state = 'dead_lettered') = (dead_letter_reason is not null)),
    check ((state = 'pending') = (finished_at is null))
) strict, without rowid;

insert into delivery_new
select id, event_id, webhook_id, client_id, iif(state = 'in_flight', 'pending', state), due_at, attempts, attempts_before_series,
    dead_letter_reason, created_at, finished_at
from delivery;

create table attempt_new (
    delivery_id    blob    not null references delivery_new (id),
    number         integer not null check (number >= 1),
    started_at     integer not null,
    finished_at    integer not null,
    outcome        text    not null check (outcome = 'delivered' or outcome = 'retryable' or outcome = 'permanent'),
    reason         text,
    status         integer,
    detail         text,
    remote_address text,
    login_us       integer,
    answer_us      integer,
    body_us        integer,
    response_head  text,
    response_body  blob,
    primary key (delivery_id, number),
    check ((outcome = 'delivered') = (reason is null))
) strict, without rowid;

insert into attempt_new select * from attempt;

drop table attempt;
drop table delivery;
-- References are renamed with the table that they mean.
alter table delivery_new rename to delivery;
alter table attempt_new rename to attempt;

-- What a claim reads.
create index delivery_due on delivery (webhook_id, due_at) where state = 'pending';
-- What retention removes, oldest first.
create index delivery_finished on delivery (state, finished_at) where finished_at is not null;
-- What people list.
create index delivery_event on delivery (event_id);
create index delivery_client on delivery (client_id, id);
create index delivery_webhook on delivery (webhook_id, id);
create index delivery_dead_letter on delivery (client_id, id) where state = 'dead_lettered';
