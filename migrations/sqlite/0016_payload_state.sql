-- What rests as an event's payload: 'whole', the very bytes that came; 'masked', with its secrets masked, the whole one in
-- `event_secret` while a delivery waits. In a database that others write to, also 'unchecked': nobody has held it to its
-- schema yet.
alter table event add column payload_state text not null default 'whole' check (payload_state in ('whole', 'masked', 'unchecked'));

update event set payload_state = 'masked' where id in (select event_id from event_secret);
