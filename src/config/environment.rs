//! Which key an environment variable sets.
//!
//! Names only, and nothing is read from the operating system here: whoever loads a configuration hands the variables in.

use super::masked;

const PREFIX: &str = "DISPATCHER_";

/// Names with the prefix that set no key: the path of the configuration file, and what the command line needs to call a
/// dispatcher. A person may well have them set where one is started.
pub(crate) const CONFIG: &str = "DISPATCHER_CONFIG";
pub(crate) const URL: &str = "DISPATCHER_URL";
pub(crate) const API_KEY: &str = "DISPATCHER_API_KEY";
pub(crate) const API_KEY_FILE: &str = "DISPATCHER_API_KEY_FILE";
pub(crate) const CLIENT_ID: &str = "DISPATCHER_CLIENT_ID";
const NOT_KEYS: [&str; 5] = [CONFIG, URL, API_KEY, API_KEY_FILE, CLIENT_ID];

/// What tests tell one another begins so.
const OF_TESTS: &str = "DISPATCHER_TEST_";

/// The key that a variable sets, as `section.key`; `None` when it is none of our variables.
///
/// The first underscore after the prefix parts section and key, which is why no section's name holds one. The answer
/// need not be a key that exists.
pub(super) fn key_of(variable: &str) -> Option<String> {
    let name = variable.strip_prefix(PREFIX)?;
    if NOT_KEYS.contains(&variable) || variable.starts_with(OF_TESTS) {
        return None;
    }
    // Names in other than capitals are kept as they are, so that no two variables set one key.
    let name = if name.bytes().any(|byte| byte.is_ascii_lowercase()) { name.to_owned() } else { name.to_ascii_lowercase() };
    Some(name.replacen('_', ".", 1))
}

/// The secret whose file `key` names: `root.key` for `root.key_file`.
pub(super) fn secret_of_file_key(key: &str) -> Option<&str> {
    key.strip_suffix("_file").filter(|secret| masked::is_secret(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_underscore_parts_section_and_key() {
        assert_eq!(key_of("DISPATCHER_STORE_URL").as_deref(), Some("store.url"));
        assert_eq!(key_of("DISPATCHER_DELIVERY_MAX_IN_FLIGHT_PER_WEBHOOK").as_deref(), Some("delivery.max_in_flight_per_webhook"));
        assert_eq!(key_of("DISPATCHER_STORE").as_deref(), Some("store"));
        assert_eq!(key_of("DISPATCHER_").as_deref(), Some(""));
    }

    #[test]
    fn a_name_in_small_letters_is_not_taken_for_the_one_in_capitals() {
        assert_eq!(key_of("DISPATCHER_Store_URL").as_deref(), Some("Store.URL"));
        assert_eq!(key_of("dispatcher_store_url"), None);
    }

    #[test]
    fn variables_that_are_no_keys_are_left_alone() {
        let ours = ["DISPATCHER_CONFIG", "DISPATCHER_URL", "DISPATCHER_API_KEY", "DISPATCHER_API_KEY_FILE", "DISPATCHER_CLIENT_ID"];
        let others = ["PATH", "DISPATCHER", "MY_DISPATCHER_STORE_URL", "DISPATCHER_TEST_X", "DISPATCHER_TEST_"];
        for variable in ours.into_iter().chain(others) {
            assert_eq!(key_of(variable), None, "{variable}");
        }
    }

    #[test]
    fn names_that_only_begin_like_those_are_keys() {
        assert_eq!(key_of("DISPATCHER_CONFIG_PATH").as_deref(), Some("config.path"));
        assert_eq!(key_of("DISPATCHER_TESTING").as_deref(), Some("testing"));
        assert_eq!(key_of("DISPATCHER_API_KEYS").as_deref(), Some("api.keys"));
    }

    #[test]
    fn only_a_secret_can_come_from_a_file() {
        assert_eq!(secret_of_file_key("root.key_file"), Some("root.key"));
        assert_eq!(secret_of_file_key("secrets.key_file"), Some("secrets.key"));
        assert_eq!(secret_of_file_key("log.level_file"), None);
        assert_eq!(secret_of_file_key("root.key"), None);
    }
}
