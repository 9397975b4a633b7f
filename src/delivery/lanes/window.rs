//! How many requests of a lane may be under way, as its receiver's answers have it: more while it answers, fewer when it
//! is overloaded.

/// The part of the limit by which it rises at a time.
const STEP_SHARE: u32 = 8;

/// The limit of one lane: from 1 to the most that its webhook may have.
///
/// It halves when the receiver shows that it has too much to do, but only once for all requests that were under way
/// together; it rises by an eighth, and at least by one, with every round of as many answers as it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    most: u32,
    limit: u32,
    /// Answers since the limit last changed.
    answers: u32,
    /// Requests that began before the limit last fell: what they bring is no new finding.
    old: u32,
}

impl Window {
    /// The whole limit.
    pub(super) const fn new(most: u32) -> Self {
        Self { most, limit: most, answers: 0, old: 0 }
    }

    /// How many requests may be under way.
    pub(super) const fn limit(&self) -> u32 {
        self.limit
    }

    /// Whether it allows as many as the webhook may have.
    pub(super) const fn is_whole(&self) -> bool {
        self.limit == self.most
    }

    /// What the webhook may have at most. A window that was whole stays whole.
    pub(super) fn set_most(&mut self, most: u32) {
        self.limit = if self.is_whole() { most } else { self.limit.min(most) };
        self.most = most;
    }

    /// The receiver answered.
    pub(super) fn raise(&mut self) {
        self.old = self.old.saturating_sub(1);
        if self.is_whole() {
            return;
        }
        self.answers += 1;
        if self.answers >= self.limit {
            self.limit = self.limit.saturating_add((self.limit / STEP_SHARE).max(1)).min(self.most);
            self.answers = 0;
        }
    }

    /// The receiver has too much to do, or is not there; `under_way` requests are still under way.
    pub(super) fn lower(&mut self, under_way: u32) {
        if self.old > 0 {
            self.old -= 1;
            return;
        }
        self.shrink_to(self.limit / 2, under_way);
    }

    /// A request ended that says nothing of how much the receiver can do.
    pub(super) const fn pass(&mut self) {
        self.old = self.old.saturating_sub(1);
    }

    /// One at a time, to begin with.
    pub(super) fn shut(&mut self, under_way: u32) {
        self.shrink_to(1, under_way);
    }

    /// Forgets what was learnt.
    pub(super) const fn open(&mut self) {
        *self = Self::new(self.most);
    }

    fn shrink_to(&mut self, limit: u32, under_way: u32) {
        self.limit = limit.max(1);
        self.answers = 0;
        self.old = under_way;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn failures_of_requests_that_were_under_way_together_halve_it_once() {
        let mut window = Window::new(16);

        window.lower(15);
        (0..15).for_each(|_| window.lower(0));
        assert_eq!(window.limit(), 8);
        window.lower(7);
        assert_eq!(window.limit(), 4);
    }

    #[test]
    fn it_never_falls_below_one_and_rises_step_by_step_to_the_whole() {
        let mut window = Window::new(16);
        (0..10).for_each(|_| window.lower(0));
        let mut steps = vec![window.limit()];

        while !window.is_whole() {
            window.raise();
            steps.push(window.limit());
        }

        steps.dedup();
        assert_eq!(steps, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    }

    #[test]
    fn a_large_window_rises_in_larger_steps() {
        let mut window = Window::new(1_024);
        window.shut(0);

        let mut answers = 0;
        while !window.is_whole() {
            window.raise();
            answers += 1;
        }

        assert!(answers < 12_000, "{answers}");
    }

    #[test]
    fn a_whole_window_follows_its_webhook_and_a_smaller_one_waits_for_answers() {
        let (mut whole, mut small) = (Window::new(16), Window::new(16));
        small.lower(0);

        whole.set_most(32);
        small.set_most(32);
        assert_eq!([whole.limit(), small.limit()], [32, 8]);
        whole.set_most(4);
        small.set_most(4);
        assert_eq!([whole.limit(), small.limit()], [4, 4]);
    }

    proptest! {
        #[test]
        fn it_stays_between_one_and_the_most(most in 1_u32..2_000, signs in proptest::collection::vec(0_u8..4, 0..500)) {
            let mut window = Window::new(most);
            for sign in signs {
                match sign {
                    0 => window.lower(window.limit() - 1),
                    1 => window.shut(0),
                    2 => window.pass(),
                    _ => window.raise(),
                }
                prop_assert!((1..=most).contains(&window.limit()));
            }
        }
    }
}
