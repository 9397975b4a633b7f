//! Who may send now: a lane per webhook with a bound on requests under way, and one bound over all lanes.
//!
//! Pure bookkeeping: no I/O, no clock, no tasks. The pool asks it what to claim ([`LaneTable::plan`]), hands it what was
//! claimed ([`LaneTable::admit`]) and tells it what ended.
//!
//! Two bounds hold at any time: a lane has at most `limit` requests under way, and all lanes together hold at most
//! `capacity` claims (waiting in a lane, under way, or waiting for their record). A lane may claim ahead of its limit
//! as much as it lately got rid of, so that a fast receiver never waits for a claim; what it claimed ahead goes back
//! when it stalls or is held back, so that a hanging receiver holds no more than its limit. Whatever waits in a lane
//! therefore waits for a request of that lane that is under way.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use crate::domain::ids::WebhookId;
use crate::domain::time::Timestamp;
use crate::store::records::LaneQuota;

/// The part of the capacity that one lane may claim ahead of its limit.
const AHEAD_SHARE: usize = 8;

/// A lane of which nothing was answered for so long gives back what waits in it.
const STALL: Duration = Duration::from_secs(1);

/// Timers are rounded up to this, in microseconds, so that a million retries of one lane are a few timers.
const TIMER_STEP: i64 = 50_000;

/// The lanes of one node; `T` is what waits in them.
pub struct LaneTable<T> {
    capacity: usize,
    default_limit: u32,
    /// Claims held: waiting, under way, or being recorded.
    held: usize,
    lanes: HashMap<WebhookId, Lane<T>>,
    /// Lanes that may have something due, in the order of their turns.
    turns: VecDeque<WebhookId>,
    /// When lanes will have something due, as far as is known.
    timers: BTreeSet<(Timestamp, WebhookId)>,
}

/// What became of claims that were taken in.
#[derive(Debug, PartialEq, Eq)]
pub struct Admitted<T> {
    /// May start at once.
    pub start: Vec<T>,
    /// Has no place; the caller gives these claims back and lets go of each.
    pub give_back: Vec<T>,
}

struct Lane<T> {
    limit: u32,
    under_way: u32,
    waiting: VecDeque<T>,
    /// Whether it stands in `turns`.
    has_turn: bool,
    /// Whether it had no room when its turn came: it gets its turn back with the room.
    missed_turn: bool,
    /// Whether a claim is under way for it.
    planned: bool,
    finished_since_plan: u32,
    ahead: u32,
    /// When something was last started or answered.
    moved_at: Timestamp,
    held_back_until: Option<Timestamp>,
    failed_logins: u32,
}

impl<T> Lane<T> {
    fn new(limit: u32) -> Self {
        Self {
            limit,
            under_way: 0,
            waiting: VecDeque::new(),
            has_turn: false,
            missed_turn: false,
            planned: false,
            finished_since_plan: 0,
            ahead: 0,
            moved_at: Timestamp::from_micros(0),
            held_back_until: None,
            failed_logins: 0,
        }
    }

    fn is_held_back(&self, now: Timestamp) -> bool {
        self.held_back_until.is_some_and(|until| now < until)
    }

    /// Claims ahead as much again as was finished since it last claimed, and half as far as before where that is more.
    fn adapt(&mut self, most: u32) {
        self.ahead = self.finished_since_plan.saturating_mul(2).max(self.ahead / 2).min(most);
        self.finished_since_plan = 0;
    }

    /// How much it could take; nothing while what waits in it will last for the moment.
    fn room(&self) -> u32 {
        let waiting = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        if waiting > self.ahead / 2 {
            return 0;
        }
        (self.limit + self.ahead).saturating_sub(self.under_way + waiting)
    }

    fn is_at_rest(&self) -> bool {
        self.under_way == 0
            && self.waiting.is_empty()
            && !self.has_turn
            && !self.missed_turn
            && !self.planned
            && self.held_back_until.is_none()
            && self.failed_logins == 0
    }
}

impl<T> LaneTable<T> {
    /// No lanes yet, with room for `capacity` claims, each lane with `default_limit` requests under way.
    #[must_use]
    pub fn new(capacity: usize, default_limit: u32) -> Self {
        Self { capacity, default_limit, held: 0, lanes: HashMap::new(), turns: VecDeque::new(), timers: BTreeSet::new() }
    }

