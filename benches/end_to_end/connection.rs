//! One kept-alive connection that asks and awaits its answer, cheaper than a whole HTTP client.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::wire;

/// How long an answer may take. Far more than any should: it only keeps a broken run from lasting for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    read: BytesMut,
}

/// An answer at the start of what was read.
struct Answer {
    status: u16,
    body_length: usize,
    length: usize,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: BytesMut::with_capacity(8 * 1024) })
    }

    /// Sends a whole request and waits for the whole answer; its status.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        let answer = self.answer(request).await?;
        self.read.advance(answer.length);
        Ok(answer.status)
    }

    /// As [`Self::exchange`], with the answer's body.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<(u16, Vec<u8>)> {
        let answer = self.answer(request).await?;
        let body = self.read[answer.length - answer.body_length..answer.length].to_vec();
        self.read.advance(answer.length);
        Ok((answer.status, body))
    }

    async fn answer(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        timeout(PATIENCE, self.answer_whenever(request)).await.context("an answer did not come in time")?
    }

    async fn answer_whenever(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        self.stream.write_all(request).await?;
        loop {
            if let Some(message) = wire::first_message(&self.read)? {
                let status = wire::status(message.first_line).context("an answer has no status")?;
                return Ok(Answer { status, body_length: message.body_length, length: message.length });
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                bail!(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
        }
    }
}
