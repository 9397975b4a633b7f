//! Secrets at rest: encrypted, bound to their row, encrypted anew under a new key, and refused without the one they need.

use secrecy::ExposeSecret;
use webhook_dispatcher::domain::ids::WebhookId;
use webhook_dispatcher::domain::webhook::Webhook;
use webhook_dispatcher::store::StoreError;
use webhook_dispatcher::store::records::{KeyUse, Scope};

use super::webhooks::{full_definition, spelled, stored};
use super::world::{World, at};
use crate::support::keys::{self, KEY, NEW_KEY};
use crate::support::tls::one_client;

/// What [`full_definition`] holds of secrets.
const SECRETS: [&str; 3] = ["hush", "fixed secret", "X-Zeta"];

async fn full_webhook(world: &World) -> WebhookId {
    let client = world.client().await;
    world.webhook_with(client, |webhook| webhook.definition = full_definition()).await
}

/// Under which key so many rows are, in the order of the keys' names.
async fn in_use(world: &World) -> Vec<(String, u64)> {
    let used = world.store.keys_in_use().await.unwrap();
    let mut used: Vec<_> = used.into_iter().map(|KeyUse { key, rows }| (key.to_string(), rows)).collect();
    used.sort();
    used
}

fn holds(stolen: &[u8], secret: &str) -> bool {
    stolen.windows(secret.len()).any(|part| part == secret.as_bytes())
}

pub(super) async fn what_is_kept_of_secrets_cannot_be_read_without_the_key(world: World) {
    let id = full_webhook(&world).await;

    let stolen = world.database.stolen().await;

    assert!(holds(&stolen, "receiver.example"), "the row is there");
    for secret in SECRETS {
        assert!(!holds(&stolen, secret), "{secret}");
    }
    let certificate = one_client();
    for text in [certificate.chain(), certificate.key().expose_secret()] {
        assert!(!holds(&stolen, text.lines().nth(1).unwrap()), "neither a certificate nor its key");
    }
    assert_eq!(in_use(&world).await, [(keys::id(KEY), 1)]);
    assert!(stored(&world, id).await.definition.headers.is_some());
}

pub(super) async fn a_webhook_without_secrets_needs_no_key(mut world: World) {
    let client = world.client().await;
    let id = world.webhook(client).await;
    let deleted = full_webhook(&world).await;
    world.store.delete_webhook(Scope::All, deleted, at(40), None).await.unwrap();

    world.reopen_with(&[NEW_KEY]).await.unwrap();

    assert_eq!(in_use(&world).await, []);
    assert!(stored(&world, id).await.definition.headers.is_none());
}

pub(super) async fn secrets_that_were_moved_to_another_row_are_not_read(world: World) {
    let (first, second) = (full_webhook(&world).await, full_webhook(&world).await);
    let before = spelled(&stored(&world, second).await);

    // The oldest row gets what the newest holds.
    world
        .database
        .execute("update webhook set secrets = (select secrets from webhook order by id desc limit 1) where secrets is not null")
        .await;

    let refused = world.store.webhook(Scope::All, first).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Sealed { table: "webhook", id, .. } if *id == first.to_string()), "{refused:?}");
    assert_eq!(spelled(&stored(&world, second).await), before);
}

pub(super) async fn secrets_are_encrypted_anew_in_steps_and_nobody_notices(mut world: World) {
    let mut before = Vec::new();
    for _ in 0..5 {
        let id = full_webhook(&world).await;
        before.push(spelled(&stored(&world, id).await));
    }
    world.reopen_with(&[NEW_KEY, KEY]).await.unwrap();
    let mut signals = world.store.signals();

    let mut steps = Vec::new();
    while let resealed @ 1.. = world.store.reseal(2).await.unwrap() {
        steps.push((resealed, in_use(&world).await.into_iter().find(|(key, _)| *key == keys::id(NEW_KEY)).unwrap().1));
    }

    assert_eq!(steps, [(2, 2), (2, 4), (1, 5)]);
    assert_eq!(in_use(&world).await, [(keys::id(NEW_KEY), 5)]);
    assert!(signals.try_recv().is_err());
    world.reopen_with(&[NEW_KEY]).await.unwrap();
    let page = webhook_dispatcher::store::records::Page { limit: 9, before: None };
    let after: Vec<String> = world.store.webhooks(Scope::All, page).await.unwrap().iter().rev().map(spelled).collect();
    assert_eq!(after, before);
}

pub(super) async fn encrypting_anew_that_was_cut_short_goes_on_where_it_was(mut world: World) {
    for _ in 0..3 {
        full_webhook(&world).await;
    }
    world.reopen_with(&[NEW_KEY, KEY]).await.unwrap();
    world.store.reseal(1).await.unwrap();

    let without_old = world.reopen_with(&[NEW_KEY]).await.unwrap_err();
    world.reopen_with(&[NEW_KEY, KEY]).await.unwrap();
    assert_eq!(world.store.reseal(100).await.unwrap(), 2);
    let without_old_again = world.reopen_with(&[NEW_KEY]).await;

    assert!(without_old.contains(&format!("2 rows of the database need the key {}", keys::id(KEY))), "{without_old}");
    assert_eq!(without_old_again, Ok(()));
}

pub(super) async fn a_change_comes_under_the_newest_key(mut world: World) {
    let id = full_webhook(&world).await;
    full_webhook(&world).await;
    world.reopen_with(&[NEW_KEY, KEY]).await.unwrap();
    let read = stored(&world, id).await;

    world.store.update_webhook(Webhook { definition: full_definition(), ..read }, None, None).await.unwrap();

    let mut expected = [(keys::id(NEW_KEY), 1), (keys::id(KEY), 1)];
    expected.sort();
    assert_eq!(in_use(&world).await, expected);
}

pub(super) async fn a_store_that_needs_an_unknown_key_is_not_opened(mut world: World) {
    full_webhook(&world).await;

    let refused = world.reopen_with(&[NEW_KEY]).await.unwrap_err();

    let told = format!("1 row of the database needs the key {}, which is not among the given ones", keys::id(KEY));
    assert!(refused.starts_with(&told), "{refused}");
    assert!(!refused.contains(KEY) && !refused.contains(NEW_KEY));
}
