//! One connection from its first byte to its last.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

use super::ServerLimits;
use super::activity::{Activity, Order, Patience};
use super::answer_body::AnswerBody;
use super::connections::Place;
use super::paced_body::{BodyPace, PacedBody};
use super::watched_stream::WatchedStream;
use crate::api::error::ApiError;
use crate::api::{health, mark};

/// How connections are answered: what they share.
pub(super) struct Answering {
    http: http1::Builder,
    router: TowerToHyperService<Router>,
    requests: Arc<Semaphore>,
    patience: Patience,
    body_pace: BodyPace,
}

impl Answering {
    pub(super) fn new(router: Router, limits: &ServerLimits) -> Self {
        let mut http = http1::Builder::new();
        // Time is watched in `hold`, which tells a head from a rest. The count of headers stays at the library's 100:
        // naming any number makes each request allocate.
        http.max_header_size(limits.max_header_bytes).header_read_timeout(None::<Duration>);
        Self {
            http,
            router: TowerToHyperService::new(router),
            requests: Arc::new(Semaphore::new(limits.max_requests.min(Semaphore::MAX_PERMITS))),
            patience: Patience { head: limits.header_timeout, idle: limits.idle_timeout },
            body_pace: limits.body,
        }
    }

    /// Answers what comes over `stream` until that ends, in `place`.
    pub(super) async fn answer_all(self: Arc<Self>, stream: TcpStream, remote: SocketAddr, place: Place) {
        // Answers are small and complete: waiting to fill a packet would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
        let activity = &place.activity;
        let stream = TokioIo::new(WatchedStream::new(stream, Arc::clone(activity)));
        let service = service_fn(|request| self.answer(request, remote, activity));
        let connection = self.http.serve_connection(stream, service);
        match hold(pin!(connection), activity, &self.patience).await {
            Ok(()) => {}
            Err(Ended::Failed(error)) => tracing::trace!(%error, "a connection failed"),
            Err(ended) => tracing::debug!(%remote, "a connection was cut: {ended}"),
        }
    }

    /// Answers one request.
    fn answer(
        &self,
        mut request: Request<Incoming>,
        remote: SocketAddr,
        activity: &Arc<Activity>,
    ) -> impl Future<Output = Result<Response<AnswerBody>, Infallible>> + Send + use<> {
        activity.request_began();
        let admitted = self.admit(request.uri().path());
        request.extensions_mut().insert(ConnectInfo(remote));
        let request = request.map(|body| PacedBody::new(body, self.body_pace, Arc::clone(activity)));
        let answer = admitted.map(|place| (place, self.router.call(request)));
        let activity = Arc::clone(activity);
        async move {
            let answer = match answer {
                Ok((_held, answer)) => answer.await?,
                Err(error) => mark(error.into_response()),
            };
            Ok(answer.map(|body| AnswerBody::new(body, activity)))
        }
    }

    /// Lets a request in if there are not too many under way. Whether the process is well is told all the same.
    fn admit(&self, path: &str) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
        if health::is_path(path) {
            return Ok(None);
        }
        Arc::clone(&self.requests).try_acquire_owned().map(Some).map_err(|_| ApiError::Crowded)
    }
}

/// Why a connection did not end as its client wanted.
#[derive(Debug, thiserror::Error)]
enum Ended {
    /// HTTP was not kept to, or the network failed.
    #[error("it failed")]
    Failed(#[source] hyper::Error),
    /// The client's time was up.
    #[error("its client was too slow")]
    TooSlow,
    /// Another one needed the place.
    #[error("its place was needed")]
    PushedOut,
}

/// Runs a connection until it ends, its client's time is up, or it has to leave.
async fn hold<S>(
    mut connection: Pin<&mut http1::Connection<TokioIo<WatchedStream<TcpStream>>, S>>,
    activity: &Activity,
    patience: &Patience,
) -> Result<(), Ended>
where
    S: HttpService<Incoming, ResBody = AnswerBody, Error = Infallible>,
{
    let mut timer = pin!(sleep_until(Instant::now() + patience.head));
    let mut is_finishing = false;
    poll_fn(|cx| {
        match activity.order(cx.waker()) {
            Order::Leave => return Poll::Ready(Err(Ended::PushedOut)),
            Order::Finish(_) if !is_finishing => {
                is_finishing = true;
                connection.as_mut().graceful_shutdown();
            }
            Order::Finish(_) | Order::Stay => {}
        }
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended.map_err(Ended::Failed));
            }
            let Some(deadline) = activity.deadline(patience) else { return Poll::Pending };
            ready!(poll_deadline(timer.as_mut(), deadline, cx));
            // Of a body that is late the request's handler may still tell.
            if !activity.give_up_body() {
                return Poll::Ready(Err(Ended::TooSlow));
            }
        }
    })
    .await
}

/// Ready once `deadline` is past.
///
/// Deadlines move on with every request and every piece of a body. The timer is moved only when it would ring too late
/// or has rung too early: moving it is what costs.
fn poll_deadline(mut timer: Pin<&mut Sleep>, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
    loop {
        if deadline < timer.deadline() || timer.is_elapsed() {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(cx));
        if timer.deadline() == deadline {
            return Poll::Ready(());
        }
    }
}
