-- The keys that sign a webhook's requests, the newest first, encrypted like `secrets`; null for a webhook that never had any.
alter table webhook add column signing_keys bytea check (length(signing_keys) > 37 and get_byte(signing_keys, 0) = 1);
-- The key under which they are encrypted, as people read it.
alter table webhook add column signing_keys_key text
    generated always as (encode(substring(signing_keys from 2 for 8), 'hex')) stored;
create index webhook_signing_keys_key on webhook (signing_keys_key) where signing_keys_key is not null;

-- Whether requests also carry an HTTP message signature.
alter table webhook add column http_signature boolean not null default false;

-- The public halves of signing keys, for everybody: what the key set shows. Of webhooks that are not deleted.
create table public_key (
    id          uuid  primary key,
    webhook_id  uuid  not null references webhook (id),
    ed25519     bytea not null check (length(ed25519) = 32),
    valid_until timestamptz
);

create index public_key_webhook on public_key (webhook_id);
