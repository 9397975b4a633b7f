-- Whether deliveries of a deleted webhook may still wait that are to be called off, some at a time.
alter table webhook add column has_left_over boolean not null default false;
update webhook set has_left_over = true
    where deleted_at is not null and exists (select from delivery d where d.webhook_id = webhook.id and d.state = 'pending');
create index webhook_left_over on webhook (id) where has_left_over;
