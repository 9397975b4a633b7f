-- The dispatcher's tables on SQLite.
--
-- Ids are UUIDs as 16-byte blobs (version 7: they rise with time); times are integer microseconds since 1970 in UTC.
-- States and reasons are the words of the code (`domain`), held by CHECKs.

create table client (
    id         blob    not null primary key check (length(id) = 16),
    name       text    not null,
    created_at integer not null,
    deleted_at integer
) strict, without rowid;

create table api_key (
    id         blob    not null primary key check (length(id) = 16),
    client_id  blob    references client (id),
    role       text    not null check (role in ('root', 'admin', 'producer', 'operator', 'viewer')),
    name       text,
    prefix     text    not null,
    hash       blob    not null check (length(hash) = 32),
    created_at integer not null,
    check ((role = 'root') = (client_id is null))
) strict, without rowid;

create unique index api_key_hash on api_key (hash);
create index api_key_client on api_key (client_id, id);

-- A deleted webhook keeps its row, without its secrets, for the deliveries that speak of it.
create table webhook (
    id               blob    not null primary key check (length(id) = 16),
    client_id        blob    not null references client (id),
    version          integer not null check (version >= 1),
    name             text    not null,
    type_code        integer,
    events           text    not null check (json_valid(events)),
    method           text    not null check (method in ('POST', 'PUT', 'GET', 'DELETE')),
    headers          text    check (json_valid(headers)),
    url              text    not null,
    header_auth      text,
    authorization_fixed         text,
    authorization_url           text,
    authorization_method        text check (authorization_method in ('POST', 'PUT', 'GET', 'DELETE')),
    authorization_headers       text check (json_valid(authorization_headers)),
    authorization_body          text check (json_valid(authorization_body)),
    authorization_response_token_attr text,
    retry            text    check (json_valid(retry)),
    timeout_ms       integer check (timeout_ms > 0),
    max_in_flight    integer check (max_in_flight > 0),
    state            text    not null check (state in ('active', 'paused', 'disabled')),
    disable_reason   text,
    state_changed_at integer not null,
    created_at       integer not null,
    updated_at       integer not null,
    deleted_at       integer,
    check ((state = 'disabled') = (disable_reason is not null))
) strict, without rowid;

-- One webhook per client and type code of the OCR service.
create unique index webhook_type on webhook (client_id, type_code) where type_code is not null and deleted_at is null;
create index webhook_client on webhook (client_id, id) where deleted_at is null;

-- Which webhooks an event of a client and type is for: what an enqueue reads. The rows repeat `webhook.events` of every
-- webhook that is not deleted.
create table webhook_event (
    client_id  blob not null references client (id),
    event_type text not null,
    webhook_id blob not null references webhook (id),
    primary key (client_id, event_type, webhook_id)
) strict, without rowid;

create index webhook_event_webhook on webhook_event (webhook_id);

-- `bare` is 1 while no delivery speaks of the event: no webhook wanted it, or its deliveries were removed before it.
create table event (
    id              blob    not null primary key check (length(id) = 16),
    client_id       blob    not null references client (id),
    event_type      text    not null,
    subject         text    not null,
    payload         blob    not null,
    idempotency_key text,
    bare            integer not null default 0 check (bare in (0, 1)),
    created_at      integer not null
) strict;

create unique index event_idempotency on event (client_id, idempotency_key) where idempotency_key is not null;
-- What people list and search. Types and subjects are looked for by walking through the client's events in this index
-- alone: an index led by the subject would take every new event to a page of its own, which costs more than all the rest
-- of an enqueue.
create index event_client on event (client_id, id, event_type, subject);
-- What retention removes and forgets, oldest first.
create index event_bare on event (created_at) where bare = 1;
create index event_idempotency_age on event (created_at) where idempotency_key is not null;

create table delivery (
    id             blob    not null primary key check (length(id) = 16),
    event_id       blob    not null references event (id),
    webhook_id     blob    not null references webhook (id),
    client_id      blob    not null,
    state          text    not null check (state in ('pending', 'in_flight', 'delivered', 'dead_lettered', 'cancelled')),
    due_at         integer not null,
    attempts       integer not null default 0 check (attempts >= 0),
    attempts_before_series integer not null default 0 check (attempts_before_series between 0 and attempts),
    claim_token    blob    check (length(claim_token) = 16),
    claimed_by     blob    check (length(claimed_by) = 16),
    dead_letter_reason text,
    created_at     integer not null,
    finished_at    integer,
    check ((state = 'in_flight') = (claim_token is not null)),
    check ((claim_token is null) = (claimed_by is null)),
    check ((state = 'dead_lettered') = (dead_letter_reason is not null)),
    check ((state in ('delivered', 'dead_lettered', 'cancelled')) = (finished_at is not null))
) strict, without rowid;

-- What a claim reads.
create index delivery_due on delivery (webhook_id, due_at) where state = 'pending';
-- What a start takes back: small, for only what is in flight is in it.
create index delivery_in_flight on delivery (claimed_by) where state = 'in_flight';
-- What retention removes, oldest first.
create index delivery_finished on delivery (state, finished_at) where finished_at is not null;
-- What people list.
create index delivery_event on delivery (event_id);
create index delivery_client on delivery (client_id, id);
create index delivery_webhook on delivery (webhook_id, id);
create index delivery_dead_letter on delivery (client_id, id) where state = 'dead_lettered';

create table attempt (
    delivery_id    blob    not null references delivery (id),
    number         integer not null check (number >= 1),
    started_at     integer not null,
    finished_at    integer not null,
    outcome        text    not null check (outcome in ('delivered', 'retryable', 'permanent')),
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

-- Per webhook and minute, written with the attempts, so that nothing ever counts attempts row by row.
create table delivery_stat (
    webhook_id     blob    not null references webhook (id),
    minute         integer not null,
    delivered      integer not null default 0,
    failed         integer not null default 0,
    dead_lettered  integer not null default 0,
    answer_us      integer not null default 0,
    primary key (webhook_id, minute)
) strict, without rowid;
