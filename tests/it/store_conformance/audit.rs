//! What people change leaves an entry that says who, what and from where; nobody alters it afterwards.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;
use webhook_dispatcher::domain::audit::{Action, Actor, AuditEntry, ObjectKind};
use webhook_dispatcher::domain::catalog::{CatalogKey, ClientCatalog};
use webhook_dispatcher::domain::client::Role;
use webhook_dispatcher::domain::ids::{AuditEntryId, ClientId};
use webhook_dispatcher::domain::signature::{RsaAlgorithm, RsaSecret, Scheme, SigningKey, SigningSecret};
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::domain::webhook::WebhookState;
use webhook_dispatcher::store::records::{AuditFilter, DeliveryChange, KeyDeletion, Page, RetentionStep, Scope, WebhookWrite};

use super::world::{World, at};

fn admin(world: &World, client: ClientId, seconds: i64) -> Actor {
    let remote_address = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, world.number().to_le_bytes()[0])));
    Actor { key_id: world.ids.next(at(0)), role: Role::Admin, client_id: Some(client), remote_address, at: at(seconds) }
}

fn root(world: &World, seconds: i64) -> Actor {
    Actor { key_id: world.ids.next(at(0)), role: Role::Root, client_id: None, remote_address: None, at: at(seconds) }
}

async fn list(world: &World, filter: AuditFilter) -> Vec<AuditEntry> {
    world.store.audit_entries(filter, Page { limit: 100, before: None }).await.unwrap()
}

async fn all(world: &World) -> Vec<AuditEntry> {
    list(world, AuditFilter::all(Scope::All)).await
}

/// What was done to what, newest first.
async fn story(world: &World) -> Vec<(Action, ObjectKind, Uuid)> {
    all(world).await.into_iter().map(|entry| (entry.change.action, entry.change.kind, entry.change.object_id)).collect()
}

pub(super) async fn an_entry_says_who_changed_what_and_from_where(world: World) {
    let client = world.client().await;
    let webhook = world.new_webhook(client);
    let by = admin(&world, client, 500);

    assert_eq!(world.store.insert_webhook(webhook.clone(), None, Some(by)).await.unwrap(), WebhookWrite::Stored);

    let [entry] = <[AuditEntry; 1]>::try_from(all(&world).await).unwrap();
    assert_eq!(entry.actor, by);
    let change = entry.change;
    assert_eq!((change.action, change.kind), (Action::Create, ObjectKind::Webhook));
    assert_eq!((change.object_id, change.client_id, change.before), (webhook.id.as_uuid(), Some(client), None));
    assert_eq!(change.after.unwrap()["name"], json!(webhook.definition.name));
}

pub(super) async fn every_change_of_a_webhook_leaves_its_entry(world: World) {
    let client = world.client().await;
    let mut webhook = world.new_webhook(client);
    let (scope, id) = (Scope::Client(client), webhook.id);
    let by = |seconds| Some(admin(&world, client, seconds));

    world.store.insert_webhook(webhook.clone(), None, by(501)).await.unwrap();
    let old_name = webhook.definition.name.clone();
    webhook.definition.name = "renamed\0".to_owned();
    world.store.update_webhook(webhook, None, by(502)).await.unwrap();
    world.store.set_webhook_state(scope, id, WebhookState::Paused, at(503), by(503)).await.unwrap();
    world.store.set_webhook_state(scope, id, WebhookState::Active, at(504), by(504)).await.unwrap();
    world.store.delete_webhook(scope, id, at(505), by(505)).await.unwrap();

    let expected = [Action::Delete, Action::Resume, Action::Pause, Action::Update, Action::Create];
    assert_eq!(story(&world).await, expected.map(|action| (action, ObjectKind::Webhook, id.as_uuid())));
    let entries = all(&world).await;
    let told = |index: usize| (entries[index].change.before.clone().map(Value::from), entries[index].change.after.clone().map(Value::from));
    assert_eq!(told(2), (Some(json!({"state": "active"})), Some(json!({"state": "paused"}))));
    assert_eq!(told(3), (Some(json!({"name": old_name})), Some(json!({"name": "renamed\0"}))));
    assert_eq!(told(0).1, None);
}

