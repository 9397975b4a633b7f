//! The composition root: the only place that names concrete back ends and clients, and the order of start and stop.
//!
//! ```text
//! start: port taken ─► outgoing calls ─► store ─► node known, claims of the dead back ─► root key ─► pool ─► intake ─► API ─► maintenance
//! stop:  claiming ends; API (calls under way are answered) ─► intake  beside  pool (in flight finishes, the rest goes
//!        back), both within the drain limit ─► last spans ─► node gone ─► store
//! ```

mod backup;
mod dashboard;
mod secrets;
mod stores;
#[cfg(test)]
mod tests;
mod traces;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use rand::rngs::{StdRng, SysRng};
use rand::{Rng as _, SeedableRng as _};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

pub(crate) use self::backup::{Backup, backup};
pub(crate) use self::secrets::{Rotated, new_secrets_key, rotate};
use self::stores::OpenStore;
use self::traces::Traces;
use crate::alerts::{AlertSettings, Alerts, Notices, Recipient};
use crate::api::{self, ApiSettings, ApiState, BodyPace, ServerLimits};
use crate::catalog::Catalogs;
use crate::config::{Config, MaintenanceConfig, OcrErrors};
use crate::delivery::PoolSettings;
use crate::delivery::definitions::Definitions;
use crate::delivery::lanes::{BreakerSettings, LaneSettings};
use crate::delivery::pool::Pool;
use crate::delivery::sender::Sender;
use crate::delivery::served::ServedLanes;
use crate::delivery::telling::LaneTeller;
use crate::delivery::trial::TryOut;
use crate::delivery::worker::Worker;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::allowance::Allowance;
use crate::domain::client::{ApiKey, KeyHash, Role, new_key_text};
use crate::domain::ids::IdSource;
use crate::domain::node::Node;
use crate::domain::retry::RetryPolicy;
use crate::domain::signature::{Scheme, SigningSecret};
use crate::domain::time::{Clock, SystemClock};
use crate::domain::trial::Trials;
use crate::egress::{Caller, EgressSettings, HttpCaller};
use crate::intake::{Bounds, Intake};
use crate::maintenance::{
    self, CancelLeftOver, DisableFailing, Duty, Retention, RetentionAges, ScheduledDuty, TidyStore, WorkRedeliveries,
};
use crate::management::KeyEdition;
use crate::node::{Heartbeat, Membership};
use crate::secrets::Keyring;
use crate::store::group_commit::GroupLimits;
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::{Exporter, TokenMetrics};
use crate::telemetry::traces::Tracer;
use crate::token::{AccessTokens, TokenSettings};

/// A running dispatcher.
pub struct App {
    /// Where the API listens.
    pub address: SocketAddr,
    /// The root key that this start made, to be shown once.
    pub new_root_key: Option<SecretString>,
    drain_limit: Duration,
    store: Arc<dyn Store>,
    intake: Arc<Intake>,
    pool: Arc<Pool>,
    stop_api: CancellationToken,
    stop_background: CancellationToken,
    api: JoinHandle<()>,
    background: TaskTracker,
    membership: Arc<Membership>,
    stop_beating: CancellationToken,
    beating: JoinHandle<()>,
    traces: Traces,
}

/// What every part is made from.
struct Foundation {
    store: Arc<dyn Store>,
    keyring: Arc<Keyring>,
    is_ours_alone: bool,
    clock: Arc<dyn Clock>,
    ids: Arc<IdSource>,
    chance: Chance,
}

impl App {
    /// Starts everything. When it comes back the API answers and deliveries go out.
    ///
    /// # Errors
    /// When the store cannot be opened, the address is taken, or there are no CA certificates or none that can be used.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        // Whoever calls before everything stands waits for it.
        let listener =
            TcpListener::bind(config.server.listen).await.with_context(|| format!("cannot listen on {}", config.server.listen))?;
        let address = listener.local_addr()?;
        let addresses = AddressPolicy::new(config.egress.allow.clone()).apart_from(address);
        let caller = caller(config, addresses.clone())?;
        let foundation = Foundation::lay(config).await?;
        let Foundation { store, clock, ids, chance, .. } = &foundation;
        let membership = join(config, &foundation).await.context("the node could not be made known")?;
        info!(node.id = %membership.id(), "store opened");
        let new_root_key = foundation.ensure_root_key(config).await.context("no root key could be made")?;

