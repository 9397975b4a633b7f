-- How the lanes stand of which there is something to say, as the nodes that serve them said last: a lane itself lives in the
-- memory of its node. It need not outlive a crash of the server, since every node says it again.
create unlogged table lane (
    webhook_id      uuid        primary key,
    node_id         uuid        not null references node (id) on delete cascade,
    state           text        not null check (state in ('idle', 'busy', 'held_back', 'open')),
    in_flight       bigint      not null check (in_flight >= 0),
    current_limit   bigint      not null check (current_limit >= 1),
    breaker         text        not null check (breaker in ('closed', 'open', 'half_open')),
    next_probe_at   timestamptz,
    held_back_until timestamptz,
    told_at         timestamptz not null,
    check (state <> 'held_back' or held_back_until is not null)
) with (fillfactor = 50);

-- What one node told, and what goes with it.
create index lane_node on lane (node_id);

alter table lane set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
