//! The keys that sign a webhook's requests: kept with it, encrypted, and changed by nobody else's change.

use std::time::Duration;

use webhook_dispatcher::domain::ids::{SigningKeyId, WebhookId};
use webhook_dispatcher::domain::signature::{Scheme, SigningKey, SigningKeys, SigningSecret};
use webhook_dispatcher::domain::time::Timestamp;
use webhook_dispatcher::domain::webhook::Webhook;
use webhook_dispatcher::store::records::{PublicKey, Scope, SigningRotation};
use webhook_dispatcher::store::signal::Signal;

use super::webhooks::{full_definition, stored};
use super::world::{World, at, heard};
use crate::support::keys::{self, KEY, NEW_KEY};

const HOUR: Duration = Duration::from_hours(1);

fn key(world: &World, scheme: Scheme, number: u8, created_at: Timestamp) -> SigningKey {
    let secret = SigningSecret::new(scheme, &[number; 32]).unwrap();
    SigningKey { id: world.ids.next(created_at), secret, created_at, valid_until: None }
}

/// Gives the webhook a new key at so many seconds; answers the key's id.
async fn rotate(world: &World, id: WebhookId, scheme: Scheme, number: u8, seconds: i64) -> SigningKeyId {
    let key = key(world, scheme, number, at(seconds));
    let key_id = key.id;
    let rotated = world.store.rotate_signing_key(Scope::All, id, key, HOUR, at(seconds), None).await.unwrap();
    assert!(matches!(rotated, SigningRotation::Rotated { .. }));
    key_id
}

/// Everything of a webhook's keys.
async fn keys_of(world: &World, id: WebhookId) -> Vec<(SigningKeyId, Scheme, u8, Timestamp, Option<Timestamp>)> {
    let webhook = stored(world, id).await;
    let all = webhook.signing_keys.all().iter();
    all.map(|key| (key.id, key.secret.scheme(), key.secret.expose()[0], key.created_at, key.valid_until)).collect()
}

async fn public(world: &World, id: Option<SigningKeyId>, seconds: i64) -> Vec<SigningKeyId> {
    let found = world.store.public_keys(id, at(seconds), 10).await.unwrap();
    found.into_iter().map(|key| key.id).collect()
}

pub(super) async fn a_new_key_is_the_first_and_those_before_it_end(world: World) {
    let client = world.client().await;
    let id = world.webhook(client).await;
    let mut signals = world.store.signals();

    let first = rotate(&world, id, Scheme::HmacSha256, 1, 1_000).await;
    let second = rotate(&world, id, Scheme::Ed25519, 2, 2_000).await;

    let expected = [(second, Scheme::Ed25519, 2, at(2_000), None), (first, Scheme::HmacSha256, 1, at(1_000), Some(at(2_000) + HOUR))];
    assert_eq!(keys_of(&world, id).await, expected);
    let webhook = stored(&world, id).await;
    assert_eq!((webhook.version, webhook.updated_at), (3, at(2_000)));
    assert_eq!(heard(&mut signals), vec![Signal::WebhookChanged(id); 2]);
}

pub(super) async fn the_end_of_the_keys_before_is_told(world: World) {
    let client = world.client().await;
    let id = world.webhook(client).await;
    let rotated = async |number: u8, seconds: i64, overlap: Duration| {
        let key = key(&world, Scheme::HmacSha256, number, at(seconds));
        world.store.rotate_signing_key(Scope::Client(client), id, key, overlap, at(seconds), None).await.unwrap()
    };
    let until = |previous_valid_until| SigningRotation::Rotated { previous_valid_until };

    assert_eq!(rotated(1, 0, HOUR).await, until(None));
    assert_eq!(rotated(2, 10, HOUR).await, until(Some(at(10) + HOUR)));
    assert_eq!(rotated(3, 20, Duration::ZERO).await, until(None));
    for number in 4..8 {
        rotated(number, 30, HOUR).await;
    }
    assert_eq!(rotated(8, 30, HOUR).await, SigningRotation::TooManyKeys);
    assert_eq!(keys_of(&world, id).await[0].2, 7);
}

