//! A dispatcher of which both halves run on one store, a receiver, and a client that the systems' customers know.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use webhook_dispatcher::catalog::Catalogs;
use webhook_dispatcher::delivery::PoolSettings;
use webhook_dispatcher::delivery::pool::Pool;
use webhook_dispatcher::delivery::sender::Sender;
use webhook_dispatcher::delivery::worker::Worker;
use webhook_dispatcher::domain::address_policy::AddressPolicy;
use webhook_dispatcher::domain::time::Clock;
use webhook_dispatcher::egress::HttpCaller;
use webhook_dispatcher::token::AccessTokens;

use crate::support::dispatcher::{Setup, alone};
use crate::support::receiver::{Receiver, Reply, Seen};
use crate::support::rest::{Answer, Rest, RestSetup, Tenant};

/// Both halves, and everybody else.
pub(super) struct Scene {
    pub(super) rest: Rest,
    pub(super) tenant: Tenant,
    pub(super) receiver: Receiver,
    pool: Arc<Pool>,
}

impl Scene {
    pub(super) async fn new() -> Self {
        Self::with(Catalogs::built_in().unwrap(), Vec::new()).await
    }

    /// With these catalogues, and a receiver that answers with these in turn, and 200 ever after.
    pub(super) async fn with(catalogs: Catalogs, replies: Vec<Reply>) -> Self {
        let catalogs = Arc::new(catalogs);
        let rest = Rest::with(RestSetup { catalogs: Arc::clone(&catalogs), ..RestSetup::default() }).await;
        Self::around(rest, catalogs, replies).await
    }

    /// The same, around an API whose catalogues these are.
    pub(super) async fn around(rest: Rest, catalogs: Arc<Catalogs>, replies: Vec<Reply>) -> Self {
        let pool = pool(&rest, catalogs).await;
        Self { tenant: rest.tenant("acme").await, rest, receiver: Receiver::answering(replies).await, pool }
    }

    /// From now on the half that delivers knows these catalogues.
    pub(super) async fn deliver_knowing(&mut self, catalogs: Catalogs) {
        self.pool = pool(&self.rest, Arc::new(catalogs)).await;
    }

    /// A webhook in a catalogue's way, at this path of the receiver; answers its id.
    pub(super) async fn webhook(&self, catalog: &str, events: &Value, path: &str) -> String {
        let body = json!({"name": "w", "catalog": catalog, "events": events, "url": self.receiver.url(path)});
        let made = self.rest.post("/v1/webhooks").key(&self.tenant.admin).json(&body).send().await.expect(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// Hands an event in; `payload` is JSON text.
    pub(super) async fn hand_in(&self, event_type: &str, payload: &str) -> Answer {
        let text = format!(r#"{{"type":{},"subject":"s","payload":{payload}}}"#, json!(event_type));
        self.rest.post("/v1/events").key(&self.tenant.producer).text(text).send().await
    }

    /// Hands an event in that is taken; answers its id.
    pub(super) async fn accept(&self, event_type: &str, payload: &str) -> String {
        let accepted = self.hand_in(event_type, payload).await.expect(202);
        accepted["events"][0]["eventId"].as_str().unwrap().to_owned()
    }

    /// Hands an event in, delivers it, and gives what the receiver got of it.
    pub(super) async fn told(&self, event_type: &str, payload: &str) -> Seen {
        let before = self.receiver.seen().len();
        self.accept(event_type, payload).await;
        self.run_until_idle().await;
        let mut seen = self.receiver.seen();
        assert_eq!(seen.len(), before + 1, "{event_type}");
        seen.pop().unwrap()
    }

    /// Settles something for a catalogue.
    pub(super) async fn settle(&self, catalog: &str, settings: &Value) {
        let path = format!("/v1/catalogs/{catalog}/settings");
        self.rest.call("PUT", &path).key(&self.tenant.admin).json(settings).send().await.expect(200);
    }

    pub(super) async fn run_until_idle(&self) {
        loop {
            self.pool.look_for_due().await.unwrap();
            while self.pool.run_once().await.unwrap() {}
            if self.pool.held() == 0 {
                return;
            }
            self.pool.idle().await;
        }
    }

    pub(super) async fn advance(&self, by: Duration) {
        self.rest.clock.advance(by);
        self.run_until_idle().await;
    }

    /// The deliveries of an event as an operator sees them, the only one of them first.
    pub(super) async fn delivery_of(&self, event_id: &str) -> Value {
        let event = self.rest.get(&format!("/v1/events/{event_id}")).key(&self.tenant.viewer).send().await.expect(200);
        let id = event["deliveries"][0]["id"].as_str().unwrap().to_owned();
        self.rest.get(&format!("/v1/deliveries/{id}")).key(&self.tenant.viewer).send().await.expect(200)
    }
}

/// The half that delivers, with these catalogues.
async fn pool(rest: &Rest, catalogs: Arc<Catalogs>) -> Arc<Pool> {
    let Setup { pool: settings, token, allow, egress, names } = Setup::default();
    let settings = PoolSettings { catalogs, ..settings };
    let policy = AddressPolicy::new(allow.iter().map(|network| network.parse().unwrap()).collect());
    let caller = Arc::new(HttpCaller::with_names(Arc::new(policy), egress, names).unwrap());
    let clock: Arc<dyn Clock> = rest.clock.clone();
    let tokens = AccessTokens::new(caller.clone(), Arc::clone(&clock), token);
    let worker = Worker::new(Sender::new(caller, tokens), Arc::clone(&clock), settings.clone(), StdRng::from_seed([2; 32]));
    let membership = alone(&rest.ids, &rest.store).await;
    Pool::new(membership, Arc::clone(&rest.store), clock, worker, settings)
}

/// Every header of a request but those that HTTP itself needs, in their order.
pub(super) fn headers(seen: &Seen) -> Vec<(&str, &str)> {
    const OF_HTTP: [&str; 3] = ["host", "content-length", "accept"];
    let all = seen.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut all: Vec<_> = all.filter(|(name, _)| !OF_HTTP.contains(name)).collect();
    all.sort_unstable();
    all
}

pub(super) fn json_of(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}
