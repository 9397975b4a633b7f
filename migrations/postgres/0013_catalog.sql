-- The catalogue in whose way a webhook is called; null for the dispatcher's own way.
alter table webhook add column catalog text;

-- What a client has settled for a catalogue: settings, and keys that sign, encrypted like those of webhooks; null without any.
create table client_catalog (
    id         uuid        primary key,
    client_id  uuid        not null references client (id),
    catalog    text        not null,
    version    bigint      not null check (version >= 1),
    settings   json        not null,
    keys       bytea       check (length(keys) > 37 and get_byte(keys, 0) = 1),
    updated_at timestamptz not null,
    -- The key under which they are encrypted, as people read it.
    keys_key   text        generated always as (encode(substring(keys from 2 for 8), 'hex')) stored
);

create unique index client_catalog_client on client_catalog (client_id, catalog);
create index client_catalog_keys_key on client_catalog (keys_key) where keys_key is not null;

-- Whole payloads that hold secrets, encrypted; the event has the same payload with the secrets masked. A row goes when no
-- delivery of its event waits any more.
create table event_secret (
    event_id    uuid  primary key,
    payload     bytea not null check (length(payload) > 37 and get_byte(payload, 0) = 1),
    payload_key text  generated always as (encode(substring(payload from 2 for 8), 'hex')) stored
);

create index event_secret_payload_key on event_secret (payload_key) where payload_key is not null;
