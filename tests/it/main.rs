//! Tests of the running dispatcher.
#![cfg(test)]

mod alerts;
mod api;
mod backup;
mod browser;
mod canaries;
mod catalogs;
mod cli;
mod crash;
mod dashboard;
mod delivery;
mod demo;
mod egress;
mod fuzz;
mod hostile;
mod maintenance;
mod metrics;
mod model;
mod nodes;
mod redelivery_crash;
mod secrets;
mod serve;
mod store_conformance;
mod support;
mod traces;
mod verify;