        let alerts = alerts(config, &foundation, &membership, Arc::clone(&caller));
        let catalogs = Arc::new(Catalogs::load(&config.catalog.built_in, config.catalog.folder())?);
        store.know_events(catalogs.known_events()).await.context("what the catalogues know could not be said")?;
        let settings = pool_settings(config, &catalogs)?;
        let (tracer, sending) = Traces::start(config, membership.id(), chance.seed())?;
        let worker = worker(&settings, config, &foundation, (caller, tracer.clone()));
        let token_metrics = worker.token_metrics().clone();
        let trials = trials(&worker, &foundation, &catalogs);
        let pool = Pool::new(Arc::clone(&membership), Arc::clone(store), Arc::clone(clock), worker, settings);
        let intake = Arc::new(Intake::start(Arc::clone(store), intake_limits(config), intake_bounds(config)));

        let lanes = Arc::new(ServedLanes::new(Arc::clone(&pool), Arc::clone(&membership), Arc::clone(store), Arc::clone(clock)));
        let metrics = Arc::new(exporter(&intake, &pool, &token_metrics, &tracer));
        let [stop_api, stop_background, stop_beating] = [(); 3].map(|()| CancellationToken::new());
        let beating = tokio::spawn(Arc::clone(&membership).run(stop_beating.clone()));
        let background = start_background(config, &foundation, &intake, (&pool, &membership), alerts, &stop_background)?;
        let make_router = if config.node.role.answers() { api::router } else { api::health_router };
        let known_keys = KeyEdition::default();
        let router = make_router(ApiState {
            store: Arc::clone(store),
            intake: Arc::clone(&intake),
            lanes: Arc::<ServedLanes>::clone(&lanes),
            trials: Arc::clone(&trials),
            metrics,
            tracer,
            clock: Arc::clone(clock),
            ids: Arc::clone(ids),
            catalogs: Arc::clone(&catalogs),
            known_keys: known_keys.clone(),
            key_chance: chance.key_source(),
            signing_chance: chance.seed_source(),
            settings: api_settings(config, addresses.clone()),
        });
        let router = dashboard::beside(router, config, &foundation, (lanes, trials, addresses, catalogs), known_keys, stop_api.clone());
        let api = tokio::spawn(api::serve(listener, router, server_limits(config), stop_api.clone()));
        Ok(Self {
            address,
            new_root_key,
            drain_limit: config.server.drain(),
            store: Arc::clone(store),
            intake,
            pool,
            stop_api,
            stop_background,
            api,
            background,
            membership,
            stop_beating,
            beating,
            traces: sending,
        })
    }

    /// Stops in order: nothing more is claimed and no new caller is answered; what is in flight, in and out, finishes
    /// within the drain limit; the rest is given back.
    pub async fn stop(mut self) {
        self.stop_background.cancel();
        self.stop_api.cancel();
        self.background.close();
        let incoming = async {
            if timeout(self.drain_limit, &mut self.api).await.is_err() {
                warn!("callers still hold connections open after the drain limit");
                self.api.abort();
            }
            self.intake.close().await;
        };
        let outgoing = async {
            self.background.wait().await;
            tokio::join!(self.membership.hand_over(), self.pool.drain(self.drain_limit));
        };
        tokio::join!(incoming, outgoing);
        self.traces.stop(self.drain_limit).await;
        // The node lives until what it had in flight has ended.
        self.stop_beating.cancel();
        drop(self.beating.await);
        self.membership.leave().await;
        self.store.close().await;
        info!("stopped");
    }
}

