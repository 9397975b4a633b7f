//! The REST interface on a real store, called without a socket, with a clock that tests move.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use chrono::FixedOffset;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use uuid::Uuid;
use webhook_dispatcher::api::{self, ApiSettings, ApiState};
use webhook_dispatcher::catalog::Catalogs;
use webhook_dispatcher::config::MetricsAccess;
use webhook_dispatcher::dashboard::{self, DashboardSettings, DashboardState};
use webhook_dispatcher::delivery::definitions::Definitions;
use webhook_dispatcher::delivery::trial::TryOut;
use webhook_dispatcher::domain::address_policy::AddressPolicy;
use webhook_dispatcher::domain::allowance::Allowance;
use webhook_dispatcher::domain::client::{ApiKey, KeyHash, Role};
use webhook_dispatcher::domain::ids::{IdSource, WebhookId};
use webhook_dispatcher::domain::lane::{LaneCounts, LaneView, ServedLane};
use webhook_dispatcher::domain::time::{Clock, ManualClock, Timestamp};
use webhook_dispatcher::domain::webhook::Webhook;
use webhook_dispatcher::intake::{Bounds, Intake};
use webhook_dispatcher::management::KeyEdition;
use webhook_dispatcher::node::lanes::Lanes;
use webhook_dispatcher::store::group_commit::GroupLimits;
use webhook_dispatcher::store::records::{DeliveryFilter, EventFilter, Page, Scope};
use webhook_dispatcher::store::sqlite::{SqliteOptions, SqliteStore};
use webhook_dispatcher::store::{Store, StoreError};
use webhook_dispatcher::telemetry::metrics::Exporter;
use webhook_dispatcher::telemetry::traces::Tracer;

use super::dispatcher::{Setup, worker};
use super::keys;

/// When every test begins, in the words of answers with the offset of [`Rest::new`].
pub(crate) const START_TEXT: &str = "2024-04-11T14:12:33.741194-03:00";

pub(crate) const START: Timestamp = Timestamp::from_micros(1_712_855_553_741_194);

/// The key of whoever set the dispatcher up.
pub(crate) const ROOT_KEY: &str = "the root key of all the tests, long enough";

/// A REST interface of its own for one test.
pub(crate) struct Rest {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ids: Arc<IdSource>,
    pub(crate) intake: Arc<Intake>,
    /// What lanes are said to do; those of webhooks that are not in it are idle.
    pub(crate) lanes: Arc<StandInLanes>,
    router: Router,
    _folder: Option<TempDir>,
}

/// What a test may set.
pub(crate) struct RestSetup {
    pub(crate) max_body_bytes: usize,
    pub(crate) allow_http: bool,
    /// Whether the dashboard's cookie goes through TLS alone.
    pub(crate) behind_tls: bool,
    pub(crate) keeps_ocr_errors: bool,
    pub(crate) catalogs: Arc<Catalogs>,
    pub(crate) allow: &'static [&'static str],
    pub(crate) waiting: usize,
    pub(crate) bounds: Bounds,
    /// What makes the first new API key; the next ones are made of the numbers after it.
    pub(crate) first_key_made: u8,
    pub(crate) requests: Option<Allowance>,
    pub(crate) unknown_keys: Option<Allowance>,
    pub(crate) tracer: Tracer,
}

impl Default for RestSetup {
    fn default() -> Self {
        Self {
            max_body_bytes: 1 << 20,
            allow_http: true,
            behind_tls: false,
            keeps_ocr_errors: false,
            catalogs: Arc::new(Catalogs::built_in().unwrap()),
            allow: &["127.0.0.0/8"],
            waiting: 10_000,
            bounds: Bounds::default(),
            first_key_made: 0,
            requests: None,
            unknown_keys: None,
            tracer: Tracer::default(),
        }
    }
}

/// A client with a key for every role that it may give.
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) admin: String,
    pub(crate) producer: String,
    pub(crate) operator: String,
    pub(crate) viewer: String,
}

/// The node that is said to serve every lane.
const SERVER: Uuid = Uuid::from_u128(0x018e_ce0f_ab8a_7000_8000_0000_0000_0001);

/// Lanes that do what a test says.
#[derive(Default)]
pub(crate) struct StandInLanes(Mutex<HashMap<WebhookId, LaneView>>);

impl StandInLanes {
    pub(crate) fn set(&self, id: WebhookId, view: LaneView) {
        self.0.lock().unwrap().insert(id, view);
    }

    fn served(&self, webhook: &Webhook) -> ServedLane {
        let idle = LaneView::idle(webhook.definition.delivery.max_in_flight.unwrap_or(16));
        let lane = self.0.lock().unwrap().get(&webhook.id).copied().unwrap_or(idle);
        ServedLane { node_id: Some(SERVER.into()), lane }
    }
}

