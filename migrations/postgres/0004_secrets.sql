-- What a webhook holds of secrets, encrypted together: all its headers, the fixed authorization, headers and body of the
-- login. An envelope of version, key id, nonce, ciphertext and tag; null for a webhook without any.
alter table webhook add column secrets bytea check (length(secrets) > 37 and get_byte(secrets, 0) = 1);
-- The key that the envelope names, as people read it.
alter table webhook add column secrets_key text generated always as (encode(substring(secrets from 2 for 8), 'hex')) stored;
create index webhook_secrets_key on webhook (secrets_key) where secrets_key is not null;
