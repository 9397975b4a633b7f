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

/// Why no answer came, and the request if nothing of it was written.
pub(super) type Unanswered = TrySendError<HttpRequest>;

/// An open connection.
pub(super) struct Connection {
    requests: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
    remote_address: Option<SocketAddr>,
}

/// What reads and writes.
struct Driver {
    http: Box<http1::Connection<TokioIo<Stream>, Full<Bytes>>>,
    is_over: bool,
}

impl Connection {
    /// Speaks HTTP on what was just opened.
    pub(super) async fn on(stream: Stream, remote_address: Option<SocketAddr>) -> hyper::Result<Self> {
        let (requests, http) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { requests, driver: Driver { http: Box::new(http), is_over: false }, remote_address })
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
                Ok(frame) => match frame.into_data() {
                    Ok(data) => return Some(Ok(data)),
                    Err(_) => continue,
                },
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Leaves the connection to itself, which no task is woken by any more; says whether another request can be sent.
    pub(super) fn rest(&mut self) -> bool {
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
        // Whatever became of the connection, those who wait for an answer or a body are told.
        self.is_over = self.is_over || Pin::new(&mut self.http).poll(context).is_ready();
        if self.is_over { Poll::Ready(()) } else { Poll::Pending }
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
