//! What can happen to a store, as data that can be drawn at random, cut down, and kept.
//!
//! A step names nothing: it counts. Webhooks, deliveries and claims are counted from the newest back, so a step still means
//! something when those before it are taken out.

use std::fmt;

use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use webhook_dispatcher::domain::delivery::DeliveryState;
use webhook_dispatcher::domain::webhook::{DisableReason, WebhookState};

/// How many clients there are.
pub(super) const CLIENTS: u8 = 2;

/// How many event types webhooks want; the next one nobody wants.
pub(super) const TYPES: u8 = 3;

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A producer hands in events, in one commit.
    Enqueue(Many<New>),
    /// A node claims what is due, makes the attempts and records the first so many of them; the rest stay in flight.
    Tick { node: u8, lanes: Many<Lane>, recorded: u8 },
    /// Attempts under old claims are recorded in one batch: in time, late, or once more.
    Record(Many<u8>),
    /// Old claims are given back.
    Release(Many<u8>),
    /// From now on receivers of this webhook answer so.
    Receiver { webhook: u8, answers: Answer },
    /// A node dies without a word, and another one starts, which takes back the claims of the dead if it holds them for dead.
    Crash { node: u8, is_noticed: bool },
    /// A node says that it lives no more, and works on all the same.
    Leave { node: u8 },
    /// A node takes back the claims of those that live no more: of all others if it holds them all for silent.
    TakeBack { node: u8, all_are_silent: bool },
    /// The clock goes so many seconds forward, or back.
    Clock { seconds: i64 },
    /// A person makes a webhook.
    NewWebhook { client: u8, types: Types },
    /// A person edits a webhook, as it is or as it was before its last change.
    Edit { webhook: u8, types: Types, is_stale: bool },
    /// A person sets a webhook's state.
    SetState { webhook: u8, state: State, by: By },
    /// Maintenance disables a webhook.
    Disable { webhook: u8 },
    /// A person deletes a webhook.
    Delete { webhook: u8, by: By },
    /// A person calls a delivery off.
    Cancel { delivery: u8, by: By },
    /// A person sends a delivery again.
    Redeliver { delivery: u8, by: By },
    /// Maintenance removes what is older than so many seconds.
    Retention { finished: i64, dead_letters: i64, keys: i64, limit: u32 },
    /// A person looks at a page of every list, and at one delivery and its event.
    Look(Filter),
}

/// An event of a batch.
#[derive(Clone, Debug)]
pub(super) struct New {
    pub(super) client: u8,
    pub(super) event_type: u8,
    pub(super) key: Option<u8>,
    /// Seconds until it is due.
    pub(super) wait: i64,
}

/// What a claim asks of one webhook.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) webhook: u8,
    pub(super) limit: u32,
}

/// Which of the event types a webhook wants.
#[derive(Clone, Copy)]
pub(super) struct Types(pub(super) u8);

/// What receivers answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// A success.
    Takes,
    /// A failure that may pass.
    Fails,
    /// That they are gone for good, which disables the webhook.
    IsGone,
    /// Nothing: their address is not one that may be called.
    IsBlocked,
}

/// What state a person sets.
#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    Active,
    Paused,
    Disabled,
}

/// Who asks for a change or a list.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// The client whose thing it is.
    Owner,
    /// The other client.
    Stranger,
    /// Who may do everything.
    Root,
}

/// What a person looks for.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// The delivery that is looked at; times count from when it was made.
    pub(super) delivery: u8,
    pub(super) by: By,
    /// What must be the same as of that delivery.
    pub(super) same: Many<Same>,
    pub(super) event_type: Option<u8>,
    pub(super) state: Option<DeliveryState>,
    /// Seconds before that delivery was made.
    pub(super) from: Option<i64>,
    /// Seconds after that delivery was made.
    pub(super) to: Option<i64>,
    pub(super) limit: u32,
    pub(super) is_next_page: bool,
}

/// What a delivery may have in common with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Same {
    Webhook,
    Event,
    Subject,
}

/// A list that prints as the code that makes it, so that what is printed can be kept.
#[derive(Clone)]
pub(super) struct Many<T>(Vec<T>);

pub(super) fn many<T>(items: impl IntoIterator<Item = T>) -> Many<T> {
    Many(items.into_iter().collect())
}

impl<T> Many<T> {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }
}

impl<T: fmt::Debug> fmt::Debug for Many<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("many(")?;
        f.debug_list().entries(&self.0).finish()?;
        f.write_str(")")
    }
}

impl Types {
    pub(super) fn iter(self) -> impl Iterator<Item = u8> {
        (0..TYPES).filter(move |event_type| self.0 & (1 << event_type) != 0)
    }
}

impl fmt::Debug for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Types({:#b})", self.0)
    }
}

impl From<State> for WebhookState {
    fn from(state: State) -> Self {
        match state {
            State::Active => Self::Active,
            State::Paused => Self::Paused,
            State::Disabled => Self::Disabled(DisableReason::FailingTooLong),
        }
    }
}

