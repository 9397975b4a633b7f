//! The document id of a measured completion: which one it is and when it was begun.
//!
//! It travels from the load through the dispatcher's url to the receiver, so the receiver needs no other knowledge to
//! tell repeats from new ones and to know how long each was under way.

/// The length of a ticket as text.
pub(crate) const LENGTH: usize = SEQUENCE_DIGITS + 1 + BEGUN_DIGITS;

const SEQUENCE_DIGITS: usize = 8;
const BEGUN_DIGITS: usize = 16;

/// One completion of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    /// Counts from 0 without gaps.
    pub(crate) sequence: u32,
    /// When its enqueue began, by [`super::clock::now`].
    pub(crate) begun: u64,
}

impl Ticket {
    /// Writes `sequence-begun` in hexadecimal digits over `text`, which must be [`LENGTH`] long.
    pub(crate) fn write(self, text: &mut [u8]) {
        let (sequence, begun) = text.split_at_mut(SEQUENCE_DIGITS);
        write_hex(self.sequence.into(), sequence);
        begun[0] = b'-';
        write_hex(self.begun, &mut begun[1..]);
    }

    /// Reads what [`Ticket::write`] wrote.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != LENGTH || text[SEQUENCE_DIGITS] != b'-' {
            return None;
        }
        let sequence = u32::try_from(parse_hex(&text[..SEQUENCE_DIGITS])?).ok()?;
        let begun = parse_hex(&text[SEQUENCE_DIGITS + 1..])?;
        Some(Self { sequence, begun })
    }
}

fn write_hex(mut value: u64, text: &mut [u8]) {
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 0xf) as usize];
        value >>= 4;
    }
}

fn parse_hex(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |value, digit| Some(value << 4 | u64::from(char::from(*digit).to_digit(16)?)))
}