impl Foundation {
    async fn lay(config: &Config) -> anyhow::Result<Self> {
        let chance = Chance::from_system()?;
        let ids = Arc::new(IdSource::seeded(chance.seed()));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let OpenStore { store, keyring, is_ours_alone } = stores::open(config, &ids, clock.now(), &chance.seed()).await?;
        Ok(Self { store, keyring, is_ours_alone, clock, ids, chance })
    }

    /// Encrypts anew, under the newest key, what is kept under another.
    fn rotate_secrets(&self, config: &Config, stop: CancellationToken) -> impl Future<Output = ()> + use<> {
        let (store, keyring) = (Arc::clone(&self.store), Arc::clone(&self.keyring));
        secrets::rotate_in_background(store, keyring, config.maintenance.batch_rows, self.clock.now(), stop)
    }

    /// Makes the first root key, unless there is one: the configured text, or one of our own that is then shown.
    async fn ensure_root_key(&self, config: &Config) -> anyhow::Result<Option<SecretString>> {
        let (text, prefix) = if let Some(given) = config.root.key() {
            (given.clone(), "(given)".to_owned())
        } else {
            let made = new_key_text(&self.chance.key());
            let prefix = made.chars().take(12).collect();
            (SecretString::from(made), prefix)
        };
        let now = self.clock.now();
        let key = ApiKey {
            id: self.ids.next(now),
            client_id: None,
            role: Role::Root,
            name: Some("first root key".to_owned()),
            prefix,
            hash: KeyHash::of(text.expose_secret()),
            created_at: now,
            expires_at: None,
            last_used_at: None,
        };
        let hash = key.hash;
        let stored = self.store.insert_first_root_key(key).await?;
        if !stored && config.root.key().is_some() && self.store.api_key(hash).await?.is_none() {
            warn!("there is a root key already; the configured one is not it and opens nothing");
        }
        Ok((stored && config.root.key().is_none()).then_some(text))
    }
}

async fn join(config: &Config, foundation: &Foundation) -> Result<Arc<Membership>, StoreError> {
    let now = foundation.clock.now();
    let node = Node {
        id: foundation.ids.next(now),
        name: config.node.name.clone(),
        role: config.node.role,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: now,
    };
    let heartbeat = Heartbeat { interval: config.node.heartbeat(), limit: config.node.limit() };
    Membership::join(node, heartbeat, Arc::clone(&foundation.store)).await
}

/// What makes every call to a url that a customer typed.
fn caller(config: &Config, addresses: AddressPolicy) -> anyhow::Result<Arc<dyn Caller>> {
    if config.egress.proxy().is_some() {
        warn!(proxy = %config.egress.proxy, "every call goes through egress.proxy: which addresses names lead to is now the proxy's to check");
    }
    Ok(Arc::new(HttpCaller::new(Arc::new(addresses), egress_settings(config))?))
}

fn alerts(config: &Config, foundation: &Foundation, membership: &Arc<Membership>, caller: Arc<dyn Caller>) -> Alerts {
    let Foundation { store, ids, .. } = foundation;
    // What was read was checked: bytes that make no key do not get here.
    let secret = config.alerts.secret().and_then(|bytes| SigningSecret::new(Scheme::HmacSha256, &bytes).ok());
    let recipient = config.alerts.url().map(|url| Recipient { url, secret });
    let settings = AlertSettings { look_every: config.alerts.look_every(), quiet: config.alerts.quiet(), node_limit: config.node.limit() };
    Alerts::new(Arc::clone(store), Arc::clone(membership), Notices::new(caller, Arc::clone(ids), recipient), settings)
}

fn worker(settings: &PoolSettings, config: &Config, foundation: &Foundation, (caller, tracer): (Arc<dyn Caller>, Tracer)) -> Arc<Worker> {
    let Foundation { clock, chance, .. } = foundation;
    let tokens = AccessTokens::new(Arc::clone(&caller), Arc::clone(clock), token_settings(config));
    let chance = StdRng::from_seed(chance.seed());
    Arc::new(Worker::new(Sender::new(caller, tokens), Arc::clone(clock), settings.clone(), chance).traced_by(tracer))
}

