-- How long making the connection took, of the time until the answer; null where one was open.
alter table attempt add column connect_us bigint;
