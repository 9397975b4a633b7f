//! webhook-dispatcher: turns "this document is finished" into an HTTP call that arrives.
//!
//! # The life of a delivery, read forward
//!
//! 1. A producer posts a completion. [`api`] checks it and hands it to [`intake`], which puts all requests that wait into
//!    one commit: [`store::contract::Queue::enqueue`] stores each **event** with a pending **delivery** for every
//!    **webhook** that wants it. Only then is the answer 202.
//! 2. The store signals the [`delivery::pool`]. The [`delivery::lanes`] say which webhooks have room, and the pool
//!    claims that much of what is due, of the lanes that this [`node`] serves. A **claim** carries a token: a write with another token changes nothing.
//! 3. A [`delivery::worker`] makes one **attempt**: [`delivery::request`] puts the event's subject into the url and signs,
//!    [`delivery::sender`] logs in through [`token`] where the webhook says so and sends through [`egress`], the only way
//!    out of the process.
//! 4. [`delivery::outcome`] says what the answer means, [`domain::retry`] when to try again, and
//!    [`domain::delivery::after`] what follows: delivered, pending again, or a **dead letter**.
//! 5. The [`delivery::recorder`] commits attempt and transition in one transaction, many at a time. Only then is the
//!    place in flight free again.
//! 6. People see and repair deliveries through [`api`] and [`dashboard`]; [`maintenance`] removes what was kept long enough and disables
//!    webhooks that only fail.
//!
//! # Where things are
//!
//! | module | what it is for |
//! |---|---|
//! | [`domain`] | the words and the pure rules: states, schedules, urls, authorization, addresses, signatures |
//! | [`catalog`] | what the systems are like that we send for: events, payloads, way of sending; one file each |
//! | [`secrets`] | how secrets are kept at rest: keys, the ring of those that live, envelopes |
//! | [`store`] | the contract of what is kept, and behind it SQLite for one process, PostgreSQL for many |
//! | [`egress`] | the one guarded way to call a url that a customer typed |
//! | [`token`] | access tokens: one login per webhook at a time, kept while they are good |
//! | [`node`] | this process among others on the same database: heartbeats, whose lane and who tells how it stands, whose turn |
//! | [`intake`] | group commit of incoming events |
//! | [`delivery`] | pool, lanes, worker, recorder: from due to recorded |
//! | [`maintenance`] | duties on cron schedules |
//! | [`management`] | what people change, whichever way they ask: definitions, signing keys |
//! | [`api`] | the REST contract, a file or folder per noun |
//! | [`dashboard`] | the operator's pages, a file each |
//! | [`config`] | every setting: defaults < file < environment < flags |
//! | [`alerts`] | operational events: found, logged, sent to whom the operator names |
//! | [`telemetry`] | logs, metrics and traces |
//! | [`app`] | the composition root: what is made of what, order of start and stop |
//! | `rest` | a client of the REST interface, for the command line and the demonstration |
//! | [`demo`] | the whole way of a delivery in one command: dispatcher, receiver, documents, report |
//! | [`cli`] | the commands |
//!
//! # Which way dependencies point
//!
//! `domain` and `secrets` know nobody. `config` and `store` know those two, `catalog` and `egress` know `domain`, `token` and `rest` know `egress`, `node` and `management` know `store`; `intake`,
//! `delivery`, `maintenance`, `alerts`, `api` and `dashboard` know those and never one another, but for the API, which reaches the queue through `intake`. What counts something, or logs errors of others, knows
//! `telemetry`, which knows `domain`, and `egress`, by which traces leave. Only `app` and what starts it know everything. `tests/tidy.rs` holds this, and that `rusqlite` and `sqlx` are named in `store` alone, `axum` in `api` and
//! `dashboard` (and in the demonstration's receiver), `hyper` in `egress` and where the API is served.

pub mod alerts;
pub mod api;
pub mod app;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod dashboard;
pub mod delivery;
pub mod demo;
pub mod domain;
pub mod egress;
pub mod intake;
pub mod maintenance;
pub mod management;
pub mod node;
mod rest;
pub mod secrets;
pub mod store;
pub mod telemetry;
pub mod token;
