//! What a configuration may say, where it comes from, and how a refusal reads.

use std::time::Duration;

use chrono::FixedOffset;
use secrecy::ExposeSecret;
use toml::{Table, Value};

use super::*;

const SECRET: &str = "correct-horse-battery-staple-0123456789";

/// Every integer key with the least and the greatest value that it allows.
const INTEGERS: [(&str, i64, i64); 50] = [
    ("alerts.look_seconds", 1, 3_600),
    ("alerts.quiet_minutes", 1, 1_440),
    ("api.request_burst", 1, 1_000_000),
    ("api.requests_per_second", 0, 1_000_000),
    ("api.unknown_keys_per_minute", 0, 1_000_000),
    ("dashboard.live_clients", 0, 10_000),
    ("dashboard.session_hours", 1, 720),
    ("delivery.claim_batch", 1, 4096),
    ("delivery.kept_body_bytes", 0, 65_536),
    ("delivery.max_in_flight", 1, 65_536),
    ("delivery.max_in_flight_per_webhook", 1, 1024),
    ("delivery.poll_interval_ms", 50, 60_000),
    ("delivery.record_batch", 1, 4096),
    ("delivery.timeout_ms", 100, 300_000),
    ("egress.connect_timeout_ms", 100, 60_000),
    ("egress.idle_connections_per_host", 0, 4096),
    ("intake.max_batch", 1, 4096),
    ("intake.max_pending", 0, 1_000_000_000),
    ("intake.min_free_disk_mib", 0, 1_048_576),
    ("intake.queue", 1, 1_000_000),
    ("lanes.breaker_failures", 1, 1000),
    ("lanes.breaker_pause_max_seconds", 1, 86_400),
    ("lanes.breaker_pause_seconds", 1, 3600),
    ("lanes.max_stalled", 0, 65_536),
    ("maintenance.audit_days", 1, 3650),
    ("maintenance.batch_rows", 1, 100_000),
    ("maintenance.dead_letter_days", 1, 3650),
    ("maintenance.failing_days", 1, 365),
    ("maintenance.finished_days", 1, 3650),
    ("maintenance.idempotency_days", 1, 3650),
    ("node.heartbeat_ms", 100, 60_000),
    ("node.limit_ms", 400, 600_000),
    ("retry.retry_after_max_seconds", 1, 604_800),
    ("server.body_bytes_per_second", 0, 1_000_000_000),
    ("server.body_timeout_seconds", 1, 3600),
    ("server.drain_seconds", 1, 3600),
    ("server.header_timeout_seconds", 1, 600),
    ("server.idle_timeout_seconds", 1, 3600),
    ("server.max_body_bytes", 1024, 268_435_456),
    ("server.max_connections", 2, 1_000_000),
    ("server.max_header_bytes", 1024, 262_144),
    ("server.max_requests", 1, 999_999),
    ("store.connections", 4, 1_000),
    ("store.readers", 1, 64),
    ("token.default_ttl_seconds", 0, 86_400),
    ("token.failure_backoff_max_seconds", 1, 86_400),
    ("token.failure_backoff_seconds", 1, 3600),
    ("token.margin_seconds", 0, 3600),
    ("token.max_answer_bytes", 1024, 1_048_576),
    ("token.max_ttl_seconds", 1, 2_592_000),
];

fn load(overrides: &[&str]) -> Result<Config, ConfigErrors> {
    Config::load(&Sources::new().with_overrides(overrides.iter().map(|&pair| pair.to_owned())))
}

/// The only error of a configuration that is made by flags.
fn error(overrides: &[&str]) -> String {
    let errors = load(overrides).unwrap_err().0;
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].to_string()
}

/// What lets the key beside which `key` is checked give way.
fn room_for(key: &str) -> &'static str {
    match key {
        "maintenance.finished_days" => "maintenance.idempotency_days=1",
        "maintenance.idempotency_days" => "maintenance.finished_days=3650",
        "lanes.breaker_pause_seconds" => "lanes.breaker_pause_max_seconds=86400",
        "lanes.breaker_pause_max_seconds" => "lanes.breaker_pause_seconds=1",
        "server.max_requests" => "server.max_connections=1000000",
        "server.max_connections" => "server.max_requests=1",
        "token.failure_backoff_seconds" => "token.failure_backoff_max_seconds=86400",
        "node.heartbeat_ms" => "node.limit_ms=600000",
        "node.limit_ms" => "node.heartbeat_ms=100",
        _ => "token.failure_backoff_seconds=1",
    }
}

