//! In which order lanes are asked what they could take, and when they will be asked next.

use std::collections::{BTreeSet, VecDeque};

use crate::domain::ids::WebhookId;
use crate::domain::time::Timestamp;

/// Timers are rounded up to this, in microseconds, so that a million retries of one lane are a few timers.
const TIMER_STEP: i64 = 50_000;

/// Lanes that may have something due, and times when others may.
///
/// Trusted and doubtful lanes stand in two queues that are served in turn, so that neither waits for the other.
#[derive(Debug, Default)]
pub(super) struct Turns {
    trusted: VecDeque<WebhookId>,
    doubtful: VecDeque<WebhookId>,
    /// Whether the turn before went to a trusted lane.
    was_trusted: bool,
    timers: BTreeSet<(Timestamp, WebhookId)>,
}

impl Turns {
    /// Gives a lane a turn after those that have one.
    pub(super) fn push(&mut self, id: WebhookId, is_trusted: bool) {
        if is_trusted { self.trusted.push_back(id) } else { self.doubtful.push_back(id) }
    }

    /// Whose turn it is; a doubtful lane's only where there is room for one.
    pub(super) fn next(&mut self, room_for_doubtful: bool) -> Option<WebhookId> {
        let doubtful_first = self.was_trusted || self.trusted.is_empty();
        let doubtful = if room_for_doubtful && doubtful_first { self.doubtful.pop_front() } else { None };
        self.was_trusted = doubtful.is_none();
        doubtful.or_else(|| self.trusted.pop_front())
    }

    /// Whether any lane has a turn that it can be given.
    pub(super) fn any(&self, room_for_doubtful: bool) -> bool {
        !self.trusted.is_empty() || room_for_doubtful && self.has_doubtful()
    }

    /// Whether a doubtful lane has a turn.
    pub(super) fn has_doubtful(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// Something will be due in this lane then, or a little later.
    pub(super) fn ring_about(&mut self, at: Timestamp, id: WebhookId) {
        let steps = at.as_micros().div_euclid(TIMER_STEP).saturating_add(1);
        self.ring_at(Timestamp::from_micros(steps.saturating_mul(TIMER_STEP)), id);
    }

    /// Something may start in this lane exactly then.
    pub(super) fn ring_at(&mut self, at: Timestamp, id: WebhookId) {
        self.timers.insert((at, id));
    }

    /// When the next timer rings.
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// A lane whose timer has rung by `now`.
    pub(super) fn rung(&mut self, now: Timestamp) -> Option<WebhookId> {
        self.timers.first().filter(|(at, _)| *at <= now)?;
        self.timers.pop_first().map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

    fn webhook(n: u128) -> WebhookId {
        uuid::Uuid::from_u128(n).into()
    }

    #[test]
    fn trusted_and_doubtful_lanes_are_served_in_turn() {
        let mut turns = Turns::default();
        (1..=3).for_each(|n| turns.push(webhook(n), true));
        (11..=13).for_each(|n| turns.push(webhook(n), false));

        let order: Vec<WebhookId> = std::iter::from_fn(|| turns.next(true)).collect();

        assert_eq!(order, [1, 11, 2, 12, 3, 13].map(webhook));
    }

    #[test]
    fn without_room_doubtful_lanes_keep_their_turns() {
        let mut turns = Turns::default();
        turns.push(webhook(1), false);
        turns.push(webhook(2), true);

        assert_eq!([turns.next(false), turns.next(false)], [Some(webhook(2)), None]);
        assert_eq!((turns.any(false), turns.any(true)), (false, true));
        assert_eq!(turns.next(true), Some(webhook(1)));
    }

    #[test]
    fn a_million_retries_of_one_lane_are_few_timers_and_none_rings_early() {
        let mut turns = Turns::default();

        for micros in 0..1_000_000 {
            turns.ring_about(NOW + std::time::Duration::from_micros(micros), webhook(1));
        }

        assert!(turns.timers.len() <= 21, "{}", turns.timers.len());
        assert!(turns.next_timer().unwrap() > NOW);
        assert_eq!(turns.rung(NOW), None);
    }
}