pub(super) async fn what_changes_nothing_leaves_no_entry(world: World) {
    let client = world.client().await;
    let (webhook, other) = (world.new_webhook(client), world.client().await);
    let id = webhook.id;
    world.store.insert_webhook(webhook.clone(), None, None).await.unwrap();
    let by = Some(admin(&world, client, 500));
    let delivery = world.delivery(client).await;

    assert_eq!(world.store.update_webhook(webhook.clone(), None, by).await.unwrap(), WebhookWrite::Stored);
    assert_eq!(world.store.update_webhook(webhook, None, by).await.unwrap(), WebhookWrite::Stale);
    assert!(world.store.set_webhook_state(Scope::All, id, WebhookState::Active, at(501), by).await.unwrap());
    assert!(!world.store.set_webhook_state(Scope::Client(other), id, WebhookState::Paused, at(501), by).await.unwrap());
    assert!(!world.store.delete_webhook(Scope::Client(other), id, at(501), by).await.unwrap());
    assert_eq!(world.store.cancel(Scope::Client(other), delivery, at(501), by).await.unwrap(), DeliveryChange::NotFound);
    assert!(!world.store.delete_client(world.ids.next(at(0)), at(501), by).await.unwrap());
    let absent = world.ids.next(at(0));
    assert_eq!(world.store.delete_api_key(Scope::All, absent, by).await.unwrap(), KeyDeletion::NotFound);

    assert_eq!(story(&world).await, []);
}

pub(super) async fn clients_keys_and_deliveries_leave_entries_too(world: World) {
    let client = world.new_client();
    let by = |seconds| Some(root(&world, seconds));
    world.store.insert_client(client.clone(), by(501)).await.unwrap();
    let key = world.new_key(Role::Viewer, Some(client.id));
    assert!(world.store.insert_api_key(key.clone(), by(502)).await.unwrap());
    let webhook = world.webhook(client.id).await;
    let delivery = world.delivery(client.id).await;
    assert_eq!(world.store.cancel(Scope::All, delivery, at(503), by(503)).await.unwrap(), DeliveryChange::Changed);
    assert_eq!(world.store.redeliver(Scope::All, delivery, at(504), by(504)).await.unwrap(), DeliveryChange::Changed);
    assert_eq!(world.store.delete_api_key(Scope::All, key.id, by(505)).await.unwrap(), KeyDeletion::Deleted);
    assert!(world.store.delete_client(client.id, at(506), by(506)).await.unwrap());

    let story = story(&world).await;

    let expected = [
        (Action::Delete, ObjectKind::Client, client.id.as_uuid()),
        (Action::Delete, ObjectKind::Webhook, webhook.as_uuid()),
        (Action::Delete, ObjectKind::ApiKey, key.id.as_uuid()),
        (Action::Redeliver, ObjectKind::Delivery, delivery.as_uuid()),
        (Action::Cancel, ObjectKind::Delivery, delivery.as_uuid()),
        (Action::Create, ObjectKind::ApiKey, key.id.as_uuid()),
        (Action::Create, ObjectKind::Client, client.id.as_uuid()),
    ];
    assert_eq!(story, expected);
}

pub(super) async fn keys_that_sign_and_what_is_settled_for_catalogues_leave_entries_too(world: World) {
    let client = world.client().await;
    let webhook = world.webhook(client).await;
    let by = |seconds| Some(admin(&world, client, seconds));
    let secret = SigningSecret::new(Scheme::HmacSha256, &[7; 32]).unwrap();
    let key = SigningKey { id: world.ids.next(at(501)), secret, created_at: at(501), valid_until: None };
    world.store.rotate_signing_key(Scope::All, webhook, key, Duration::ZERO, at(501), by(501)).await.unwrap();
    let mut settled = ClientCatalog::new(world.ids.next(at(502)), client, "grafeno".parse().unwrap(), at(502));
    settled.settings.insert("tenant".to_owned(), json!("acme"));
    world.store.settle_catalog(settled.clone(), by(502)).await.unwrap();
    settled.version = 1;
    let secret = RsaSecret::generate().unwrap();
    let algorithm = RsaAlgorithm::Pkcs1Sha256;
    settled.add_key(CatalogKey { id: world.ids.next(at(503)), algorithm, secret, created_at: at(503) });
    world.store.settle_catalog(settled.clone(), by(503)).await.unwrap();
    settled.version = 2;
    world.store.settle_catalog(settled.clone(), by(504)).await.unwrap();

    let catalog = settled.id.as_uuid();
    let expected = [
        (Action::RotateSecret, ObjectKind::Catalog, catalog),
        (Action::Update, ObjectKind::Catalog, catalog),
        (Action::RotateSecret, ObjectKind::Webhook, webhook.as_uuid()),
    ];
    assert_eq!(story(&world).await, expected);
}