fn defaults() -> Vec<(String, Value)> {
    let sections: Table = DEFAULT_TOML.parse().unwrap();
    let keys = |(section, content): (String, Value)| {
        let content = content.as_table().unwrap().clone();
        content.into_iter().map(move |(key, value)| (format!("{section}.{key}"), value))
    };
    sections.into_iter().flat_map(keys).collect()
}

/// The comment that stands above a key in `config/default.toml`, as one line.
fn comment_of(key: &str) -> String {
    let (section, key) = key.split_once('.').unwrap();
    let section = DEFAULT_TOML.split_once(&format!("\n[{section}]\n")).unwrap().1;
    let above = section.split_once(&format!("\n{key} = ")).unwrap().0;
    let mut lines: Vec<&str> = above.lines().rev().map_while(|line| line.strip_prefix("# ")).collect();
    lines.reverse();
    lines.join(" ")
}

#[test]
fn default_toml_holds_exactly_the_defaults_of_the_structs() {
    let in_file: Table = DEFAULT_TOML.parse().unwrap();
    let in_code = Table::try_from(Config::default()).unwrap();

    assert_eq!(in_file, in_code);
    assert_eq!(Table::try_from(load(&[]).unwrap()).unwrap(), in_code);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file_and_that_over_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("given.toml");
    std::fs::write(&path, "[intake]\nmax_batch = 2\nqueue = 2\n[store]\nreaders = 2\n").unwrap();
    let environment = [("DISPATCHER_INTAKE_QUEUE", "3"), ("DISPATCHER_STORE_READERS", "3"), ("DISPATCHER_CONFIG", "elsewhere.toml")];
    let sources = Sources::new()
        .with_overrides(["store.readers=4".to_owned()])
        .with_environment(environment.map(|(variable, text)| (variable.to_owned(), text.to_owned())))
        .with_file(&path);

    let config = Config::load(&sources).unwrap();

    assert_eq!((config.intake.max_batch, config.intake.queue, config.store.readers), (2, 3, 4));
    assert_eq!(config.delivery.claim_batch, 512);
}

#[test]
fn default_toml_is_itself_a_file_that_can_be_given() {
    let config = Config::load(&Sources::new().with_file("config/default.toml")).unwrap();

    assert_eq!(config.effective_toml(), Config::default().effective_toml());
}

#[test]
fn the_name_of_no_section_holds_an_underscore() {
    let sections: Table = DEFAULT_TOML.parse().unwrap();

    assert!(sections.keys().all(|section| !section.contains('_')));
}

#[test]
fn every_key_has_a_comment_that_says_what_is_allowed() {
    for (key, _) in defaults() {
        assert!(comment_of(&key).contains("Allowed: "), "{key}");
    }
}

#[test]
fn every_integer_key_has_a_range_that_its_comment_states() {
    let integers: Vec<String> = defaults().into_iter().filter(|(_, value)| value.is_integer()).map(|(key, _)| key).collect();

    assert_eq!(integers, INTEGERS.map(|(key, ..)| key));
    for (key, least, greatest) in INTEGERS {
        assert!(comment_of(key).ends_with(&format!("Allowed: {least} to {greatest}.")), "{key}: {}", comment_of(key));
    }
}

#[test]
fn an_integer_is_allowed_up_to_the_ends_of_its_range() {
    for (key, least, greatest) in INTEGERS {
        for value in [least, greatest] {
            let config = load(&[room_for(key), &format!("{key}={value}")]).unwrap();

            let (section, key) = key.split_once('.').unwrap();
            assert_eq!(Table::try_from(config).unwrap()[section][key], Value::from(value));
        }
    }
}

#[test]
fn an_integer_beyond_its_range_is_refused_with_the_range() {
    for (key, least, greatest) in INTEGERS {
        for value in [i64::MIN, least - 1, greatest + 1, i64::MAX] {
            assert_eq!(
                error(&[room_for(key), &format!("{key}={value}")]),
                format!("command line: {key} = {value} is not allowed; allowed is {least} to {greatest}")
            );
        }
    }
}

