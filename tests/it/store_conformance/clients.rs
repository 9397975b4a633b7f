//! Clients, their keys, and the root keys.

use std::sync::Arc;

use webhook_dispatcher::domain::client::{ApiKey, KeyHash, Role};
use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::ids::ApiKeyId;
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::store::StoreError;
use webhook_dispatcher::store::records::{AuditFilter, KeyDeletion, Page, Scope};

use super::world::{World, at};

pub(super) async fn a_client_comes_back_as_it_went_in(world: World) {
    let client = world.new_client();

    world.store.insert_client(client.clone(), None).await.unwrap();

    assert_eq!(world.store.client(client.id).await.unwrap(), Some(client.clone()));
    assert_eq!(world.store.client(world.new_client().id).await.unwrap(), None);
    let again = world.store.insert_client(client, None).await.unwrap_err();
    assert!(matches!(again, StoreError::Conflict { .. }), "{again:?}");
}

pub(super) async fn clients_are_listed_newest_first(world: World) {
    let mut made = Vec::new();
    for _ in 0..4 {
        made.push(world.client().await);
    }
    world.store.delete_client(made.remove(1), at(50), None).await.unwrap();
    let list = async |limit, before| {
        let clients = world.store.clients(Page { limit, before }).await.unwrap();
        clients.into_iter().map(|client| client.id).collect::<Vec<_>>()
    };

    assert_eq!(list(9, None).await, [made[2], made[1], made[0]]);
    assert_eq!(list(1, Some(made[2])).await, [made[1]]);
}

pub(super) async fn a_deleted_client_loses_its_keys_and_webhooks(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let (webhook, foreign_webhook) = (world.webhook(client).await, world.webhook(stranger).await);
    let (delivery, foreign_delivery) = (world.delivery(client).await, world.delivery(stranger).await);
    let (key, foreign_key) = (world.new_key(Role::Admin, Some(client)), world.new_key(Role::Admin, Some(stranger)));
    for key in [&key, &foreign_key] {
        assert!(world.store.insert_api_key(key.clone(), None).await.unwrap());
    }

    assert!(world.store.delete_client(client, at(500), None).await.unwrap());

    assert_eq!(world.store.client(client).await.unwrap(), None);
    assert_eq!(world.store.api_key(key.hash).await.unwrap(), None);
    assert!(world.store.webhook(Scope::All, webhook).await.unwrap().is_none());
    let shown = world.shown(delivery).await;
    assert_eq!((shown.state, shown.finished_at), (DeliveryState::Cancelled, Some(at(500))));
    assert!(world.store.client(stranger).await.unwrap().is_some());
    assert_eq!(world.store.api_key(foreign_key.hash).await.unwrap(), Some(foreign_key));
    assert!(world.store.webhook(Scope::All, foreign_webhook).await.unwrap().is_some());
    assert_eq!(world.state(foreign_delivery).await, DeliveryState::Pending);
    assert!(!world.store.delete_client(client, at(501), None).await.unwrap());
}

pub(super) async fn an_api_key_comes_back_as_it_went_in(world: World) {
    let client = world.client().await;
    let mut keys: Vec<ApiKey> =
        [Role::Admin, Role::Producer, Role::Operator, Role::Viewer].map(|role| world.new_key(role, Some(client))).into();
    keys.push(world.new_key(Role::Root, None));
    keys[1].name = None;
    keys[2].expires_at = Some(at(7_000));
    keys[3].last_used_at = Some(at(8_000));
    (keys[4].expires_at, keys[4].last_used_at) = (Some(at(9_000)), Some(at(9_500)));

    for key in keys {
        assert!(world.store.insert_api_key(key.clone(), None).await.unwrap());
        assert_eq!(world.store.api_key(key.hash).await.unwrap(), Some(key));
    }
    assert_eq!(world.store.api_key(KeyHash::of("unknown")).await.unwrap(), None);
}

pub(super) async fn a_key_needs_a_living_client(world: World) {
    let deleted = world.client().await;
    world.store.delete_client(deleted, at(40), None).await.unwrap();

    for client in [deleted, world.new_client().id] {
        let key = world.new_key(Role::Admin, Some(client));

        assert!(!world.store.insert_api_key(key.clone(), None).await.unwrap());
        assert_eq!(world.store.api_key(key.hash).await.unwrap(), None);
    }
}

pub(super) async fn a_hash_opens_one_key(world: World) {
    let client = world.client().await;
    let first = world.new_key(Role::Viewer, Some(client));
    world.store.insert_api_key(first.clone(), None).await.unwrap();
    let second = ApiKey { hash: first.hash, ..world.new_key(Role::Admin, Some(client)) };

    let refused = world.store.insert_api_key(second, None).await.unwrap_err();

    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused:?}");
    assert_eq!(world.store.api_key(first.hash).await.unwrap(), Some(first));
}

/// A root key and two keys of two clients, in the order they were made.
async fn three_keys(world: &World) -> [ApiKey; 3] {
    let (client, stranger) = (world.client().await, world.client().await);
    let keys = [world.new_key(Role::Root, None), world.new_key(Role::Admin, Some(client)), world.new_key(Role::Viewer, Some(stranger))];
    for key in &keys {
        world.store.insert_api_key(key.clone(), None).await.unwrap();
    }
    keys
}

fn scope_of(key: &ApiKey) -> Scope {
    Scope::Client(key.client_id.unwrap())
}