#[async_trait]
impl Lanes for StandInLanes {
    fn counts(&self) -> LaneCounts {
        let mut counts = LaneCounts::default();
        self.0.lock().unwrap().values().for_each(|lane| counts.add(lane));
        counts
    }

    async fn views(&self, webhooks: &[Webhook]) -> Result<Vec<ServedLane>, StoreError> {
        Ok(webhooks.iter().map(|webhook| self.served(webhook)).collect())
    }

    async fn view(&self, webhook: &Webhook) -> Result<ServedLane, StoreError> {
        Ok(self.served(webhook))
    }
}

impl Rest {
    pub(crate) async fn new() -> Self {
        Self::with(RestSetup::default()).await
    }

    pub(crate) async fn with(setup: RestSetup) -> Self {
        // What went wrong inside is told beside a failing test; another test may have begun to listen already.
        drop(tracing_subscriber::fmt().with_test_writer().try_init());
        let folder = tempfile::tempdir().unwrap();
        let keyring = keys::ring(&[keys::KEY]);
        let ids = Arc::new(IdSource::seeded([1; 32]));
        let options = SqliteOptions { path: folder.path().join("dispatcher.db"), readers: 2, ids: Arc::clone(&ids), keyring };
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(options).await.unwrap());
        let rest = Self::on(store, ids, Arc::new(ManualClock::at(START)), &setup);
        rest.make_root_key().await;
        Self { _folder: Some(folder), ..rest }
    }

    /// On a store that others may share, by a clock that they may share too. Somebody has to [`Self::make_root_key`].
    pub(crate) fn on(store: Arc<dyn Store>, ids: Arc<IdSource>, clock: Arc<ManualClock>, setup: &RestSetup) -> Self {
        let lanes = Arc::new(StandInLanes::default());
        Self { lanes: Arc::clone(&lanes), ..Self::beside(lanes, store, ids, clock, setup) }
    }

    /// As [`Self::on`], beside lanes that are told of.
    pub(crate) fn beside(
        lanes: Arc<dyn Lanes>,
        store: Arc<dyn Store>,
        ids: Arc<IdSource>,
        clock: Arc<ManualClock>,
        setup: &RestSetup,
    ) -> Self {
        let intake = Arc::new(Intake::start(Arc::clone(&store), GroupLimits { waiting: setup.waiting, batch: 512 }, setup.bounds));
        let told: Arc<dyn Clock> = clock.clone();
        let (keys_made, signing_keys_made) = (AtomicU8::new(setup.first_key_made), AtomicU8::new(1));
        let known_keys = KeyEdition::default();
        let (delivery, tokens) = Default::default();
        let state = ApiState {
            store: Arc::clone(&store),
            intake: Arc::clone(&intake),
            lanes: Arc::clone(&lanes),
            trials: Arc::new(TryOut::new(
                worker(&Setup { allow: setup.allow, ..Setup::default() }, &told),
                told,
                Definitions::new(Arc::clone(&store), Arc::clone(&setup.catalogs)),
            )),
            metrics: Arc::new(Exporter::new("1.0.0", intake.metrics(), &delivery, &tokens, &setup.tracer.metrics())),
            tracer: setup.tracer.clone(),
            clock: clock.clone(),
            ids: Arc::clone(&ids),
            catalogs: Arc::clone(&setup.catalogs),
            known_keys: known_keys.clone(),
            key_chance: Box::new(move || [keys_made.fetch_add(1, Ordering::SeqCst); 24]),
            signing_chance: Box::new(move || [signing_keys_made.fetch_add(1, Ordering::SeqCst); 32]),
            settings: ApiSettings {
                max_body_bytes: setup.max_body_bytes,
                time_offset: FixedOffset::west_opt(3 * 3_600).unwrap(),
                allow_http: setup.allow_http,
                keeps_ocr_errors: setup.keeps_ocr_errors,
                addresses: AddressPolicy::new(setup.allow.iter().map(|network| network.parse().unwrap()).collect()),
                metrics_access: MetricsAccess::Loopback,
                requests: setup.requests,
                unknown_keys: setup.unknown_keys,
            },
        };
        let (tokens_made, page_keys_made) = (AtomicU8::new(0), AtomicU8::new(200));
        let pages = DashboardState {
            store: Arc::clone(&store),
            lanes,
            trials: Arc::clone(&state.trials),
            catalogs: Arc::clone(&setup.catalogs),
            clock: clock.clone(),
            ids: Arc::clone(&ids),
            known_keys,
            token_chance: Box::new(move || [tokens_made.fetch_add(1, Ordering::SeqCst); 32]),
            key_chance: Box::new(move || [page_keys_made.fetch_add(1, Ordering::SeqCst); 24]),
            settings: DashboardSettings {
                time_offset: state.settings.time_offset,
                allow_http: setup.allow_http,
                addresses: state.settings.addresses.clone(),
                session_age: Duration::from_hours(12),
                behind_tls: setup.behind_tls,
                live_clients: 1,
            },
            stop: CancellationToken::new(),
        };
        let router = api::router(state).nest("/dashboard", dashboard::router(pages));
        Self { store, clock, ids, intake, lanes: Arc::default(), router, _folder: None }
    }

    /// Stores [`ROOT_KEY`].
    pub(crate) async fn make_root_key(&self) {
        let root = ApiKey {
            id: self.ids.next(START),
            client_id: None,
            role: Role::Root,
            name: None,
            prefix: "the root key".to_owned(),
            hash: KeyHash::of(ROOT_KEY),
            created_at: START,
            expires_at: None,
            last_used_at: None,
        };
        assert!(self.store.insert_first_root_key(root).await.unwrap());
    }

    /// A call with the root key, until [`Call::key`] says otherwise.
    pub(crate) fn call(&self, method: &str, path: &str) -> Call<'_> {
        let (method, path) = (method.to_owned(), path.to_owned());
        let call = Call { rest: self, method, path, headers: Vec::new(), remote: None, body: Body::empty() };
        call.key(ROOT_KEY)
    }

    pub(crate) fn get(&self, path: &str) -> Call<'_> {
        self.call("GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Call<'_> {
        self.call("POST", path)
    }

    pub(crate) async fn tenant(&self, name: &str) -> Tenant {
        let client = self.post("/v1/clients").json(&json!({"name": name})).send().await.expect(201);
        let id = client["id"].as_str().unwrap().to_owned();
        let key = async |role: &str| {
            let key = self.post("/v1/api-keys").json(&json!({"clientId": id, "role": role})).send().await.expect(201);
            key["key"].as_str().unwrap().to_owned()
        };
        Tenant {
            admin: key("admin").await,
            producer: key("producer").await,
            operator: key("operator").await,
            viewer: key("viewer").await,
            id: id.clone(),
        }
    }

    /// The interface itself, to be served on a socket.
    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// How many events there are.
    pub(crate) async fn events_stored(&self) -> usize {
        let filter = EventFilter { scope: Scope::All, event_type: None, subject: None };
        self.store.events(filter, Page { limit: 10_000, before: None }).await.unwrap().len()
    }

    /// How many deliveries there are.
    pub(crate) async fn deliveries_stored(&self) -> usize {
        self.store.deliveries(DeliveryFilter::all(Scope::All), Page { limit: 10_000, before: None }).await.unwrap().len()
    }

    /// How many webhooks there are.
    pub(crate) async fn webhooks_stored(&self) -> usize {
        self.store.webhooks(Scope::All, Page { limit: 10_000, before: None }).await.unwrap().len()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// A call to be sent.
pub(crate) struct Call<'a> {
    rest: &'a Rest,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    remote: Option<SocketAddr>,
    body: Body,
}

