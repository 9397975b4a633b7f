//! What the settings become.

use super::*;
use crate::config::Sources;

#[test]
fn the_store_may_hold_what_the_settings_of_the_intake_say() {
    let bounds = |settings: [&str; 2]| {
        let sources = Sources::new().with_overrides(settings.map(|setting| format!("intake.{setting}")));
        intake_bounds(&Config::load(&sources).unwrap())
    };

    assert_eq!(bounds(["max_pending=7", "min_free_disk_mib=3"]), Bounds { max_pending: Some(7), min_free_bytes: 3 * 1024 * 1024 });
    assert_eq!(bounds(["max_pending=0", "min_free_disk_mib=0"]), Bounds { max_pending: None, min_free_bytes: 0 });
}

#[test]
fn each_kind_is_kept_as_long_as_its_setting_says() {
    let settings = MaintenanceConfig {
        finished_days: 11,
        dead_letter_days: 12,
        idempotency_days: 3,
        failing_days: 4,
        audit_days: 15,
        ..MaintenanceConfig::default()
    };
    let days = |age: Duration| age.as_secs() / 86_400;

    let ages = retention_ages(&settings);

    assert_eq!([ages.finished, ages.dead_letters, ages.idempotency_keys, ages.audit_entries].map(days), [11, 12, 3, 15]);
    assert_eq!(days(ages.statistics), 11);
    assert_eq!(days(retention_ages(&MaintenanceConfig { failing_days: 7, ..settings }).statistics), 14);
}
