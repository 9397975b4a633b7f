//! All lanes of a node, the places they share, and whose turn it is.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use rand::Rng;

use super::LaneSettings;
use super::lane::{Lane, Turn};
use super::places::Places;
use super::turns::Turns;
use crate::delivery::outcome::Sign;
use crate::domain::ids::WebhookId;
use crate::domain::lane::{LaneCounts, LaneView};
use crate::domain::time::Timestamp;
use crate::domain::webhook::DeliverySettings;
use crate::store::records::LaneQuota;

/// The part of the capacity that one lane may claim ahead of its limit.
const AHEAD_SHARE: usize = 4;

/// A lane of which nothing was answered for so long is stalled.
const STALL: Duration = Duration::from_secs(1);

/// How long a lane at rest is remembered for what was learnt of its receiver.
const MEMORY: Duration = Duration::from_hours(1);

/// As many lanes may be remembered while they are at rest.
const MAX_REMEMBERED: usize = 50_000;

/// How often lanes that need not be remembered any more are looked for.
const SWEEP: Duration = Duration::from_mins(1);

/// The lanes of one node; `T` is what waits in them.
pub struct LaneTable<T> {
    settings: LaneSettings,
    lanes: HashMap<WebhookId, Lane<T>>,
    places: Places,
    turns: Turns,
    /// When to look whether a lane with requests under way stalled.
    watches: BTreeSet<(Timestamp, WebhookId)>,
    /// What waited in lanes that stalled, until the caller takes it.
    left_over: Vec<T>,
    swept_at: Timestamp,
}

/// What became of claims that were taken in.
#[derive(Debug, PartialEq, Eq)]
pub struct Admitted<T> {
    /// May start at once.
    pub start: Vec<T>,
    /// Has no place; the caller gives these claims back and lets go of each.
    pub give_back: Vec<T>,
}

impl<T> LaneTable<T> {
    /// No lanes yet.
    #[must_use]
    pub fn new(settings: LaneSettings) -> Self {
        Self {
            settings,
            lanes: HashMap::new(),
            places: Places::new(settings.capacity, settings.max_stalled),
            turns: Turns::default(),
            watches: BTreeSet::new(),
            left_over: Vec::new(),
            swept_at: Timestamp::from_micros(0),
        }
    }

    /// Something may be due in this lane now.
    pub fn hint(&mut self, id: WebhookId) {
        let lane = lane(&mut self.lanes, id, self.settings.limit);
        if std::mem::replace(&mut lane.turn, Turn::Queued) != Turn::Queued {
            self.turns.push(id, lane.is_trusted());
        }
    }

    /// Something will be due in this lane then.
    pub fn hint_at(&mut self, id: WebhookId, due_at: Timestamp) {
        self.turns.ring_about(due_at, id);
    }

    /// When something changes next by time alone: a timed hint is due, or places may come free.
    #[must_use]
    pub fn next_timer(&self) -> Option<Timestamp> {
        // The timers of a full node ring when there is room again.
        let timer = if self.is_full() { None } else { self.turns.next_timer() };
        let waits_for_places = self.is_full() || self.turns.has_doubtful() && self.places.room_for_doubtful() == 0;
        let watch = self.watches.first().filter(|_| waits_for_places).map(|(at, _)| *at);
        [timer, watch].into_iter().flatten().min()
    }

    /// What to claim now, at most `limit` deliveries: an even share for every lane that has a turn and room.
    ///
    /// The named lanes lose their turn; [`Self::admit`] gives it back to those that may have more, so every plan must be
    /// followed by one `admit` for each of its quotas.
    pub fn plan(&mut self, now: Timestamp, limit: u32) -> Vec<LaneQuota> {
        self.watch(now);
        self.ring_timers(now);
        let at_most = |places: usize| u32::try_from(places).unwrap_or(u32::MAX).min(limit);
        let (budget, doubtful_budget) = (at_most(self.places.room()), at_most(self.places.room_for_doubtful()));
        let named = self.lanes_with_room(now, budget, doubtful_budget);
        let doubtful = named.iter().filter(|named| !named.is_trusted).count();
        let share = even_share(budget, named.len());
        let doubtful_share = share.min(even_share(doubtful_budget, doubtful));
        let quota = |Named { webhook_id, room, is_trusted }: Named| {
            let share = if is_trusted { share } else { doubtful_share };
            LaneQuota { webhook_id, limit: room.min(share) }
        };
        named.into_iter().map(quota).collect()
    }

