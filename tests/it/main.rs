//! Tests of the running dispatcher.
#![cfg(test)]

mod api;
mod crash;
mod delivery;
mod demo;
mod maintenance;
mod nodes;
mod serve;
mod store_conformance;
mod support;
