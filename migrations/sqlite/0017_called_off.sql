-- Whether deliveries of a deleted webhook may still wait that are to be called off, some at a time.
alter table webhook add column has_left_over integer not null default 0 check (has_left_over in (0, 1));
update webhook set has_left_over = 1
    where deleted_at is not null and exists (select 1 from delivery d where d.webhook_id = webhook.id and d.state = 'pending');
create index webhook_left_over on webhook (id) where has_left_over = 1;
