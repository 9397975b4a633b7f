//! Tests of the running dispatcher.
#![cfg(test)]

mod api;
mod delivery;
mod store_conformance;
mod support;
