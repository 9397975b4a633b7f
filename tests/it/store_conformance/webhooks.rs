//! Webhook definitions: what goes in comes out, and nobody overwrites what he did not read.

use std::time::Duration;

use futures_util::future::join_all;
use secrecy::ExposeSecret;
use serde_json::json;
use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::headers::Headers;
use webhook_dispatcher::domain::ids::ClientId;
use webhook_dispatcher::domain::method::Method;
use webhook_dispatcher::domain::rate_limit::RateLimit;
use webhook_dispatcher::domain::retry::RetryPolicy;
use webhook_dispatcher::domain::target_url::LoginUrl;
use webhook_dispatcher::domain::webhook::{
    AuthorizationFields, DOCUMENT_FINISHED, DeliverySettings, DisableReason, SecretObject, Webhook, WebhookDefinition, WebhookState,
};
use webhook_dispatcher::store::records::{Page, Scope, WebhookWrite};

use super::world::{World, at, event_type, url};
use crate::support::tls::one_client;

/// A definition that leaves nothing open.
pub(super) fn full_definition() -> WebhookDefinition {
    let headers =
        |name: &str| Headers::check([(name.to_owned(), "first".to_owned()), ("X-Api-Key".to_owned(), "hush".to_owned())]).unwrap();
    WebhookDefinition {
        name: "Ünïcode 'name'".to_owned(),
        type_code: Some(DOCUMENT_FINISHED),
        events: vec![event_type("zeta"), event_type("alpha"), event_type("document.finished")],
        catalog: Some("senior-bpm".parse().unwrap()),
        method: Method::Put,
        headers: Some(headers("X-Zeta")),
        url: url("https://receiver.example/a/:id?b=:id"),
        authorization: AuthorizationFields {
            header_auth: Some("Token".to_owned()),
            fixed: Some("fixed secret".into()),
            url: Some(LoginUrl::parse("http://login.example/token").unwrap()),
            method: Some(Method::Get),
            headers: Some(headers("Content-Type")),
            body: Some(SecretObject::new(json!({ "zeta": "hush", "alpha": [1, null, 0.5] }).as_object().unwrap().clone())),
            response_token_attr: Some("data.token".to_owned()),
            client_certificate: Some(one_client()),
        },
        delivery: DeliverySettings {
            retry: Some(RetryPolicy::new([7, 70].map(Duration::from_secs).to_vec(), 0.25).unwrap()),
            timeout: Some(Duration::from_millis(12_345)),
            max_in_flight: Some(99),
            rate_limit: RateLimit::new(98, 97).ok(),
            http_signature: true,
        },
    }
}

/// Everything of a webhook as text, secrets too.
pub(super) fn spelled(webhook: &Webhook) -> String {
    let definition = &webhook.definition;
    let values = |headers: &Option<Headers>| {
        headers.as_ref().map(|headers| headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>())
    };
    let authorization = &definition.authorization;
    let fixed = authorization.fixed.as_ref().map(|fixed| fixed.expose_secret().to_owned());
    let body = authorization.body.as_ref().map(|body| serde_json::to_string(body.expose()).unwrap());
    let certificate =
        authorization.client_certificate.as_ref().map(|kept| (kept.chain().to_owned(), kept.key().expose_secret().to_owned()));
    let urls = [Some(definition.url.as_str()), authorization.url.as_ref().map(LoginUrl::as_str)];
    format!(
        "{webhook:#?}\n{urls:?}\n{:?}\n{:?}\n{fixed:?}\n{body:?}\n{certificate:?}",
        values(&definition.headers),
        values(&authorization.headers)
    )
}

pub(super) async fn stored(world: &World, id: webhook_dispatcher::domain::ids::WebhookId) -> Webhook {
    world.store.webhook(Scope::All, id).await.unwrap().unwrap()
}

