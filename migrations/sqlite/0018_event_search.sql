-- What people look for is found in blocks: events that came in one after the other, some thousands of them. An index that
-- is led by the block takes new events to a few pages, where one led by the subject would take every event to a page of its
-- own; and whoever looks for a subject asks once in each block. What was there before is all in the first block.
alter table event add column block integer not null default 0;
create index event_search on event (block, subject, event_type);
-- What people list of a client: what they search is in the index above.
drop index event_client;
create index event_client on event (client_id, id);

-- Which types of events there are in which blocks.
create table event_type_block (
    block      integer not null,
    event_type text    not null,
    primary key (block, event_type)
) strict, without rowid;

insert into event_type_block (block, event_type) select distinct block, event_type from event;

-- Dead letters by their reason: the newest first, along the index.
create index delivery_dead_letter_reason on delivery (dead_letter_reason, id) where state = 'dead_lettered';
