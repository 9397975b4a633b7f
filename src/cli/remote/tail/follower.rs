//! Which ends are new, and from when on to look for the next.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::domain::time::Timestamp;

/// How far back every look reaches beyond what was seen at the look before.
const SHORT: Duration = Duration::from_secs(2);

/// How far back a long look reaches: further than a commit may take, or the clocks of nodes may differ.
const LONG: Duration = Duration::from_mins(2);

/// Every so many looks one is long.
const BETWEEN_LONG: u32 = 15;

/// Follows the ends of deliveries.
pub(super) struct Follower {
    since: Timestamp,
    /// The newest end that was seen, and that of the look before: what ended while pages were read may be on none of them.
    newest: Timestamp,
    newest_before: Timestamp,
    until_long: u32,
    /// What was told and may be seen again.
    told: BTreeSet<(Timestamp, String)>,
}

impl Follower {
    /// Follows what ends at `since` or later.
    pub(super) const fn from(since: Timestamp) -> Self {
        Self { since, newest: since, newest_before: since, until_long: BETWEEN_LONG, told: BTreeSet::new() }
    }

    /// From when on to look.
    pub(super) fn next_look(&mut self) -> Timestamp {
        let back = if let Some(left) = self.until_long.checked_sub(1) {
            self.until_long = left;
            SHORT
        } else {
            self.until_long = BETWEEN_LONG;
            LONG
        };
        self.since.max(earlier(self.newest_before, back))
    }

    /// A look failed; nobody knows how long what ended meanwhile took to become visible.
    pub(super) const fn interrupted(&mut self) {
        self.until_long = 0;
    }

    /// What of `ended` was not told before, the earliest end first.
    pub(super) fn fresh(&mut self, ended: Vec<Value>) -> Vec<Value> {
        let mut fresh: Vec<(Timestamp, String, Value)> = ended.into_iter().filter_map(with_key).collect();
        fresh.retain(|(at, id, _)| *at >= self.since && !self.told.contains(&(*at, id.clone())));
        fresh.sort_by(|(a, a_id, _), (b, b_id, _)| (a, a_id).cmp(&(b, b_id)));
        fresh.dedup_by(|(a, a_id, _), (b, b_id, _)| (a, a_id) == (b, b_id));
        self.newest_before = self.newest;
        for (at, id, _) in &fresh {
            self.newest = self.newest.max(*at);
            self.told.insert((*at, id.clone()));
        }
        // No look reaches further back.
        self.told = self.told.split_off(&(earlier(self.newest_before, LONG), String::new()));
        fresh.into_iter().map(|(.., delivery)| delivery).collect()
    }
}

/// A delivery that was sent again ends again, at another time.
fn with_key(delivery: Value) -> Option<(Timestamp, String, Value)> {
    let at = Timestamp::parse_rfc3339(delivery["finishedAt"].as_str()?)?;
    let id = delivery["id"].as_str()?.to_owned();
    Some((at, id, delivery))
}

fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(time.as_micros().saturating_sub(by))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_712_855_553_000_000);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(START.as_micros() + seconds * 1_000_000)
    }

    fn end(id: &str, seconds: i64) -> Value {
        json!({"id": id, "finishedAt": at(seconds).to_utc().to_rfc3339()})
    }

    fn told(follower: &mut Follower, ended: &[(&str, i64)]) -> Vec<String> {
        let fresh = follower.fresh(ended.iter().map(|(id, seconds)| end(id, *seconds)).collect());
        fresh.iter().map(|delivery| delivery["id"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_end_is_told_once_the_earliest_first() {
        let mut follower = Follower::from(START);

        assert_eq!(told(&mut follower, &[("b", 2), ("a", 1), ("b", 2)]), ["a", "b"]);
        assert_eq!(told(&mut follower, &[("b", 2), ("c", 3), ("a", 1)]), ["c"]);
        // Sent again, it ended again; what became visible late is told late.
        assert_eq!(told(&mut follower, &[("a", 4), ("late", 1), ("c", 3)]), ["late", "a"]);
        assert_eq!(told(&mut follower, &[("before", -1), ("at once", 0)]), ["at once"]);
    }

    #[test]
    fn a_look_reaches_back_beyond_the_look_before_and_now_and_then_further() {
        let mut follower = Follower::from(START);
        assert_eq!(follower.next_look(), START);
        told(&mut follower, &[("a", 1_000)]);
        assert_eq!(follower.next_look(), START);
        told(&mut follower, &[("b", 1_001)]);

        let looks: Vec<Timestamp> = (0..30).map(|_| follower.next_look()).collect();

        assert_eq!(looks.iter().filter(|look| **look == at(998)).count(), 28);
        assert_eq!((looks[13], looks[29]), (at(880), at(880)));
    }

    #[test]
    fn after_an_absence_the_look_is_long() {
        let mut follower = Follower::from(START);
        told(&mut follower, &[("a", 1_000)]);
        told(&mut follower, &[("b", 1_000)]);

        follower.interrupted();

        assert_eq!((follower.next_look(), follower.next_look()), (at(880), at(998)));
    }

    #[test]
    fn what_no_look_reaches_is_forgotten() {
        let mut follower = Follower::from(START);

        for second in 0..1_000 {
            told(&mut follower, &[("x", second)]);
        }

        assert_eq!(follower.told.len(), 122);
    }
}
