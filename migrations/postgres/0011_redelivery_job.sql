-- Redeliveries of many at once. How far each has come stands in its row, so that it goes on after a stop, on any node.
create table redelivery_job (
    id               uuid        primary key,
    client_id        uuid        not null references client (id),
    kind             text        not null check (kind in ('dead_letters', 'undelivered')),
    webhook_id       uuid        references webhook (id),
    reason           text,
    event_type       text,
    subject          text,
    from_at          timestamptz,
    to_at            timestamptz,
    per_second       bigint      not null check (per_second > 0),
    state            text        not null check (state in ('running', 'done', 'cancelled')),
    matched          bigint      not null check (matched >= 0),
    matched_has_more boolean     not null,
    cursor           uuid,
    examined         bigint      not null default 0 check (examined >= 0),
    redelivered      bigint      not null default 0 check (redelivered between 0 and examined),
    created_at       timestamptz not null,
    step_due_at      timestamptz not null,
    finished_at      timestamptz,
    check ((state = 'running') = (finished_at is null)),
    check (kind = 'dead_letters' or (webhook_id is not null and from_at is not null))
) with (fillfactor = 50);

-- What people list.
create index redelivery_job_client on redelivery_job (client_id, id);
-- Whose step is due.
create index redelivery_job_running on redelivery_job (step_due_at) where state = 'running';
-- What retention removes, oldest first.
create index redelivery_job_finished on redelivery_job (finished_at) where finished_at is not null;