#[test]
fn a_list_of_delays_is_bounded_in_length_and_in_every_entry() {
    let fifty = format!("retry.delays_seconds={}", ["1"; 50].join(","));
    let allowed = "is not allowed; allowed is at most 50 entries, each 1 to 2592000";

    assert_eq!(load(&[&fifty]).unwrap().retry.delays_seconds.len(), 50);
    assert!(load(&["retry.delays_seconds="]).unwrap().retry.delays_seconds.is_empty());
    assert_eq!(load(&["retry.delays_seconds=2592000"]).unwrap().retry.delays(), [Duration::from_hours(720)]);
    assert_eq!(error(&["retry.delays_seconds=5,0"]), format!("command line: retry.delays_seconds = 0 {allowed}"));
    assert_eq!(error(&["retry.delays_seconds=2592001"]), format!("command line: retry.delays_seconds = 2592001 {allowed}"));
    assert!(error(&[&format!("{fifty},1")]).ends_with(allowed));
}

#[test]
fn jitter_is_a_share_of_at_most_a_half() {
    for (text, jitter) in [("0", 0.0), ("0.25", 0.25), ("0.5", 0.5)] {
        let loaded = load(&[&format!("retry.jitter={text}")]).unwrap().retry.jitter;
        assert!((loaded - jitter).abs() < f64::EPSILON);
    }
    assert_eq!(error(&["retry.jitter=0.51"]), "command line: retry.jitter = 0.51 is not allowed; allowed is 0 to 0.5");
    assert_eq!(error(&["retry.jitter=-0.1"]), "command line: retry.jitter = -0.1 is not allowed; allowed is 0 to 0.5");
    assert_eq!(error(&["retry.jitter=NaN"]), "command line: retry.jitter = nan is not allowed; allowed is 0 to 0.5");
}

#[test]
fn text_that_breaks_a_rule_is_refused_with_the_rule() {
    assert_eq!(
        error(&["server.listen=localhost:80"]),
        "command line: server.listen = \"localhost:80\" is not allowed; \
         allowed is an IP address with a port, such as 127.0.0.1:8080 or [::1]:8080"
    );
    assert_eq!(error(&["server.time_offset=Z"]), "command line: server.time_offset = \"Z\" is not allowed; allowed is +HH:MM or -HH:MM");
    assert_eq!(
        error(&["store.url=postgres://me:hush@host/"]),
        "command line: store.url = \"postgres://****@host/\" is not allowed; allowed is sqlite:// and the path of a file, or postgres:// and host and database"
    );
    assert_eq!(
        error(&["delivery.user_agent= "]),
        "command line: delivery.user_agent = \" \" is not allowed; allowed is a header value that is not empty"
    );
    assert_eq!(
        error(&["egress.allow=10.0.0.0/8,10.0.0.0/33"]),
        "command line: egress.allow = \"10.0.0.0/33\" is not allowed; \
         allowed is a list of networks such as \"127.0.0.0/8\", \"10.0.0.5:8443\", \"[::1]:5000\" or \"fd00::/8\""
    );
    assert_eq!(
        error(&["log.level=inof"]),
        "command line: log.level = \"inof\" is not allowed; \
         allowed is off, error, warn, info, debug, trace, or directives such as \"info,webhook_dispatcher=debug\""
    );
    assert_eq!(error(&["log.format=xml"]), "command line: log.format = \"xml\" is not allowed; allowed is text or json");
}

#[test]
fn a_schedule_is_refused_with_its_reason() {
    for key in ["retention_schedule", "disable_schedule", "upkeep_schedule"] {
        assert_eq!(
            error(&[&format!("maintenance.{key}=0 0 30 2 *")]),
            format!(
                "command line: maintenance.{key} = \"0 0 30 2 *\" is not allowed; \
                 allowed is a crontab line such as \"17 * * * *\" (of this one: no day matches it)"
            )
        );
    }
}

#[test]
fn the_root_key_is_empty_or_long_enough_and_counted_in_characters() {
    let key = |key: &str| load(&[&format!("root.key={key}")]);
    let refused = "command line: root.key = \"****\" is not allowed; allowed is empty, or 32 to 128 characters";

    let text = |length| "äbcdefghijö".chars().cycle().take(length).collect::<String>();

    assert!(key("").unwrap().root.key().is_none());
    assert_eq!(key(&text(32)).unwrap().root.key().unwrap().expose_secret(), text(32));
    assert_eq!(key(&text(128)).unwrap().root.key().unwrap().expose_secret(), text(128));
    assert_eq!(error(&[&format!("root.key={}", text(31))]), refused);
    assert_eq!(error(&[&format!("root.key={}", text(129))]), refused);
}

