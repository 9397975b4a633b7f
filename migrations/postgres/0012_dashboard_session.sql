-- Who is signed in to the dashboard. Of the token that a browser holds only its SHA-256 is kept; a session goes with its
-- key.
create table dashboard_session (
    hash       bytea       primary key check (length(hash) = 32),
    key_id     uuid        not null references api_key (id) on delete cascade,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    check (expires_at > created_at)
);

create index dashboard_session_key on dashboard_session (key_id);
-- What goes when somebody signs in: whatever has ended.
create index dashboard_session_age on dashboard_session (expires_at);