pub(super) async fn a_full_definition_comes_back_as_it_went_in(world: World) {
    let client = world.client().await;
    let mut webhook = world.new_webhook(client);
    webhook.definition = full_definition();
    webhook.version = 5;
    webhook.state = WebhookState::Disabled(DisableReason::FailingTooLong);

    assert_eq!(world.store.insert_webhook(webhook.clone(), None, None).await.unwrap(), WebhookWrite::Stored);

    assert_eq!(spelled(&stored(&world, webhook.id).await), spelled(&webhook));
}

pub(super) async fn what_a_definition_leaves_open_stays_open(world: World) {
    let client = world.client().await;
    let mut bare = world.new_webhook(client);
    bare.state = WebhookState::Paused;
    let mut empty = world.new_webhook(client);
    empty.definition.headers = Some(Headers::default());
    empty.definition.authorization.header_auth = Some(String::new());
    empty.definition.authorization.body = Some(SecretObject::new(serde_json::Map::new()));
    empty.definition.delivery.retry = Some(RetryPolicy::new(Vec::new(), 0.0).unwrap());

    for webhook in [bare, empty] {
        world.store.insert_webhook(webhook.clone(), None, None).await.unwrap();

        assert_eq!(spelled(&stored(&world, webhook.id).await), spelled(&webhook));
    }
}

pub(super) async fn a_webhook_needs_a_living_client(world: World) {
    let deleted = world.client().await;
    world.store.delete_client(deleted, at(40), None).await.unwrap();

    for client in [deleted, world.new_client().id] {
        let webhook = world.new_webhook(client);

        assert_eq!(world.store.insert_webhook(webhook.clone(), None, None).await.unwrap(), WebhookWrite::NotFound);
        assert!(world.store.webhook(Scope::All, webhook.id).await.unwrap().is_none());
    }
}

/// A webhook in the way of a catalogue.
fn of_catalog(world: &World, client: ClientId, catalog: &str, events: &[&str]) -> Webhook {
    let mut webhook = world.new_webhook(client);
    webhook.definition.catalog = Some(catalog.parse().unwrap());
    webhook.definition.events = events.iter().map(|event| event_type(event)).collect();
    webhook
}

pub(super) async fn a_client_has_only_so_many_webhooks_for_an_event_of_a_catalogue(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let insert = async |webhook: &Webhook| world.store.insert_webhook(webhook.clone(), Some(2), None).await.unwrap();
    let first = of_catalog(&world, client, "senior-bpm", &["alpha", "beta"]);
    let second = of_catalog(&world, client, "senior-bpm", &["beta"]);
    let [elsewhere, foreign] = [of_catalog(&world, client, "sienge", &["beta"]), of_catalog(&world, stranger, "senior-bpm", &["beta"])];
    for webhook in [&first, &second, &elsewhere, &foreign] {
        assert_eq!(insert(webhook).await, WebhookWrite::Stored);
    }

    let full = WebhookWrite::Full(vec![event_type("beta")]);
    let third = of_catalog(&world, client, "senior-bpm", &["alpha", "beta", "gamma"]);
    assert_eq!(insert(&third).await, full);
    assert!(world.store.webhook(Scope::All, third.id).await.unwrap().is_none());
    let beside = of_catalog(&world, client, "senior-bpm", &["alpha"]);
    assert_eq!(insert(&beside).await, WebhookWrite::Stored);
    let update = async |webhook: &Webhook| world.store.update_webhook(webhook.clone(), Some(2), None).await.unwrap();
    assert_eq!(update(&first).await, WebhookWrite::Stored, "a webhook is not in its own way");
    let grown = Webhook { definition: third.definition.clone(), ..beside };
    assert_eq!(update(&grown).await, full);
    assert_eq!(stored(&world, grown.id).await.definition.events, [event_type("alpha")]);

    world.store.delete_webhook(Scope::All, second.id, at(700), None).await.unwrap();
    assert_eq!(update(&grown).await, WebhookWrite::Stored);
}

