//! Tests of the running dispatcher.
#![cfg(test)]

mod api;
mod crash;
mod delivery;
mod serve;
mod store_conformance;
mod support;
