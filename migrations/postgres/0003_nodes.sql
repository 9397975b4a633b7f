-- Nodes that share the database, and whose turn it is to do what recurs. Times are the server's own: the one clock that
-- all nodes share.

create table node (
    id           uuid        primary key,
    name         text        not null,
    role         text        not null check (role in ('all', 'api', 'worker')),
    version      text        not null,
    started_at   timestamptz not null,
    heartbeat_at timestamptz not null
) with (fillfactor = 50);

create table duty (
    name    text        primary key,
    -- The time of the schedule for which it was last done.
    ran_for timestamptz not null,
    -- Who does it at the moment.
    held_by uuid
) with (fillfactor = 50);
