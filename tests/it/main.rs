//! Tests of the running dispatcher.
#![cfg(test)]

mod delivery;
mod support;
