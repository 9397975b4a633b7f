//! How the node's places are shared among lanes that answer and lanes of which nothing good is known.
//!
//! Three rules keep receivers that hang from taking the places of those that answer:
//! - **Doubtful lanes leave a part alone.** What is doubtful (never answered, or failed or stalled since) holds at most
//!   three quarters of the capacity.
//! - **A stalled request takes no place** beside the others: it is counted by itself, up to a bound of its own.
//! - **Where either is scarce, a doubtful lane holds one.** It gets more when it answers.

/// What one lane holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// Claims held: waiting, under way, or being recorded.
    pub(super) held: u32,
    /// Those of them that are under way in a stalled lane and take no place.
    pub(super) stalled: u32,
    /// Whether the lane is one that answers.
    pub(super) is_trusted: bool,
}

/// The part of the capacity that is kept for trusted lanes.
const KEPT_SHARE: usize = 4;

/// Who holds how many places.
#[derive(Debug)]
pub(super) struct Places {
    capacity: usize,
    max_stalled: usize,
    held: usize,
    /// Places that doubtful lanes take.
    doubtful: usize,
    stalled: usize,
}

impl Places {
    /// `capacity` places, and as many as `max_stalled` requests beside them that stalled.
    pub(super) const fn new(capacity: usize, max_stalled: usize) -> Self {
        Self { capacity, max_stalled, held: 0, doubtful: 0, stalled: 0 }
    }

    /// A lane held `before` and holds `after`.
    pub(super) fn settle(&mut self, before: Share, after: Share) {
        self.held = (self.held + after.held as usize).saturating_sub(before.held as usize);
        self.stalled = (self.stalled + after.stalled as usize).saturating_sub(before.stalled as usize);
        self.doubtful = (self.doubtful + after.doubtful()).saturating_sub(before.doubtful());
    }

    /// Claims held, stalled ones too.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// All places, those of stalled requests apart.
    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many places are free.
    pub(super) const fn room(&self) -> usize {
        self.capacity.saturating_sub(self.held.saturating_sub(self.stalled))
    }

    /// How many of them doubtful lanes may have.
    pub(super) fn room_for_doubtful(&self) -> usize {
        self.most_doubtful().saturating_sub(self.doubtful).min(self.room())
    }

    /// How many more requests may be counted as stalled.
    pub(super) fn room_for_stalled(&self) -> u32 {
        u32::try_from(self.max_stalled.saturating_sub(self.stalled)).unwrap_or(u32::MAX)
    }

    /// Whether a doubtful lane may hold one claim only.
    pub(super) const fn is_scarce(&self) -> bool {
        self.doubtful > self.most_doubtful() / 2 || self.stalled > self.max_stalled / 2
    }

    const fn most_doubtful(&self) -> usize {
        self.capacity - self.capacity / KEPT_SHARE
    }
}

impl Share {
    const fn doubtful(self) -> usize {
        if self.is_trusted { 0 } else { self.held.saturating_sub(self.stalled) as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Share = Share { held: 0, stalled: 0, is_trusted: false };

    #[test]
    fn doubtful_lanes_leave_a_quarter_to_those_that_answer() {
        let mut places = Places::new(100, 1_000);

        places.settle(NONE, Share { held: 75, ..NONE });

        assert_eq!((places.room(), places.room_for_doubtful()), (25, 0));
        places.settle(Share { held: 75, ..NONE }, Share { held: 75, is_trusted: true, ..NONE });
        assert_eq!((places.room(), places.room_for_doubtful()), (25, 25));
    }

    #[test]
    fn stalled_requests_take_no_place_up_to_their_bound() {
        let mut places = Places::new(100, 50);
        let hanging = Share { held: 60, ..NONE };
        places.settle(NONE, hanging);

        let stalled = Share { stalled: 60.min(places.room_for_stalled()), ..hanging };
        places.settle(hanging, stalled);

        assert_eq!((places.held(), places.room(), places.room_for_doubtful(), places.room_for_stalled()), (60, 90, 65, 0));
        places.settle(stalled, NONE);
        assert_eq!((places.held(), places.room(), places.room_for_stalled()), (0, 100, 50));
    }

    #[test]
    fn places_are_scarce_when_more_than_half_of_what_doubtful_lanes_may_hold_is_held() {
        let mut places = Places::new(8, 4);

        places.settle(NONE, Share { held: 3, ..NONE });
        assert!(!places.is_scarce());
        places.settle(NONE, Share { held: 1, ..NONE });
        assert!(places.is_scarce());
        places.settle(Share { held: 4, ..NONE }, Share { held: 4, stalled: 2, ..NONE });
        assert!(!places.is_scarce());
        places.settle(NONE, Share { held: 1, stalled: 1, ..NONE });
        assert!(places.is_scarce());
    }

    #[test]
    fn a_single_place_is_everybodys() {
        assert_eq!(Places::new(1, 0).room_for_doubtful(), 1);
    }
}
