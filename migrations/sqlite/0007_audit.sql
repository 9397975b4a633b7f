-- Who changed what: written in the transaction of the change, and never changed afterwards.
create table audit_entry (
    id              blob    not null primary key check (length(id) = 16),
    at              integer not null,
    -- Who: the key, what it was for, and its client, if it had one. A key that is deleted leaves its name here.
    key_id          blob    not null check (length(key_id) = 16),
    role            text    not null check (role in ('root', 'admin', 'producer', 'operator', 'viewer')),
    key_client_id   blob    check (length(key_client_id) = 16),
    -- From where, if that is known.
    remote_address  text,
    action          text    not null,
    object_kind     text    not null,
    object_id       blob    not null check (length(object_id) = 16),
    -- Whose the object is; null for what is nobody's, such as a root key.
    client_id       blob    check (length(client_id) = 16),
    before          text    check (json_valid(before)),
    after           text    check (json_valid(after)),
    check ((role = 'root') = (key_client_id is null))
) strict, without rowid;

create index audit_entry_client on audit_entry (client_id, id);
create index audit_entry_object on audit_entry (object_id, id);
-- What retention removes, oldest first.
create index audit_entry_at on audit_entry (at);

-- Since when entries are kept: one row, which retention moves on before it removes what is older.
create table audit_kept (
    one   integer not null primary key check (one = 1),
    since integer not null
) strict;

insert into audit_kept (one, since) values (1, -9223372036854775808);

create trigger audit_kept_moves_on before update on audit_kept when new.since < old.since or new.one <> old.one begin
    select raise(abort, 'what was given up is not kept again');
end;

create trigger audit_kept_stays before delete on audit_kept begin
    select raise(abort, 'since when audit entries are kept is always known');
end;

create trigger audit_entry_stays_as_it_is before update on audit_entry begin
    select raise(abort, 'audit entries are never changed');
end;

create trigger audit_entry_stays before delete on audit_entry when old.at >= (select since from audit_kept) begin
    select raise(abort, 'audit entries are removed by their age alone');
end;
