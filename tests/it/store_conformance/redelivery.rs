//! Redeliveries of many: what is wanted, and that each step leaves how far it came.

use std::collections::BTreeSet;
use std::time::Duration;

use webhook_dispatcher::domain::audit::{Action, Actor, ObjectKind};
use webhook_dispatcher::domain::client::Role;
use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::ids::{ClientId, DeliveryId, RedeliveryJobId, WebhookId};
use webhook_dispatcher::domain::redelivery::{DeadLetterFilter, RedeliveryJob, RedeliveryJobState, RedeliveryWanted};
use webhook_dispatcher::domain::stats::Counted;
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::store::records::{AuditFilter, JobChange, JobStep, Page, RetentionStep, Scope};
use webhook_dispatcher::store::signal::Signal;

use super::world::{World, at, event_type, given_up, heard, success};

/// When jobs begin: after everything else.
const BEGIN: i64 = 500_000;

fn dead_letters() -> RedeliveryWanted {
    RedeliveryWanted::DeadLetters(DeadLetterFilter::default())
}

fn new_job(world: &World, client: ClientId, wanted: RedeliveryWanted, per_second: u32) -> RedeliveryJob {
    RedeliveryJob::begin(world.ids.next(at(BEGIN)), client, wanted, (per_second, Counted { count: 7, has_more: true }), at(BEGIN))
}

async fn begin(world: &World, client: ClientId, wanted: RedeliveryWanted, per_second: u32) -> RedeliveryJobId {
    let job = new_job(world, client, wanted, per_second);
    assert!(world.store.insert_redelivery_job(job.clone(), None).await.unwrap());
    job.id
}

async fn step(world: &World, now: Timestamp) -> Option<JobStep> {
    world.store.redelivery_step(now).await.unwrap()
}

/// Takes every step that becomes due within a minute.
async fn work(world: &World) -> u64 {
    let mut redelivered = 0;
    for seconds in 0..60 {
        while let Some(taken) = step(world, at(BEGIN + seconds)).await {
            redelivered += taken.redelivered;
        }
    }
    redelivered
}

async fn dead(world: &World, client: ClientId, webhook: WebhookId, count: usize) -> Vec<DeliveryId> {
    let mut dead = Vec::new();
    for _ in 0..count {
        world.delivery(client).await;
        dead.push(world.attempt(webhook, given_up).await);
    }
    dead
}

async fn pending(world: &World, deliveries: &[DeliveryId]) -> Vec<bool> {
    let mut pending = Vec::new();
    for id in deliveries {
        pending.push(world.state(*id).await == DeliveryState::Pending);
    }
    pending
}

async fn shown(world: &World, id: RedeliveryJobId) -> RedeliveryJob {
    world.store.redelivery_job(Scope::All, id).await.unwrap().unwrap()
}

pub(super) async fn a_job_comes_back_as_it_went_in(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let filter = DeadLetterFilter {
        webhook_id: Some(webhook),
        reason: Some("exhausted".to_owned()),
        event_type: Some(event_type("a.b")),
        subject: Some("doc 7 \u{1F600}".to_owned()),
        from: Some(at(11)),
        to: Some(at(22)),
    };
    let first = new_job(&world, client, RedeliveryWanted::DeadLetters(filter), 33);
    let second = new_job(&world, client, RedeliveryWanted::Undelivered { webhook_id: webhook, since: at(44) }, 55);

    for job in [&first, &second] {
        assert!(world.store.insert_redelivery_job(job.clone(), None).await.unwrap());
        assert_eq!(shown(&world, job.id).await, *job);
    }

    let page = Page { limit: 9, before: None };
    let list = world.store.redelivery_jobs(Scope::Client(client), page).await.unwrap();
    assert_eq!(list, [second.clone(), first.clone()]);
    let older = world.store.redelivery_jobs(Scope::All, Page { limit: 9, before: Some(second.id) }).await.unwrap();
    assert_eq!(older, std::slice::from_ref(&first));
    let stranger = Scope::Client(world.client().await);
    assert_eq!(world.store.redelivery_jobs(stranger, page).await.unwrap(), []);
    assert_eq!(world.store.redelivery_job(stranger, first.id).await.unwrap(), None);
}

