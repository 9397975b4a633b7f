//! Words and rules of the dispatcher, pure: no I/O, no clock, no chance that is not an argument.
//!
//! This module knows no other module of the crate; every other module may know it.

pub mod address_policy;
pub mod alert;
pub mod allowance;
pub mod allowed_network;
pub mod attempt;
pub mod audit;
pub mod authorization;
pub mod catalog;
pub mod client;
pub mod client_certificate;
pub mod delivery;
pub mod event;
pub mod explanation;
pub mod headers;
pub mod ids;
pub mod lane;
pub mod method;
pub mod node;
pub mod permission;
pub mod rate_limit;
pub mod redelivery;
pub mod retry;
pub mod root_key;
pub mod session;
pub mod signature;
pub mod stats;
pub mod target_url;
pub mod time;
pub mod trace;
pub mod trial;
pub mod webhook;
