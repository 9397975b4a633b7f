//! The one factory of HTTP clients, and the one way in which a request is exchanged for an answer.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::redirect;
use tokio::time::{Instant, timeout_at};

use super::{Answer, CallLimits, SendError};

/// Connections that were not used for this long are closed. Many servers drop idle connections after five seconds;
/// staying well below keeps a request from meeting a connection that closes under it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// What every client keeps to, whoever is called: no redirect is followed, no proxy that the environment names is used,
/// nothing is sent twice, and nothing tells where a request came from.
#[expect(clippy::disallowed_methods, reason = "this is the one factory of HTTP clients")]
pub(super) fn strict(tls: rustls::ClientConfig, connect_timeout: Duration, user_agent: &str) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .http1_only()
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(user_agent)
}

/// Sends one request, once, and reads the answer. What was done for it since `started` counts as part of it.
pub(super) async fn exchange(
    client: &reqwest::Client,
    request: reqwest::Request,
    started: Instant,
    limits: CallLimits,
) -> Result<Answer, SendError> {
    let mut response = timeout_at(limits.deadline, client.execute(request)).await.map_err(|_| SendError::Timeout)??;
    let head_at = Instant::now();
    let (body, body_complete) = read_body(&mut response, limits).await;
    Ok(Answer {
        status: response.status().as_u16(),
        remote_address: response.remote_addr(),
        headers: std::mem::take(response.headers_mut()),
        body,
        body_complete,
        head_after: head_at - started,
        body_took: head_at.elapsed(),
    })
}

/// Reads up to the cap; says whether that was all.
async fn read_body(response: &mut reqwest::Response, limits: CallLimits) -> (Bytes, bool) {
    let mut read = BytesMut::new();
    loop {
        let Ok(Ok(chunk)) = timeout_at(limits.deadline, response.chunk()).await else {
            return (read.freeze(), false);
        };
        let Some(chunk) = chunk else {
            return (read.freeze(), true);
        };
        let room = limits.body_cap - read.len();
        read.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return (read.freeze(), false);
        }
    }
}
