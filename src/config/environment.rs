//! Which key an environment variable sets.
//!
//! Names only, and nothing is read from the operating system here: whoever loads a configuration hands the variables in.

use super::masked;

const PREFIX: &str = "DISPATCHER_";

/// Names with the prefix that set no key: the path of the configuration file, and what tests tell one another.
const NOT_KEYS: [&str; 2] = ["DISPATCHER_CONFIG", "DISPATCHER_TEST_"];

/// The key that a variable sets, as `section.key`; `None` when it is none of our variables.
///
/// The first underscore after the prefix parts section and key, which is why no section's name holds one. The answer
/// need not be a key that exists.
pub(super) fn key_of(variable: &str) -> Option<String> {
    let name = variable.strip_prefix(PREFIX)?;
    let [config, test_prefix] = NOT_KEYS;
    if variable == config || variable.starts_with(test_prefix) {
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
        for variable in ["PATH", "DISPATCHER", "MY_DISPATCHER_STORE_URL", "DISPATCHER_CONFIG", "DISPATCHER_TEST_X", "DISPATCHER_TEST_"] {
            assert_eq!(key_of(variable), None, "{variable}");
        }
    }

    #[test]
    fn names_that_only_begin_like_those_are_keys() {
        assert_eq!(key_of("DISPATCHER_CONFIG_PATH").as_deref(), Some("config.path"));
        assert_eq!(key_of("DISPATCHER_TESTING").as_deref(), Some("testing"));
    }

    #[test]
    fn only_a_secret_can_come_from_a_file() {
        assert_eq!(secret_of_file_key("root.key_file"), Some("root.key"));
        assert_eq!(secret_of_file_key("secrets.key_file"), Some("secrets.key"));
        assert_eq!(secret_of_file_key("log.level_file"), None);
        assert_eq!(secret_of_file_key("root.key"), None);
    }
}
