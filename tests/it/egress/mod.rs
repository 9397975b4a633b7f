//! The way out, on real sockets: which addresses are called, whom TLS trusts, what a proxy changes.

mod addresses;
mod client_certificates;
mod corpus;
mod proxy;
mod tls;
