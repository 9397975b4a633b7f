//! The dashboard beside the API.

use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use super::Foundation;
use crate::config::Config;
use crate::dashboard::{self, DashboardSettings, DashboardState};
use crate::domain::address_policy::AddressPolicy;
use crate::domain::lane::Lanes;

/// The API's routes, and those of the dashboard if there is to be one on this node.
pub(super) fn beside(router: Router, config: &Config, foundation: &Foundation, lanes: Arc<dyn Lanes>, stop: CancellationToken) -> Router {
    if !config.dashboard.enabled || !config.node.role.answers() {
        return router;
    }
    let Foundation { store, clock, ids, chance, .. } = foundation;
    let state = DashboardState {
        store: Arc::clone(store),
        lanes,
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
        token_chance: chance.seed_source(),
        key_chance: chance.key_source(),
        settings: settings(config),
        stop,
    };
    router.nest("/dashboard", dashboard::router(state))
}

fn settings(config: &Config) -> DashboardSettings {
    DashboardSettings {
        time_offset: config.server.time_offset,
        allow_http: config.egress.allow_http,
        addresses: AddressPolicy::new(config.egress.allow.clone()),
        session_age: config.dashboard.session_age(),
        behind_tls: config.dashboard.behind_tls,
        live_clients: config.dashboard.live_clients,
    }
}
