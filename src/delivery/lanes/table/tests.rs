//! What the table of lanes lets go, holds back and probes, event by event.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::super::{BreakerSettings, Weight};
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
fn a_lane_that_was_full_when_its_turn_came_goes_on_as_soon_as_its_rate_limit_allows() {
    let mut table = table(100, 16);
    table.set_limits(webhook(1), &settings(1, RateLimit::new(2, 1).ok()));
    table.hint(webhook(1));
    assert_eq!(table.fill(NOW, 16), [(webhook(1), 1)]);
    table.hint(webhook(1));
    assert_eq!(table.fill(NOW, 16), [], "it is full");

    table.finish(1, Sign::Well, NOW + SECOND / 10);

    let next = table.next_timer().unwrap();
    assert_eq!(next, NOW + SECOND / 2);
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

#[test]
fn there_is_something_to_say_of_lanes_that_do_not_just_stand_idle() {
    let mut table = table(100, 4);
    (1..=5).for_each(|n| table.hint(webhook(n)));
    assert_eq!(table.fill(NOW, 4).len(), 5);

    let ends = [(1, Sign::Down); 3].into_iter().chain([(3, Sign::Overloaded)]).chain([(5, Sign::Well); 4]);
    for (n, sign) in ends {
        table.finish(n, sign, NOW);
    }
    table.hold_back(webhook(2), NOW + SECOND);
    let mut notices = table.notices(NOW);

    notices.sort_unstable_by_key(|(_, notice)| notice.weight);
    let found: Vec<_> = notices.iter().map(|(id, notice)| (*id, notice.weight)).collect();
    let expected = [(1, Weight::Open), (2, Weight::HeldBack), (3, Weight::Limited), (4, Weight::Busy)];
    assert_eq!(found, expected.map(|(n, weight)| (webhook(n), weight)));
    for (id, notice) in notices {
        assert_eq!(notice.lane, table.view(id, &settings(4, None), NOW));
    }
}
