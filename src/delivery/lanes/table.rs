//! All lanes of a node, the places they share, and whose turn it is.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use rand::Rng;

use super::LaneSettings;
use super::lane::{Lane, Notice, Turn};
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
        if lane.turn == Turn::Missed {
            if lane.room(now) > 0 {
                self.hint(id);
            } else if let Some(until) = lane.paced_until(now) {
                lane.turn = Turn::None;
                self.turns.ring_at(until, id);
            }
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

    /// The lanes that do not just stand idle, in no order.
    #[must_use]
    pub fn notices(&self, now: Timestamp) -> Vec<(WebhookId, Notice)> {
        self.lanes.iter().filter_map(|(id, lane)| Some((*id, lane.notice(now)?))).collect()
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
mod tests;
