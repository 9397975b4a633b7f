//! Where a configuration is read from.

use std::path::PathBuf;

/// What a configuration is read from, beside the defaults. A later source wins over an earlier one.
///
/// It has no `Debug`, because the environment and the flags may hold secrets.
#[derive(Clone, Default)]
pub struct Sources {
    pub(super) file: Option<PathBuf>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) overrides: Vec<String>,
}

impl Sources {
    /// No source: the defaults stand.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A TOML file. It must exist.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// The variables of an environment; those that do not begin with `DISPATCHER_` are left alone.
    #[must_use]
    pub fn with_environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    /// Pairs of the form `section.key=value`.
    #[must_use]
    pub fn with_overrides(mut self, pairs: impl IntoIterator<Item = String>) -> Self {
        self.overrides.extend(pairs);
        self
    }
}
