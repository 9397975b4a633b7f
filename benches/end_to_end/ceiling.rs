//! The ceiling: what the HTTP client does with nothing but itself between it and the receiver.
//!
//! A helper that does one [`Job`] for each line. Each of its tasks sends the next request when the one before is
//! answered, all through one shared client on as many threads as there are cores.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use reqwest::redirect;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::clock;
use super::helper::{incoming_lines, say};
use super::requests;
use super::ticket::{self, Ticket};

/// How long an answer may take before the run is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// How hard to post.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Where to.
    pub(crate) receiver: SocketAddr,
    /// Requests under way at once.
    pub(crate) tasks: usize,
    /// For how long.
    pub(crate) seconds: f64,
}

/// Does jobs until there are no more; answers each with the number of requests.
pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut lines = incoming_lines();
        while let Some(line) = lines.recv().await {
            let posted = do_job(serde_json::from_str(&line)?).await?;
            say(&posted.to_string())?;
        }
        Ok(())
    })
}

async fn do_job(job: Job) -> anyhow::Result<u32> {
    let client = client()?;
    let next = Arc::new(AtomicU32::new(0));
    let body = Bytes::from(requests::document());
    let end = Instant::now() + Duration::from_secs_f64(job.seconds);
    let mut tasks = JoinSet::new();
    for _ in 0..job.tasks {
        let (client, next, body) = (client.clone(), Arc::clone(&next), body.clone());
        tasks.spawn(async move {
            while Instant::now() < end {
                let ticket = Ticket { sequence: next.fetch_add(1, Ordering::Relaxed), begun: clock::now() };
                post(&client, job.receiver, ticket, body.clone()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(next.load(Ordering::Relaxed))
}

#[expect(clippy::disallowed_methods, reason = "the ceiling is what this client does without anything around it")]
fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .http1_only()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        .timeout(PATIENCE)
        .pool_max_idle_per_host(usize::MAX)
        .build()
}

async fn post(client: &reqwest::Client, receiver: SocketAddr, ticket: Ticket, body: Bytes) -> anyhow::Result<()> {
    let mut name = [0; ticket::LENGTH];
    ticket.write(&mut name);
    let url = format!("http://{receiver}/hook/{}", std::str::from_utf8(&name)?);
    let answer = client.post(url).header(CONTENT_TYPE, "application/json").body(body).send().await?;
    let status = answer.status();
    // A connection is used again only when its answer was read to the end.
    answer.bytes().await?;
    if status != http::StatusCode::OK {
        bail!("the receiver answered {status}");
    }
    Ok(())
}
