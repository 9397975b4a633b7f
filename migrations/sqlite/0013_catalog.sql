-- The catalogue in whose way a webhook is called; null for the dispatcher's own way.
alter table webhook add column catalog text;

-- What a client has settled for a catalogue: settings, and keys that sign, encrypted like those of webhooks; null without any.
create table client_catalog (
    id         blob    not null primary key check (length(id) = 16),
    client_id  blob    not null references client (id),
    catalog    text    not null,
    version    integer not null check (version >= 1),
    settings   text    not null check (json_valid(settings)),
    keys       blob    check (length(keys) > 37 and substr(keys, 1, 1) = x'01'),
    updated_at integer not null,
    -- The key under which they are encrypted, as people read it.
    keys_key   text    generated always as (iif(keys is null, null, lower(hex(substr(keys, 2, 8))))) virtual
) strict, without rowid;

create unique index client_catalog_client on client_catalog (client_id, catalog);
create index client_catalog_keys_key on client_catalog (keys_key) where keys_key is not null;

-- Whole payloads that hold secrets, encrypted; the event has the same payload with the secrets masked. A row goes when no
-- delivery of its event waits any more.
create table event_secret (
    event_id    blob not null primary key check (length(event_id) = 16),
    payload     blob not null check (length(payload) > 37 and substr(payload, 1, 1) = x'01'),
    payload_key text generated always as (lower(hex(substr(payload, 2, 8)))) virtual
) strict, without rowid;

create index event_secret_payload_key on event_secret (payload_key) where payload_key is not null;
