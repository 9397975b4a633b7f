//! Attempts are recorded under a claim that is held, and under no other.

use webhook_dispatcher::domain::attempt::{AttemptOutcome, Exchange, FailureReason};
use webhook_dispatcher::domain::delivery::{DeadLetterReason, DeliveryState, Transition};
use webhook_dispatcher::domain::ids::DeliveryId;
use webhook_dispatcher::domain::webhook::{DisableReason, WebhookState};
use webhook_dispatcher::store::StoreError;
use webhook_dispatcher::store::records::{AttemptRecord, RecordOutcome, Scope};

use super::world::{World, at, failure, finished, given_up, later, success};

const RECORDED: RecordOutcome = RecordOutcome::Recorded;
const LOST: RecordOutcome = RecordOutcome::ClaimLost;

const REASONS: [FailureReason; 10] = [
    FailureReason::Status(418),
    FailureReason::Gone,
    FailureReason::Timeout,
    FailureReason::Dns,
    FailureReason::Connect,
    FailureReason::Tls,
    FailureReason::Protocol,
    FailureReason::Authorization,
    FailureReason::AddressNotAllowed,
    FailureReason::Unsendable,
];

pub(super) async fn an_attempt_comes_back_as_it_went_in(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    world.delivery(client).await;
    let full = failure(&world.claim_one(webhook).await);
    world.record(full.clone()).await;
    let mut bare = success(&world.claim_one(webhook).await);
    bare.attempt.exchange = Exchange::default();
    world.record(bare.clone()).await;

    let detail = world.detail(full.claim.delivery_id).await;

    assert_eq!(detail.attempts, [full.attempt, bare.attempt]);
}

pub(super) async fn whatever_a_receiver_says_is_recorded_and_comes_back(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    let mut said = Vec::new();
    for text in crate::support::hostile::texts() {
        let mut record = failure(&world.claim_one(webhook).await);
        record.attempt.exchange.detail = Some(format!("detail {text}"));
        record.attempt.exchange.response_head = Some(format!("x-head: {text}"));
        record.attempt.exchange.response_body = Some([b"body \xff\xfe\0 ", text.as_bytes()].concat().into());
        world.record(record.clone()).await;
        said.push(record.attempt);
    }

    assert_eq!(world.detail(delivery).await.attempts, said);
}

pub(super) async fn every_outcome_and_reason_comes_back(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    let outcomes = REASONS.into_iter().flat_map(|reason| [AttemptOutcome::Retryable(reason.clone()), AttemptOutcome::Permanent(reason)]);
    let outcomes: Vec<_> = outcomes.chain([AttemptOutcome::Delivered]).collect();
    for outcome in outcomes.clone() {
        let mut record = failure(&world.claim_one(webhook).await);
        if !matches!(outcome, AttemptOutcome::Delivered) {
            record.attempt.exchange.status = None;
        }
        record.attempt.outcome = outcome;
        world.record(record).await;
    }

    let recorded = world.detail(delivery).await.attempts;

    assert_eq!(recorded.into_iter().map(|attempt| attempt.outcome).collect::<Vec<_>>(), outcomes);
}

pub(super) async fn a_success_ends_a_delivery(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    let before = world.shown(delivery).await;

    world.attempt(webhook, |claimed| finished(success(claimed), at(777))).await;

    let shown = world.shown(delivery).await;
    assert_eq!((shown.state, shown.attempts), (DeliveryState::Delivered, 1));
    assert_eq!((shown.finished_at, shown.due_at, shown.created_at), (Some(at(777)), before.due_at, before.created_at));
    assert_eq!(shown.dead_letter_reason, None);
    assert!(world.claim(webhook).await.is_empty());
}

pub(super) async fn a_retry_waits_until_it_is_due(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;

    world.attempt(webhook, |claimed| AttemptRecord { transition: Transition::Retry { due_at: at(4_321) }, ..failure(claimed) }).await;

    let shown = world.shown(delivery).await;
    assert_eq!((shown.state, shown.attempts), (DeliveryState::Pending, 1));
    assert_eq!((shown.due_at, shown.finished_at), (at(4_321), None));
    assert!(world.claim_at(at(4_320), &[(webhook, 1)]).await.is_empty());
    let claimed = world.claim_at(at(4_321), &[(webhook, 1)]).await;
    assert_eq!((claimed[0].attempt_number(), claimed[0].due_at), (2, at(4_321)));
}

