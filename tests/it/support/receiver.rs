//! A receiver that does what a test tells it, on a real socket: answers, silence, rubbish, half an answer, a slow drip.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};
use tokio_rustls::TlsAcceptor;

/// Nothing that a test waits for takes longer.
const LONGEST_WAIT: Duration = Duration::from_mins(3);

/// A request as it came in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn body_text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// An empty answer with this status.
    Status(u16),
    /// An answer with this status, headers (a line each) and body.
    Full(u16, &'static str, Vec<u8>),
    /// These bytes, then the connection closes.
    Raw(Vec<u8>),
    /// These bytes, then nothing while the connection stays open.
    RawThenSilence(Vec<u8>),
    /// These bytes, one every few milliseconds, for ever over and over.
    Drip(Vec<u8>),
    /// The connection closes without a word.
    Close,
    /// 200, as soon as the test adds a permit.
    WhenAllowed(Arc<Semaphore>),
}

impl Reply {
    /// A JSON answer with status 200.
    pub(crate) fn json(body: &str) -> Self {
        Self::Full(200, "content-type: application/json\r\n", body.as_bytes().to_vec())
    }
}

/// A connection, by TLS or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type Script = Arc<dyn Fn(&Seen, usize) -> Reply + Send + Sync>;

/// A listening receiver; ends when dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    ledger: Arc<Ledger>,
    task: JoinHandle<()>,
}

/// Everything that came in, and a bell for whoever waits for more.
#[derive(Default)]
struct Ledger {
    seen: Mutex<Vec<Seen>>,
    grown: Notify,
}

impl Receiver {
    /// A receiver whose answers come from `script`, which gets the request and how many came before it.
    pub(crate) async fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(None, Arc::new(script)).await
    }

    /// A receiver that speaks TLS and answers 200.
    pub(crate) async fn speaking_tls(acceptor: TlsAcceptor) -> Self {
        Self::listen(Some(acceptor), Arc::new(|_, _| Reply::Status(200))).await
    }

    async fn listen(tls: Option<TlsAcceptor>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ledger = Arc::new(Ledger::default());
        let task = tokio::spawn(accept(listener, tls, script, Arc::clone(&ledger)));
        Self { address, ledger, task }
    }

    /// A receiver that answers with these in turn, and 200 ever after.
    pub(crate) async fn answering(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Vec<Reply> = replies.into_iter().collect();
        Self::start(move |_, before| replies.get(before).cloned().unwrap_or(Reply::Status(200))).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that came in so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.ledger.seen.lock().unwrap().clone()
    }

    /// Comes back when `enough` says so of everything that came in; what does not come within minutes does not come.
    pub(crate) async fn until(&self, enough: impl Fn(&[Seen]) -> bool) {
        let waited = timeout(LONGEST_WAIT, self.come(enough)).await;
        assert!(waited.is_ok(), "what was waited for did not come; {} requests came", self.seen().len());
    }

    async fn come(&self, enough: impl Fn(&[Seen]) -> bool) {
        loop {
            let grown = self.ledger.grown.notified();
            if enough(&self.ledger.seen.lock().unwrap()) {
                return;
            }
            grown.await;
        }
    }

    /// Comes back when at least `count` requests came in.
    pub(crate) async fn until_seen(&self, count: usize) {
        self.until(|seen| seen.len() >= count).await;
    }

    /// What came in for targets that begin so.
    pub(crate) fn seen_at(&self, target: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.target.starts_with(target)).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, script: Script, ledger: Arc<Ledger>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, script, ledger) = (tls.clone(), Arc::clone(&script), Arc::clone(&ledger));
        tokio::spawn(async move {
            match tls {
                None => serve(stream, script, ledger).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, script, ledger).await;
                    }
                }
            }
        });
    }
}

async fn serve(mut stream: impl Stream, script: Script, ledger: Arc<Ledger>) {
    let mut buffer = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut buffer).await {
        let before = {
            let mut all = ledger.seen.lock().unwrap();
            all.push(seen.clone());
            all.len() - 1
        };
        ledger.grown.notify_waiters();
        if !answer(&mut stream, script(&seen, before)).await {
            return;
        }
    }
}

/// Answers; whether the connection goes on.
async fn answer(stream: &mut impl Stream, reply: Reply) -> bool {
    match reply {
        Reply::Status(status) => write(stream, format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n").as_bytes()).await,
        Reply::Full(status, headers, body) => {
            let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
            write(stream, &[head.as_bytes(), &body].concat()).await
        }
        Reply::Raw(bytes) => {
            write(stream, &bytes).await;
            false
        }
        Reply::RawThenSilence(bytes) => {
            write(stream, &bytes).await;
            until_closed(stream).await;
            false
        }
        Reply::Drip(bytes) => {
            let mut beat = interval(Duration::from_millis(5));
            for byte in bytes.iter().cycle() {
                beat.tick().await;
                if !write(stream, &[*byte]).await {
                    break;
                }
            }
            false
        }
        Reply::Close => false,
        Reply::WhenAllowed(permits) => {
            permits.acquire().await.unwrap().forget();
            write(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await
        }
    }
}

async fn write(stream: &mut impl Stream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).await.is_ok()
}

async fn until_closed(stream: &mut impl Stream) {
    let mut rest = [0; 1024];
    while matches!(stream.read(&mut rest).await, Ok(read) if read > 0) {}
}

async fn read_request(stream: &mut impl Stream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        read_more(stream, buffer).await?;
    };
    let mut seen = parse_head(std::str::from_utf8(&buffer[..head_end]).unwrap());
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    while buffer.len() < head_end + length {
        read_more(stream, buffer).await?;
    }
    seen.body = buffer[head_end..head_end + length].to_vec();
    buffer.drain(..head_end + length);
    Some(seen)
}

async fn read_more(stream: &mut impl Stream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut chunk = vec![0; 16 * 1024];
    let read = stream.read(&mut chunk).await.ok()?;
    buffer.extend_from_slice(&chunk[..read]);
    (read > 0).then_some(())
}

fn parse_head(head: &str) -> Seen {
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, target) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
    let headers = lines.map(|line| line.split_once(':').unwrap()).map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    Seen { method, target, headers, body: Vec::new() }
}