    /// The first lanes in turn that could take something, at most so many in all and so many doubtful ones.
    fn lanes_with_room(&mut self, now: Timestamp, most: u32, most_doubtful: u32) -> Vec<Named> {
        let mut found = Vec::new();
        let mut doubtful_left = most_doubtful;
        while found.len() < most as usize {
            let Some(id) = self.turns.next(doubtful_left > 0) else { break };
            let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.turn == Turn::Queued) else { continue };
            if doubtful_left == 0 && !lane.is_trusted() {
                // It was trusted when it got its turn.
                self.turns.push(id, false);
                continue;
            }
            if let Some(named) = self.take_turn(id, now) {
                doubtful_left -= u32::from(!named.is_trusted);
                found.push(named);
            }
        }
        found
    }

    /// Gives a lane its turn, if it can take anything. Otherwise it loses it: until it is not blocked any more, until its
    /// rate limit allows a start, or until there is room.
    fn take_turn(&mut self, id: WebhookId, now: Timestamp) -> Option<Named> {
        let is_scarce = self.places.is_scarce();
        let lane = self.lanes.get_mut(&id)?;
        lane.turn = Turn::None;
        if lane.is_blocked(now) {
            return None;
        }
        lane.go_on();
        let is_trusted = lane.is_trusted();
        let most = if is_scarce && !is_trusted { 1_u32.saturating_sub(lane.under_way) } else { u32::MAX };
        let room = lane.room(now).min(most);
        if room > 0 {
            lane.is_planned = true;
            return Some(Named { webhook_id: id, room, is_trusted });
        }
        match lane.paced_until(now) {
            Some(until) => self.turns.ring_at(until, id),
            None => lane.turn = Turn::Missed,
        }
        None
    }

    /// Takes in what was claimed for one planned quota. A lane whose quota was used up may have more, and gets its turn
    /// back. A lane that was blocked since the plan takes nothing in.
    pub fn admit(&mut self, quota: LaneQuota, claimed: Vec<T>, now: Timestamp) -> Admitted<T> {
        let id = quota.webhook_id;
        let used_up = claimed.len() >= quota.limit as usize;
        let most_ahead = u32::try_from(self.places.capacity() / AHEAD_SHARE).unwrap_or(u32::MAX);
        let stalled_left = self.places.room_for_stalled();
        let lane = lane(&mut self.lanes, id, self.settings.limit);
        let before = lane.share();
        lane.is_planned = false;
        lane.held = lane.held.saturating_add(u32::try_from(claimed.len()).unwrap_or(u32::MAX));
        let admitted = if lane.is_blocked(now) {
            Admitted { start: Vec::new(), give_back: claimed }
        } else {
            lane.adapt(most_ahead);
            lane.waiting.extend(claimed);
            let start = lane.start(now);
            lane.excuse(stalled_left);
            Admitted { start, give_back: if lane.keeps_nothing_waiting() { lane.waiting.drain(..).collect() } else { Vec::new() } }
        };
        self.places.settle(before, lane.share());
        watch_over(&mut self.watches, id, lane);
        if used_up {
            self.hint(id);
        } else {
            self.forget_if_new(id);
        }
        admitted
    }

    /// A webhook's own limits, as they are known now.
    pub fn set_limits(&mut self, id: WebhookId, settings: &DeliverySettings) {
        let most = settings.max_in_flight.unwrap_or(self.settings.limit);
        lane(&mut self.lanes, id, self.settings.limit).set_limits(most, settings.rate_limit);
    }

    /// A request of this lane, still counted as under way, was answered well; answers what starts beside it because the
    /// lane's limit rose by it.
    pub fn heed_answer(&mut self, id: WebhookId, now: Timestamp) -> Vec<T> {
        let started = self.change(id, |lane| if lane.answer() && !lane.is_blocked(now) { lane.start(now) } else { Vec::new() });
        started.unwrap_or_default()
    }

    /// A request of this lane, still counted as under way, told this of its receiver. What waits in the lane comes back,
    /// as from [`Self::empty`], if the breaker opened.
    pub fn heed(&mut self, id: WebhookId, sign: Sign, now: Timestamp, rng: &mut impl Rng) -> Vec<T> {
        let settings = self.settings.breaker;
        let opened = self.change(id, |lane| lane.heed(sign, now, &settings, rng)).flatten();
        let Some(probe_at) = opened else { return Vec::new() };
        self.hint_at(id, probe_at);
        self.empty(id)
    }

    /// A request of this lane is no longer under way (its record may be); answers what starts in its place.
    pub fn answered(&mut self, id: WebhookId, now: Timestamp) -> Option<T> {
        let lane = self.lanes.get_mut(&id)?;
        let before = lane.share();
        lane.end(now);
        let next = lane.start_next(now);
        self.places.settle(before, lane.share());
        watch_over(&mut self.watches, id, lane);
        if lane.turn == Turn::Missed && lane.room(now) > 0 {
            self.hint(id);
        }
        next
    }

    /// A claim is no longer held.
    pub fn let_go(&mut self, id: WebhookId) {
        let is_new = self.change(id, |lane| {
            lane.held = lane.held.saturating_sub(1);
            lane.is_at_rest() && !lane.has_learnt()
        });
        if is_new == Some(true) {
            self.lanes.remove(&id);
        }
    }

    /// Takes out what waits in lanes of which nothing was answered lately; the caller gives those claims back and lets
    /// go of each.
    pub fn empty_stalled(&mut self, now: Timestamp) -> Vec<T> {
        self.watch(now);
        self.sweep(now);
        std::mem::take(&mut self.left_over)
    }

    /// Takes out what waits in a lane; the caller gives those claims back and lets go of each.
    pub fn empty(&mut self, id: WebhookId) -> Vec<T> {
        self.lanes.get_mut(&id).map(|lane| lane.waiting.drain(..).collect()).unwrap_or_default()
    }

    /// Takes out what waits in every lane.
    pub fn empty_all(&mut self) -> Vec<T> {
        let mut waiting = std::mem::take(&mut self.left_over);
        waiting.extend(self.lanes.values_mut().flat_map(|lane| lane.waiting.drain(..)));
        waiting
    }

    /// Starts nothing more in this lane until then; what waits in it comes back, as from [`Self::empty`].
    pub fn hold_back(&mut self, id: WebhookId, until: Timestamp) -> Vec<T> {
        let Some(lane) = self.lanes.get_mut(&id) else { return Vec::new() };
        let until = lane.hold_back(until);
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
        let pause = lane.login_pause(first, longest);
        self.hold_back(id, now + pause)
    }

    /// A login worked (again).
    pub fn login_worked(&mut self, id: WebhookId) {
        self.change(id, Lane::login_worked);
    }

    /// A person or the dispatcher changed the webhook: whatever held its lane back or slowed it down is forgotten.
    pub fn start_afresh(&mut self, id: WebhookId) {
        self.change(id, Lane::start_afresh);
        self.hint(id);
    }

    /// As [`Self::start_afresh`] for every lane; takes out what waits in them, as [`Self::empty_all`] does.
    pub fn start_all_afresh(&mut self) -> Vec<T> {
        self.lanes.values_mut().for_each(Lane::start_afresh);
        self.empty_all()
    }

    /// How a lane stands whose webhook says this of its limits.
    #[must_use]
    pub fn view(&self, id: WebhookId, settings: &DeliverySettings, now: Timestamp) -> LaneView {
        let most = settings.max_in_flight.unwrap_or(self.settings.limit);
        self.lanes.get(&id).map_or_else(|| LaneView::idle(most), |lane| lane.view(most, now))
    }

    /// How many of the lanes that are known stand how.
    #[must_use]
    pub fn counts(&self, now: Timestamp) -> LaneCounts {
        let mut counts = LaneCounts::default();
        for lane in self.lanes.values() {
            counts.add(&lane.view(self.settings.limit, now));
        }
        counts
    }

    /// Whether there is no room for another claim, whatever lane it is for.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.places.room() == 0
    }

    /// How many claims are held.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.places.held()
    }

    /// Whether a plan made now could name a lane, as far as turns, timers and places go.
    #[must_use]
    pub fn may_plan(&mut self, now: Timestamp) -> bool {
        self.watch(now);
        let is_due = || self.turns.next_timer().is_some_and(|due_at| due_at <= now);
        !self.is_full() && (self.turns.any(self.places.room_for_doubtful() > 0) || is_due())
    }

    /// Changes a lane, if it is known, and what it takes of the node with it.
    fn change<R>(&mut self, id: WebhookId, change: impl FnOnce(&mut Lane<T>) -> R) -> Option<R> {
        let lane = self.lanes.get_mut(&id)?;
        let before = lane.share();
        let result = change(lane);
        self.places.settle(before, lane.share());
        if lane.turn == Turn::Queued && lane.is_trusted() && !before.is_trusted {
            // Its turn among the doubtful passes unused.
            self.turns.push(id, true);
        }
        Some(result)
    }

    /// Looks which lanes stalled.
    fn watch(&mut self, now: Timestamp) {
        while let Some(&(at, id)) = self.watches.first().filter(|(at, _)| *at <= now) {
            self.watches.remove(&(at, id));
            let Some(lane) = self.lanes.get_mut(&id) else { continue };
            lane.is_watched = false;
            if lane.quiet_since + STALL > now {
                watch_over(&mut self.watches, id, lane);
            } else if lane.under_way > 0 {
                let before = lane.share();
                lane.stall(self.places.room_for_stalled());
                self.left_over.extend(lane.waiting.drain(..));
                self.places.settle(before, lane.share());
            }
        }
    }

    fn ring_timers(&mut self, now: Timestamp) {
        while let Some(id) = self.turns.rung(now) {
            self.hint(id);
        }
    }

    /// Forgets a lane of which nothing is known.
    fn forget_if_new(&mut self, id: WebhookId) {
        if self.lanes.get(&id).is_some_and(|lane| lane.is_at_rest() && !lane.has_learnt()) {
            self.lanes.remove(&id);
        }
    }

    /// Forgets what was learnt long ago.
    fn sweep(&mut self, now: Timestamp) {
        if now.since(self.swept_at) < SWEEP {
            return;
        }
        self.swept_at = now;
        let memory = if self.lanes.len() > MAX_REMEMBERED { Duration::ZERO } else { MEMORY };
        let is_remembered = |lane: &Lane<T>| now.since(lane.quiet_since) < memory || lane.is_paced(now);
        self.lanes.retain(|_, lane| !lane.is_at_rest() || is_remembered(lane));
    }
}