pub(super) async fn a_dead_letter_keeps_its_reason(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    for reason in REASONS.map(DeadLetterReason::Permanent).into_iter().chain([DeadLetterReason::Exhausted]) {
        world.delivery(client).await;

        let transition = Transition::DeadLetter(reason.clone());
        let delivery = world.attempt(webhook, |claimed| finished(AttemptRecord { transition, ..failure(claimed) }, at(888))).await;

        let shown = world.shown(delivery).await;
        assert_eq!((shown.state, shown.finished_at), (DeliveryState::DeadLettered, Some(at(888))));
        assert_eq!(shown.dead_letter_reason, Some(reason));
    }
}

pub(super) async fn a_late_worker_gets_claim_lost_and_changes_nothing(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    world.delivery(client).await;
    let late = world.claim_one(webhook).await;
    world.store.release(vec![late.claim]).await.unwrap();
    let successor = world.claim_one(webhook).await;

    let outcome = world.record(given_up(&late)).await;

    assert_eq!(outcome, RecordOutcome::ClaimLost);
    let detail = world.detail(late.claim.delivery_id).await;
    assert_eq!((detail.summary.delivery.state, detail.summary.delivery.attempts), (DeliveryState::InFlight, 0));
    assert!(detail.attempts.is_empty());
    assert_eq!(world.record(success(&successor)).await, RecordOutcome::Recorded);
}

pub(super) async fn a_claim_is_good_for_one_record(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    world.delivery(client).await;
    let claimed = world.claim_one(webhook).await;
    world.record(failure(&claimed)).await;

    let again = world.record(success(&claimed)).await;

    assert_eq!(again, RecordOutcome::ClaimLost);
    let detail = world.detail(claimed.claim.delivery_id).await;
    assert_eq!((detail.summary.delivery.state, detail.attempts.len()), (DeliveryState::Pending, 1));
}

pub(super) async fn of_two_records_of_a_delivery_in_a_batch_one_counts(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let twice = world.delivery(client).await;
    let old = world.claim_one(webhook).await;
    world.store.release(vec![old.claim]).await.unwrap();
    let held = world.claim_one(webhook).await;
    let other = {
        world.delivery(client).await;
        world.claim_one(webhook).await
    };

    let batch = vec![given_up(&old), success(&held), success(&other), given_up(&held), given_up(&old)];
    let outcomes = world.store.record(batch).await.unwrap();

    assert_eq!(outcomes, [LOST, RECORDED, RECORDED, LOST, LOST]);
    let detail = world.detail(twice).await;
    assert_eq!((detail.summary.delivery.state, detail.summary.delivery.attempts), (DeliveryState::Delivered, 1));
    assert_eq!(detail.attempts, [success(&held).attempt]);
}

pub(super) async fn answers_tell_held_claims_from_lost_ones_in_order(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let events = (0..300).map(|_| world.new_event(client)).collect();
    world.store.enqueue(events).await.unwrap();
    let claimed = world.claim(webhook).await;
    let (lost, held): (Vec<_>, Vec<_>) = claimed.iter().enumerate().partition(|(index, _)| index % 3 == 0);
    world.store.release(lost.iter().map(|(_, claimed)| claimed.claim).collect()).await.unwrap();
    let mut records: Vec<_> = claimed.iter().map(success).collect();
    records[299].claim.delivery_id = world.ids.next(at(9));

    let outcomes = world.store.record(records).await.unwrap();

    for (index, _) in &held[..held.len() - 1] {
        assert_eq!(outcomes[*index], RecordOutcome::Recorded);
    }
    for (index, claimed) in lost {
        assert_eq!(outcomes[index], RecordOutcome::ClaimLost);
        assert_eq!(world.state(claimed.claim.delivery_id).await, DeliveryState::Pending);
    }
    assert_eq!(outcomes[299], RecordOutcome::ClaimLost);
    assert_eq!(world.state(claimed[298].claim.delivery_id).await, DeliveryState::Delivered);
}

