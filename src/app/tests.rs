//! What the settings become.

use super::*;
use crate::config::Sources;
use crate::domain::time::Timestamp;

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

#[tokio::test]
async fn each_duty_is_due_when_its_setting_says() {
    let folder = tempfile::tempdir().unwrap();
    let schedules = ["retention", "disable", "upkeep"]
        .into_iter()
        .zip(1..)
        .map(|(duty, minute)| format!("maintenance.{duty}_schedule={minute} * * * *"));
    let store_url = format!("store.url=sqlite://{}", folder.path().join("test.db").display());
    let config = Config::load(&Sources::new().with_overrides(schedules.chain([store_url]))).unwrap();
    let start = Timestamp::from_micros(0);
    let chance = *b"what is only to look like chance";
    let opened = stores::open(&config, &Arc::new(IdSource::seeded(chance)), start, &chance).await.unwrap();

    let duties = duties(&config, &opened.store).unwrap();

    let due: Vec<_> = duties.iter().map(|one| (one.duty.name(), one.schedule.next_after(start).unwrap().as_minutes())).collect();
    assert_eq!(due, [("retention", 1), ("disable failing webhooks", 2), ("database upkeep", 3)]);
}
