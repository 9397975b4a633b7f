//! One webhook's lane: what waits in it and is under way, and what was learnt of its receiver.

use std::collections::VecDeque;
use std::time::Duration;

use rand::Rng;

use super::breaker::{Breaker, BreakerSettings};
use super::pace::Pace;
use super::places::Share;
use super::window::Window;
use crate::delivery::outcome::Sign;
use crate::domain::lane::{BreakerState, LaneState, LaneView};
use crate::domain::rate_limit::RateLimit;
use crate::domain::time::Timestamp;

/// Failed logins beyond this make the pause no longer.
const MAX_DOUBLINGS: u32 = 20;

/// What is thought of a lane's receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// The last thing known of it is an answer.
    Trusted,
    /// Nothing is known of it, or nothing good.
    Doubtful,
    /// Doubtful, and nothing was answered for so long that its requests take no places.
    Stalled,
}

/// Whether a lane waits to be asked what it could take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It does not.
    None,
    /// It stands in the queue.
    Queued,
    /// It had no room when its turn came: it gets its turn back with the room.
    Missed,
}

/// A lane. What belongs to the table's queues (`turn`, `is_planned`, `is_watched`) is the table's to set.
pub(super) struct Lane<T> {
    pub(super) window: Window,
    pub(super) breaker: Breaker,
    pace: Option<Pace>,
    held_back_until: Option<Timestamp>,
    failed_logins: u32,

    pub(super) waiting: VecDeque<T>,
    pub(super) under_way: u32,
    /// Claims held: waiting, under way, or being recorded.
    pub(super) held: u32,
    /// Since when nothing was answered; counts while something is under way.
    pub(super) quiet_since: Timestamp,
    trust: Trust,
    /// Requests under way that take no place.
    pub(super) excused: u32,
    finished_since_plan: u32,
    ahead: u32,

    pub(super) turn: Turn,
    /// Whether a claim is under way for it.
    pub(super) is_planned: bool,
    /// Whether somebody will look whether it stalled.
    pub(super) is_watched: bool,
}

/// What there is to say of a lane to those who cannot look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub weight: Weight,
    /// How the lane stands.
    pub lane: LaneView,
}

/// How much it matters to say how a lane stands; what matters most comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Nothing is sent, for the receiver is not there.
    Open,
    /// Nothing is sent until a pause is over.
    HeldBack,
    /// Less is sent than the webhook allows.
    Limited,
    /// Requests are under way.
    Busy,
}

