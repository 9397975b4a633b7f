-- From when on a key opens nothing, and when it opened something last, to a minute.
alter table api_key add column expires_at timestamptz check (expires_at > created_at);
alter table api_key add column last_used_at timestamptz;
