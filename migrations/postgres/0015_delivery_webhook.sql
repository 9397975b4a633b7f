-- What people list of a webhook. Its condition always holds and is named by lists alone: a claim that was planned when there
-- was little would otherwise read a lane's whole past along this index instead of the due end of `delivery_due`.
drop index delivery_webhook;
create index delivery_webhook on delivery (webhook_id, id) where attempts >= 0;
