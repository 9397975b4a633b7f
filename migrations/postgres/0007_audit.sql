-- Who changed what: written in the transaction of the change, and never changed afterwards.
create table audit_entry (
    id              uuid        primary key,
    at              timestamptz not null,
    -- Who: the key, what it was for, and its client, if it had one. A key that is deleted leaves its name here.
    key_id          uuid        not null,
    role            text        not null check (role in ('root', 'admin', 'producer', 'operator', 'viewer')),
    key_client_id   uuid,
    -- From where, if that is known.
    remote_address  text,
    action          text        not null,
    object_kind     text        not null,
    object_id       uuid        not null,
    -- Whose the object is; null for what is nobody's, such as a root key.
    client_id       uuid,
    before          json,
    after           json,
    check ((role = 'root') = (key_client_id is null))
);

create index audit_entry_client on audit_entry (client_id, id);
create index audit_entry_object on audit_entry (object_id, id);
-- What retention removes, oldest first.
create index audit_entry_at on audit_entry (at);

-- Since when entries are kept: one row, which retention moves on before it removes what is older.
create table audit_kept (
    one   boolean     primary key check (one),
    since timestamptz not null
);

insert into audit_kept (one, since) values (true, '-infinity');

create function refuse_audit_change() returns trigger language plpgsql as $$
begin
    raise exception '%', tg_argv[0] using errcode = 'check_violation';
end
$$;

create trigger audit_kept_moves_on before update on audit_kept for each row when (new.since < old.since)
    execute function refuse_audit_change('what was given up is not kept again');

create trigger audit_kept_stays before delete on audit_kept for each row
    execute function refuse_audit_change('since when audit entries are kept is always known');

create trigger audit_entry_stays_as_it_is before update on audit_entry for each row
    execute function refuse_audit_change('audit entries are never changed');

create function refuse_audit_removal() returns trigger language plpgsql as $$
begin
    if old.at >= (select since from audit_kept) then
        raise exception 'audit entries are removed by their age alone' using errcode = 'check_violation';
    end if;
    return old;
end
$$;

create trigger audit_entry_stays before delete on audit_entry for each row execute function refuse_audit_removal();

create trigger audit_entry_stays_whole before truncate on audit_entry for each statement
    execute function refuse_audit_change('audit entries are removed by their age alone');

create trigger audit_kept_stays_whole before truncate on audit_kept for each statement
    execute function refuse_audit_change('since when audit entries are kept is always known');
