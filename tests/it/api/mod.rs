//! Tests of the REST interface, by the nouns of its paths. They hold paths, field names and statuses literally.

mod api_keys;
mod audit;
mod client_certificates;
mod clients;
mod completions;
mod deliveries;
mod events;
mod health;
mod idempotency;
mod isolation;
mod key_life;
mod ocr_webhooks;
mod openapi;
mod protocol;
mod rates;
mod redelivery_jobs;
mod roles;
mod server;
mod signing;
mod stats;
mod trial;
mod v1_webhooks;
mod webhook_changes;
mod webhook_inputs;