pub(super) async fn dead_letters_are_sent_again_at_a_rate_and_in_order(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let dead = dead(&world, client, webhook, 5).await;
    let job = begin(&world, client, dead_letters(), 2).await;
    let mut signals = world.store.signals();

    let first = step(&world, at(BEGIN)).await;
    let too_early = step(&world, at(BEGIN) + Duration::from_millis(999)).await;

    assert_eq!(first, Some(JobStep { job_id: job, redelivered: 2, state: RedeliveryJobState::Running }));
    assert_eq!(too_early, None);
    assert_eq!(pending(&world, &dead).await, [true, true, false, false, false]);
    assert_eq!(heard(&mut signals), [Signal::Due([webhook].into())]);
    let again = world.shown(dead[0]).await;
    assert_eq!((again.due_at, again.attempts, again.attempts_before_series), (at(BEGIN), 1, 1));
    assert_eq!((again.finished_at, again.dead_letter_reason), (None, None));
    assert_eq!(step(&world, at(BEGIN + 1)).await.unwrap().redelivered, 2);
    let last = step(&world, at(BEGIN + 2)).await.unwrap();
    assert_eq!((last.redelivered, last.state), (1, RedeliveryJobState::Done));
    let done = shown(&world, job).await;
    assert_eq!((done.redelivered, done.examined, done.finished_at), (5, 5, Some(at(BEGIN + 2))));
    assert_eq!(step(&world, at(BEGIN + 100)).await, None);
}

pub(super) async fn a_job_goes_on_after_a_stop_where_it_was(mut world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let dead = dead(&world, client, webhook, 3).await;
    let job = begin(&world, client, dead_letters(), 1).await;
    step(&world, at(BEGIN)).await.unwrap();
    world.reopen().await;
    // It is given up once more meanwhile: that is not what the job was asked for.
    let claimed = world.claim_at(at(BEGIN), &[(webhook, 9)]).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.claim.delivery_id).collect::<Vec<_>>(), dead[..1]);
    world.record(given_up(&claimed[0])).await;

    assert_eq!(work(&world).await, 2);

    assert_eq!(pending(&world, &dead).await, [false, true, true]);
    let done = shown(&world, job).await;
    assert_eq!((done.state, done.redelivered), (RedeliveryJobState::Done, 3));
}

pub(super) async fn only_what_fits_is_sent_again(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let (webhook, other) =
        (world.webhook(client).await, world.webhook_with(client, |it| it.definition.events = vec![event_type("other")]).await);
    let foreign_webhook = world.webhook(stranger).await;
    let fitting = dead(&world, client, webhook, 2).await;
    let foreign = dead(&world, stranger, foreign_webhook, 1).await;
    world.delivery_with(client, |new| new.event.event_type = event_type("other")).await;
    let of_other = world.attempt(other, given_up).await;
    world.delivery(client).await;
    let delivered = world.attempt(webhook, success).await;
    let wanted = RedeliveryWanted::DeadLetters(DeadLetterFilter { webhook_id: Some(webhook), ..DeadLetterFilter::default() });
    assert_eq!(world.store.count_wanted(client, wanted.clone(), at(BEGIN)).await.unwrap(), Counted { count: 2, has_more: false });
    assert_eq!(world.store.count_wanted(client, dead_letters(), at(BEGIN)).await.unwrap().count, 3);
    begin(&world, client, wanted, 100).await;

    assert_eq!(work(&world).await, 2);

    assert_eq!(pending(&world, &fitting).await, [true, true]);
    assert_eq!(pending(&world, &[foreign[0], of_other, delivered]).await, [false; 3]);
    let subject = world.detail(of_other).await.summary.subject;
    let by_subject = DeadLetterFilter { subject: Some(subject), ..DeadLetterFilter::default() };
    begin(&world, client, RedeliveryWanted::DeadLetters(by_subject), 100).await;
    assert_eq!(work(&world).await, 1);
    assert_eq!(world.state(of_other).await, DeliveryState::Pending);
}

pub(super) async fn a_webhook_gets_what_it_has_not_got_since_a_time(world: World) {
    let client = world.client().await;
    let early = world.enqueue(world.new_event(client)).await.event_id;
    let webhook = world.webhook(client).await;
    let dead = dead(&world, client, webhook, 1).await[0];
    world.delivery(client).await;
    let delivered = world.attempt(webhook, success).await;
    let cancelled = world.delivery(client).await;
    world.store.cancel(Scope::All, cancelled, at(50), None).await.unwrap();
    let waiting = world.delivery(client).await;
    let due_before = world.shown(waiting).await.due_at;
    let mut unwanted = world.new_event(client);
    unwanted.event.event_type = event_type("other");
    world.enqueue(unwanted).await;
    let since_all = RedeliveryWanted::Undelivered { webhook_id: webhook, since: at(0) };
    assert_eq!(world.store.count_wanted(client, since_all.clone(), at(BEGIN)).await.unwrap().count, 3);
    begin(&world, client, since_all, 100).await;

    assert_eq!(work(&world).await, 3);

    assert_eq!(pending(&world, &[dead, cancelled, delivered]).await, [true, true, false]);
    assert_eq!(world.shown(waiting).await.due_at, due_before, "it is left alone");
    let made = world.store.event(Scope::All, early).await.unwrap().unwrap().deliveries;
    assert_eq!(made.iter().map(|delivery| (delivery.webhook_id, delivery.state)).collect::<Vec<_>>(), [(webhook, DeliveryState::Pending)]);
    let later = RedeliveryWanted::Undelivered { webhook_id: webhook, since: at(400) };
    assert_eq!(world.store.count_wanted(client, later, at(BEGIN)).await.unwrap().count, 0);
    let again = RedeliveryWanted::Undelivered { webhook_id: webhook, since: at(0) };
    assert_eq!(world.store.count_wanted(client, again, at(BEGIN)).await.unwrap().count, 0, "all are on their way");
}