    /// Something may be due in this lane now.
    pub fn hint(&mut self, id: WebhookId) {
        let lane = self.lane(id);
        lane.missed_turn = false;
        if !std::mem::replace(&mut lane.has_turn, true) {
            self.turns.push_back(id);
        }
    }

    /// Something will be due in this lane then.
    pub fn hint_at(&mut self, id: WebhookId, due_at: Timestamp) {
        let steps = due_at.as_micros().div_euclid(TIMER_STEP).saturating_add(1);
        self.timers.insert((Timestamp::from_micros(steps.saturating_mul(TIMER_STEP)), id));
    }

    /// When the next timed hint is due.
    #[must_use]
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(due_at, _)| *due_at)
    }

    /// What to claim now, at most `limit` deliveries: an even share for every lane that has a turn and room.
    ///
    /// The named lanes lose their turn; [`Self::admit`] gives it back to those that may have more, so every plan must be
    /// followed by one `admit` for each of its quotas.
    pub fn plan(&mut self, now: Timestamp, limit: u32) -> Vec<LaneQuota> {
        self.ring_timers(now);
        let budget = u32::try_from(self.capacity.saturating_sub(self.held)).unwrap_or(u32::MAX).min(limit);
        if budget == 0 || self.turns.is_empty() {
            return Vec::new();
        }
        let with_room = self.lanes_with_room(now, budget as usize);
        let Ok(count) = u32::try_from(with_room.len()) else { return Vec::new() };
        let share = (budget / count.max(1)).max(1);
        with_room.into_iter().map(|(webhook_id, room)| LaneQuota { webhook_id, limit: room.min(share) }).collect()
    }

    /// The first `most` lanes in turn that could take something, and how much. The others lose their turn: those that
    /// are held back until then, those that are full until there is room.
    fn lanes_with_room(&mut self, now: Timestamp, most: usize) -> Vec<(WebhookId, u32)> {
        let mut found = Vec::new();
        while found.len() < most {
            let Some(id) = self.turns.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            lane.has_turn = false;
            if lane.is_held_back(now) {
                continue;
            }
            lane.held_back_until = None;
            match lane.room() {
                0 => lane.missed_turn = true,
                room => {
                    lane.planned = true;
                    found.push((id, room));
                }
            }
        }
        found
    }

    /// Takes in what was claimed for one planned quota. A lane whose quota was used up may have more, and gets its turn
    /// back. A lane that was held back since the plan takes nothing in.
    pub fn admit(&mut self, quota: LaneQuota, claimed: Vec<T>, now: Timestamp) -> Admitted<T> {
        let used_up = claimed.len() >= quota.limit as usize;
        self.held += claimed.len();
        let most_ahead = u32::try_from(self.capacity / AHEAD_SHARE).unwrap_or(u32::MAX);
        let lane = self.lane(quota.webhook_id);
        lane.planned = false;
        if lane.is_held_back(now) {
            return Admitted { start: Vec::new(), give_back: claimed };
        }
        lane.adapt(most_ahead);
        lane.moved_at = now;
        lane.waiting.extend(claimed);
        let can_start = lane.limit.saturating_sub(lane.under_way).min(u32::try_from(lane.waiting.len()).unwrap_or(u32::MAX));
        lane.under_way += can_start;
        let start = lane.waiting.drain(..can_start as usize).collect();
        if used_up {
            self.hint(quota.webhook_id);
        } else {
            self.forget_if_at_rest(quota.webhook_id);
        }
        Admitted { start, give_back: Vec::new() }
    }

    /// A webhook's own limit, as it is known now; `None` for the default.
    pub fn set_limit(&mut self, id: WebhookId, limit: Option<u32>) {
        let limit = limit.unwrap_or(self.default_limit);
        self.lane(id).limit = limit;
    }

    /// A request of this lane is no longer under way (its record may be); answers what starts in its place.
    pub fn answered(&mut self, id: WebhookId, now: Timestamp) -> Option<T> {
        let lane = self.lanes.get_mut(&id)?;
        lane.under_way = lane.under_way.saturating_sub(1);
        lane.finished_since_plan = lane.finished_since_plan.saturating_add(1);
        lane.moved_at = now;
        let may_start = lane.under_way < lane.limit && !lane.is_held_back(now);
        let next = if may_start { lane.waiting.pop_front() } else { None };
        lane.under_way += u32::from(next.is_some());
        if lane.missed_turn && lane.room() > 0 {
            self.hint(id);
        }
        next
    }

    /// A claim is no longer held.
    pub fn let_go(&mut self, id: WebhookId) {
        self.held = self.held.saturating_sub(1);
        self.forget_if_at_rest(id);
    }

    /// Takes out what waits in lanes of which nothing was answered lately; the caller gives those claims back and lets
    /// go of each.
    pub fn empty_stalled(&mut self, now: Timestamp) -> Vec<T> {
        let stalled = self.lanes.values_mut().filter(|lane| !lane.waiting.is_empty() && now.since(lane.moved_at) >= STALL);
        let mut waiting = Vec::new();
        for lane in stalled {
            lane.ahead = 0;
            lane.finished_since_plan = 0;
            lane.missed_turn = true;
            waiting.extend(lane.waiting.drain(..));
        }
        waiting
    }

    /// Takes out what waits in a lane; the caller gives those claims back and lets go of each.
    pub fn empty(&mut self, id: WebhookId) -> Vec<T> {
        self.lanes.get_mut(&id).map(|lane| lane.waiting.drain(..).collect()).unwrap_or_default()
    }

    /// Takes out what waits in every lane.
    pub fn empty_all(&mut self) -> Vec<T> {
        self.lanes.values_mut().flat_map(|lane| lane.waiting.drain(..)).collect()
    }

    /// Starts nothing more in this lane until then; what waits in it comes back, as from [`Self::empty`].
    pub fn hold_back(&mut self, id: WebhookId, until: Timestamp) -> Vec<T> {
        let Some(lane) = self.lanes.get_mut(&id) else { return Vec::new() };
        let until = lane.held_back_until.map_or(until, |before| before.max(until));
        lane.held_back_until = Some(until);
        self.hint_at(id, until);
        self.empty(id)
    }

    /// A login failed: holds the lane back for `first`, twice as long after each further failure, at most `longest`.
    ///
    /// Failures of deliveries that were under way together count once: a lane that is held back is not held back more.
    pub fn login_failed(&mut self, id: WebhookId, now: Timestamp, first: Duration, longest: Duration) -> Vec<T> {
        let Some(lane) = self.lanes.get_mut(&id) else { return Vec::new() };
        if lane.is_held_back(now) {
            return self.empty(id);
        }
        let doublings = lane.failed_logins.min(20);
        lane.failed_logins = lane.failed_logins.saturating_add(1);
        let pause = first.saturating_mul(1 << doublings).min(longest);
        self.hold_back(id, now + pause)
    }

    /// A login worked (again).
    pub fn login_worked(&mut self, id: WebhookId) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.failed_logins = 0;
        }
    }

    /// A person or the dispatcher changed the webhook: it is no longer held back.
    pub fn start_afresh(&mut self, id: WebhookId) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.held_back_until = None;
            lane.failed_logins = 0;
        }
        self.hint(id);
    }

    /// Holds no lane back any more, whatever for, and takes out what waits in them, as [`Self::empty_all`] does.
    pub fn start_all_afresh(&mut self) -> Vec<T> {
        for lane in self.lanes.values_mut() {
            lane.held_back_until = None;
            lane.failed_logins = 0;
        }
        self.empty_all()
    }

    /// Whether there is no room for another claim, whatever lane it is for.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.held >= self.capacity
    }

    /// How many claims are held.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Whether a plan made now could name a lane, as far as turns, timers and capacity go.
    #[must_use]
    pub fn may_plan(&self, now: Timestamp) -> bool {
        let has_turn = !self.turns.is_empty() || self.next_timer().is_some_and(|due_at| due_at <= now);
        has_turn && !self.is_full()
    }

    fn forget_if_at_rest(&mut self, id: WebhookId) {
        if self.lanes.get(&id).is_some_and(Lane::is_at_rest) {
            self.lanes.remove(&id);
        }
    }

    fn lane(&mut self, id: WebhookId) -> &mut Lane<T> {
        self.lanes.entry(id).or_insert_with(|| Lane::new(self.default_limit))
    }

    fn ring_timers(&mut self, now: Timestamp) {
        while let Some((due_at, id)) = self.timers.first().copied().filter(|(due_at, _)| *due_at <= now) {
            self.timers.remove(&(due_at, id));
            self.hint(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn webhook(n: u128) -> WebhookId {
        uuid::Uuid::from_u128(n).into()
    }

    fn quota(n: u128, limit: u32) -> LaneQuota {
        LaneQuota { webhook_id: webhook(n), limit }
    }

    #[test]
    fn a_lane_starts_no_more_than_its_limit_and_the_next_when_one_is_answered() {
        let mut table = LaneTable::new(100, 2);
        table.hint(webhook(1));

        assert_eq!(table.plan(NOW, 100), [quota(1, 2)]);
        table.set_limit(webhook(1), Some(1));
        assert_eq!(table.admit(quota(1, 2), vec!["a", "b"], NOW).start, ["a"]);
        assert_eq!(table.answered(webhook(1), NOW), Some("b"));
        assert_eq!(table.answered(webhook(1), NOW), None);
    }

    #[test]
    fn all_lanes_together_hold_no_more_than_the_capacity() {
        let mut table = LaneTable::new(5, 4);
        (1..=3).for_each(|n| table.hint(webhook(n)));

        let plan = table.plan(NOW, 100);
        assert_eq!(plan, [quota(1, 1), quota(2, 1), quota(3, 1)]);
        for quota in plan {
            table.admit(quota, vec![(); quota.limit as usize], NOW);
        }
        assert_eq!(table.plan(NOW, 100).iter().map(|quota| quota.limit).sum::<u32>(), 2);
    }

    #[test]
    fn a_hanging_lane_holds_its_limit_and_loses_its_turn_to_the_others() {
        let mut table = LaneTable::new(1000, 4);
        table.hint(webhook(1));
        let plan = table.plan(NOW, 100);
        table.admit(plan[0], vec![(); 4], NOW);
        table.hint(webhook(2));

        assert_eq!(table.plan(NOW, 100), [quota(2, 4)]);
        assert!(!table.may_plan(NOW));
        assert_eq!(table.answered(webhook(1), NOW), None);
        assert_eq!(table.plan(NOW, 100), [quota(1, 1)], "room brings the turn back");
    }

    #[test]
    fn a_fast_lane_claims_ahead_as_much_again_as_it_finished() {
        let mut table = LaneTable::new(1000, 4);
        table.hint(webhook(1));
        let plan = table.plan(NOW, 100);
        table.admit(plan[0], vec![(); 4], NOW);
        for _ in 0..4 {
            table.answered(webhook(1), NOW);
        }

        let plan = table.plan(NOW, 100);
        assert_eq!(plan, [quota(1, 4)]);
        assert_eq!(table.admit(plan[0], vec![(); 4], NOW).start.len(), 4);
        table.answered(webhook(1), NOW);
        assert_eq!(table.plan(NOW, 100), [quota(1, 9)], "four under way at most, and eight ahead");
    }

    #[test]
    fn a_lane_that_is_held_back_starts_nothing_until_then() {
        let mut table = LaneTable::new(100, 1);
        table.hint(webhook(1));
        table.plan(NOW, 100);
        table.admit(quota(1, 1), vec!["a", "b"], NOW);

        assert_eq!(table.hold_back(webhook(1), NOW + SECOND), ["b"]);
        assert_eq!(table.answered(webhook(1), NOW), None);
        table.hint(webhook(1));
        assert_eq!(table.plan(NOW, 100), []);
        let rings_at = table.next_timer().unwrap();
        assert!(rings_at > NOW + SECOND && rings_at <= NOW + SECOND + Duration::from_millis(50), "{rings_at}");
        assert_eq!(table.plan(rings_at, 100), [quota(1, 1)]);
    }

    #[test]
    fn a_million_retries_of_one_lane_are_few_timers_and_none_rings_early() {
        let mut table: LaneTable<()> = LaneTable::new(100, 1);

        for micros in 0..1_000_000 {
            table.hint_at(webhook(1), NOW + Duration::from_micros(micros));
        }

        assert!(table.timers.len() <= 21, "{}", table.timers.len());
        assert!(table.next_timer().unwrap() > NOW);
    }

    #[test]
    fn failed_logins_hold_a_lane_back_twice_as_long_each_time_up_to_the_longest() {
        let mut table: LaneTable<()> = LaneTable::new(100, 1);
        table.hint(webhook(1));
        let mut now = NOW;
        let mut pauses = Vec::new();
        for _ in 0..4 {
            table.login_failed(webhook(1), now, SECOND, 5 * SECOND);
            table.login_failed(webhook(1), now, SECOND, 5 * SECOND);
            let until = table.lanes[&webhook(1)].held_back_until.unwrap();
            pauses.push(until.since(now));
            now = until;
        }

        assert_eq!(pauses, [SECOND, 2 * SECOND, 4 * SECOND, 5 * SECOND]);
    }

    #[test]
    fn a_lane_that_runs_dry_during_a_claim_remembers_how_fast_it_was() {
        let mut table = LaneTable::new(1000, 4);
        table.hint(webhook(1));
        let first = table.plan(NOW, 100);
        table.admit(first[0], vec![(); 4], NOW);
        let second = table.plan(NOW, 100);
        assert_eq!(second, [], "there is no room yet");
        table.answered(webhook(1), NOW);
        let second = table.plan(NOW, 100);
        for _ in 0..3 {
            table.answered(webhook(1), NOW);
        }
        (0..4).for_each(|_| table.let_go(webhook(1)));

        table.admit(second[0], vec![()], NOW);

        assert_eq!(table.lanes[&webhook(1)].ahead, 8, "twice the four that were answered");
    }

    #[test]
    fn a_lane_at_rest_is_forgotten() {
        let mut table = LaneTable::new(100, 1);
        table.hint(webhook(1));
        let plan = table.plan(NOW, 100);
        table.admit(LaneQuota { limit: 2, ..plan[0] }, vec![()], NOW);
        table.answered(webhook(1), NOW);

        table.let_go(webhook(1));

        assert!(table.lanes.is_empty());
        assert_eq!(table.held(), 0);
    }

    #[test]
    fn a_lane_that_was_held_back_since_the_plan_takes_nothing_in() {
        let mut table = LaneTable::new(100, 2);
        table.hint(webhook(1));
        let plan = table.plan(NOW, 100);
        table.hold_back(webhook(1), NOW + SECOND);

        let admitted = table.admit(plan[0], vec!["a", "b"], NOW);

        assert_eq!(admitted, Admitted { start: vec![], give_back: vec!["a", "b"] });
        table.let_go(webhook(1));
        table.let_go(webhook(1));
        assert_eq!(table.held(), 0);
        assert_eq!(table.plan(NOW + 2 * SECOND, 100), [quota(1, 2)]);
    }

    #[test]
    fn a_stalled_lane_gives_back_what_waits_and_goes_on_with_the_next_answer() {
        let mut table = LaneTable::new(1000, 1);
        table.hint(webhook(1));
        table.plan(NOW, 100);
        table.admit(quota(1, 3), vec!["a", "b", "c"], NOW);

        assert_eq!(table.empty_stalled(NOW + SECOND / 2), [""; 0]);
        assert_eq!(table.empty_stalled(NOW + SECOND), ["b", "c"]);
        assert_eq!(table.plan(NOW + SECOND, 100), []);
        assert_eq!(table.answered(webhook(1), NOW + SECOND), None);
        assert_eq!(table.plan(NOW + SECOND, 100), [quota(1, 1)]);
    }

    #[test]
    fn no_lane_claims_ahead_more_than_its_share_of_the_capacity() {
        let mut table = LaneTable::new(80, 1);
        for _ in 0..50 {
            table.hint(webhook(1));
            for quota in table.plan(NOW, 100) {
                table.admit(quota, vec![(); quota.limit as usize], NOW);
            }
            while table.answered(webhook(1), NOW).is_some() {}
            while table.held() > 0 {
                table.let_go(webhook(1));
            }
        }
        table.hint(webhook(1));

        let most: u32 = table.plan(NOW, 100).iter().map(|quota| quota.limit).sum();
        assert!(most <= 11, "{most}");
    }
}
