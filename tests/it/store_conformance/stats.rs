//! Statistics: what was counted while attempts were recorded, and what waits at the moment.

use std::time::Duration;

use webhook_dispatcher::domain::ids::{ClientId, WebhookId};
use webhook_dispatcher::domain::stats::{Backlog, Counted, Counts, LatencyHistogram, Stats, StatsQuery, StatsWindow};
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::domain::webhook::WebhookState;
use webhook_dispatcher::store::records::{AttemptRecord, ClaimedDelivery, RetentionStep, Scope};

use super::world::{World, at, event_type, failure, finished, given_up, later, success};

/// When statistics are asked for: 27 seconds before a full minute ends.
pub(super) const NOW: i64 = 300_000;

/// A webhook of a client of its own.
pub(super) async fn webhook(world: &World) -> (ClientId, WebhookId) {
    let client = world.client().await;
    (client, world.webhook(client).await)
}

/// Claims a delivery and records an attempt that ended then and was answered after so many milliseconds.
async fn attempt(world: &World, webhook: WebhookId, record: fn(&ClaimedDelivery) -> AttemptRecord, end: i64, answer_ms: u64) {
    let of = |claimed: &ClaimedDelivery| {
        let mut record = finished(record(claimed), at(end));
        record.attempt.exchange.phases.answer = Some(Duration::from_millis(answer_ms));
        record
    };
    world.attempt(webhook, of).await;
}

pub(super) async fn stats_of(world: &World, scope: Scope, window: StatsWindow, webhook_id: Option<WebhookId>, now: Timestamp) -> Stats {
    world.store.stats(scope, StatsQuery { window, webhook_id, now, most_webhooks: 100 }).await.unwrap()
}

async fn stats(world: &World, window: StatsWindow) -> Stats {
    stats_of(world, Scope::All, window, None, at(NOW)).await
}

fn of(stats: &Stats, webhook: WebhookId) -> (Counts, Backlog) {
    let found = stats.webhooks.iter().find(|stats| stats.webhook.id == webhook).unwrap();
    (found.counts.clone(), found.backlog)
}

fn counts(delivered: u64, failed: u64, retries: u64, dead_lettered: u64, answers_ms: &[u64]) -> Counts {
    let mut answers = LatencyHistogram::default();
    for ms in answers_ms {
        answers.add(Duration::from_millis(*ms));
    }
    Counts { delivered, failed, retries, dead_lettered, answers }
}

const fn counted(count: u64) -> Counted {
    Counted { count, has_more: false }
}

/// Two webhooks with attempts of every kind in the last hour: the first has them a minute apart.
async fn attempts(world: &World) -> [(ClientId, WebhookId); 2] {
    let (first, second) = (webhook(world).await, webhook(world).await);
    world.delivery(first.0).await;
    attempt(world, first.1, failure, NOW - 120, 700).await;
    attempt(world, first.1, failure, NOW - 60, 40).await;
    attempt(world, first.1, success, NOW - 60, 6).await;
    for _ in 0..2 {
        world.delivery(second.0).await;
        attempt(world, second.1, given_up, NOW - 60, 90_000).await;
    }
    world.delivery(second.0).await;
    // Not of this hour.
    attempt(world, second.1, success, NOW - 3_700, 1).await;
    [first, second]
}

pub(super) async fn attempts_are_counted_by_outcome_webhook_and_minute(world: World) {
    let [(_, first), (_, second)] = attempts(&world).await;

    let stats = stats(&world, StatsWindow::Hour).await;

    assert_eq!(of(&stats, first).0, counts(1, 2, 2, 0, &[700, 40, 6]));
    assert_eq!(of(&stats, second).0, counts(0, 2, 0, 2, &[90_000, 90_000]));
    assert_eq!(stats.total, counts(1, 4, 2, 2, &[700, 40, 6, 90_000, 90_000]));
    assert_eq!(stats.webhooks.iter().map(|stats| stats.webhook.id).collect::<Vec<_>>(), [second, first]);
    let points: Vec<(usize, &Counts)> =
        stats.series.iter().enumerate().filter(|(_, bucket)| bucket.counts.attempts() > 0).map(|(n, bucket)| (n, &bucket.counts)).collect();
    assert_eq!(points, [(57, &counts(0, 1, 0, 0, &[700])), (58, &counts(1, 3, 2, 2, &[40, 6, 90_000, 90_000]))]);
    assert_eq!(stats.series[58].from.as_micros(), (at(NOW - 60).as_minutes()) * 60_000_000);
}

