//! What clients settle for catalogues, and whole payloads that are kept apart because they hold secrets.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use webhook_dispatcher::domain::catalog::{CatalogKey, CatalogName, ClientCatalog};
use webhook_dispatcher::domain::event::PayloadState;
use webhook_dispatcher::domain::ids::{ClientId, WebhookId};
use webhook_dispatcher::domain::signature::{RsaAlgorithm, RsaSecret};
use webhook_dispatcher::store::records::{CatalogWrite, NewEvent, RetentionStep, Scope};
use webhook_dispatcher::store::signal::Signal;

use super::webhooks::stored;
use super::world::{World, at, heard, success};
use crate::support::keys::{self, KEY, NEW_KEY};

fn name(text: &str) -> CatalogName {
    text.parse().unwrap()
}

fn settings(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn nothing_settled(world: &World, client_id: ClientId, catalog: &str) -> ClientCatalog {
    ClientCatalog::new(world.ids.next(at(30)), client_id, name(catalog), at(31))
}

fn key(world: &World, algorithm: RsaAlgorithm, seconds: i64) -> CatalogKey {
    CatalogKey { id: world.ids.next(at(seconds)), algorithm, secret: RsaSecret::generate().unwrap(), created_at: at(seconds) }
}

/// Everything that was settled, as text, secrets too.
fn spelled(settled: &ClientCatalog) -> String {
    let key = |key: &CatalogKey| format!("{} {} {} {:?}", key.id, key.algorithm.as_str(), key.created_at, key.secret.expose());
    let keys: Vec<String> = settled.keys.iter().map(key).collect();
    let ClientCatalog { id, client_id, catalog, settings, updated_at, .. } = settled;
    format!("{id} {client_id} {catalog} {} {updated_at} {keys:?}", json!(settings))
}

async fn read(world: &World, client_id: ClientId, catalog: &str) -> Option<ClientCatalog> {
    world.store.client_catalog(client_id, name(catalog)).await.unwrap()
}

async fn settle(world: &World, settled: &ClientCatalog) -> CatalogWrite {
    world.store.settle_catalog(settled.clone(), None).await.unwrap()
}

async fn called_so(world: &World, client_id: ClientId, catalog: Option<&str>) -> WebhookId {
    world.webhook_with(client_id, |webhook| webhook.definition.catalog = catalog.map(name)).await
}

/// An event with a secret in its payload; what is shown of it is masked.
fn secretive(world: &World, client_id: ClientId) -> NewEvent {
    let mut new = world.new_event(client_id);
    new.whole_payload = Some(Bytes::from_static(b"{\"authorization\": \"hush-hush\" }"));
    new.event.payload = Bytes::from_static(b"{\"authorization\":\"****\"}");
    new
}

fn step() -> RetentionStep {
    let before = at(-1_000_000);
    RetentionStep {
        finished_before: before,
        dead_letters_before: before,
        idempotency_before: before,
        statistics_before: before,
        audit_before: before,
        limit: 1_000,
    }
}

pub(super) async fn what_a_client_settled_comes_back_as_it_went_in(world: World) {
    let (client, other) = (world.client().await, world.client().await);
    let mut settled = nothing_settled(&world, client, "grafeno");
    settled.settings = settings(&json!({"tenant": "Ünïcode", "zeta": true, "alpha": null}));
    settled.keys = vec![key(&world, RsaAlgorithm::PssSha256, 52), key(&world, RsaAlgorithm::Pkcs1Sha512, 51)];

    assert_eq!(settle(&world, &settled).await, CatalogWrite::Stored);

    let kept = read(&world, client, "grafeno").await.unwrap();
    assert_eq!(spelled(&kept), spelled(&settled));
    assert_eq!(kept.version, 1);
    assert!(read(&world, client, "sienge").await.is_none());
    assert!(read(&world, other, "grafeno").await.is_none());
}

pub(super) async fn what_somebody_else_settled_meanwhile_is_not_overwritten(world: World) {
    let client = world.client().await;
    let mut settled = nothing_settled(&world, client, "sienge");
    assert_eq!(settle(&world, &settled).await, CatalogWrite::Stored);

    assert_eq!(settle(&world, &settled).await, CatalogWrite::Stale);
    settled.version = 1;
    settled.settings = settings(&json!({"tenant": "acme"}));
    assert_eq!(settle(&world, &settled).await, CatalogWrite::Stored);
    assert_eq!(settle(&world, &settled).await, CatalogWrite::Stale);

    let kept = read(&world, client, "sienge").await.unwrap();
    assert_eq!((kept.version, spelled(&kept)), (2, spelled(&settled)));
}

pub(super) async fn webhooks_that_are_called_so_have_a_new_version_then(world: World) {
    let (client, other) = (world.client().await, world.client().await);
    let so = called_so(&world, client, Some("sienge")).await;
    let deleted = called_so(&world, client, Some("sienge")).await;
    world.store.delete_webhook(Scope::All, deleted, at(40), None).await.unwrap();
    let otherwise = [
        called_so(&world, client, Some("grafeno")).await,
        called_so(&world, client, None).await,
        called_so(&world, other, Some("sienge")).await,
    ];
    let mut signals = world.store.signals();

    settle(&world, &nothing_settled(&world, client, "sienge")).await;

    assert_eq!(stored(&world, so).await.version, 2);
    assert_eq!(stored(&world, so).await.definition.catalog, Some(name("sienge")));
    for id in otherwise {
        assert_eq!(stored(&world, id).await.version, 1);
    }
    assert_eq!(heard(&mut signals), [Signal::WebhookChanged(so)]);
}

pub(super) async fn what_was_settled_goes_with_its_client(world: World) {
    let client = world.client().await;
    let mut settled = nothing_settled(&world, client, "grafeno");
    settled.keys = vec![key(&world, RsaAlgorithm::Pkcs1Sha256, 51)];
    settle(&world, &settled).await;

    world.store.delete_client(client, at(60), None).await.unwrap();

    assert!(read(&world, client, "grafeno").await.is_none());
    assert_eq!(world.store.keys_in_use().await.unwrap(), []);
    settled.version = 0;
    assert_eq!(settle(&world, &settled).await, CatalogWrite::NotFound);
}

pub(super) async fn keys_and_whole_payloads_are_encrypted_and_come_under_a_new_key(mut world: World) {
    let client = world.client().await;
    world.webhook(client).await;
    let mut settled = nothing_settled(&world, client, "grafeno");
    settled.keys = vec![key(&world, RsaAlgorithm::Pkcs1Sha256, 51)];
    settle(&world, &settled).await;
    let new = secretive(&world, client);
    let (event_id, whole) = (new.event.id, new.whole_payload.clone());
    world.enqueue(new).await;

    let stolen = world.database.stolen().await;
    assert!(!stolen.windows(9).any(|part| part == b"hush-hush"));
    assert!(world.reopen_with(&[NEW_KEY]).await.is_err());
    world.reopen_with(&[NEW_KEY, KEY]).await.unwrap();
    assert_eq!(world.store.reseal(10).await.unwrap(), 2);
    assert_eq!(world.store.reseal(10).await.unwrap(), 0);

    let used: Vec<_> = world.store.keys_in_use().await.unwrap().into_iter().map(|used| (used.key.to_string(), used.rows)).collect();
    assert_eq!(used, [(keys::id(NEW_KEY), 2)]);
    world.reopen_with(&[NEW_KEY]).await.unwrap();
    assert_eq!(world.store.secret_payload(event_id).await.unwrap(), whole);
    assert_eq!(spelled(&read(&world, client, "grafeno").await.unwrap()), spelled(&settled));
}

pub(super) async fn a_whole_payload_is_kept_as_long_as_a_delivery_waits(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let new = secretive(&world, client);
    let (event_id, whole, shown) = (new.event.id, new.whole_payload.clone(), new.event.payload.clone());
    let plain = world.new_event(client);
    let plain_id = plain.event.id;
    world.enqueue(new).await;
    world.enqueue(plain).await;

    assert_eq!(world.store.event(Scope::All, event_id).await.unwrap().unwrap().event.payload, shown);
    assert_eq!(world.store.secret_payload(plain_id).await.unwrap(), None);
    world.store.remove_expired(step()).await.unwrap();
    assert_eq!(world.store.secret_payload(event_id).await.unwrap(), whole, "it waits");
    let claimed = world.claim(webhook).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.payload_state).collect::<Vec<_>>(), [PayloadState::Masked, PayloadState::Whole]);
    world.store.remove_expired(step()).await.unwrap();
    assert_eq!(world.store.secret_payload(event_id).await.unwrap(), whole, "it is in flight");
    for claimed in &claimed {
        world.record(success(claimed)).await;
    }
    world.store.remove_expired(step()).await.unwrap();

    assert_eq!(world.store.secret_payload(event_id).await.unwrap(), None);
    assert_eq!(world.store.event(Scope::All, event_id).await.unwrap().unwrap().event.payload, shown);
}

pub(super) async fn an_event_that_is_kept_only_when_wanted_is_stored_only_then(world: World) {
    let (wanting, indifferent) = (world.client().await, world.client().await);
    world.webhook(wanting).await;
    let mut events = vec![world.new_event(wanting), secretive(&world, indifferent), world.new_event(indifferent)];
    for new in &mut events[..2] {
        new.kept_unwanted = false;
    }
    let ids: Vec<_> = events.iter().map(|new| new.event.id).collect();

    let enqueued = world.store.enqueue(events).await.unwrap();

    assert_eq!(enqueued.iter().map(|enqueued| enqueued.event_id).collect::<Vec<_>>(), ids);
    assert_eq!(enqueued.iter().map(|enqueued| enqueued.delivery_ids.len()).collect::<Vec<_>>(), [1, 0, 0]);
    let mut kept = Vec::new();
    for id in ids {
        kept.push(world.store.event(Scope::All, id).await.unwrap().is_some());
    }
    assert_eq!(kept, [true, false, true]);
}