fn exporter(intake: &Intake, pool: &Pool, tokens: &TokenMetrics, tracer: &Tracer) -> Exporter {
    Exporter::new(env!("CARGO_PKG_VERSION"), intake.metrics(), pool.metrics(), tokens, &tracer.metrics())
}

fn trials(worker: &Arc<Worker>, foundation: &Foundation, catalogs: &Arc<Catalogs>) -> Arc<dyn Trials> {
    let definitions = Definitions::new(Arc::clone(&foundation.store), Arc::clone(catalogs));
    Arc::new(TryOut::new(Arc::clone(worker), Arc::clone(&foundation.clock), definitions))
}

/// Starts what goes on beside the API until `stop`.
fn start_background(
    config: &Config,
    foundation: &Foundation,
    intake: &Arc<Intake>,
    work: (&Arc<Pool>, &Arc<Membership>),
    alerts: Alerts,
    stop: &CancellationToken,
) -> anyhow::Result<TaskTracker> {
    let background = TaskTracker::new();
    background.spawn(Arc::clone(intake).watch(stop.clone()));
    // Of a shared store other nodes may not know the newest key yet: there an operator says when.
    if foundation.is_ours_alone {
        background.spawn(foundation.rotate_secrets(config, stop.clone()));
    }
    if config.node.role.delivers() {
        background.spawn(alerts.run(Arc::clone(&foundation.clock), stop.clone()));
        start_work(config, foundation, work, &background, stop)?;
    }
    Ok(background)
}

/// Starts what only a node does that delivers.
fn start_work(
    config: &Config,
    foundation: &Foundation,
    (pool, membership): (&Arc<Pool>, &Arc<Membership>),
    background: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let Foundation { store, clock, .. } = foundation;
    background.spawn(Arc::clone(pool).run(store.signals(), stop.clone()));
    background.spawn(LaneTeller::new(Arc::clone(pool), Arc::clone(membership), Arc::clone(store)).run(stop.clone()));
    background.spawn(maintenance::run_often(WorkRedeliveries::new(Arc::clone(store)), Arc::clone(clock), stop.clone()));
    let left_over = CancelLeftOver::new(Arc::clone(store), config.maintenance.batch_rows);
    background.spawn(maintenance::run_often(left_over, Arc::clone(clock), stop.clone()));
    for duty in duties(config, store)? {
        background.spawn(maintenance::run(duty, Arc::clone(membership), Arc::clone(clock), stop.clone()));
    }
    Ok(())
}

fn duties(config: &Config, store: &Arc<dyn Store>) -> anyhow::Result<Vec<ScheduledDuty>> {
    let settings = &config.maintenance;
    let ages = retention_ages(settings);
    let all: [(Box<dyn Duty>, &str); 3] = [
        (Box::new(Retention::new(Arc::clone(store), ages, settings.batch_rows)), &settings.retention_schedule),
        (Box::new(DisableFailing::new(Arc::clone(store), settings.failing_age())), &settings.disable_schedule),
        (Box::new(TidyStore::new(Arc::clone(store))), &settings.upkeep_schedule),
    ];
    all.into_iter().map(|(duty, schedule)| Ok(ScheduledDuty { duty, schedule: schedule.parse()? })).collect()
}

fn retention_ages(settings: &MaintenanceConfig) -> RetentionAges {
    RetentionAges {
        finished: settings.finished_age(),
        dead_letters: settings.dead_letter_age(),
        idempotency_keys: settings.idempotency_age(),
        // Twice as long as it takes to give up on a webhook, which is judged by them.
        statistics: settings.finished_age().max(settings.failing_age() * 2),
        audit_entries: settings.audit_age(),
    }
}

