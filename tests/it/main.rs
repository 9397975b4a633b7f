//! Tests of the running dispatcher.
#![cfg(test)]

mod store_conformance;