impl Call<'_> {
    /// Sets a header, whatever it was before.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("X-API-KEY", key)
    }

    /// From this address; else it is not known from where.
    pub(crate) fn from(mut self, address: &str) -> Self {
        self.remote = Some(SocketAddr::new(address.parse().unwrap(), 50_000));
        self
    }

    /// With the root key: for this client.
    pub(crate) fn acting_for(self, client: &str) -> Self {
        self.header("X-Client-Id", client)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.text(body.to_string())
    }

    /// A body that is called JSON.
    pub(crate) fn text(self, body: impl Into<Body>) -> Self {
        let mut call = self.header("Content-Type", "application/json");
        call.body = body.into();
        call
    }

    pub(crate) async fn send(self) -> Answer {
        let mut request = Request::builder().method(Method::from_bytes(self.method.as_bytes()).unwrap()).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(remote) = self.remote {
            request = request.extension(ConnectInfo(remote));
        }
        let response = self.rest.router.clone().oneshot(request.body(self.body).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().into()).unwrap();
        Answer { status: head.status, headers: head.headers, text, call: format!("{} {}", self.method, self.path) }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    call: String,
}

impl Answer {
    /// The body, if the status is this one.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.call, self.text);
        if self.text.is_empty() { Value::Null } else { serde_json::from_str(&self.text).unwrap() }
    }

    /// The fields that a problem names, if it has this status and the form of every problem.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Vec<String> {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.call);
        assert_eq!(problem["status"], status);
        assert!(problem["type"].is_string() && problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        let errors = problem.get("errors").map_or(&[][..], |errors| errors.as_array().unwrap());
        assert_eq!(errors.is_empty(), status != 422, "{problem}");
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}
