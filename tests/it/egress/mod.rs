//! The way out, on real sockets: which addresses are called, whom TLS trusts, what a proxy changes,
//! how long a connection lives.

mod addresses;
mod client_certificates;
mod connections;
mod corpus;
mod proxy;
mod tls;
