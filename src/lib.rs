//! A reliable outbound webhook dispatcher.

pub mod config;
pub mod delivery;
pub mod domain;
pub mod egress;
pub mod maintenance;
pub mod store;
pub mod telemetry;
pub mod token;