pub(super) async fn a_key_needs_a_living_webhook_in_the_scope(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let (id, deleted) = (world.webhook(client).await, world.webhook(client).await);
    world.store.delete_webhook(Scope::All, deleted, at(40), None).await.unwrap();

    for (scope, id) in [(Scope::Client(stranger), id), (Scope::All, deleted), (Scope::All, world.ids.next(at(1)))] {
        let key = key(&world, Scheme::Ed25519, 1, at(50));
        assert_eq!(world.store.rotate_signing_key(scope, id, key, HOUR, at(50), None).await.unwrap(), SigningRotation::NotFound);
    }
    assert_eq!(keys_of(&world, id).await, []);
    assert_eq!(public(&world, None, 60).await, []);
}

pub(super) async fn a_change_of_the_definition_keeps_the_keys(world: World) {
    let client = world.client().await;
    let id = world.webhook(client).await;
    rotate(&world, id, Scheme::HmacSha256, 1, 10).await;
    let before = keys_of(&world, id).await;

    let read = stored(&world, id).await;
    world
        .store
        .update_webhook(Webhook { definition: full_definition(), signing_keys: SigningKeys::default(), ..read }, None, None)
        .await
        .unwrap();

    assert_eq!(keys_of(&world, id).await, before);
}

pub(super) async fn public_keys_are_shown_while_they_sign(world: World) {
    let client = world.client().await;
    let (one, other) = (world.webhook(client).await, world.webhook(client).await);
    rotate(&world, one, Scheme::HmacSha256, 1, 10).await;
    let old = rotate(&world, one, Scheme::Ed25519, 2, 20).await;
    let deleted = rotate(&world, other, Scheme::Ed25519, 3, 25).await;
    let new = rotate(&world, one, Scheme::Ed25519, 4, 30).await;
    let ended = 30 + 3_600;

    assert_eq!(public(&world, None, 40).await, [new, deleted, old]);
    assert_eq!(public(&world, Some(old), ended - 1).await, [old]);
    assert_eq!(public(&world, Some(old), ended).await, []);
    assert_eq!(public(&world, None, ended).await, [new, deleted]);
    assert_eq!(world.store.public_keys(None, at(40), 1).await.unwrap().len(), 1);
    let expected = SigningSecret::new(Scheme::Ed25519, &[4; 32]).unwrap().public_key().unwrap();
    assert_eq!(world.store.public_keys(Some(new), at(40), 9).await.unwrap(), [PublicKey { id: new, ed25519: expected }]);
    world.store.delete_webhook(Scope::All, other, at(50), None).await.unwrap();
    assert_eq!(public(&world, None, 60).await, [new, old]);
    assert_eq!(public(&world, Some(deleted), 60).await, []);
}

pub(super) async fn signing_keys_are_encrypted_and_encrypted_anew(mut world: World) {
    let client = world.client().await;
    let id = world.webhook(client).await;
    rotate(&world, id, Scheme::HmacSha256, b's', 10).await;
    let before = keys_of(&world, id).await;
    let used = |world: &World| {
        let store = std::sync::Arc::clone(&world.store);
        async move { store.keys_in_use().await.unwrap().iter().map(|used| (used.key.to_string(), used.rows)).collect::<Vec<_>>() }
    };

    let stolen = world.database.stolen().await;
    // Neither as bytes nor as the list of numbers that is written.
    assert!(!stolen.windows(32).any(|part| part == [b's'; 32]) && !stolen.windows(11).any(|part| part == b"115,115,115"));
    assert_eq!(used(&world).await, [(keys::id(KEY), 1)]);
    assert!(world.reopen_with(&[NEW_KEY]).await.is_err());
    world.reopen_with(&[NEW_KEY, KEY]).await.unwrap();
    assert_eq!((world.store.reseal(10).await.unwrap(), world.store.reseal(10).await.unwrap()), (1, 0));
    world.reopen_with(&[NEW_KEY]).await.unwrap();

    assert_eq!(used(&world).await, [(keys::id(NEW_KEY), 1)]);
    assert_eq!(keys_of(&world, id).await, before);
}
