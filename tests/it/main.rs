//! Tests of the running dispatcher.