fn pool_settings(config: &Config, catalogs: &Arc<Catalogs>) -> anyhow::Result<PoolSettings> {
    Ok(PoolSettings {
        lanes: lane_settings(config)?,
        catalogs: Arc::clone(catalogs),
        timeout: config.delivery.timeout(),
        poll_interval: config.delivery.poll_interval(),
        claim_batch: u32::try_from(config.delivery.claim_batch)?,
        record_batch: config.delivery.record_batch,
        kept_body_bytes: config.delivery.kept_body_bytes,
        retry: RetryPolicy::new(config.retry.delays(), config.retry.jitter)?,
        retry_after_max: config.retry.retry_after_max(),
        login_backoff: config.token.failure_backoff(),
        login_backoff_max: config.token.failure_backoff_max(),
    })
}

fn lane_settings(config: &Config) -> anyhow::Result<LaneSettings> {
    let breaker = BreakerSettings {
        failures: config.lanes.breaker_failures,
        pause: config.lanes.breaker_pause(),
        pause_max: config.lanes.breaker_pause_max(),
    };
    Ok(LaneSettings {
        capacity: config.delivery.max_in_flight,
        max_stalled: config.lanes.max_stalled,
        limit: u32::try_from(config.delivery.max_in_flight_per_webhook)?,
        breaker,
    })
}

fn token_settings(config: &Config) -> TokenSettings {
    TokenSettings {
        default_ttl: config.token.default_ttl(),
        margin: config.token.margin(),
        max_ttl: config.token.max_ttl(),
        max_answer_bytes: config.token.max_answer_bytes,
    }
}

fn egress_settings(config: &Config) -> EgressSettings {
    EgressSettings {
        connect_timeout: config.egress.connect_timeout(),
        idle_connections_per_host: config.egress.idle_connections_per_host,
        user_agent: config.delivery.user_agent.clone(),
        allow_http: config.egress.allow_http,
        ca_file: config.egress.ca_file().map(Into::into),
        proxy: config.egress.proxy().cloned(),
    }
}

fn intake_limits(config: &Config) -> GroupLimits {
    GroupLimits { waiting: config.intake.queue, batch: config.intake.max_batch }
}

fn intake_bounds(config: &Config) -> Bounds {
    Bounds {
        max_pending: Some(config.intake.max_pending).filter(|most| *most > 0),
        min_free_bytes: config.intake.min_free_disk_mib.saturating_mul(1 << 20),
    }
}

fn api_settings(config: &Config, addresses: AddressPolicy) -> ApiSettings {
    ApiSettings {
        max_body_bytes: config.server.max_body_bytes,
        time_offset: config.server.time_offset,
        allow_http: config.egress.allow_http,
        keeps_ocr_errors: config.catalog.ocr_errors == OcrErrors::Keep,
        addresses,
        metrics_access: config.server.metrics_access,
        requests: Allowance::per_second(config.api.requests_per_second, config.api.request_burst),
        unknown_keys: Allowance::per_minute(config.api.unknown_keys_per_minute),
    }
}

fn server_limits(config: &Config) -> ServerLimits {
    let server = &config.server;
    ServerLimits {
        max_connections: server.max_connections,
        max_requests: server.max_requests,
        max_header_bytes: server.max_header_bytes,
        header_timeout: server.header_timeout(),
        idle_timeout: server.idle_timeout(),
        body: BodyPace { grace: server.body_timeout(), bytes_per_second: server.body_bytes_per_second },
    }
}

/// The one source of chance of the process.
#[derive(Clone)]
struct Chance(Arc<Mutex<StdRng>>);

impl Chance {
    fn from_system() -> anyhow::Result<Self> {
        let rng = StdRng::try_from_rng(&mut SysRng).context("the system gives no random numbers")?;
        Ok(Self(Arc::new(Mutex::new(rng))))
    }

    fn seed(&self) -> [u8; 32] {
        self.fill()
    }

    fn key(&self) -> [u8; 24] {
        self.fill()
    }

    fn key_source(&self) -> Box<dyn Fn() -> [u8; 24] + Send + Sync> {
        let chance = self.clone();
        Box::new(move || chance.key())
    }

    fn seed_source(&self) -> Box<dyn Fn() -> [u8; 32] + Send + Sync> {
        let chance = self.clone();
        Box::new(move || chance.seed())
    }

    fn fill<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        bytes
    }
}