pub(super) async fn of_webhooks_that_are_stored_at_once_only_so_many_are_taken(world: World) {
    let client = world.client().await;
    let webhooks: Vec<Webhook> = (0..12).map(|_| of_catalog(&world, client, "senior-bpm", &["alpha"])).collect();

    let writes = webhooks.into_iter().map(|webhook| world.store.insert_webhook(webhook, Some(10), None));
    let written: Vec<WebhookWrite> = join_all(writes).await.into_iter().map(Result::unwrap).collect();

    assert_eq!(written.iter().filter(|write| **write == WebhookWrite::Stored).count(), 10);
    assert_eq!(written.iter().filter(|write| matches!(write, WebhookWrite::Full(_))).count(), 2);
}

pub(super) async fn a_client_has_one_webhook_of_a_type_code(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let of_type = |client, code| {
        let mut webhook = world.new_webhook(client);
        webhook.definition.type_code = code;
        webhook
    };
    let first = of_type(client, Some(0));
    let write = async |webhook: Webhook| world.store.insert_webhook(webhook, None, None).await.unwrap();
    assert_eq!(write(first.clone()).await, WebhookWrite::Stored);

    assert_eq!(write(of_type(client, Some(0))).await, WebhookWrite::TypeTaken);
    assert_eq!(write(of_type(client, Some(1))).await, WebhookWrite::Stored);
    assert_eq!(write(of_type(client, None)).await, WebhookWrite::Stored);
    assert_eq!(write(of_type(client, None)).await, WebhookWrite::Stored);
    assert_eq!(write(of_type(stranger, Some(0))).await, WebhookWrite::Stored);

    world.store.delete_webhook(Scope::All, first.id, at(40), None).await.unwrap();
    assert_eq!(write(of_type(client, Some(0))).await, WebhookWrite::Stored);
}

pub(super) async fn an_update_replaces_the_definition_and_nothing_else(world: World) {
    let client = world.client().await;
    let mut webhook = world.new_webhook(client);
    webhook.definition = full_definition();
    webhook.state = WebhookState::Paused;
    world.store.insert_webhook(webhook.clone(), None, None).await.unwrap();

    for definition in [world.new_webhook(client).definition, full_definition()] {
        let before = stored(&world, webhook.id).await;
        let update = Webhook { definition, state: WebhookState::Active, created_at: at(1_234), updated_at: at(2_345), ..before.clone() };

        assert_eq!(world.store.update_webhook(update.clone(), None, None).await.unwrap(), WebhookWrite::Stored);

        let expected = Webhook { version: before.version + 1, state: WebhookState::Paused, created_at: before.created_at, ..update };
        assert_eq!(spelled(&stored(&world, webhook.id).await), spelled(&expected));
    }
}

pub(super) async fn an_update_of_an_old_version_is_stale(world: World) {
    let client = world.client().await;
    let id = world.webhook(client).await;
    let read = stored(&world, id).await;
    world.store.update_webhook(read.clone(), None, None).await.unwrap();
    let after_first = stored(&world, id).await;

    for version in [read.version, after_first.version + 1] {
        let mut update = Webhook { version, ..read.clone() };
        update.definition.name = "overwritten".to_owned();

        assert_eq!(world.store.update_webhook(update, None, None).await.unwrap(), WebhookWrite::Stale);
    }
    assert_eq!(spelled(&stored(&world, id).await), spelled(&after_first));

    world.store.set_webhook_state(Scope::All, id, WebhookState::Paused, at(50), None).await.unwrap();
    assert_eq!(world.store.update_webhook(after_first, None, None).await.unwrap(), WebhookWrite::Stale);
}

pub(super) async fn an_update_needs_the_right_client_and_a_living_webhook(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let id = world.webhook(client).await;
    let read = stored(&world, id).await;

    let foreign = Webhook { client_id: stranger, ..read.clone() };
    assert_eq!(world.store.update_webhook(foreign, None, None).await.unwrap(), WebhookWrite::NotFound);
    assert_eq!(world.store.update_webhook(world.new_webhook(client), None, None).await.unwrap(), WebhookWrite::NotFound);
    assert_eq!(spelled(&stored(&world, id).await), spelled(&read));
    world.store.delete_webhook(Scope::All, id, at(40), None).await.unwrap();
    assert_eq!(world.store.update_webhook(read, None, None).await.unwrap(), WebhookWrite::NotFound);
}

