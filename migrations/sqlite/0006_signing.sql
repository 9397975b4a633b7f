-- The keys that sign a webhook's requests, the newest first, encrypted like `secrets`; null for a webhook that never had any.
alter table webhook add column signing_keys blob check (length(signing_keys) > 37 and substr(signing_keys, 1, 1) = x'01');
-- The key under which they are encrypted, as people read it.
alter table webhook add column signing_keys_key text
    generated always as (iif(signing_keys is null, null, lower(hex(substr(signing_keys, 2, 8))))) virtual;
create index webhook_signing_keys_key on webhook (signing_keys_key) where signing_keys_key is not null;

-- Whether requests also carry an HTTP message signature.
alter table webhook add column http_signature integer not null default 0 check (http_signature in (0, 1));

-- The public halves of signing keys, for everybody: what the key set shows. Of webhooks that are not deleted.
create table public_key (
    id          blob    not null primary key check (length(id) = 16),
    webhook_id  blob    not null references webhook (id),
    ed25519     blob    not null check (length(ed25519) = 32),
    valid_until integer
) strict, without rowid;

create index public_key_webhook on public_key (webhook_id);