/// Sequences of up to `most` steps.
pub(super) fn sequences(most: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..=most)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => queue_step(),
        7 => node_step(),
        6 => (0..6_u8, answer()).prop_map(|(webhook, answers)| Step::Receiver { webhook, answers }),
        7 => seconds().prop_map(|seconds| Step::Clock { seconds }),
        14 => webhook_step(),
        8 => delivery_step(),
        5 => retention(),
        4 => filter().prop_map(Step::Look),
    ]
}

fn queue_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => vec(new(), 1..5).prop_map(|events| Step::Enqueue(Many(events))),
        7 => (0..2_u8, vec(lane(), 1..8), 0..5_u8).prop_map(|(node, lanes, recorded)| Step::Tick { node, lanes: Many(lanes), recorded }),
        4 => vec(0..8_u8, 1..5).prop_map(|claims| Step::Record(Many(claims))),
        2 => vec(0..6_u8, 1..4).prop_map(|claims| Step::Release(Many(claims))),
    ]
}

fn node_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..2_u8, weighted(0.7)).prop_map(|(node, is_noticed)| Step::Crash { node, is_noticed }),
        1 => (0..2_u8).prop_map(|node| Step::Leave { node }),
        3 => (0..2_u8, any::<bool>()).prop_map(|(node, all_are_silent)| Step::TakeBack { node, all_are_silent }),
    ]
}

fn webhook_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..CLIENTS, types()).prop_map(|(client, types)| Step::NewWebhook { client, types }),
        3 => (0..6_u8, types(), weighted(0.3)).prop_map(|(webhook, types, is_stale)| Step::Edit { webhook, types, is_stale }),
        8 => (0..6_u8, state(), by()).prop_map(|(webhook, state, by)| Step::SetState { webhook, state, by }),
        1 => (0..6_u8).prop_map(|webhook| Step::Disable { webhook }),
        3 => (0..6_u8, by()).prop_map(|(webhook, by)| Step::Delete { webhook, by }),
    ]
}

fn delivery_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..16_u8, by()).prop_map(|(delivery, by)| Step::Cancel { delivery, by }),
        5 => (0..16_u8, by()).prop_map(|(delivery, by)| Step::Redeliver { delivery, by }),
    ]
}

fn retention() -> impl Strategy<Value = Step> {
    (age(), age(), age(), select(vec![1, 2, 3, 100])).prop_map(|(finished, dead_letters, keys, limit)| Step::Retention {
        finished,
        dead_letters,
        keys,
        limit,
    })
}

fn age() -> impl Strategy<Value = i64> {
    prop_oneof![0..5_i64, 5..60_i64, 60..2_000_i64]
}

fn new() -> impl Strategy<Value = New> {
    let key = option::weighted(0.4, 0..4_u8);
    (0..CLIENTS, prop_oneof![12 => 0..TYPES, 1 => Just(TYPES)], key, prop_oneof![3 => Just(0), 1 => 1..90_i64])
        .prop_map(|(client, event_type, key, wait)| New { client, event_type, key, wait })
}

fn lane() -> impl Strategy<Value = Lane> {
    (0..6_u8, prop_oneof![1 => Just(0), 6 => 1..4_u32]).prop_map(|(webhook, limit)| Lane { webhook, limit })
}

fn types() -> impl Strategy<Value = Types> {
    (1..1_u8 << TYPES).prop_map(Types)
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![3 => Just(Answer::Takes), 4 => Just(Answer::Fails), 2 => Just(Answer::IsGone), 2 => Just(Answer::IsBlocked)]
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![7 => Just(State::Active), 2 => Just(State::Paused), 1 => Just(State::Disabled)]
}

fn by() -> impl Strategy<Value = By> {
    prop_oneof![4 => Just(By::Owner), 1 => Just(By::Stranger), 3 => Just(By::Root)]
}

/// Never back by more than a store trusts a clock not to be set back.
fn seconds() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 1..90_i64, 3 => 90..1_500_i64, 2 => -60..0_i64, 1 => -300..-60_i64]
}

fn filter() -> impl Strategy<Value = Filter> {
    let same = vec(select(vec![Same::Webhook, Same::Event, Same::Subject]), 0..3).prop_map(Many);
    let what = (option::weighted(0.3, 0..=TYPES), option::weighted(0.4, select(DeliveryState::ALL.to_vec())));
    let times = (option::weighted(0.3, 0..100_i64), option::weighted(0.3, 0..100_i64));
    let page = (1..6_u32, weighted(0.4));
    (0..16_u8, by(), same, what, times, page).prop_map(|(delivery, by, same, what, times, page)| {
        let (event_type, state) = what;
        let ((from, to), (limit, is_next_page)) = (times, page);
        Filter { delivery, by, same, event_type, state, from, to, limit, is_next_page }
    })
}
