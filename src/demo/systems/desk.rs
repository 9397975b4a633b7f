//! Where the customer's requests come in: every one is looked at, noted and answered with 200.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::ports::listen_on_localhost;
use super::customer::{Customer, Seen};

/// The first port that is tried.
const PORT: u16 = 5000;

/// A running desk.
pub(super) struct Desk {
    pub(super) port: u16,
    book: Arc<Book>,
    stop: CancellationToken,
    servers: TaskTracker,
}

/// Who looks at requests, and what came in.
struct Book {
    customer: Mutex<Option<Customer>>,
    seen: Mutex<Vec<Seen>>,
}

impl Desk {
    /// Begins to listen. What comes in before there is a customer is answered with 503.
    pub(super) async fn open() -> anyhow::Result<Self> {
        let (port, listeners) = listen_on_localhost(PORT).await.context("no port is free for the receiver")?;
        let book = Arc::new(Book { customer: Mutex::new(None), seen: Mutex::default() });
        let (stop, servers) = (CancellationToken::new(), TaskTracker::new());
        for listener in listeners {
            let router = Router::new().route("/hook", post(take)).with_state(Arc::clone(&book));
            let serving = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
            servers.spawn(async move {
                if let Err(error) = serving.await {
                    tracing::error!(%error, "the demonstration's receiver stopped");
                }
            });
        }
        servers.close();
        Ok(Self { port, book, stop, servers })
    }

    /// From now on requests are looked at by this customer.
    pub(super) fn seat(&self, customer: Customer) {
        *self.book.customer.lock().unwrap_or_else(PoisonError::into_inner) = Some(customer);
    }

    /// What came in.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.book.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers what is under way, then stops.
    pub(super) async fn close(self) {
        self.stop.cancel();
        self.servers.wait().await;
    }
}

async fn take(State(book): State<Arc<Book>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let seen = book.customer.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|customer| customer.look_at(&headers, &body));
    let Some(seen) = seen else { return StatusCode::SERVICE_UNAVAILABLE };
    book.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    StatusCode::OK
}