pub(super) async fn hours_are_counted_as_minutes_are(world: World) {
    let [(_, first), (_, second)] = attempts(&world).await;
    let (_, third) = webhook(&world).await;

    let week = stats(&world, StatsWindow::Week).await;
    let day = stats(&world, StatsWindow::Day).await;

    for stats in [&week, &day] {
        assert_eq!(of(stats, first).0, counts(1, 2, 2, 0, &[700, 40, 6]));
        assert_eq!(of(stats, second).0, counts(1, 2, 0, 2, &[90_000, 90_000, 1]));
        assert_eq!(of(stats, third).0, Counts::default());
        assert_eq!(stats.total, counts(2, 4, 2, 2, &[700, 40, 6, 90_000, 90_000, 1]));
    }
    let hour_before = week.series.len() - 2;
    assert_eq!(week.series[hour_before].counts.delivered + week.series[hour_before + 1].counts.delivered, 2);
}

pub(super) async fn statistics_keep_to_their_scope_and_webhook(world: World) {
    let [(client, first), (_, second)] = attempts(&world).await;
    world.webhook(client).await;
    let week = StatsWindow::Week;

    let own = stats_of(&world, Scope::Client(client), week, None, at(NOW)).await;
    let one = stats_of(&world, Scope::Client(client), week, Some(first), at(NOW)).await;
    let foreign = stats_of(&world, Scope::Client(client), week, Some(second), at(NOW)).await;

    assert_eq!((own.webhooks.len(), own.total.attempts()), (2, 3));
    assert_eq!((one.webhooks.len(), one.webhooks[0].webhook.id, one.total.attempts()), (1, first, 3));
    assert_eq!((one.webhooks[0].webhook.client_id, one.webhooks[0].webhook.state.clone()), (client, WebhookState::Active));
    assert_eq!((foreign.webhooks.len(), foreign.total, foreign.backlog), (0, Counts::default(), Backlog::default()));
}

/// So many hours before [`NOW`], which is 4:32 of a day.
const fn hours_ago(hours: i64) -> i64 {
    NOW - hours * 3_600
}

/// Attempts that were answered in so many milliseconds each: at both ends of a week and a day, on either side of midnights,
/// and outside of the week.
pub(super) async fn attempts_about_midnights(world: &World, (client, webhook): (ClientId, WebhookId)) {
    for (hours, answer_ms) in [(168, 1), (167, 2), (149, 3), (148, 5), (24, 8), (23, 12), (5, 20), (4, 30), (0, 50), (-1, 80)] {
        world.delivery(client).await;
        attempt(world, webhook, success, hours_ago(hours), answer_ms).await;
    }
}

/// A success for each of these answers.
fn successes(answers_ms: &[u64]) -> Counts {
    counts(answers_ms.len() as u64, 0, 0, 0, answers_ms)
}

/// How long the answers of each bucket took that had one.
fn answers_of_buckets(stats: &Stats) -> Vec<Counts> {
    stats.series.iter().filter(|bucket| bucket.counts.attempts() > 0).map(|bucket| bucket.counts.clone()).collect()
}

