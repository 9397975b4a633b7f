-- What rests as an event's payload: 'whole', the very bytes that came; 'masked', with its secrets masked, the whole one in
-- `event_secret` while a delivery waits; 'unchecked', as `dispatcher_enqueue` took it: it is held to its schema before it is
-- sent.
alter table event add column payload_state text not null default 'whole' check (payload_state in ('whole', 'masked', 'unchecked'));

update event set payload_state = 'masked' where id in (select event_id from event_secret);

-- The events that the catalogues of the nodes know, by every spelling of their codes, for those who enqueue by SQL. Each node
-- writes it anew when it starts.
create table catalog_event (
    spelling      text    primary key,
    code          text    not null,
    kept_unwanted boolean not null,
    holds_secrets boolean not null
);

-- As it was, and held to what catalogues say as far as this can be told without reading payloads: other spellings of a code
-- are taken for it, what may hold secrets is refused, and what no webhook wants is not kept where a catalogue says so.
create or replace function dispatcher.dispatcher_enqueue(
    client_id uuid, type text, subject text, payload bytea, idempotency_key text default null)
returns uuid language plpgsql volatile security definer set search_path from current as $$
#variable_conflict use_column
declare
    -- How the program writes text that holds NUL: a mark of its own stands for the mark, which no NUL can come with here.
    mark constant text := U&'\+0F0000';
    kept_subject constant text := replace(dispatcher_enqueue.subject, mark, mark || mark);
    kept_key constant text := replace(dispatcher_enqueue.idempotency_key, mark, mark || mark);
    new_event uuid := dispatcher.new_id();
    known catalog_event;
    event_code text := dispatcher_enqueue.type;
    wanted_by uuid[];
begin
    if dispatcher_enqueue.client_id is null or not exists (
        select from client c where c.id = dispatcher_enqueue.client_id and c.deleted_at is null) then
        raise exception 'there is no client %', dispatcher_enqueue.client_id using errcode = 'foreign_key_violation';
    end if;
    select * into known from catalog_event k where k.spelling = dispatcher_enqueue.type;
    if found then
        event_code := known.code;
    end if;
    if event_code is null or event_code !~ '^[A-Za-z0-9._-]{1,100}$' then
        raise exception 'type must be 1 to 100 letters, digits, dots, hyphens or underscores' using errcode = 'check_violation';
    end if;
    if known.holds_secrets then
        raise exception 'events of the type % may hold secrets, which would rest here in clear', event_code using
            errcode = 'feature_not_supported', hint = 'Send them to POST /v1/events, which encrypts what is secret.';
    end if;
    if dispatcher_enqueue.subject is null or length(dispatcher_enqueue.subject) not between 1 and 255 then
        raise exception 'subject must have 1 to 255 characters' using errcode = 'check_violation';
    end if;
    if dispatcher_enqueue.payload is null then
        raise exception 'payload must not be null' using errcode = 'check_violation';
    end if;
    if length(dispatcher_enqueue.idempotency_key) not between 1 and 255 then
        raise exception 'idempotency_key must have 1 to 255 characters' using errcode = 'check_violation';
    end if;

    -- Locked against deletion, as every enqueue does.
    select array_agg(w.id order by w.id) into wanted_by from (
        select w.id from webhook_event e join webhook w on w.id = e.webhook_id
        where e.client_id = dispatcher_enqueue.client_id and e.event_type = event_code and w.deleted_at is null
        for key share of w) w;
    if wanted_by is null and not known.kept_unwanted then
        select e.id into new_event from event e
        where e.client_id = dispatcher_enqueue.client_id and e.idempotency_key = kept_key;
        return coalesce(new_event, dispatcher.new_id());
    end if;
    insert into event (id, client_id, event_type, subject, payload, payload_state, idempotency_key, bare, created_at)
    values (new_event, dispatcher_enqueue.client_id, event_code, kept_subject, dispatcher_enqueue.payload, 'unchecked', kept_key,
        wanted_by is null, clock_timestamp())
    -- Waits for another transaction with the same key: whether that is the first is known when it ends.
    on conflict (client_id, idempotency_key) where idempotency_key is not null do nothing;
    if not found then
        select e.id into strict new_event from event e
        where e.client_id = dispatcher_enqueue.client_id and e.idempotency_key = kept_key;
        return new_event;
    end if;
    insert into delivery (id, event_id, webhook_id, client_id, state, due_at, created_at)
    select dispatcher.new_id(), new_event, w, dispatcher_enqueue.client_id, 'pending', clock_timestamp(), clock_timestamp()
    from unnest(wanted_by) w;
    return new_event;
end
$$;