pub(super) async fn keys_are_listed_within_their_scope(world: World) {
    let [root, own, foreign] = three_keys(&world).await;
    let list = async |scope, limit, before| world.store.api_keys(scope, Page { limit, before }).await.unwrap();

    assert_eq!(list(Scope::All, 9, None).await, [foreign.clone(), own.clone(), root.clone()]);
    assert_eq!(list(Scope::All, 1, Some(own.id)).await, [root]);
    assert_eq!(list(scope_of(&own), 9, None).await, std::slice::from_ref(&own));
    assert_eq!(list(scope_of(&foreign), 9, Some(foreign.id)).await, []);
}

pub(super) async fn keys_are_deleted_within_their_scope(world: World) {
    let [root, own, foreign] = three_keys(&world).await;
    let delete = async |scope, id| world.store.delete_api_key(scope, id, None).await.unwrap();

    assert_eq!(delete(scope_of(&own), foreign.id).await, KeyDeletion::NotFound);
    assert_eq!(delete(scope_of(&own), root.id).await, KeyDeletion::NotFound);
    assert_eq!(delete(Scope::All, world.ids.next(at(1))).await, KeyDeletion::NotFound);
    assert!(world.store.api_key(foreign.hash).await.unwrap().is_some());

    assert_eq!(delete(scope_of(&own), own.id).await, KeyDeletion::Deleted);
    assert_eq!(delete(Scope::All, foreign.id).await, KeyDeletion::Deleted);
    assert_eq!(delete(Scope::All, foreign.id).await, KeyDeletion::NotFound);
    assert_eq!(world.store.api_key(own.hash).await.unwrap(), None);
}

pub(super) async fn the_last_root_key_stays(world: World) {
    let [first, ..] = three_keys(&world).await;
    let second = world.new_key(Role::Root, None);
    assert_eq!(world.store.delete_api_key(Scope::All, first.id, None).await.unwrap(), KeyDeletion::LastRootKey);
    assert!(world.store.insert_api_key(second.clone(), None).await.unwrap());

    assert_eq!(world.store.delete_api_key(Scope::All, first.id, None).await.unwrap(), KeyDeletion::Deleted);
    assert_eq!(world.store.delete_api_key(Scope::All, second.id, None).await.unwrap(), KeyDeletion::LastRootKey);

    assert_eq!(world.store.api_key(second.hash).await.unwrap(), Some(second));
}

pub(super) async fn the_last_root_key_that_does_not_expire_stays(world: World) {
    let lasting = world.new_key(Role::Root, None);
    let expiring = ApiKey { expires_at: Some(at(5_000)), ..world.new_key(Role::Root, None) };
    let refused = world.store.insert_first_root_key(expiring.clone()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused:?}");
    assert!(world.store.insert_api_key(expiring.clone(), None).await.unwrap());

    assert!(world.store.insert_first_root_key(lasting.clone()).await.unwrap());

    assert_eq!(world.store.delete_api_key(Scope::All, lasting.id, None).await.unwrap(), KeyDeletion::LastRootKey);
    assert_eq!(world.store.delete_api_key(Scope::All, expiring.id, None).await.unwrap(), KeyDeletion::Deleted);
    assert_eq!(world.store.delete_api_key(Scope::All, lasting.id, None).await.unwrap(), KeyDeletion::LastRootKey);
}

pub(super) async fn the_latest_use_of_a_key_is_noted_and_nothing_else_changes(world: World) {
    let [first, second, third] = three_keys(&world).await;
    let used = async |uses: Vec<(ApiKeyId, Timestamp)>| world.store.note_key_uses(uses).await.unwrap();

    used(vec![(first.id, at(600)), (third.id, at(620)), (first.id, at(660))]).await;
    used(vec![(third.id, at(610)), (world.ids.next(at(1)), at(900)), (first.id, at(720))]).await;
    used(Vec::new()).await;

    let noted = async |key: &ApiKey| world.store.api_key(key.hash).await.unwrap();
    assert_eq!(noted(&first).await, Some(ApiKey { last_used_at: Some(at(720)), ..first }));
    assert_eq!(noted(&second).await, Some(second));
    assert_eq!(noted(&third).await, Some(ApiKey { last_used_at: Some(at(620)), ..third }));
    let entries = world.store.audit_entries(AuditFilter::all(Scope::All), Page { limit: 9, before: None }).await.unwrap();
    assert!(entries.is_empty());
}

pub(super) async fn uses_that_many_note_at_once_hold_up_nobody(world: World) {
    let keys = three_keys(&world).await;
    let world = Arc::new(world);
    let noting: Vec<_> = (0..8_usize)
        .map(|caller| {
            let (world, mut ids) = (Arc::clone(&world), keys.each_ref().map(|key| key.id));
            ids.rotate_left(caller % 3);
            tokio::spawn(async move {
                for round in 0..20 {
                    world.store.note_key_uses(ids.map(|id| (id, at(1_000 + round))).to_vec()).await.unwrap();
                }
            })
        })
        .collect();

    for caller in noting {
        caller.await.unwrap();
    }

    for key in keys {
        world.store.note_key_uses(vec![(key.id, at(1_020))]).await.unwrap();
        assert_eq!(world.store.api_key(key.hash).await.unwrap().unwrap().last_used_at, Some(at(1_020)));
    }
}

pub(super) async fn of_many_first_root_keys_one_is_stored(world: World) {
    let client = world.client().await;
    world.store.insert_api_key(world.new_key(Role::Admin, Some(client)), None).await.unwrap();
    let world = Arc::new(world);
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.store.insert_first_root_key(world.new_key(Role::Root, None)).await.unwrap() })
        })
        .collect();

    let mut stored = 0;
    for caller in callers {
        stored += u32::from(caller.await.unwrap());
    }

    assert_eq!(stored, 1);
    let keys = world.store.api_keys(Scope::All, Page { limit: 99, before: None }).await.unwrap();
    assert_eq!(keys.iter().filter(|key| key.role == Role::Root).count(), 1);
}
