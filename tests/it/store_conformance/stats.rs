//! Statistics: what was counted while attempts were recorded, and what waits at the moment.

use std::time::Duration;

use webhook_dispatcher::domain::ids::{ClientId, WebhookId};
use webhook_dispatcher::domain::stats::{Backlog, Counted, Counts, LatencyHistogram, Stats, StatsQuery, StatsWindow};
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::domain::webhook::WebhookState;
use webhook_dispatcher::store::records::{AttemptRecord, ClaimedDelivery, RetentionStep, Scope};

use super::world::{World, at, failure, finished, given_up, later, success};

/// When statistics are asked for: 27 seconds before a full minute ends.
const NOW: i64 = 300_000;

/// A webhook of a client of its own.
async fn webhook(world: &World) -> (ClientId, WebhookId) {
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

async fn stats_of(world: &World, scope: Scope, window: StatsWindow, webhook_id: Option<WebhookId>, now: Timestamp) -> Stats {
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
    let long_ago = at(-1_000_000_000);
    let step = |statistics_before| RetentionStep {
        finished_before: long_ago,
        dead_letters_before: long_ago,
        idempotency_before: long_ago,
        statistics_before,
        audit_before: long_ago,
        limit: 100,
    };

    assert_eq!(world.store.remove_expired(step(at(NOW - 10_000))).await.unwrap().rows(), 0);
    let removed = world.store.remove_expired(step(at(NOW + 10_000))).await.unwrap();

    assert_eq!((removed.statistics, removed.rows()), (7, 7), "four minutes and three hours");
    assert_eq!(stats(&world, StatsWindow::Week).await.total, Counts::default());
    assert_eq!(stats(&world, StatsWindow::Hour).await.total, Counts::default());
}
