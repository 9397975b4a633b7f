//! One open connection, over which one request at a time is exchanged for its answer.
//!
//! A connection is driven by whoever waits for its answer, in the same task: nobody has to wake anybody else, and a call
//! that is given up takes its connection with it. While nobody uses a connection, nothing drives it: that the server closed
//! it meanwhile is noticed when it is used again, before anything is written.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

/// What a connection reads and writes.
pub(super) type Stream = Either<TcpStream, TlsStream<TcpStream>>;

/// A request as HTTP sends it.
pub(super) type HttpRequest = Request<Full<Bytes>>;

/// The most of an answer's head that is waited for, in bytes. Whoever hangs in the middle of one holds no more.
pub(super) const MOST_HEAD_BYTES: usize = 64 * 1024;

/// Why no answer came, and the request if nothing of it was written.
pub(super) type Unanswered = TrySendError<HttpRequest>;

/// An open connection.
pub(super) struct Connection {
    requests: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
    remote_address: Option<SocketAddr>,
}

/// What reads and writes; nothing once that is over.
struct Driver(Option<Box<http1::Connection<TokioIo<Stream>, Full<Bytes>>>>);

impl Connection {
    /// Speaks HTTP on what was just opened.
    pub(super) async fn on(stream: Stream, remote_address: Option<SocketAddr>) -> hyper::Result<Self> {
        let (requests, http) = http1::Builder::new().max_buf_size(MOST_HEAD_BYTES).handshake(TokioIo::new(stream)).await?;
        Ok(Self { requests, driver: Driver(Some(Box::new(http))), remote_address })
    }

    /// Who is at the other end.
    pub(super) const fn remote_address(&self) -> Option<SocketAddr> {
        self.remote_address
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&mut self, request: HttpRequest) -> Result<Response<Incoming>, Unanswered> {
        let answer = self.requests.try_send_request(request);
        self.driver.drive(answer).await
    }

    /// The next piece of the answer's body, or `None` when it was read to its end.
    pub(super) async fn next_piece(&mut self, body: &mut Incoming) -> Option<hyper::Result<Bytes>> {
        loop {
            match self.driver.drive(body.frame()).await? {
                // What is no data are trailers, which nobody asked for.
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Goes on until the request was sent to its last byte: its answer may come before that.
    pub(super) async fn finish(&mut self) {
        let Self { requests, driver, .. } = self;
        poll_fn(|context| match driver.poll(context) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => requests.poll_ready(context).map(|_open_or_closed| ()),
        })
        .await;
    }

    /// Leaves the connection to itself, so that it wakes no task any more; says whether another request can be sent.
    pub(super) fn park(&mut self) -> bool {
        self.driver.poll(&mut Context::from_waker(Waker::noop())).is_pending() && self.requests.is_ready()
    }

    /// Closes it in the way that TLS asks for, as far as that needs no waiting.
    pub(super) fn close(mut self) {
        drop(self.requests);
        // Whether it came to its end or would have to wait: it is closed when it is dropped.
        let _closed = self.driver.poll(&mut Context::from_waker(Waker::noop()));
    }
}

impl Driver {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(http) = &mut self.0 else { return Poll::Ready(()) };
        if Pin::new(http).poll(context).is_pending() {
            return Poll::Pending;
        }
        // Whoever waits for an answer or a body was told, but for a request that was not begun: that comes back when
        // nothing can begin it any more.
        self.0 = None;
        Poll::Ready(())
    }

    /// Waits for `work`, which goes on as this does.
    async fn drive<W: Future>(&mut self, work: W) -> W::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            let _driven = self.poll(context);
            work.as_mut().poll(context)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// An open connection that was used once, and its other end.
    async fn used_once() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut other_end, _) = listener.accept().await.unwrap();
        let mut connection = Connection::on(Either::Left(stream), None).await.unwrap();
        let answer = async {
            other_end.read_u8().await.unwrap();
            other_end.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        };
        let (sent, ()) = tokio::join!(connection.send(HttpRequest::default()), answer);
        assert_eq!(sent.unwrap().status(), 200);
        assert!(connection.park());
        (connection, other_end)
    }

    /// Comes back when the runtime has heard of everything that happened to its sockets until now.
    async fn heard_of() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        listener.accept().await.unwrap().0.write_u8(0).await.unwrap();
        stream.read_u8().await.unwrap();
    }

    #[tokio::test]
    async fn a_request_comes_back_from_a_connection_that_was_closed_while_nobody_used_it() {
        let (mut connection, other_end) = used_once().await;
        drop(other_end);
        heard_of().await;

        let unanswered = connection.send(HttpRequest::default()).await;

        assert!(unanswered.unwrap_err().take_message().is_some(), "nothing of it was written");
        assert!(!connection.park());
    }

    #[tokio::test]
    async fn a_head_that_does_not_end_is_given_up_before_it_takes_much_room() {
        let (mut connection, mut other_end) = used_once().await;
        let long = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(2 * MOST_HEAD_BYTES));
        let answer = async {
            // The rest has nobody who reads it.
            drop(other_end.write_all(long.as_bytes()).await);
            drop(other_end.write_all(b"\r\ncontent-length: 0\r\n\r\n").await);
        };

        let (unanswered, ()) = tokio::join!(connection.send(HttpRequest::default()), answer);

        assert!(unanswered.unwrap_err().take_message().is_none(), "it was sent");
    }

    #[tokio::test]
    async fn what_comes_unasked_is_no_answer() {
        let (mut connection, mut other_end) = used_once().await;
        other_end.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        heard_of().await;

        let unanswered = connection.send(HttpRequest::default()).await;

        assert!(unanswered.unwrap_err().take_message().is_some());
    }
}
