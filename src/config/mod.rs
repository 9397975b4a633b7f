//! The configuration: every key has a default, may be set in a file, in the environment and on the command line, and is
//! checked before anything starts.
//!
//! `config/default.toml` lists the keys with their meaning. Each section is a file here, with its struct and its rules;
//! `layers` lays the sources over one another. Nothing here reads the environment of the process: it is handed in.
//! A loaded [`Config`] holds only values that their rules allow.

mod alerts;
mod api;
mod as_text;
mod catalog;
mod check;
mod dashboard;
mod delivery;
mod egress;
pub(crate) mod environment;
mod error;
mod intake;
mod lanes;
mod layers;
mod log;
mod maintenance;
mod masked;
mod node;
mod retry;
mod root;
mod schedule;
mod secrets;
mod server;
mod sources;
mod store;
mod token;
mod traces;
mod value;
mod weekday;

use serde::{Deserialize, Serialize};

pub use self::alerts::AlertsConfig;
pub use self::api::ApiConfig;
pub use self::catalog::{CatalogConfig, OcrErrors};
use self::check::Check;
pub use self::dashboard::DashboardConfig;
pub use self::delivery::DeliveryConfig;
pub use self::egress::{EgressConfig, NotAProxyUrl, Proxy};
pub use self::error::{ConfigError, ConfigErrors, Origin};
pub use self::intake::IntakeConfig;
pub use self::lanes::LanesConfig;
use self::layers::Layers;
pub use self::log::{LogConfig, LogFormat};
pub use self::maintenance::MaintenanceConfig;
pub use self::node::NodeConfig;
pub use self::retry::RetryConfig;
pub use self::root::RootConfig;
pub use self::schedule::{Schedule, ScheduleError};
pub use self::secrets::SecretsConfig;
pub use self::server::{MetricsAccess, ServerConfig};
pub use self::sources::Sources;
pub use self::store::{NotAStoreUrl, StoreConfig, StoreUrl};
pub use self::token::TokenConfig;
pub use self::traces::TracesConfig;

/// Every key with its default and its meaning, as TOML.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

/// The whole configuration. [`Default`] is what `config/default.toml` says; secrets are masked when it is written.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where requests come in, what clients may take, and how the server stops.
    pub server: ServerConfig,
    /// How often callers may come.
    pub api: ApiConfig,
    /// The operator's pages.
    pub dashboard: DashboardConfig,
    /// The root API key that is taken at the first start.
    pub root: RootConfig,
    /// The keys under which secrets are kept in the store.
    pub secrets: SecretsConfig,
    /// Where the data is.
    pub store: StoreConfig,
    /// How events are taken in.
    pub intake: IntakeConfig,
    /// Which systems' events are known.
    pub catalog: CatalogConfig,
    /// How many deliveries run at once, for how long, and what is kept of them.
    pub delivery: DeliveryConfig,
    /// What is borne from receivers that hang or are not there.
    pub lanes: LanesConfig,
    /// When a failed attempt is repeated.
    pub retry: RetryConfig,
    /// How long access tokens are kept.
    pub token: TokenConfig,
    /// Which addresses may be called.
    pub egress: EgressConfig,
    /// When recurring duties are due, and how long things are kept.
    pub maintenance: MaintenanceConfig,
    /// This process among others on the same database.
    pub node: NodeConfig,
    /// Who is told of operational events.
    pub alerts: AlertsConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Which traces are recorded, and where they go.
    pub traces: TracesConfig,
}

impl Config {
    /// The configuration that the sources make together, over the defaults.
    ///
    /// # Errors
    ///
    /// Every unknown key, every value of a wrong type or out of its range, and every file that cannot be read; each
    /// with where it came from.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let mut layers = Layers::of_defaults(DEFAULT_TOML);
        if let Some(path) = &sources.file {
            layers.add_file(path);
        }
        layers.add_environment(sources.environment.iter().cloned());
        layers.add_overrides(&sources.overrides);
        Self::validate(&mut layers);
        layers.finish()
    }

    fn validate(layers: &mut Layers) {
        ServerConfig::validate(&mut Check::of("server", layers));
        ApiConfig::validate(&mut Check::of("api", layers));
        DashboardConfig::validate(&mut Check::of("dashboard", layers));
        RootConfig::validate(&mut Check::of("root", layers));
        SecretsConfig::validate(&mut Check::of("secrets", layers));
        StoreConfig::validate(&mut Check::of("store", layers));
        IntakeConfig::validate(&mut Check::of("intake", layers));
        CatalogConfig::validate(&mut Check::of("catalog", layers));
        DeliveryConfig::validate(&mut Check::of("delivery", layers));
        LanesConfig::validate(&mut Check::of("lanes", layers));
        RetryConfig::validate(&mut Check::of("retry", layers));
        TokenConfig::validate(&mut Check::of("token", layers));
        EgressConfig::validate(&mut Check::of("egress", layers));
        MaintenanceConfig::validate(&mut Check::of("maintenance", layers));
        NodeConfig::validate(&mut Check::of("node", layers));
        AlertsConfig::validate(&mut Check::of("alerts", layers));
        LogConfig::validate(&mut Check::of("log", layers));
        TracesConfig::validate(&mut Check::of("traces", layers));
    }

    /// Every key with the value that is in force, as TOML; secrets that are set are masked.
    #[must_use]
    pub fn effective_toml(&self) -> String {
        // Only an integer beyond 2^63 cannot be written, and no loaded configuration holds one.
        toml::to_string(self).unwrap_or_else(|error| format!("# The configuration cannot be written as TOML: {error}.\n"))
    }
}

#[cfg(test)]
mod tests;