pub(super) async fn every_hour_of_a_week_is_counted_once(world: World) {
    let (client, webhook) = webhook(&world).await;
    attempts_about_midnights(&world, (client, webhook)).await;

    for (now, expected) in [
        (hours_ago(0), [2, 3, 5, 8, 12, 20, 30, 50].as_slice()),
        // The hours after midnight are of a day that has just begun, and the week begins within a day.
        (hours_ago(4), &[1, 2, 3, 5, 8, 12, 20, 30]),
        // It ends with the last hour of a day, and so begins with the first of one.
        (hours_ago(5), &[1, 2, 3, 5, 8, 12, 20]),
        (hours_ago(-19), &[5, 8, 12, 20, 30, 50, 80]),
    ] {
        let stats = stats_of(&world, Scope::All, StatsWindow::Week, None, at(now)).await;

        assert_eq!(of(&stats, webhook).0, successes(expected), "{now}");
        assert_eq!(stats.total, successes(expected), "{now}");
        assert_eq!(answers_of_buckets(&stats), expected.iter().map(|ms| successes(&[*ms])).collect::<Vec<_>>(), "{now}");
        assert_eq!(stats_of(&world, Scope::Client(client), StatsWindow::Week, None, at(now)).await, stats);
        assert_eq!(stats_of(&world, Scope::All, StatsWindow::Week, Some(webhook), at(now)).await, stats);
    }
}

pub(super) async fn every_hour_of_a_day_of_many_webhooks_is_counted_once(world: World) {
    let (client, webhook) = webhook(&world).await;
    attempts_about_midnights(&world, (client, webhook)).await;
    for _ in 0..70 {
        self::webhook(&world).await;
    }

    let to_now = stats(&world, StatsWindow::Day).await;
    let to_midnight = stats_of(&world, Scope::All, StatsWindow::Day, None, at(hours_ago(5))).await;

    for (stats, expected) in [(to_now, [12, 20, 30, 50].as_slice()), (to_midnight, &[8, 12, 20])] {
        assert!(stats.period.is_hourly());
        assert_eq!((of(&stats, webhook).0, &stats.total), (successes(expected), &successes(expected)));
        assert_eq!(answers_of_buckets(&stats), expected.iter().map(|ms| successes(&[*ms])).collect::<Vec<_>>());
    }
}

pub(super) async fn a_week_is_of_all_webhooks_of_its_scope_and_of_no_other(world: World) {
    let [first, second, elsewhere] = [webhook(&world).await, webhook(&world).await, webhook(&world).await];
    let of_second = world.webhook_with(second.0, |webhook| webhook.definition.events = vec![event_type("other")]).await;
    for ((client, webhook), hours, answer_ms) in [(first, 0, 2), (second, 0, 5), (second, 30, 12), (elsewhere, 30, 30)] {
        world.delivery(client).await;
        attempt(&world, webhook, success, hours_ago(hours), answer_ms).await;
    }
    world.delivery_with(second.0, |new| new.event.event_type = event_type("other")).await;
    attempt(&world, of_second, failure, hours_ago(30), 80).await;
    world.store.delete_webhook(Scope::All, of_second, at(NOW), None).await.unwrap();

    let week = async |scope| stats_of(&world, scope, StatsWindow::Week, None, at(NOW)).await;
    let (all, one, two) = (week(Scope::All).await, week(Scope::Client(first.0)).await, week(Scope::Client(second.0)).await);

    assert_eq!(answers_of_buckets(&all), [counts(2, 1, 0, 0, &[12, 30, 80]), successes(&[2, 5])]);
    assert_eq!(answers_of_buckets(&one), [successes(&[2])]);
    assert_eq!(answers_of_buckets(&two), [counts(1, 1, 0, 0, &[12, 80]), successes(&[5])]);
    assert_eq!((all.webhooks.len(), one.webhooks.len(), two.webhooks.len()), (3, 1, 1));
    assert_eq!(of(&two, second.1).0, successes(&[5, 12]));
    assert_eq!(two.total, counts(2, 1, 0, 0, &[5, 12, 80]));
}

