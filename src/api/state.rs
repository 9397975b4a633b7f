//! What the API works with: the store and its helpers, given by the composition root, and what it remembers of keys.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use chrono::FixedOffset;

use super::key_cache::KeyCache;
use super::key_uses::KeyUses;
use super::metrics::LastLook;
use super::rates::{Neighbourhood, Rates};
use crate::catalog::Catalogs;
use crate::config::MetricsAccess;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::allowance::Allowance;
use crate::domain::ids::{ApiKeyId, IdSource};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::trial::Trials;
use crate::intake::Intake;
use crate::management::definition::Rules;
use crate::management::{Desk, KeyEdition};
use crate::node::lanes::Lanes;
use crate::store::Store;
use crate::telemetry::metrics::Exporter;
use crate::telemetry::traces::Tracer;

/// The random part of a new API key.
pub type KeyChance = Box<dyn Fn() -> [u8; 24] + Send + Sync>;

/// What new signing keys are made of.
pub type SigningChance = Box<dyn Fn() -> [u8; 32] + Send + Sync>;

/// Everything the API needs of the rest of the dispatcher.
pub struct ApiState {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// How events get there.
    pub intake: Arc<Intake>,
    /// How lanes stand.
    pub lanes: Arc<dyn Lanes>,
    /// Who tries webhooks out.
    pub trials: Arc<dyn Trials>,
    /// What Prometheus is told.
    pub metrics: Arc<Exporter>,
    /// Who takes the spans of events that come in.
    pub tracer: Tracer,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<IdSource>,
    /// The systems whose events are known.
    pub catalogs: Arc<Catalogs>,
    /// The edition of what is known of keys, the same for all that delete any.
    pub known_keys: KeyEdition,
    /// The random part of new API keys.
    pub key_chance: KeyChance,
    /// What new signing keys are made of.
    pub signing_chance: SigningChance,
    /// What the configuration says of the API.
    pub settings: ApiSettings,
}

/// What the configuration says of the API.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// The most bytes of a request body.
    pub max_body_bytes: usize,
    /// The offset in which times are written.
    pub time_offset: FixedOffset,
    /// Whether webhooks may be called without TLS.
    pub allow_http: bool,
    /// Whether documents that ended in error are kept apart and not told as finished.
    pub keeps_ocr_errors: bool,
    /// Which addresses may be called: a url that names any other is refused at once.
    pub addresses: AddressPolicy,
    /// Who may read metrics.
    pub metrics_access: MetricsAccess,
    /// How many requests each API key may send; `None` for any number.
    pub requests: Option<Allowance>,
    /// How many unknown API keys each remote address may present; `None` for any number.
    pub unknown_keys: Option<Allowance>,
}

/// The state that handlers share.
#[derive(Clone)]
pub(super) struct Api(Arc<Shared>);

/// What handlers reach through [`Api`].
pub(super) struct Shared {
    state: ApiState,
    /// The keys that were seen lately.
    pub(super) keys: KeyCache,
    /// How many requests came with each key.
    pub(super) requests: Rates<ApiKeyId>,
    /// How many unknown keys came from where.
    pub(super) unknown_keys: Rates<Neighbourhood>,
    /// What the store told of itself the last time that metrics were read.
    pub(super) last_look: LastLook,
    /// The OpenAPI document, as it is sent.
    pub(super) description: Bytes,
}

impl Api {
    /// Made within a runtime, whose tasks help it.
    pub(super) fn new(state: ApiState, description: Bytes) -> Self {
        let keys = KeyCache::new(KeyUses::start(Arc::clone(&state.store)), state.known_keys.clone());
        let requests = Rates::new(state.settings.requests);
        let unknown_keys = Rates::new(state.settings.unknown_keys);
        Self(Arc::new(Shared { state, keys, requests, unknown_keys, last_look: LastLook::default(), description }))
    }

    /// What the use cases that the dashboard has too work with.
    pub(super) fn desk(&self) -> Desk<'_> {
        let rules = Rules { allow_http: self.settings.allow_http, addresses: &self.settings.addresses, catalogs: &self.catalogs };
        Desk { store: &*self.store, ids: &self.ids, rules, keys: &self.known_keys }
    }

    /// A time as callers get it.
    pub(super) fn written(&self, time: Timestamp) -> String {
        time.to_rfc3339(self.settings.time_offset)
    }
}

impl Deref for Api {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Deref for Shared {
    type Target = ApiState;

    fn deref(&self) -> &ApiState {
        &self.state
    }
}
