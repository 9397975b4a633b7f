-- Redeliveries of many at once. How far each has come stands in its row, so that it goes on after a stop.
create table redelivery_job (
    id               blob    not null primary key check (length(id) = 16),
    client_id        blob    not null references client (id),
    kind             text    not null check (kind = 'dead_letters' or kind = 'undelivered'),
    webhook_id       blob    references webhook (id),
    reason           text,
    event_type       text,
    subject          text,
    from_at          integer,
    to_at            integer,
    per_second       integer not null check (per_second > 0),
    state            text    not null check (state = 'running' or state = 'done' or state = 'cancelled'),
    matched          integer not null check (matched >= 0),
    matched_has_more integer not null check (matched_has_more in (0, 1)),
    cursor           blob    check (length(cursor) = 16),
    examined         integer not null default 0 check (examined >= 0),
    redelivered      integer not null default 0 check (redelivered between 0 and examined),
    created_at       integer not null,
    step_due_at      integer not null,
    finished_at      integer,
    check ((state = 'running') = (finished_at is null)),
    check (kind = 'dead_letters' or (webhook_id is not null and from_at is not null))
) strict, without rowid;

-- What people list.
create index redelivery_job_client on redelivery_job (client_id, id);
-- Whose step is due.
create index redelivery_job_running on redelivery_job (step_due_at) where state = 'running';
-- What retention removes, oldest first.
create index redelivery_job_finished on redelivery_job (finished_at) where finished_at is not null;
