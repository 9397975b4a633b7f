//! What names stand for: asked of the system, unless a test says so itself.

use std::io;
use std::net::IpAddr;

use async_trait::async_trait;

/// Knows the addresses of names.
#[async_trait]
pub trait Names: Send + Sync {
    /// Every address of `name`, in the order in which they should be tried.
    ///
    /// # Errors
    /// When there is no such name, or nobody can tell.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// There is no such name, or nobody can tell.
#[derive(Debug, thiserror::Error)]
#[error("name not resolved")]
pub(super) struct LookUpFailed(#[source] pub(super) io::Error);

/// Names as the host resolves them.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}
