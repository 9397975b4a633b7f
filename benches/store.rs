//! Measures the store alone.

fn main() {}
