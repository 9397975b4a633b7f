//! What a person may set for a run of the tests: how much of it, and from which seed.

#[expect(clippy::disallowed_methods, reason = "settings of the tests themselves, not of the program")]
pub(crate) fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seed of this run: printed when it fails, and set to see it again.
pub(crate) fn seed() -> u64 {
    from_environment("DISPATCHER_TEST_SEED").unwrap_or(20_241_104)
}