impl<T> Lane<T> {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            window: Window::new(limit),
            breaker: Breaker::CLOSED,
            pace: None,
            held_back_until: None,
            failed_logins: 0,
            waiting: VecDeque::new(),
            under_way: 0,
            held: 0,
            quiet_since: Timestamp::from_micros(0),
            trust: Trust::Doubtful,
            excused: 0,
            finished_since_plan: 0,
            ahead: 0,
            turn: Turn::None,
            is_planned: false,
            is_watched: false,
        }
    }

    /// What it takes of the node.
    pub(super) fn share(&self) -> Share {
        Share { held: self.held, stalled: self.excused, is_trusted: self.is_trusted() }
    }

    /// Whether the last thing known of its receiver is an answer.
    pub(super) fn is_trusted(&self) -> bool {
        self.trust == Trust::Trusted
    }

    /// Whether its requests take no places, as far as there is room for that.
    pub(super) fn is_stalled(&self) -> bool {
        self.trust == Trust::Stalled
    }

    /// What its webhook says of limits, as is known now.
    pub(super) fn set_limits(&mut self, most: u32, rate: Option<RateLimit>) {
        self.window.set_most(most);
        self.pace = rate.map(|rate| self.pace.map_or_else(|| Pace::new(rate), |pace| pace.with(rate)));
    }

    /// Whether nothing at all may start.
    pub(super) fn is_blocked(&self, now: Timestamp) -> bool {
        self.held_back_until.max(self.breaker.probe_at()).is_some_and(|until| now < until)
    }

    /// Whether a pause lasts that the receiver asked for, or that failed logins brought.
    pub(super) fn is_held_back(&self, now: Timestamp) -> bool {
        self.held_back_until.is_some_and(|until| now < until)
    }

    /// How much it could take now; nothing while what waits in it will last for the moment.
    pub(super) fn room(&self, now: Timestamp) -> u32 {
        if let Some(pace) = &self.pace {
            return pace.available(now).min(self.free());
        }
        let waiting = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        if waiting > self.ahead / 2 {
            return 0;
        }
        (self.window.limit() + self.ahead).saturating_sub(self.under_way + waiting)
    }

    /// When its rate limit allows the next start, where that alone is in the way.
    pub(super) fn paced_until(&self, now: Timestamp) -> Option<Timestamp> {
        let pace = self.pace.as_ref().filter(|_| self.free() > 0)?;
        Some(pace.next_at(now)).filter(|next_at| *next_at > now)
    }

    /// How many more requests may be under way.
    fn free(&self) -> u32 {
        self.window.limit().saturating_sub(self.under_way)
    }

    /// Claims ahead as much again as was finished since it last claimed, and half as far as before where that is more.
    /// A lane that keeps nothing waiting claims nothing ahead.
    pub(super) fn adapt(&mut self, most: u32) {
        self.ahead = self.finished_since_plan.saturating_mul(2).max(self.ahead / 2).min(most);
        self.finished_since_plan = 0;
        if self.keeps_nothing_waiting() {
            self.ahead = 0;
        }
    }

    /// Whether what cannot start at once has no place in it: nobody could say when it will.
    pub(super) fn keeps_nothing_waiting(&self) -> bool {
        self.pace.is_some() || self.is_stalled() || self.breaker.is_open()
    }

    /// Starts what may start of what waits in it.
    pub(super) fn start(&mut self, now: Timestamp) -> Vec<T> {
        let allowed = self.pace.as_ref().map_or(u32::MAX, |pace| pace.available(now)).min(self.free());
        let count = allowed.min(u32::try_from(self.waiting.len()).unwrap_or(u32::MAX));
        self.count_starts(count, now);
        self.waiting.drain(..count as usize).collect()
    }

    /// Starts the next that waits in it, if it may.
    pub(super) fn start_next(&mut self, now: Timestamp) -> Option<T> {
        if self.free() == 0 || self.is_blocked(now) {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.count_starts(1, now);
        Some(next)
    }

    fn count_starts(&mut self, count: u32, now: Timestamp) {
        if self.under_way == 0 {
            self.quiet_since = now;
        }
        self.under_way += count;
        if let Some(pace) = &mut self.pace {
            pace.take(count, now);
        }
    }

    /// A request is no longer under way.
    pub(super) fn end(&mut self, now: Timestamp) {
        self.under_way = self.under_way.saturating_sub(1);
        self.excused = self.excused.min(self.under_way);
        if self.under_way == 0 && self.is_stalled() {
            self.trust = Trust::Doubtful;
        }
        self.finished_since_plan = self.finished_since_plan.saturating_add(1);
        self.quiet_since = now;
    }

    /// The receiver answered, and has nothing against more. Answers whether the limit rose by it.
    pub(super) fn answer(&mut self) -> bool {
        self.trust();
        let (limit, is_probe) = (self.window.limit(), self.breaker.is_open());
        self.breaker.answered();
        if is_probe {
            self.window.pass();
        } else {
            self.window.raise();
            if self.window.is_whole() {
                self.breaker.recovered();
            }
        }
        self.window.limit() > limit
    }

    /// A request that is still counted as under way brought this sign. Answers when the next probe may go out, if the
    /// breaker opened by it.
    pub(super) fn heed(&mut self, sign: Sign, now: Timestamp, settings: &BreakerSettings, rng: &mut impl Rng) -> Option<Timestamp> {
        let others = self.under_way.saturating_sub(1);
        let opened = match sign {
            Sign::Well => {
                self.answer();
                None
            }
            Sign::Overloaded => {
                self.trust();
                self.breaker.answered();
                self.window.lower(others);
                None
            }
            Sign::Down => {
                if self.is_trusted() {
                    self.trust = Trust::Doubtful;
                }
                self.window.lower(others);
                self.breaker.failed(now, settings, rng)
            }
            Sign::None => {
                self.window.pass();
                self.breaker.found_nothing(now, settings, rng)
            }
        };
        if opened.is_some() {
            self.window.shut(others);
        }
        opened
    }

    fn trust(&mut self) {
        self.trust = Trust::Trusted;
        self.excused = 0;
    }

    /// Nothing was answered for too long. As many as `most` of its requests take no place any more.
    pub(super) fn stall(&mut self, most: u32) {
        self.trust = Trust::Stalled;
        self.ahead = 0;
        self.finished_since_plan = 0;
        if self.turn == Turn::None && !self.waiting.is_empty() {
            self.turn = Turn::Missed;
        }
        self.excuse(most);
    }

    /// In a stalled lane, as many as `most` requests more take no place.
    pub(super) fn excuse(&mut self, most: u32) {
        if self.is_stalled() {
            self.excused = self.under_way.min(self.excused.saturating_add(most));
        }
    }

    /// Starts nothing more until then, or until a later time that was set before; answers that time.
    pub(super) fn hold_back(&mut self, until: Timestamp) -> Timestamp {
        let until = self.held_back_until.map_or(until, |before| before.max(until));
        self.held_back_until = Some(until);
        until
    }

    /// How long to hold back after one more failed login.
    pub(super) fn login_pause(&mut self, first: Duration, longest: Duration) -> Duration {
        let doublings = self.failed_logins.min(MAX_DOUBLINGS);
        self.failed_logins = self.failed_logins.saturating_add(1);
        first.saturating_mul(1 << doublings).min(longest)
    }

    /// A login worked (again).
    pub(super) const fn login_worked(&mut self) {
        self.failed_logins = 0;
    }

    /// The pause is over.
    pub(super) const fn go_on(&mut self) {
        self.held_back_until = None;
    }

    /// Forgets what was learnt of the receiver; what started lately still counts against the rate limit.
    pub(super) fn start_afresh(&mut self) {
        self.held_back_until = None;
        self.failed_logins = 0;
        self.breaker = Breaker::CLOSED;
        self.window.open();
    }

    /// How it stands; `most` is what its webhook may have at most.
    pub(super) fn view(&self, most: u32, now: Timestamp) -> LaneView {
        let held_back_until = self.held_back_until.filter(|until| now < *until);
        let breaker = match self.breaker {
            Breaker::Closed { .. } => BreakerState::Closed,
            Breaker::Open { .. } => BreakerState::Open,
            Breaker::HalfOpen { .. } => BreakerState::HalfOpen,
        };
        let state = match (self.breaker.is_open(), held_back_until, self.under_way) {
            (true, ..) => LaneState::Open,
            (false, Some(_), _) => LaneState::HeldBack,
            (false, None, 0) => LaneState::Idle,
            (false, None, _) => LaneState::Busy,
        };
        let limit = if self.window.is_whole() { most } else { self.window.limit().min(most) };
        let next_probe_at = self.breaker.probe_at().filter(|probe_at| now < *probe_at);
        LaneView { state, in_flight: self.under_way, limit, breaker, next_probe_at, held_back_until }
    }

    /// What there is to say of it; `None` if it just stands idle.
    pub(super) fn notice(&self, now: Timestamp) -> Option<Notice> {
        let lane = self.view(self.window.limit(), now);
        let is_limited = !self.window.is_whole() || lane.breaker != BreakerState::Closed;
        let weight = match lane.state {
            LaneState::Open => Weight::Open,
            LaneState::HeldBack => Weight::HeldBack,
            LaneState::Idle | LaneState::Busy if is_limited => Weight::Limited,
            LaneState::Busy => Weight::Busy,
            LaneState::Idle => return None,
        };
        Some(Notice { weight, lane })
    }

    /// Whether nothing goes on in it.
    pub(super) fn is_at_rest(&self) -> bool {
        self.held == 0
            && self.under_way == 0
            && self.waiting.is_empty()
            && self.turn == Turn::None
            && !self.is_planned
            && self.held_back_until.is_none()
            && self.failed_logins == 0
    }

    /// Whether it is worth remembering while it is at rest.
    pub(super) fn has_learnt(&self) -> bool {
        self.is_trusted() || self.pace.is_some() || !self.window.is_whole() || !self.breaker.is_calm()
    }

    /// Whether forgetting it would allow more starts than its rate limit.
    pub(super) fn is_paced(&self, now: Timestamp) -> bool {
        self.pace.is_some_and(|pace| !pace.is_full(now))
    }
}