#[test]
fn a_root_key_that_can_be_guessed_is_refused_in_words() {
    let refused = |key: &str| error(&[&format!("root.key={key}")]);
    let start = "command line: root.key = \"****\" is not allowed; allowed is a key ";

    assert_eq!(refused(&"a".repeat(40)), format!("{start}that is not the same few characters again and again"));
    assert_eq!(refused("changeme-changeme-changeme-changeme"), format!("{start}that nobody would guess; this one holds a well-known word"));
    assert_eq!(refused(&" ".repeat(40)), format!("{start}without control characters, and without white space at its ends"));
}

#[test]
fn keys_for_secrets_are_a_list_the_newest_first_and_each_is_judged() {
    let (new, old) = ("Zp3sX9vLq0WmT7dRb2KyHc8NfGj4AeUo", "yP3sX9vLq0WmT7dRb2KyHc8NfGj4AeUo");

    let keys = load(&[&format!("secrets.key={new}, {old}")]).unwrap().secrets.keys().unwrap();
    let refused = error(&[&format!("secrets.key={new},{}", &old[1..])]);

    let id = |text: &str| crate::secrets::SecretKey::from_text(text).unwrap().id();
    assert_eq!(keys.iter().map(crate::secrets::SecretKey::id).collect::<Vec<_>>(), [id(new), id(old)]);
    assert!(load(&[]).unwrap().secrets.keys().unwrap().is_empty());
    assert!(refused.starts_with("command line: secrets.key = \"****\" is not allowed; allowed is a list of keys"), "{refused}");
}

#[test]
fn values_that_contradict_one_another_are_refused() {
    assert_eq!(
        error(&["maintenance.finished_days=6"]),
        "default: maintenance.idempotency_days = 7 is not allowed; allowed is at most maintenance.finished_days, which is 6"
    );
    assert!(load(&["maintenance.finished_days=7"]).is_ok());
    assert_eq!(
        error(&["token.failure_backoff_max_seconds=4"]),
        "command line: token.failure_backoff_max_seconds = 4 is not allowed; \
         allowed is at least token.failure_backoff_seconds, which is 5"
    );
    assert!(load(&["token.failure_backoff_max_seconds=5"]).is_ok());
    assert_eq!(
        error(&["lanes.breaker_pause_max_seconds=4"]),
        "command line: lanes.breaker_pause_max_seconds = 4 is not allowed; \
         allowed is at least lanes.breaker_pause_seconds, which is 5"
    );
    assert_eq!(
        error(&["server.max_requests=8192"]),
        "command line: server.max_requests = 8192 is not allowed; allowed is fewer than server.max_connections, which is 8192"
    );
    assert!(load(&["server.max_requests=8191"]).is_ok());
}

#[test]
fn a_value_out_of_range_is_not_compared_with_others() {
    assert_eq!(error(&["maintenance.finished_days=0"]), "command line: maintenance.finished_days = 0 is not allowed; allowed is 1 to 3650");
}

#[test]
fn all_errors_are_reported_together() {
    let sources = Sources::new()
        .with_environment([
            ("DISPATCHER_STORE_READERS".to_owned(), "many".to_owned()),
            ("DISPATCHER_LOG_LEVL".to_owned(), "info".to_owned()),
        ])
        .with_overrides(["log.format=xml".to_owned(), "intake.queue=0".to_owned()]);

    assert_eq!(
        Config::load(&sources).unwrap_err().to_string(),
        "the configuration cannot be used\n  \
         environment variable DISPATCHER_LOG_LEVL: there is no key log.levl; the nearest is log.level\n  \
         environment variable DISPATCHER_STORE_READERS: store.readers = \"many\" has the wrong type; allowed is an integer\n  \
         command line: intake.queue = 0 is not allowed; allowed is 1 to 1000000\n  \
         command line: log.format = \"xml\" is not allowed; allowed is text or json"
    );
}

