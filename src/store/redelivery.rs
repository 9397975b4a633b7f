//! What a step of a redelivery sends again, of what it looks at. The same for every back end.

use uuid::Uuid;

use crate::domain::delivery::DeliveryState;
use crate::domain::ids::{DeliveryId, EventId};
use crate::domain::redelivery::{DeadLetter, DeadLetterFilter, Remedy, StepTaken, remedy};

/// How much a step looks at.
pub(super) const LOOKED_AT: u32 = 2_000;

/// How often as much is looked at to count what is wanted.
pub(super) const LOOKS: usize = 25;

/// What was looked at, in the order of its ids, with what helps.
pub(super) type Seen = Vec<(Uuid, Remedy)>;

/// Which of these dead letters are to be sent again.
pub(super) fn seen_dead_letters(dead: &[DeadLetter], filter: &DeadLetterFilter) -> Seen {
    let help = |dead: &DeadLetter| if filter.fits(dead) { Remedy::Redeliver(dead.id) } else { Remedy::None };
    dead.iter().map(|dead| (dead.id.as_uuid(), help(dead))).collect()
}

/// What helps each of these events, whose rows stand together, the oldest delivery first.
pub(super) fn seen_events(rows: &[(EventId, Option<(DeliveryId, DeliveryState)>)]) -> Seen {
    let of_event = |rows: &[(EventId, Option<(DeliveryId, DeliveryState)>)]| {
        let deliveries: Vec<_> = rows.iter().filter_map(|(_, delivery)| *delivery).collect();
        rows.first().map(|(id, _)| (id.as_uuid(), remedy(&deliveries)))
    };
    rows.chunk_by(|(one, _), (other, _)| one == other).filter_map(of_event).collect()
}

/// What a step does.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Deliveries to send again.
    pub(super) again: Vec<DeliveryId>,
    /// Events that need a delivery.
    pub(super) make: Vec<EventId>,
    /// What it comes to.
    pub(super) taken: StepTaken,
}

impl Step {
    /// Takes from what was looked at until `most` are sent again. It is the last step if all there is was looked at.
    pub(super) fn of(seen: Seen, most: u32) -> Self {
        let is_all = u64::from(LOOKED_AT) > seen.len() as u64;
        let mut step = Self::default();
        for (id, remedy) in seen {
            if step.taken.redelivered >= u64::from(most) {
                return step;
            }
            match remedy {
                Remedy::None => {}
                Remedy::Redeliver(delivery) => step.again.push(delivery),
                Remedy::Make => step.make.push(id.into()),
            }
            step.taken.examined += 1;
            step.taken.redelivered = (step.again.len() + step.make.len()) as u64;
            step.taken.cursor = Some(id);
        }
        step.taken.is_last = is_all;
        step
    }
}

/// How many of these need help.
pub(super) fn wanted_among(seen: &Seen) -> u64 {
    seen.iter().filter(|(_, remedy)| *remedy != Remedy::None).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[test]
    fn a_step_ends_with_what_it_may_send_again() {
        let seen = vec![(id(1), Remedy::None), (id(2), Remedy::Make), (id(3), Remedy::Redeliver(id(3).into())), (id(4), Remedy::Make)];

        let step = Step::of(seen.clone(), 2);
        let whole = Step::of(seen, 9);

        assert_eq!((step.make, step.again), (vec![id(2).into()], vec![id(3).into()]));
        assert_eq!(step.taken, StepTaken { cursor: Some(id(3)), examined: 3, redelivered: 2, is_last: false });
        assert_eq!(whole.taken, StepTaken { cursor: Some(id(4)), examined: 4, redelivered: 3, is_last: true });
    }

    #[test]
    fn a_step_that_sends_the_last_one_again_may_be_the_last() {
        let step = Step::of(vec![(id(1), Remedy::Make), (id(2), Remedy::Make)], 2);

        assert!(step.taken.is_last);
        assert!(Step::of(Vec::new(), 2).taken.is_last);
    }

    #[test]
    fn the_rows_of_an_event_are_weighed_together() {
        let (first, second, third): (EventId, EventId, EventId) = (id(1).into(), id(2).into(), id(3).into());
        let delivery = |number, state| Some((DeliveryId::from(id(number)), state));
        let rows = [
            (first, None),
            (second, delivery(10, DeliveryState::DeadLettered)),
            (second, delivery(11, DeliveryState::Delivered)),
            (third, delivery(12, DeliveryState::Cancelled)),
        ];

        let seen = seen_events(&rows);

        assert_eq!(seen, [(id(1), Remedy::Make), (id(2), Remedy::None), (id(3), Remedy::Redeliver(id(12).into()))]);
        assert_eq!(wanted_among(&seen), 2);
    }
}