pub(super) async fn an_update_takes_no_type_code_of_another_webhook(world: World) {
    let client = world.client().await;
    world.webhook_with(client, |webhook| webhook.definition.type_code = Some(0)).await;
    let id = world.webhook_with(client, |webhook| webhook.definition.type_code = Some(1)).await;
    let mut read = stored(&world, id).await;

    assert_eq!(world.store.update_webhook(read.clone(), None, None).await.unwrap(), WebhookWrite::Stored);
    read.version += 1;
    read.definition.type_code = Some(0);
    assert_eq!(world.store.update_webhook(read.clone(), None, None).await.unwrap(), WebhookWrite::TypeTaken);
    assert_eq!((stored(&world, id).await.version, stored(&world, id).await.definition.type_code), (2, Some(1)));
}

pub(super) async fn an_update_changes_which_events_are_wanted(world: World) {
    let client = world.client().await;
    let id = world.webhook_with(client, |webhook| webhook.definition.events = vec![event_type("old"), event_type("kept")]).await;
    let mut read = stored(&world, id).await;
    read.definition.events = vec![event_type("new"), event_type("kept")];
    world.store.update_webhook(read, None, None).await.unwrap();

    let mut deliveries = Vec::new();
    for kind in ["old", "kept", "new"] {
        let mut new = world.new_event(client);
        new.event.event_type = event_type(kind);
        deliveries.push(world.enqueue(new).await.delivery_ids);
    }

    assert_eq!(deliveries.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 1]);
    assert_eq!(world.state(deliveries[2][0]).await, DeliveryState::Pending);
}

pub(super) async fn webhooks_are_listed_newest_first_within_their_scope(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let (first, deleted, foreign) = (world.webhook(client).await, world.webhook(client).await, world.webhook(stranger).await);
    let second = world.webhook_with(client, |webhook| webhook.state = WebhookState::Paused).await;
    world.store.delete_webhook(Scope::All, deleted, at(40), None).await.unwrap();
    let list = async |scope, limit, before| {
        let webhooks = world.store.webhooks(scope, Page { limit, before }).await.unwrap();
        webhooks.into_iter().map(|webhook| webhook.id).collect::<Vec<_>>()
    };

    assert_eq!(list(Scope::All, 9, None).await, [second, foreign, first]);
    assert_eq!(list(Scope::All, 1, Some(second)).await, [foreign]);
    assert_eq!(list(Scope::Client(client), 9, None).await, [second, first]);
    assert_eq!(list(Scope::Client(client), 9, Some(second)).await, [first]);
    assert!(world.store.webhook(Scope::Client(stranger), first).await.unwrap().is_none());
    assert!(world.store.webhook(Scope::Client(client), first).await.unwrap().is_some());
}

pub(super) async fn webhooks_that_live_are_read_by_their_ids(world: World) {
    let (client, stranger) = (world.client().await, world.client().await);
    let (first, _unasked, deleted) = (world.webhook(client).await, world.webhook(client).await, world.webhook(client).await);
    let paused = world.webhook_with(stranger, |webhook| webhook.state = WebhookState::Paused).await;
    world.store.delete_webhook(Scope::All, deleted, at(40), None).await.unwrap();
    let unknown = world.ids.next(at(1));

    let mut named = world.store.webhooks_named(vec![paused, unknown, first, deleted, first]).await.unwrap();

    named.sort_by_key(|webhook| webhook.id);
    named.dedup_by_key(|webhook| webhook.id);
    let alone = async |id| world.store.webhook(Scope::All, id).await.unwrap().unwrap();
    let mut expected = [alone(first).await, alone(paused).await];
    expected.sort_by_key(|webhook| webhook.id);
    assert_eq!(named.iter().map(spelled).collect::<Vec<_>>(), expected.each_ref().map(spelled));
    assert!(world.store.webhooks_named(Vec::new()).await.unwrap().is_empty());
}