/// A lane that is to be asked for.
struct Named {
    webhook_id: WebhookId,
    room: u32,
    is_trusted: bool,
}

/// What each of so many lanes may have of a budget; one at least.
fn even_share(budget: u32, among: usize) -> u32 {
    (budget / u32::try_from(among.max(1)).unwrap_or(u32::MAX)).max(1)
}

fn lane<T>(lanes: &mut HashMap<WebhookId, Lane<T>>, id: WebhookId, limit: u32) -> &mut Lane<T> {
    lanes.entry(id).or_insert_with(|| Lane::new(limit))
}

/// Sees to it that somebody looks in time whether the lane stalled.
fn watch_over<T>(watches: &mut BTreeSet<(Timestamp, WebhookId)>, id: WebhookId, lane: &mut Lane<T>) {
    if lane.under_way > 0 && !lane.is_watched && !lane.is_stalled() {
        lane.is_watched = true;
        watches.insert((lane.quiet_since + STALL, id));
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::super::BreakerSettings;
    use super::*;
    use crate::domain::lane::{BreakerState, LaneState};
    use crate::domain::rate_limit::RateLimit;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);
    const BREAKER: BreakerSettings = BreakerSettings { failures: 3, pause: Duration::from_secs(10), pause_max: Duration::from_mins(1) };

    fn table<T>(capacity: usize, limit: u32) -> LaneTable<T> {
        LaneTable::new(LaneSettings { capacity, max_stalled: 1_000, limit, breaker: BREAKER })
    }

    fn webhook(n: u128) -> WebhookId {
        uuid::Uuid::from_u128(n).into()
    }

    fn quota(n: u128, limit: u32) -> LaneQuota {
        LaneQuota { webhook_id: webhook(n), limit }
    }

    fn rng() -> StdRng {
        StdRng::seed_from_u64(1)
    }

    fn settings(max_in_flight: u32, rate_limit: Option<RateLimit>) -> DeliverySettings {
        DeliverySettings { max_in_flight: Some(max_in_flight), rate_limit, ..DeliverySettings::default() }
    }

    impl LaneTable<()> {
        /// Claims for every lane that has a turn, of which `due` deliveries each are due; answers how many started.
        fn fill(&mut self, now: Timestamp, due: usize) -> Vec<(WebhookId, usize)> {
            let mut started: HashMap<WebhookId, usize> = HashMap::new();
            while self.may_plan(now) {
                let plan = self.plan(now, 1_000);
                if plan.is_empty() {
                    break;
                }
                for quota in plan {
                    let started = started.entry(quota.webhook_id).or_default();
                    let admitted = self.admit(quota, vec![(); (quota.limit as usize).min(due - *started)], now);
                    admitted.give_back.iter().for_each(|()| self.let_go(quota.webhook_id));
                    *started += admitted.start.len();
                }
            }
            let mut started: Vec<_> = started.into_iter().filter(|(_, count)| *count > 0).collect();
            started.sort_unstable();
            started
        }

        /// A request of the lane ends in this way and is recorded; answers how many go back to the store.
        fn finish(&mut self, n: u128, sign: Sign, now: Timestamp) -> usize {
            let back = self.heed(webhook(n), sign, now, &mut rng()).len();
            self.answered(webhook(n), now);
            (0..=back).for_each(|_| self.let_go(webhook(n)));
            back
        }

        fn shown(&self, n: u128, now: Timestamp) -> LaneView {
            self.view(webhook(n), &settings(16, None), now)
        }
    }

    #[test]
    fn a_lane_starts_no_more_than_its_limit_and_the_next_when_one_is_answered() {
        let mut table = table(100, 2);
        table.hint(webhook(1));

        assert_eq!(table.plan(NOW, 100), [quota(1, 2)]);
        table.set_limits(webhook(1), &settings(1, None));
        assert_eq!(table.admit(quota(1, 2), vec!["a", "b"], NOW).start, ["a"]);
        assert_eq!(table.answered(webhook(1), NOW), Some("b"));
        assert_eq!(table.answered(webhook(1), NOW), None);
    }

    #[test]
    fn all_lanes_together_hold_no_more_than_the_capacity() {
        let mut table = table(5, 4);
        for n in 1..=3 {
            table.hint(webhook(n));
            table.plan(NOW, 0);
            table.heed_answer(webhook(n), NOW);
        }

        let plan = table.plan(NOW, 100);
        assert_eq!(plan, [quota(1, 1), quota(2, 1), quota(3, 1)]);
        for quota in plan {
            table.admit(quota, vec![(); quota.limit as usize], NOW);
        }
        assert_eq!(table.plan(NOW, 100).iter().map(|quota| quota.limit).sum::<u32>(), 2);
    }

    #[test]
    fn a_hanging_lane_holds_its_limit_and_loses_its_turn_to_the_others() {
        let mut table = table(1000, 4);
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
        let mut table = table(1000, 4);
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
        let mut table = table(100, 1);
        table.hint(webhook(1));
        table.plan(NOW, 100);
        table.admit(quota(1, 1), vec!["a", "b"], NOW);

        assert_eq!(table.hold_back(webhook(1), NOW + SECOND), ["b"]);
        assert_eq!(table.answered(webhook(1), NOW), None);
        table.hint(webhook(1));
        assert_eq!(table.plan(NOW, 100), []);
        let view = table.view(webhook(1), &settings(1, None), NOW);
        assert_eq!((view.state, view.held_back_until), (LaneState::HeldBack, Some(NOW + SECOND)));
        let rings_at = table.next_timer().unwrap();
        assert!(rings_at > NOW + SECOND && rings_at <= NOW + SECOND + Duration::from_millis(50), "{rings_at}");
        assert_eq!(table.plan(rings_at, 100), [quota(1, 1)]);
    }

    #[test]
    fn failed_logins_hold_a_lane_back_twice_as_long_each_time_up_to_the_longest() {
        let mut table: LaneTable<()> = table(100, 1);
        table.hint(webhook(1));
        let mut now = NOW;
        let mut pauses = Vec::new();
        for _ in 0..4 {
            table.login_failed(webhook(1), now, SECOND, 5 * SECOND);
            table.login_failed(webhook(1), now, SECOND, 5 * SECOND);
            let until = table.shown(1, now).held_back_until.unwrap();
            pauses.push(until.since(now));
            now = until;
        }

        assert_eq!(pauses, [SECOND, 2 * SECOND, 4 * SECOND, 5 * SECOND]);
    }

    #[test]
    fn a_lane_that_runs_dry_during_a_claim_remembers_how_fast_it_was() {
        let mut table = table(1000, 4);
        table.hint(webhook(1));
        let first = table.plan(NOW, 100);
        table.admit(first[0], vec![(); 4], NOW);
        assert_eq!(table.plan(NOW, 100), [], "there is no room yet");
        table.answered(webhook(1), NOW);
        let second = table.plan(NOW, 100);
        for _ in 0..3 {
            table.answered(webhook(1), NOW);
        }
        (0..4).for_each(|_| table.let_go(webhook(1)));

        table.admit(second[0], vec![()], NOW);

        assert_eq!(table.plan(NOW, 100), [quota(1, 11)], "one is under way of four, and twice the four that were answered go ahead");
    }

    #[test]
    fn a_lane_at_rest_is_forgotten_at_once_or_an_hour_after_its_last_answer() {
        let mut table = table(100, 1);
        (1..=2).for_each(|n| table.hint(webhook(n)));
        table.plan(NOW, 100).into_iter().for_each(|quota| drop(table.admit(LaneQuota { limit: 2, ..quota }, vec![()], NOW)));

        table.finish(1, Sign::None, NOW);
        table.finish(2, Sign::Well, NOW);

        assert_eq!(table.lanes.keys().copied().collect::<Vec<_>>(), [webhook(2)]);
        table.empty_stalled(NOW + MEMORY - SECOND);
        assert_eq!(table.lanes.len(), 1);
        table.empty_stalled(NOW + MEMORY + SWEEP);
        assert_eq!((table.lanes.len(), table.held()), (0, 0));
    }

    #[test]
    fn a_lane_that_was_held_back_since_the_plan_takes_nothing_in() {
        let mut table = table(100, 2);
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
        let mut table = table(1000, 1);
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
        let mut table = table(80, 1);
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
        assert!(most <= 21, "{most}");
    }

    #[test]
    fn lanes_that_hang_leave_places_to_one_that_answers_and_take_none_once_they_stalled() {
        let mut table = table(100, 16);
        table.hint(webhook(1));
        table.fill(NOW, 8);
        for _ in 0..8 {
            table.finish(1, Sign::Well, NOW);
        }
        (1_000..1_100).for_each(|n| table.hint(webhook(n)));
        table.fill(NOW, 16);
        assert_eq!(table.held(), 75, "three quarters");

        table.hint(webhook(1));
        assert_eq!(table.fill(NOW, 16), [(webhook(1), 16)]);
        assert_eq!(table.shown(1, NOW).in_flight, 16);
        (2_000..2_040).for_each(|n| table.hint(webhook(n)));
        assert_eq!(table.fill(NOW, 16), [], "there is no room for more of which nothing is known");

        table.fill(NOW + STALL, 1);
        assert!((2_000..2_040).all(|n| table.shown(n, NOW).in_flight == 1), "what stalled takes no place");
    }

    #[test]
    fn where_places_are_scarce_a_lane_that_never_answered_starts_with_one() {
        let mut table = table(100, 16);
        (1..=3).for_each(|n| {
            table.hint(webhook(n));
            table.fill(NOW, 16);
        });
        assert_eq!(table.held(), 48);

        table.hint(webhook(4));
        assert_eq!(table.fill(NOW, 16), [(webhook(4), 1)]);
        table.finish(4, Sign::Well, NOW);
        table.hint(webhook(4));

        assert_eq!(table.fill(NOW, 16), [(webhook(4), 16)], "it answers");
    }

    #[test]
    fn no_more_requests_are_counted_as_stalled_than_their_bound() {
        let mut table = LaneTable::new(LaneSettings { capacity: 8, max_stalled: 3, limit: 1, breaker: BREAKER });
        (1..=20).for_each(|n| table.hint(webhook(n)));
        table.fill(NOW, 16);
        assert_eq!(table.held(), 6);

        for second in 1..5 {
            table.fill(NOW + second * STALL, 16);
        }

        assert_eq!(table.held(), 9, "three beside the six");
    }

    #[test]
    fn the_rate_limit_bounds_starts_and_the_timer_rings_when_it_allows_the_next() {
        let mut table = table(100, 16);
        let limits = settings(16, RateLimit::new(2, 1).ok());
        table.hint(webhook(1));
        assert_eq!(table.plan(NOW, 100), [quota(1, 16)]);
        table.set_limits(webhook(1), &limits);

        let admitted = table.admit(quota(1, 16), vec![(); 16], NOW);
        assert_eq!((admitted.start.len(), admitted.give_back.len()), (1, 15));
        (0..15).for_each(|_| table.let_go(webhook(1)));
        table.finish(1, Sign::Well, NOW);
        table.hint(webhook(1));

        assert_eq!(table.fill(NOW, 16), []);
        let next = table.next_timer().unwrap();
        assert_eq!(next, NOW + SECOND / 2);
        table.start_afresh(webhook(1));
        assert_eq!(table.fill(NOW, 16), [], "an edit allows no more");
        assert_eq!(table.fill(next, 16), [(webhook(1), 1)]);
    }

    #[test]
    fn failures_in_a_row_open_the_breaker_and_what_waits_goes_back() {
        let mut table = table(100, 4);
        table.hint(webhook(1));
        table.plan(NOW, 100);
        table.admit(quota(1, 6), vec![(); 6], NOW);

        assert_eq!([Sign::Down; 3].map(|sign| table.finish(1, sign, NOW)), [0, 0, 2]);
        let view = table.shown(1, NOW);
        assert_eq!((view.state, view.breaker, view.limit, view.in_flight), (LaneState::Open, BreakerState::Open, 1, 1));
        table.hint(webhook(1));
        assert_eq!(table.fill(NOW, 16), []);
        assert_eq!(table.held(), 1);
    }

    #[test]
    fn an_open_lane_gets_one_probe_at_a_time_and_after_an_answer_more_step_by_step() {
        let mut table = table(100, 4);
        table.hint(webhook(1));
        table.fill(NOW, 16);
        for _ in 0..4 {
            table.finish(1, Sign::Down, NOW);
        }
        assert_eq!(table.held(), 0);

        let probe_at = table.next_timer().unwrap();
        assert!((8..=12).contains(&probe_at.since(NOW).as_secs()), "{probe_at}");
        assert_eq!(table.fill(probe_at, 16), [(webhook(1), 1)]);
        table.finish(1, Sign::Down, probe_at);
        let again_at = table.next_timer().unwrap();
        assert!((16..=24).contains(&again_at.since(probe_at).as_secs()), "{again_at}");
        assert_eq!(table.fill(again_at, 16), [(webhook(1), 1)]);
        table.finish(1, Sign::Well, again_at);
        assert_eq!(table.shown(1, again_at).breaker, BreakerState::HalfOpen);

        let mut under_way = Vec::new();
        while table.shown(1, again_at).breaker == BreakerState::HalfOpen {
            table.hint(webhook(1));
            table.fill(again_at, 16);
            under_way.push(table.shown(1, again_at).in_flight);
            table.finish(1, Sign::Well, again_at);
        }
        under_way.dedup();
        assert_eq!(under_way, [1, 2, 3]);
        assert_eq!(table.shown(1, again_at).limit, 16);
    }

    #[test]
    fn an_edit_closes_the_breaker() {
        let mut table = table(100, 4);
        table.hint(webhook(1));
        table.fill(NOW, 16);
        for _ in 0..4 {
            table.finish(1, Sign::Down, NOW);
        }

        table.start_afresh(webhook(1));

        assert_eq!(table.shown(1, NOW).state, LaneState::Idle);
        assert_eq!(table.fill(NOW, 16), [(webhook(1), 4)]);
    }

    #[test]
    fn an_overloaded_receiver_gets_half_as_much() {
        let mut table = table(100, 8);
        table.hint(webhook(1));
        table.fill(NOW, 16);

        for _ in 0..8 {
            table.finish(1, Sign::Overloaded, NOW);
        }
        table.hint(webhook(1));

        assert_eq!(table.fill(NOW, 16), [(webhook(1), 4)]);
        assert_eq!(table.shown(1, NOW).breaker, BreakerState::Closed);
    }
}
