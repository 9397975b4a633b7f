//! Tests of the running dispatcher.
#![cfg(test)]

mod api;
mod canaries;
mod crash;
mod delivery;
mod demo;
mod maintenance;
mod model;
mod nodes;
mod secrets;
mod serve;
mod store_conformance;
mod support;
mod verify;
