//! Measures deliveries from enqueue to arrival.

fn main() {}