pub(super) async fn entries_are_found_by_scope_object_and_time_in_pages(world: World) {
    let (acme, other) = (world.client().await, world.client().await);
    let mut made = Vec::new();
    for (client, seconds) in [(acme, 501), (other, 502), (acme, 503)] {
        let webhook = world.new_webhook(client);
        made.push(webhook.id.as_uuid());
        world.store.insert_webhook(webhook, None, Some(root(&world, seconds))).await.unwrap();
    }
    let found =
        async |filter: AuditFilter| -> Vec<Uuid> { list(&world, filter).await.iter().map(|entry| entry.change.object_id).collect() };
    let everything = AuditFilter::all(Scope::All);

    assert_eq!(found(everything.clone()).await, [made[2], made[1], made[0]]);
    assert_eq!(found(AuditFilter::all(Scope::Client(acme))).await, [made[2], made[0]]);
    assert_eq!(found(AuditFilter { object_id: Some(made[1]), ..everything.clone() }).await, [made[1]]);
    assert_eq!(found(AuditFilter { object_id: Some(made[1]), ..AuditFilter::all(Scope::Client(acme)) }).await, Vec::<Uuid>::new());
    assert_eq!(found(AuditFilter { from: Some(at(502)), to: Some(at(503)), ..everything.clone() }).await, [made[1]]);
    let before: Option<AuditEntryId> = Some(all(&world).await[0].id);
    let page = world.store.audit_entries(everything, Page { limit: 1, before }).await.unwrap();
    assert_eq!(page.iter().map(|entry| entry.change.object_id).collect::<Vec<_>>(), [made[1]]);
}

/// Removes entries from before then, one at a time.
fn expired_before(audit_before: Timestamp) -> RetentionStep {
    let far = at(400);
    RetentionStep {
        finished_before: far,
        dead_letters_before: far,
        idempotency_before: far,
        statistics_before: far,
        audit_before,
        limit: 1,
    }
}

pub(super) async fn the_database_refuses_to_alter_entries(world: World) {
    let client = world.client().await;
    world.store.insert_webhook(world.new_webhook(client), None, Some(admin(&world, client, 500))).await.unwrap();
    world.store.remove_expired(expired_before(at(400))).await.unwrap();
    let before = all(&world).await;

    let set_back = ["update audit_kept set since = '5'", "update audit_kept set since = '-infinity'"];
    let remove = ["delete from audit_entry", "delete from audit_kept", "truncate audit_entry", "truncate audit_kept"];
    for sql in ["update audit_entry set role = 'viewer'"].iter().chain(&remove).chain(&set_back) {
        assert!(!world.database.allows(sql).await, "{sql}");
    }

    assert_eq!(all(&world).await, before);
}

pub(super) async fn entries_go_by_their_age_alone_oldest_first(world: World) {
    let client = world.client().await;
    for seconds in [501, 502, 503] {
        world.store.insert_webhook(world.new_webhook(client), None, Some(admin(&world, client, seconds))).await.unwrap();
    }
    let step = expired_before(at(503));
    let left = async || all(&world).await.iter().map(|entry| entry.actor.at).collect::<Vec<_>>();

    assert_eq!(world.store.remove_expired(step).await.unwrap().audit_entries, 1);
    assert_eq!(left().await, [at(503), at(502)]);
    assert_eq!(world.store.remove_expired(step).await.unwrap().audit_entries, 1);
    assert_eq!(world.store.remove_expired(step).await.unwrap().audit_entries, 0);
    assert_eq!(left().await, [at(503)]);
}
