-- How many requests a webhook may get in a while, as the JSON that its admin wrote; null for no limit.
alter table webhook add column rate_limit text
    check (rate_limit ->> '$.requests' > 0 and rate_limit ->> '$.perSeconds' > 0);