#[test]
fn accessors_give_the_values_in_their_units() {
    let config = load(&["egress.allow=127.0.0.0/8, [::1]:5000", "server.time_offset=-03:00", "server.listen=[::1]:0"]).unwrap();

    assert_eq!(config.server.listen, "[::1]:0".parse().unwrap());
    assert_eq!(config.server.time_offset, FixedOffset::west_opt(3 * 3600).unwrap());
    assert_eq!(config.server.drain(), Duration::from_secs(30));
    assert_eq!(config.server.header_timeout(), Duration::from_secs(10));
    assert_eq!(config.server.idle_timeout(), Duration::from_secs(75));
    assert_eq!(config.server.body_timeout(), Duration::from_secs(15));
    assert_eq!(config.store.url.to_string(), "sqlite://data/dispatcher.db");
    assert_eq!(config.delivery.timeout(), Duration::from_secs(15));
    assert_eq!(config.delivery.poll_interval(), Duration::from_secs(1));
    assert_eq!(config.lanes.breaker_pause(), Duration::from_secs(5));
    assert_eq!(config.lanes.breaker_pause_max(), Duration::from_mins(5));
    assert_eq!(config.retry.delays()[..2], [Duration::from_secs(5), Duration::from_mins(5)]);
    assert_eq!(config.retry.retry_after_max(), Duration::from_hours(24));
    assert_eq!(config.token.default_ttl(), Duration::from_mins(1));
    assert_eq!(config.token.margin(), Duration::from_secs(10));
    assert_eq!(config.token.max_ttl(), Duration::from_hours(24));
    assert_eq!(config.token.failure_backoff(), Duration::from_secs(5));
    assert_eq!(config.token.failure_backoff_max(), Duration::from_mins(5));
    assert_eq!(config.egress.allow, ["127.0.0.0/8".parse().unwrap(), "[::1]:5000".parse().unwrap()]);
    assert_eq!(config.egress.connect_timeout(), Duration::from_secs(5));
    assert_eq!(config.maintenance.finished_age(), Duration::from_hours(30 * 24));
    assert_eq!(config.maintenance.dead_letter_age(), Duration::from_hours(90 * 24));
    assert_eq!(config.maintenance.idempotency_age(), Duration::from_hours(7 * 24));
    assert_eq!(config.maintenance.failing_age(), Duration::from_hours(5 * 24));
    assert_eq!(config.log.format, LogFormat::Text);
}

#[test]
fn the_effective_configuration_shows_every_key_in_the_order_of_its_description() {
    let config = load(&["store.readers=8", "egress.allow=10.0.0.5:8443", &format!("root.key={SECRET}")]).unwrap();

    let shown = config.effective_toml();

    assert!(shown.starts_with("[server]\nlisten = \"127.0.0.1:8080\"\nmax_body_bytes = 16777216\n"), "{shown}");
    assert!(shown.contains("\n[root]\nkey = \"****\"\n"), "{shown}");
    assert!(shown.contains("\n[store]\nurl = \"sqlite://data/dispatcher.db\"\nreaders = 8\n"), "{shown}");
    assert!(shown.contains("\nallow = [\"10.0.0.5:8443\"]\n"), "{shown}");
    assert!(shown.contains("\n[log]\nlevel = \"info\"\nformat = \"text\"\n\n[traces]\n"), "{shown}");
    assert!(shown.ends_with("\nsampled_share = 1.0\nsend_traceparent = false\n"), "{shown}");
    let keys = |text: &str| text.lines().filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())).collect::<Vec<_>>();
    let described: Vec<&str> = DEFAULT_TOML.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(keys(&shown), keys(&described.join("\n")));
}

#[test]
fn the_effective_configuration_of_the_defaults_is_a_configuration() {
    let shown: Table = Config::default().effective_toml().parse().unwrap();

    assert_eq!(shown, DEFAULT_TOML.parse().unwrap());
}

#[test]
fn a_secret_appears_nowhere() {
    let set = format!("root.key={SECRET}");
    let config = load(&[&set, &format!("secrets.key={}", SECRET.replace("0123456789", "xyzuvw"))]).unwrap();
    let misplaced = [format!("root.keys={SECRET}"), format!("root.key:{SECRET}"), format!("rot.key={SECRET}"), format!("root={SECRET}")];
    let errors = load(&misplaced.each_ref().map(String::as_str)).unwrap_err();
    let short = load(&[&format!("root.key={}", &SECRET[..20])]).unwrap_err();

    assert_eq!(config.root.key().unwrap().expose_secret(), SECRET);
    for shown in [config.effective_toml(), format!("{config:?}"), format!("{errors} {errors:?}"), format!("{short} {short:?}")] {
        assert!(!shown.contains("battery"), "{shown}");
    }
}