pub(super) async fn two_callers_never_take_the_same_step(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    dead(&world, client, webhook, 6).await;
    let job = begin(&world, client, dead_letters(), 3).await;

    let (one, other) = tokio::join!(world.store.redelivery_step(at(BEGIN)), world.store.redelivery_step(at(BEGIN)));

    let taken: u64 = [one, other].into_iter().filter_map(Result::unwrap).map(|step| step.redelivered).sum();
    assert_eq!((taken, shown(&world, job).await.redelivered), (3, 3));
}

pub(super) async fn a_cancelled_job_takes_no_step_and_leaves_entries(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let webhook = world.webhook(client).await;
    dead(&world, client, webhook, 3).await;
    let by =
        |seconds| Some(Actor { key_id: world.ids.next(at(1)), role: Role::Root, client_id: None, remote_address: None, at: at(seconds) });
    let job = new_job(&world, client, dead_letters(), 1);
    assert!(world.store.insert_redelivery_job(job.clone(), by(BEGIN)).await.unwrap());
    step(&world, at(BEGIN)).await.unwrap();
    let cancel = async |scope| world.store.cancel_redelivery_job(scope, job.id, at(BEGIN + 1), by(BEGIN + 1)).await.unwrap();

    assert_eq!(cancel(Scope::Client(stranger)).await, JobChange::NotFound);
    assert_eq!(cancel(Scope::Client(client)).await, JobChange::Changed);
    assert_eq!(cancel(Scope::All).await, JobChange::NotAllowedIn(RedeliveryJobState::Cancelled));

    assert_eq!(work(&world).await, 0);
    let ended = shown(&world, job.id).await;
    assert_eq!((ended.state, ended.finished_at, ended.redelivered), (RedeliveryJobState::Cancelled, Some(at(BEGIN + 1)), 1));
    let entries = world.store.audit_entries(AuditFilter::all(Scope::Client(client)), Page { limit: 9, before: None }).await.unwrap();
    let story: Vec<_> = entries.iter().map(|entry| (entry.change.action, entry.change.kind, entry.change.object_id)).collect();
    let of_job = |action| (action, ObjectKind::RedeliveryJob, job.id.as_uuid());
    assert_eq!(story, [of_job(Action::Cancel), of_job(Action::Create)]);
}

pub(super) async fn a_job_needs_its_clients_own_living_webhook(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let (foreign, deleted) = (world.webhook(stranger).await, world.webhook(client).await);
    world.delivery(client).await;
    let dead_of_deleted = world.attempt(deleted, given_up).await;
    world.store.delete_webhook(Scope::All, deleted, at(300), None).await.unwrap();

    for webhook_id in [foreign, deleted, world.ids.next(at(1))] {
        let job = new_job(&world, client, RedeliveryWanted::Undelivered { webhook_id, since: at(0) }, 1);
        assert!(!world.store.insert_redelivery_job(job.clone(), None).await.unwrap());
        assert_eq!(world.store.redelivery_job(Scope::All, job.id).await.unwrap(), None);
    }
    begin(&world, client, dead_letters(), 10).await;
    assert_eq!(work(&world).await, 0);
    assert_eq!(world.state(dead_of_deleted).await, DeliveryState::DeadLettered);
}

pub(super) async fn ended_jobs_go_by_their_age_and_running_ones_stay(world: World) {
    let client = world.client().await;
    let ended = begin(&world, client, dead_letters(), 1).await;
    step(&world, at(BEGIN)).await.unwrap();
    let webhook = world.webhook(client).await;
    dead(&world, client, webhook, 2).await;
    let running = begin(&world, client, dead_letters(), 1).await;
    let step = |finished_before| RetentionStep {
        finished_before,
        dead_letters_before: at(0),
        idempotency_before: at(0),
        statistics_before: at(0),
        audit_before: at(0),
        limit: 10,
    };

    assert_eq!(world.store.remove_expired(step(at(BEGIN))).await.unwrap().redelivery_jobs, 0);
    assert_eq!(world.store.remove_expired(step(at(BEGIN + 1))).await.unwrap().redelivery_jobs, 1);

    assert_eq!(world.store.redelivery_job(Scope::All, ended).await.unwrap(), None);
    let left: BTreeSet<_> =
        world.store.redelivery_jobs(Scope::All, Page { limit: 9, before: None }).await.unwrap().iter().map(|job| job.id).collect();
    assert_eq!(left, [running].into());
}
