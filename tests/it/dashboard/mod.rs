//! Tests of the operator's pages, by what people do there.

mod deliveries;
mod hostile;
mod overview;
mod people;
mod sign_in;
mod webhooks;
