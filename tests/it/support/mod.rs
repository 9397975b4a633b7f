//! What tests stand on.

pub(crate) mod dispatcher;
pub(crate) mod receiver;
