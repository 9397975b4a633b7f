//! What tests stand on.

pub(crate) mod collector;
pub(crate) mod dispatcher;
pub(crate) mod hostile;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod names;
pub(crate) mod pages;
pub(crate) mod pooler;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod promql;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod rest;
pub(crate) mod scene;
pub(crate) mod settings;
pub(crate) mod tls;
