//! The dashboard beside the API.

use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use super::Foundation;
use crate::catalog::Catalogs;
use crate::config::Config;
use crate::dashboard::{self, DashboardSettings, DashboardState};
use crate::domain::address_policy::AddressPolicy;
use crate::domain::trial::Trials;
use crate::management::KeyEdition;
use crate::node::lanes::Lanes;

/// The API's routes, and those of the dashboard if there is to be one on this node.
pub(super) fn beside(
    router: Router,
    config: &Config,
    foundation: &Foundation,
    (lanes, trials, addresses, catalogs): (Arc<dyn Lanes>, Arc<dyn Trials>, AddressPolicy, Arc<Catalogs>),
    known_keys: KeyEdition,
    stop: CancellationToken,
) -> Router {
    if !config.dashboard.enabled || !config.node.role.answers() {
        return router;
    }
    let Foundation { store, clock, ids, chance, .. } = foundation;
    let state = DashboardState {
        store: Arc::clone(store),
        lanes,
        trials,
        catalogs,
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
        known_keys,
        token_chance: chance.seed_source(),
        key_chance: chance.key_source(),
        settings: settings(config, addresses),
        stop,
    };
    router.nest("/dashboard", dashboard::router(state))
}

fn settings(config: &Config, addresses: AddressPolicy) -> DashboardSettings {
    DashboardSettings {
        time_offset: config.server.time_offset,
        allow_http: config.egress.allow_http,
        addresses,
        session_age: config.dashboard.session_age(),
        behind_tls: config.dashboard.behind_tls,
        live_clients: config.dashboard.live_clients,
    }
}
