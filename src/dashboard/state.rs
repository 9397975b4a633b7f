//! What the dashboard works with, given by the composition root.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use chrono::FixedOffset;
use tokio_util::sync::CancellationToken;

use super::guesses::Guesses;
use super::live::Pulse;
use super::view::Moment;
use crate::catalog::Catalogs;
use crate::domain::address_policy::AddressPolicy;
use crate::domain::ids::IdSource;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::trial::Trials;
use crate::management::definition::Rules;
use crate::management::{Desk, KeyEdition};
use crate::node::lanes::Lanes;
use crate::store::Store;

/// What session tokens and signing keys are made of.
pub type TokenChance = Box<dyn Fn() -> [u8; 32] + Send + Sync>;

/// The random part of a new API key.
pub type KeyChance = Box<dyn Fn() -> [u8; 24] + Send + Sync>;

/// Everything the dashboard needs of the rest of the dispatcher.
pub struct DashboardState {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// How lanes stand.
    pub lanes: Arc<dyn Lanes>,
    /// How webhooks are tried out.
    pub trials: Arc<dyn Trials>,
    /// The systems whose events are known.
    pub catalogs: Arc<Catalogs>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<IdSource>,
    /// What session tokens and signing keys are made of.
    pub token_chance: TokenChance,
    /// The edition of what is known of keys, the same for all that delete any.
    pub known_keys: KeyEdition,
    /// The random part of new API keys.
    pub key_chance: KeyChance,
    /// What the configuration says of it.
    pub settings: DashboardSettings,
    /// Ends what is sent to browsers without end.
    pub stop: CancellationToken,
}

/// What the configuration says of the dashboard.
#[derive(Clone, Debug)]
pub struct DashboardSettings {
    /// The offset in which times are shown.
    pub time_offset: FixedOffset,
    /// Whether webhooks may be called without TLS.
    pub allow_http: bool,
    /// Which addresses may be called.
    pub addresses: AddressPolicy,
    /// How long somebody stays signed in.
    pub session_age: Duration,
    /// Whether every browser reaches it through TLS, so that the cookie may go no other way.
    pub behind_tls: bool,
    /// How many browsers are told at once that something changed; others ask.
    pub live_clients: usize,
}

/// The state that handlers share.
#[derive(Clone)]
pub(super) struct Dashboard(Arc<Shared>);

/// What handlers reach through [`Dashboard`].
pub(super) struct Shared {
    state: DashboardState,
    /// Who tried keys that open nothing.
    pub(super) guesses: Guesses,
    /// Tells browsers that something changed.
    pub(super) pulse: Pulse,
}

impl Dashboard {
    pub(super) fn new(state: DashboardState) -> Self {
        let pulse = Pulse::new(state.settings.live_clients);
        Self(Arc::new(Shared { state, guesses: Guesses::default(), pulse }))
    }

    /// What the use cases that the API has too work with.
    pub(super) fn desk(&self) -> Desk<'_> {
        let rules = Rules { allow_http: self.settings.allow_http, addresses: &self.settings.addresses, catalogs: &self.catalogs };
        Desk { store: &*self.store, ids: &self.ids, rules, keys: &self.known_keys }
    }

    /// A time as people see it.
    pub(super) fn moment(&self, time: Timestamp) -> Moment {
        Moment::of(time, self.settings.time_offset)
    }
}

impl Deref for Dashboard {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Deref for Shared {
    type Target = DashboardState;

    fn deref(&self) -> &DashboardState {
        &self.state
    }
}
