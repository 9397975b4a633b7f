//! The play: a webhook is registered, every example of the catalogue is handed in, and what arrived is held against it.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::System;
use super::customer::{Customer, HOOK_TOKEN, Seen};
use super::desk::Desk;
use crate::app::App;
use crate::demo::folder::Folder;
use crate::demo::operator::{Delivery, Operator};
use crate::demo::ports::free_address;
use crate::demo::setup::{self, Keys};
use crate::demo::stage;
use crate::rest::RestClient;
use crate::telemetry;

/// Where the dispatcher listens when nobody else does.
const DISPATCHER_PORT: u16 = 8080;

/// What the deliveries may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A dispatcher, a receiver, and who calls whom.
pub(super) struct Play {
    system: System,
    app: App,
    desk: Desk,
    root: RestClient,
    keys: Keys,
}

/// An event as the catalogue lists it.
#[derive(Deserialize)]
struct Event {
    code: String,
    aliases: Vec<String>,
    variants: Vec<Variant>,
}

#[derive(Deserialize)]
struct Variant {
    examples: Vec<Value>,
}

#[derive(Deserialize)]
struct All<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicKey {
    public_key: String,
}

/// What became of the play.
pub(super) struct Outcome {
    /// What was handed in: code, its other spellings, and payload.
    handed_in: Vec<(String, Vec<String>, Value)>,
    seen: Vec<Seen>,
    delivered: usize,
}

impl Play {
    /// Starts both programs and registers a webhook for every event.
    pub(super) async fn begin(folder: &Folder, system: System, settings: &[String]) -> anyhow::Result<Self> {
        let address = free_address(DISPATCHER_PORT).await.context("no port is free for the dispatcher")?;
        let config = stage::config(address, &folder.store(), settings)?;
        telemetry::init_logs(&config.log.level, config.log.format)?;
        let desk = Desk::open().await?;
        let app = App::start(&config).await?;
        let root_key = app.new_root_key.as_ref().context("the store is not new: it has a root key already")?;
        let root = stage::client(app.address)?.with_key(root_key)?;
        let keys = setup::make_keys(&root).await?;
        Ok(Self { system, app, desk, root, keys })
    }

    /// Plays it to its end.
    pub(super) async fn run(&self) -> anyhow::Result<Outcome> {
        let admin = self.root.with_key(&self.keys.admin)?;
        let catalog = format!("/v1/catalogs/{}", self.system.catalog());
        let events: All<Event> = admin.get(&format!("{catalog}/events")).await?;
        self.register(&admin, &events.items).await?;
        let public: All<PublicKey> = admin.get(&format!("{catalog}/signing-keys")).await?;
        let public_key = public.items.into_iter().next().map(|key| key.public_key);
        self.desk.seat(Customer { system: self.system, public_key });

        let handed_in = self.hand_in(events.items).await?;
        let operator = Operator::new(self.root.with_key(&self.keys.operator)?);
        let deliveries: Vec<Delivery> = operator.deliveries_at_rest(Instant::now() + PATIENCE).await?;
        let delivered = deliveries.iter().filter(|delivery| delivery.state == "delivered").count();
        Ok(Outcome { handed_in, seen: self.desk.seen(), delivered })
    }

    async fn register(&self, admin: &RestClient, events: &[Event]) -> anyhow::Result<()> {
        let codes: Vec<&str> = events.iter().map(|event| event.code.as_str()).collect();
        let url = format!("http://localhost:{}/hook", self.desk.port);
        let mut webhook = json!({ "name": "demo", "catalog": self.system.catalog(), "events": codes, "url": url });
        if self.system == System::Sienge {
            webhook["authorization"] = json!(format!("Bearer {HOOK_TOKEN}"));
        }
        let _: Value = admin.post("/v1/webhooks", webhook.to_string()).await.context("the webhook could not be registered")?;
        Ok(())
    }

    async fn hand_in(&self, events: Vec<Event>) -> anyhow::Result<Vec<(String, Vec<String>, Value)>> {
        let producer = self.root.with_key(&self.keys.producer)?;
        let mut handed_in = Vec::new();
        for Event { code, aliases, variants } in events {
            for payload in variants.into_iter().flat_map(|variant| variant.examples) {
                let event = json!({ "type": code, "subject": code, "payload": payload });
                let _: Value = producer.post("/v1/events", event.to_string()).await.context("an event could not be handed in")?;
                handed_in.push((code.clone(), aliases.clone(), payload));
            }
        }
        Ok(handed_in)
    }

    /// Where both listen.
    pub(super) fn whereabouts(&self) -> String {
        format!("the dispatcher at http://{}, the receiver at http://localhost:{}", self.app.address, self.desk.port)
    }

    /// Stops the dispatcher, then the receiver.
    pub(super) async fn end(self) {
        drop(self.root);
        self.app.stop().await;
        self.desk.close().await;
    }
}

impl Outcome {
    /// Whether every event arrived once, equal, and as its customers expect it.
    pub(super) fn is_as_expected(&self) -> bool {
        let all = self.handed_in.len();
        self.problems().is_empty() && (self.seen.len(), self.delivered) == (all, all)
    }

    /// What a person reads of it.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let (all, seen, delivered) = (self.handed_in.len(), self.seen.len(), self.delivered);
        let genuine = self.seen.iter().filter(|seen| seen.problem.is_none()).count();
        writeln!(out, "  {all} events handed in, {delivered} delivered; {seen} requests seen, {genuine} of them as they should be")?;
        for problem in self.problems() {
            writeln!(out, "  WRONG  {problem}")?;
        }
        let verdict = if self.is_as_expected() { "Every event arrived" } else { "NOT every event arrived" };
        writeln!(out, "\n{verdict} as its customers expect it.")?;
        out.flush()
    }

    fn problems(&self) -> Vec<String> {
        let wrong = self.seen.iter().filter_map(|seen| seen.problem.as_ref().map(|problem| format!("{}: {problem}", seen.code)));
        let missing = self.handed_in.iter().filter(|event| !self.seen.iter().any(|seen| tells(seen, event)));
        wrong.chain(missing.map(|(code, ..)| format!("{code}: it did not arrive equal"))).collect()
    }
}

/// Whether a request tells of this event: by its code, or by another word for it.
fn tells(seen: &Seen, (code, aliases, payload): &(String, Vec<String>, Value)) -> bool {
    (seen.code == *code || aliases.contains(&seen.code)) && seen.payload == *payload
}
