//! Tests of the running dispatcher.
#![cfg(test)]
