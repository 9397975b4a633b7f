//! A reliable outbound webhook dispatcher.

pub mod domain;
pub mod store;
