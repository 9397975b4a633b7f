-- The dispatcher's tables on PostgreSQL: those of SQLite, in native types.
--
-- Ids are UUIDs (version 7: they rise with time). States and reasons are the words of the code (`domain`), held by CHECKs.
-- JSON is kept as it was written (`json`, not `jsonb`), for the order of keys is part of a definition.
--
-- The tables that every delivery passes through have no foreign keys: each would be a query per row. The statements that
-- write them lock the webhook's row instead, and only retention removes what others refer to, in the right order.

create table client (
    id         uuid        primary key,
    name       text        not null,
    created_at timestamptz not null,
    deleted_at timestamptz
);

create table api_key (
    id         uuid        primary key,
    client_id  uuid        references client (id),
    role       text        not null check (role in ('root', 'admin', 'producer', 'operator', 'viewer')),
    name       text,
    prefix     text        not null,
    hash       bytea       not null check (length(hash) = 32),
    created_at timestamptz not null,
    check ((role = 'root') = (client_id is null))
);

create unique index api_key_hash on api_key (hash);
create index api_key_client on api_key (client_id, id);

-- A deleted webhook keeps its row, without its secrets, for the deliveries that speak of it.
create table webhook (
    id               uuid        primary key,
    client_id        uuid        not null references client (id),
    version          bigint      not null check (version >= 1),
    name             text        not null,
    type_code        bigint,
    events           json        not null,
    method           text        not null check (method in ('POST', 'PUT', 'GET', 'DELETE')),
    headers          json,
    url              text        not null,
    header_auth      text,
    authorization_fixed         text,
    authorization_url           text,
    authorization_method        text check (authorization_method in ('POST', 'PUT', 'GET', 'DELETE')),
    authorization_headers       json,
    authorization_body          json,
    authorization_response_token_attr text,
    retry            json,
    timeout_ms       bigint      check (timeout_ms > 0),
    max_in_flight    bigint      check (max_in_flight > 0),
    state            text        not null check (state in ('active', 'paused', 'disabled')),
    disable_reason   text,
    state_changed_at timestamptz not null,
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    deleted_at       timestamptz,
    check ((state = 'disabled') = (disable_reason is not null))
);

-- One webhook per client and type code of the OCR service.
create unique index webhook_type on webhook (client_id, type_code) where type_code is not null and deleted_at is null;
create index webhook_client on webhook (client_id, id) where deleted_at is null;

-- Which webhooks an event of a client and type is for: what an enqueue reads. The rows repeat `webhook.events` of every
-- webhook that is not deleted.
create table webhook_event (
    client_id  uuid not null references client (id),
    event_type text not null,
    webhook_id uuid not null references webhook (id),
    primary key (client_id, event_type, webhook_id)
);

create index webhook_event_webhook on webhook_event (webhook_id);

-- `bare` is true while no delivery speaks of the event: no webhook wanted it, or its deliveries were removed before it.
create table event (
    id              uuid        primary key,
    client_id       uuid        not null,
    event_type      text        not null,
    subject         text        not null,
    payload         bytea       not null,
    idempotency_key text,
    bare            boolean     not null default false,
    created_at      timestamptz not null
);

create unique index event_idempotency on event (client_id, idempotency_key) where idempotency_key is not null;
-- What people list and search: types and subjects are looked for by walking through the client's events in this index.
create index event_client on event (client_id, id);
create index event_subject on event using hash (subject);
-- What retention removes and forgets, oldest first.
create index event_bare on event (created_at) where bare;
create index event_idempotency_age on event (created_at) where idempotency_key is not null;

create table delivery (
    id             uuid        primary key,
    event_id       uuid        not null,
    webhook_id     uuid        not null,
    client_id      uuid        not null,
    state          text        not null check (state in ('pending', 'in_flight', 'delivered', 'dead_lettered', 'cancelled')),
    due_at         timestamptz not null,
    attempts       bigint      not null default 0 check (attempts >= 0),
    attempts_before_series bigint not null default 0 check (attempts_before_series between 0 and attempts),
    claim_token    uuid,
    claimed_by     uuid,
    dead_letter_reason text,
    created_at     timestamptz not null,
    finished_at    timestamptz,
    check ((state = 'in_flight') = (claim_token is not null)),
    check ((claim_token is null) = (claimed_by is null)),
    check ((state = 'dead_lettered') = (dead_letter_reason is not null)),
    check ((state in ('delivered', 'dead_lettered', 'cancelled')) = (finished_at is not null))
);

-- What a claim reads.
create index delivery_due on delivery (webhook_id, due_at, id) where state = 'pending';
-- What is taken back from nodes that live no more: small, for only what is in flight is in it.
create index delivery_in_flight on delivery (webhook_id, claimed_by) where state = 'in_flight';
-- What retention removes, oldest first.
create index delivery_finished on delivery (state, finished_at) where finished_at is not null;
-- What people list.
create index delivery_event on delivery (event_id);
create index delivery_client on delivery (client_id, id);
create index delivery_webhook on delivery (webhook_id, id);
create index delivery_dead_letter on delivery (client_id, id) where state = 'dead_lettered';

create table attempt (
    delivery_id    uuid        not null,
    number         bigint      not null check (number >= 1),
    started_at     timestamptz not null,
    finished_at    timestamptz not null,
    outcome        text        not null check (outcome in ('delivered', 'retryable', 'permanent')),
    reason         text,
    status         bigint,
    detail         text,
    remote_address text,
    login_us       bigint,
    answer_us      bigint,
    body_us        bigint,
    response_head  text,
    response_body  bytea,
    primary key (delivery_id, number),
    check ((outcome = 'delivered') = (reason is null))
);

-- Per webhook and minute, written with the attempts, so that nothing ever counts attempts row by row.
create table delivery_stat (
    webhook_id     uuid   not null,
    minute         bigint not null,
    delivered      bigint not null default 0,
    failed         bigint not null default 0,
    dead_lettered  bigint not null default 0,
    answer_us      bigint not null default 0,
    primary key (webhook_id, minute)
) with (fillfactor = 50);

-- The rows of a delivery change twice in its life and then lie still: dead versions are cleared away early and without
-- pauses, by count rather than by a share of a table that keeps growing.
alter table delivery set (
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.05);
alter table delivery_stat set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
alter table webhook set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
alter table event set (autovacuum_vacuum_insert_scale_factor = 0.05);
alter table attempt set (autovacuum_vacuum_insert_scale_factor = 0.05);
