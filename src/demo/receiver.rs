//! The receiver: a small service of the kind that the OCR service's documentation takes for granted at
//! `http://localhost:5000`. It logs callers in, takes documents from those who are, and keeps a ledger.

use std::sync::Arc;

use anyhow::Context as _;
use axum::body::Bytes;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::{Access, LIFETIME};
use super::ledger::{Ledger, Seen};
use super::ports::listen_on_localhost;

/// Who may log in.
const USERNAME: &str = "root";
/// With which password.
const PASSWORD: &str = "root";

/// A running receiver.
pub(super) struct Receiver {
    /// Where it listens, on every loopback address of this machine.
    pub(super) port: u16,
    stop: CancellationToken,
    servers: TaskTracker,
}

struct Desk {
    access: Access,
    ledger: Arc<Ledger>,
}

#[derive(Deserialize)]
struct Credentials {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

type Answer = (StatusCode, Json<Value>);

impl Receiver {
    /// Starts listening on `first_port` or the next free one.
    pub(super) async fn start(first_port: u16, ledger: Arc<Ledger>) -> anyhow::Result<Self> {
        let (port, listeners) = listen_on_localhost(first_port).await.context("no port is free for the receiver")?;
        let desk = Arc::new(Desk { access: Access::new(StdRng::seed_from_u64(port.into())), ledger });
        let (stop, servers) = (CancellationToken::new(), TaskTracker::new());
        for listener in listeners {
            servers.spawn(serve(listener, router(Arc::clone(&desk)), stop.clone()));
        }
        servers.close();
        Ok(Self { port, stop, servers })
    }

    /// Answers what is under way, then stops.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.servers.wait().await;
    }
}

async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    // Answers are small and complete: waiting to fill a packet would only delay them.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
    });
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the demonstration's receiver stopped");
    }
}

fn router(desk: Arc<Desk>) -> Router {
    Router::new().route("/login", post(log_in)).route("/ocr_feedback/{id}", post(take)).with_state(desk)
}

async fn log_in(State(desk): State<Arc<Desk>>, form: Result<Form<Credentials>, FormRejection>) -> Answer {
    match form {
        Ok(Form(given)) if given.username == USERNAME && given.password == PASSWORD => {
            let token = desk.access.grant(Instant::now());
            desk.ledger.enter_login();
            let answer = json!({ "access_token": token, "token_type": "bearer", "expires_in": LIFETIME.as_secs() });
            (StatusCode::OK, Json(answer))
        }
        Err(FormRejection::InvalidFormContentType(_)) => {
            refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "username and password are to be sent as a form")
        }
        Ok(_) | Err(_) => refusal(StatusCode::UNAUTHORIZED, "username or password is wrong"),
    }
}

async fn take(State(desk): State<Arc<Desk>>, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Answer {
    let seen = desk.look_at(&id, &headers, &body);
    let authorized = seen != Seen::NotAuthorized;
    let reply = desk.ledger.enter(&id, seen);
    if authorized && reply.status == 401 {
        desk.access.revoke();
    }
    if !reply.after.is_zero() {
        sleep(reply.after).await;
    }
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_success() { (status, Json(json!({ "received": id }))) } else { refusal(status, status.canonical_reason().unwrap_or("")) }
}

impl Desk {
    fn look_at(&self, id: &str, headers: &HeaderMap, body: &[u8]) -> Seen {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if !self.access.admits(text(header::AUTHORIZATION.as_str()).unwrap_or_default(), Instant::now()) {
            return Seen::NotAuthorized;
        }
        match text("webhook-id") {
            Some(webhook_id) if is_document(body, id) => Seen::Good { webhook_id: webhook_id.to_owned() },
            _ => Seen::Malformed,
        }
    }
}

/// Whether `body` is the object of the document that the path names.
fn is_document(body: &[u8], id: &str) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|document| document["id"] == id)
}

fn refusal(status: StatusCode, reason: &str) -> Answer {
    (status, Json(json!({ "error": reason })))
}
