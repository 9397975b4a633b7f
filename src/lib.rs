//! A reliable outbound webhook dispatcher.

pub mod config;
pub mod delivery;
pub mod domain;
pub mod egress;
pub mod token;
pub mod store;