pub(super) async fn what_waits_and_what_was_given_up_is_counted(world: World) {
    let (client, first) = webhook(&world).await;
    for seconds in [250, 150, 350, 100_000] {
        world.delivery_with(client, |new| new.due_at = at(seconds)).await;
    }
    let (paused_client, paused) = webhook(&world).await;
    world.delivery_with(paused_client, |new| new.due_at = at(1)).await;
    world.store.set_webhook_state(Scope::All, paused, WebhookState::Paused, at(2), None).await.unwrap();
    let (dead_client, dead) = webhook(&world).await;
    for _ in 0..3 {
        world.delivery(dead_client).await;
        world.attempt(dead, given_up).await;
    }

    let stats = stats_of(&world, Scope::All, StatsWindow::Hour, None, at(200)).await;

    let backlog =
        |pending, due: Option<i64>, dead| Backlog { pending: counted(pending), oldest_due_at: due.map(at), dead_letters: counted(dead) };
    assert_eq!(of(&stats, first).1, backlog(4, Some(150), 0));
    assert_eq!(of(&stats, paused).1, backlog(1, Some(1), 0));
    assert_eq!(of(&stats, dead).1, backlog(0, None, 3));
    assert_eq!(stats.backlog, backlog(5, Some(150), 3));
}

pub(super) async fn what_is_in_flight_does_not_wait(world: World) {
    let (client, webhook) = webhook(&world).await;
    for seconds in [50, 60, 70] {
        world.delivery_with(client, |new| new.due_at = at(seconds)).await;
    }
    let claimed = world.claim_at(later(), &[(webhook, 2)]).await;

    let stats = stats_of(&world, Scope::All, StatsWindow::Hour, None, at(200)).await;

    assert_eq!(stats.backlog, Backlog { pending: counted(1), oldest_due_at: Some(at(70)), dead_letters: counted(0) });
    for claimed in &claimed {
        world.record(success(claimed)).await;
    }
}

pub(super) async fn a_deleted_webhook_counts_in_the_whole_alone(world: World) {
    let [(_, first), (_, second)] = attempts(&world).await;
    world.store.delete_webhook(Scope::All, second, at(NOW), None).await.unwrap();

    let stats = stats(&world, StatsWindow::Hour).await;

    assert_eq!(stats.total.attempts(), 5);
    assert_eq!(stats.webhooks.iter().map(|stats| stats.webhook.id).collect::<Vec<_>>(), [first]);
    assert_eq!(stats.backlog, Backlog::default());
}

pub(super) async fn minutes_and_hours_go_by_their_age(world: World) {
    attempts(&world).await;
    let step = |statistics_before| expired(statistics_before, 100);

    assert_eq!(world.store.remove_expired(step(at(NOW - 10_000))).await.unwrap().rows(), 0);
    let removed = world.store.remove_expired(step(at(hours_ago(-24)))).await.unwrap();

    assert!(removed.statistics >= 7 && removed.rows() == removed.statistics, "four minutes, three hours, and what they add up to");
    assert!(world.store.remove_expired(step(at(hours_ago(-24)))).await.unwrap().is_nothing());
    assert_eq!(stats(&world, StatsWindow::Week).await.total, Counts::default());
    assert_eq!(stats(&world, StatsWindow::Hour).await.total, Counts::default());
}

pub(super) async fn what_is_left_of_a_week_is_the_same_of_webhooks_and_of_all(world: World) {
    let (client, webhook) = webhook(&world).await;
    attempts_about_midnights(&world, (client, webhook)).await;

    for (hours, younger) in [(160, 7), (148, 6), (100, 5), (24, 5), (12, 3), (4, 2), (1, 1), (-24, 0)] {
        while !world.store.remove_expired(expired(at(hours_ago(hours)), 2)).await.unwrap().is_nothing() {}

        let stats = stats(&world, StatsWindow::Week).await;

        assert_eq!(of(&stats, webhook).0, stats.total, "{hours}");
        assert!(stats.total.attempts() >= younger, "{hours}");
    }
    assert_eq!(stats(&world, StatsWindow::Week).await.total, Counts::default());
}

/// A step of retention that removes statistics alone.
pub(super) fn expired(statistics_before: Timestamp, limit: u32) -> RetentionStep {
    let long_ago = at(-1_000_000_000);
    RetentionStep {
        finished_before: long_ago,
        dead_letters_before: long_ago,
        idempotency_before: long_ago,
        statistics_before,
        audit_before: long_ago,
        limit,
    }
}
