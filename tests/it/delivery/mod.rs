//! Deliveries from a due row to a recorded attempt, against receivers of every kind.

mod authorization;
mod hostile_receivers;
mod lanes;
mod many_webhooks;
mod outages;
mod outcomes;
mod rates;
mod requests;
mod shared_lanes;
mod signatures;