pub(super) async fn a_failed_batch_leaves_nothing(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    world.delivery(client).await;
    world.attempt(webhook, failure).await;
    let (good, other) = {
        world.delivery(client).await;
        (world.claim_one(webhook).await, world.claim_one(webhook).await)
    };
    let (first, second) = if good.attempts == 0 { (good, other) } else { (other, good) };
    let mut number_taken = success(&second);
    number_taken.attempt.number = 1;

    let refused = world.store.record(vec![success(&first), number_taken]).await.unwrap_err();

    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused:?}");
    assert_eq!(world.state(first.claim.delivery_id).await, DeliveryState::InFlight);
    assert!(world.detail(first.claim.delivery_id).await.attempts.is_empty());
    assert_eq!(world.record(success(&first)).await, RecordOutcome::Recorded);
}

async fn claim_and_delete_webhook(world: &World) -> (DeliveryId, webhook_dispatcher::store::records::ClaimedDelivery) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let delivery = world.delivery(client).await;
    let claimed = world.claim_one(webhook).await;
    world.store.delete_webhook(Scope::All, webhook, at(300), None).await.unwrap();
    (delivery, claimed)
}

pub(super) async fn a_retry_becomes_cancelled_when_its_webhook_is_deleted(world: World) {
    let (delivery, claimed) = claim_and_delete_webhook(&world).await;

    let outcome = world.record(finished(failure(&claimed), at(999))).await;

    assert_eq!(outcome, RecordOutcome::Recorded);
    let detail = world.detail(delivery).await;
    let shown = detail.summary.delivery;
    assert_eq!((shown.state, shown.finished_at, shown.attempts), (DeliveryState::Cancelled, Some(at(999)), 1));
    assert_eq!(detail.attempts.len(), 1);
}

pub(super) async fn an_end_stays_an_end_when_its_webhook_is_deleted(world: World) {
    let (first, claimed) = claim_and_delete_webhook(&world).await;
    world.record(success(&claimed)).await;
    let (second, claimed) = claim_and_delete_webhook(&world).await;
    world.record(given_up(&claimed)).await;

    assert_eq!(world.state(first).await, DeliveryState::Delivered);
    assert_eq!(world.state(second).await, DeliveryState::DeadLettered);
}

pub(super) async fn a_record_can_disable_its_webhook(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    world.delivery(client).await;
    let waiting = world.delivery(client).await;

    let gone = |claimed: &_| AttemptRecord { disable_webhook: Some(DisableReason::Gone), ..finished(given_up(claimed), at(999)) };
    world.attempt(webhook, gone).await;

    let stored = world.store.webhook(Scope::All, webhook).await.unwrap().unwrap();
    assert_eq!(stored.state, WebhookState::Disabled(DisableReason::Gone));
    assert_eq!((stored.version, stored.updated_at), (2, at(999)));
    assert!(world.claim(webhook).await.is_empty());
    assert_eq!(world.state(waiting).await, DeliveryState::Pending);
}

pub(super) async fn what_an_old_edition_was_told_disables_no_new_one(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    world.delivery(client).await;
    let claimed = world.claim_one(webhook).await;
    let edited = world.store.webhook(Scope::All, webhook).await.unwrap().unwrap();
    world.store.update_webhook(edited, None, None).await.unwrap();

    let outcome = world.record(AttemptRecord { disable_webhook: Some(DisableReason::Gone), ..given_up(&claimed) }).await;

    assert_eq!(outcome, RecordOutcome::Recorded);
    let stored = world.store.webhook(Scope::All, webhook).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.version), (WebhookState::Active, 2));
}

pub(super) async fn a_lost_record_disables_nothing(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    world.delivery(client).await;
    let claimed = world.claim_one(webhook).await;
    world.store.release(vec![claimed.claim]).await.unwrap();

    world.record(AttemptRecord { disable_webhook: Some(DisableReason::Gone), ..given_up(&claimed) }).await;

    let stored = world.store.webhook(Scope::All, webhook).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.version), (WebhookState::Active, 1));
}

pub(super) async fn a_record_disables_no_paused_webhook(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    world.delivery(client).await;
    let claimed = world.claim_at(later(), &[(webhook, 1)]).await;
    world.store.set_webhook_state(Scope::All, webhook, WebhookState::Paused, at(60), None).await.unwrap();

    let outcome = world.record(AttemptRecord { disable_webhook: Some(DisableReason::Gone), ..given_up(&claimed[0]) }).await;

    assert_eq!(outcome, RecordOutcome::Recorded);
    let stored = world.store.webhook(Scope::All, webhook).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.version), (WebhookState::Paused, 2));
}
