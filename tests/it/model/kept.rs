//! Sequences that once found a fault, cut down to what it takes. They are always tried, whatever the seed.
//!
//! Steps and not seeds: a seed means something else as soon as a step is drawn in another way.

use super::steps::Step::{Clock, Crash, Delete, Enqueue, Receiver, Record, Redeliver, Release, Retention, SetState, Tick};
use super::steps::{Answer, By, Lane, New, State, Step, many};

/// Each with the rule that was broken.
pub(super) fn sequences() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        ("a late record changes nothing", a_late_record()),
        ("a late release changes nothing", a_late_release()),
        ("a paused webhook gives nothing", a_paused_webhook()),
        ("what is due first is claimed first", the_first_due()),
        ("a lane is due whatever is held that is not due", a_clock_set_back()),
        ("a lane is one node's, where nodes share the store", a_lane_of_another_node()),
        ("a redelivery begins a new series", a_new_series()),
        ("a key belongs to its client", two_clients_with_one_key()),
        ("an event stays as long as a delivery needs it", an_event_with_two_deliveries()),
        ("dead letters have an age of their own", a_dead_letter_among_others()),
        ("what a dead node held of a deleted webhook is called off", a_deleted_webhook_of_a_dead_node()),
        ("what an old edition was told disables no new one", an_old_edition()),
    ]
}

const fn new(client: u8, event_type: u8) -> New {
    New { client, event_type, key: None, wait: 0 }
}

const fn lane(webhook: u8, limit: u32) -> Lane {
    Lane { webhook, limit }
}

fn a_late_record() -> Vec<Step> {
    vec![
        Enqueue(many([new(1, 0)])),
        Tick { node: 0, lanes: many([lane(0, 1)]), recorded: 1 },
        Clock { seconds: 20 },
        Tick { node: 0, lanes: many([lane(0, 1)]), recorded: 0 },
        Record(many([1])),
    ]
}

fn a_late_release() -> Vec<Step> {
    vec![
        Enqueue(many([new(1, 0)])),
        Tick { node: 0, lanes: many([lane(0, 1)]), recorded: 0 },
        Release(many([0])),
        Tick { node: 0, lanes: many([lane(0, 1)]), recorded: 0 },
        Release(many([1])),
    ]
}

fn a_paused_webhook() -> Vec<Step> {
    vec![
        SetState { webhook: 2, state: State::Paused, by: By::Owner },
        Enqueue(many([new(0, 0)])),
        Tick { node: 0, lanes: many([lane(2, 1)]), recorded: 0 },
    ]
}

fn the_first_due() -> Vec<Step> {
    vec![
        Enqueue(many([new(1, 0)])),
        Tick { node: 0, lanes: many([lane(0, 1)]), recorded: 1 },
        Enqueue(many([new(1, 0)])),
        Enqueue(many([new(1, 0)])),
        Clock { seconds: 20 },
        Tick { node: 0, lanes: many([lane(0, 2)]), recorded: 4 },
    ]
}

fn a_clock_set_back() -> Vec<Step> {
    vec![
        Clock { seconds: 60 },
        Enqueue(many([new(1, 0)])),
        Tick { node: 0, lanes: many([lane(0, 1)]), recorded: 0 },
        Clock { seconds: -60 },
        Enqueue(many([new(1, 0)])),
    ]
}

fn a_lane_of_another_node() -> Vec<Step> {
    vec![
        Enqueue(many([new(0, 0)])),
        Tick { node: 0, lanes: many([lane(2, 1)]), recorded: 0 },
        Enqueue(many([new(0, 0)])),
        Tick { node: 1, lanes: many([lane(2, 1)]), recorded: 0 },
    ]
}

fn a_new_series() -> Vec<Step> {
    vec![Enqueue(many([new(1, 0)])), Tick { node: 0, lanes: many([lane(0, 1)]), recorded: 1 }, Redeliver { delivery: 0, by: By::Root }]
}

fn two_clients_with_one_key() -> Vec<Step> {
    let keyed = |client| New { key: Some(1), ..new(client, 1) };
    vec![Enqueue(many([keyed(0)])), Enqueue(many([keyed(1)]))]
}

fn an_event_with_two_deliveries() -> Vec<Step> {
    vec![
        Enqueue(many([new(0, 1)])),
        Tick { node: 0, lanes: many([lane(2, 1)]), recorded: 1 },
        Clock { seconds: 60 },
        Retention { finished: 30, dead_letters: 30, keys: 30, limit: 100 },
    ]
}

fn a_dead_letter_among_others() -> Vec<Step> {
    vec![
        Enqueue(many([new(0, 1)])),
        Tick { node: 0, lanes: many([lane(1, 1)]), recorded: 1 },
        Clock { seconds: 1 },
        Retention { finished: 0, dead_letters: 2, keys: 0, limit: 1 },
    ]
}

fn a_deleted_webhook_of_a_dead_node() -> Vec<Step> {
    vec![
        Enqueue(many([new(0, 0)])),
        Tick { node: 0, lanes: many([lane(2, 1)]), recorded: 0 },
        Delete { webhook: 2, by: By::Root },
        Crash { node: 0, is_noticed: true },
    ]
}

fn an_old_edition() -> Vec<Step> {
    vec![
        Enqueue(many([new(0, 1)])),
        Tick { node: 0, lanes: many([lane(1, 1)]), recorded: 0 },
        Receiver { webhook: 1, answers: Answer::IsGone },
        SetState { webhook: 1, state: State::Active, by: By::Root },
        Record(many([0])),
    ]
}
