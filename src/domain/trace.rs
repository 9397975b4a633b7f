//! Where something happens within a trace, as W3C Trace Context writes it, and which traces are recorded.
//!
//! Pure: spans are made and sent by `telemetry`. An event without a producer's context needs none to be kept: its id is
//! the id of its trace, so that whoever has the event finds its trace, before a restart and after it.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;
use std::sync::Arc;

use super::ids::EventId;

/// The header that carries a context.
pub const TRACEPARENT: &str = "traceparent";

/// The header that carries what other tracing systems add to it.
pub const TRACESTATE: &str = "tracestate";

/// The most characters of a `tracestate` that go on.
const MAX_STATE_CHARS: usize = 512;

/// The most entries that one may have.
const MAX_STATE_MEMBERS: usize = 32;

/// The most characters of the key and of the value of such an entry.
const MAX_MEMBER_CHARS: usize = 256;

/// Names a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

impl TraceId {
    /// As it goes over the wire.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Names a span within its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

impl SpanId {
    /// The span of which chance gave `bits`.
    #[must_use]
    pub fn of_chance(bits: u64) -> Self {
        Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
    }

    /// As it goes over the wire.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A span as others refer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace that it is in.
    pub trace_id: TraceId,
    /// Its own id.
    pub span_id: SpanId,
    /// Whether the trace is recorded.
    pub is_sampled: bool,
    /// What other tracing systems have to say, which goes on as it came.
    pub state: Option<Arc<str>>,
}

/// The text is no context.
#[derive(Debug, thiserror::Error)]
#[error("is no trace context")]
pub struct InvalidTraceContext;

impl TraceContext {
    /// The context that these headers carry. A `traceparent` of a later version is read as far as it is known; a
    /// `tracestate` that breaks the rules is left out.
    #[must_use]
    pub fn of_headers(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let mut parts = traceparent.trim_matches([' ', '\t']).split('-');
        let version = hexadecimal(parts.next()?, 2)?;
        let trace_id = TraceId(NonZeroU128::new(hexadecimal(parts.next()?, 32)?)?);
        let span_id = NonZeroU64::new(u64::try_from(hexadecimal(parts.next()?, 16)?).ok()?)?;
        let flags = hexadecimal(parts.next()?, 2)?;
        let is_known = match version {
            0 => parts.next().is_none(),
            later => later != 0xff,
        };
        let state = tracestate.map(|text| text.trim_matches([' ', '\t'])).filter(|text| is_state(text)).map(Arc::from);
        is_known.then_some(Self { trace_id, span_id: SpanId(span_id), is_sampled: flags & 1 == 1, state })
    }

    /// Where an event was enqueued: in the trace of its producer, or in one of its own. The span's id is made of the
    /// event's, so that it is known later without being kept.
    #[must_use]
    pub fn of_event(id: EventId, producer: Option<&Self>, sampled: SampledShare) -> Self {
        let (high, low) = id.as_uuid().as_u64_pair();
        let span_id = SpanId::of_chance(low);
        if let Some(producer) = producer {
            return Self { span_id, ..producer.clone() };
        }
        let whole = u128::from(high) << 64 | u128::from(low);
        let trace_id = TraceId(NonZeroU128::new(whole).unwrap_or(NonZeroU128::MIN));
        Self { trace_id, span_id, is_sampled: sampled.takes(trace_id), state: None }
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn with_span(&self, span_id: SpanId) -> Self {
        Self { span_id, ..self.clone() }
    }

    /// The value of the header `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }
}

/// The text under which it is kept: the `traceparent` and, after a space, the `tracestate`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.traceparent())?;
        self.state.as_ref().map_or(Ok(()), |state| write!(f, " {state}"))
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    fn from_str(text: &str) -> Result<Self, InvalidTraceContext> {
        let (traceparent, tracestate) = text.split_once(' ').map_or((text, None), |(parent, state)| (parent, Some(state)));
        Self::of_headers(traceparent, tracestate).ok_or(InvalidTraceContext)
    }
}

/// The share of traces that are recorded, of those that begin here; whoever begins a trace elsewhere decides that there.
///
/// It is judged by the trace's id as OpenTelemetry does (its last 56 bits are chance), so that every node, before a
/// restart and after it, judges the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampledShare {
    /// Traces whose chance is below are not recorded.
    least: u64,
}

/// How many bits of a trace's id are chance.
const CHANCE_BITS: u32 = 56;

impl SampledShare {
    /// `share` of all traces; below 0 it is none, above 1 all.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the product is between 0 and 2^56")]
    #[expect(clippy::cast_precision_loss, reason = "a power of two is exact")]
    pub fn new(share: f64) -> Self {
        Self { least: ((1.0 - share.clamp(0.0, 1.0)) * (1_u64 << CHANCE_BITS) as f64) as u64 }
    }

    fn takes(self, id: TraceId) -> bool {
        let bytes = id.to_bytes();
        let chance = bytes[9..].iter().fold(0_u64, |chance, byte| chance << 8 | u64::from(*byte));
        chance >= self.least
    }
}

/// The number that `text` writes in exactly so many digits, in lower case.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    (text.len() == digits && text.bytes().all(is_digit)).then(|| u128::from_str_radix(text, 16).ok())?
}

/// Whether the text is a `tracestate` with something in it.
fn is_state(text: &str) -> bool {
    let members = || text.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty());
    (1..=MAX_STATE_MEMBERS).contains(&members().count()) && text.len() <= MAX_STATE_CHARS && members().all(is_member)
}

fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let in_key = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(&byte);
    let in_value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
    let fits = |text: &str| (1..=MAX_MEMBER_CHARS).contains(&text.len());
    let begins_well = key.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    fits(key) && begins_well && key.bytes().all(in_key) && fits(value) && value.bytes().all(in_value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    /// The example of the specification.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const ALL: f64 = 1.0;

    fn read(traceparent: &str) -> Option<TraceContext> {
        TraceContext::of_headers(traceparent, None)
    }

    fn state(text: &str) -> Option<Arc<str>> {
        TraceContext::of_headers(EXAMPLE, Some(text)).unwrap().state
    }

    #[test]
    fn the_example_of_the_specification_is_read_and_written() {
        let context = read(EXAMPLE).unwrap();

        assert_eq!(context.trace_id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id.to_bytes(), [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
        assert!(context.is_sampled);
        assert_eq!(context.traceparent(), EXAMPLE);
        assert_eq!(read(&format!(" {EXAMPLE}\t")), Some(context));
    }

    #[test]
    fn only_the_first_flag_says_that_a_trace_is_recorded() {
        let sampled = |flags: &str| read(&format!("{}{flags}", &EXAMPLE[..53])).unwrap().is_sampled;

        assert_eq!(["00", "01", "02", "03", "fe", "ff"].map(sampled), [false, true, false, true, false, true]);
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        let zero_trace = EXAMPLE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32));
        let zero_span = EXAMPLE.replace("00f067aa0ba902b7", &"0".repeat(16));
        let later = EXAMPLE.replacen("00", "ff", 1);
        let longer = format!("{EXAMPLE}-");
        let upper = EXAMPLE.to_uppercase();
        let signed = EXAMPLE.replace("-01", "-+1");
        for text in ["", "-", "00", &EXAMPLE[..52], &EXAMPLE[1..], &zero_trace, &zero_span, &later, &longer, &upper, &signed] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let later = EXAMPLE.replacen("00", "cc", 1);

        assert_eq!(read(&later), read(EXAMPLE));
        assert_eq!(read(&format!("{later}-what-comes")), read(EXAMPLE));
        assert_eq!(read(&format!("{later}.what")), None);
    }

    #[test]
    fn a_tracestate_that_breaks_the_rules_is_left_out() {
        let long = format!("a={}", "v".repeat(256));

        for good in ["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "a=1", "1@v-_*/=x y", "a=1,, b=2\t", &long] {
            assert_eq!(state(good).as_deref(), Some(good.trim_end()), "{good}");
        }
        let many = ["a=1"; 33].join(",");
        let too_long = [long.as_str(); 2].join(",");
        for bad in ["", " , ", "a", "=1", "a=", "A=1", "-a=1", "a=b=c", "a=\u{e9}", "a=b\nc", &format!("{long}v"), &many, &too_long] {
            assert_eq!(state(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_kept_is_read_as_it_was() {
        for text in [EXAMPLE.to_owned(), EXAMPLE.replace("-01", "-00"), format!("{EXAMPLE} a=1,b=x y")] {
            assert_eq!(text.parse::<TraceContext>().unwrap().to_string(), text);
        }
        assert!("".parse::<TraceContext>().is_err());
    }

    #[test]
    fn the_trace_of_an_event_is_its_producers_or_bears_its_id() {
        let id = EventId::from(Uuid::from_u128(0x018f_0000_0000_7000_8000_0000_0000_00ab));
        let producer = TraceContext::of_headers(EXAMPLE, Some("a=1")).unwrap();

        let own = TraceContext::of_event(id, None, SampledShare::new(ALL));
        let joined = TraceContext::of_event(id, Some(&producer), SampledShare::new(0.0));

        assert_eq!(own.traceparent(), "00-018f00000000700080000000000000ab-80000000000000ab-01");
        assert_eq!(joined.traceparent(), "00-4bf92f3577b34da6a3ce929d0e0e4736-80000000000000ab-01");
        assert_eq!(joined.state.as_deref(), Some("a=1"));
    }

    #[test]
    fn a_share_takes_the_traces_whose_chance_is_high_enough() {
        let takes = |share: f64, chance: u64| {
            let id = EventId::from(Uuid::from_u64_pair(7, 0x80 << CHANCE_BITS | chance));
            TraceContext::of_event(id, None, SampledShare::new(share)).is_sampled
        };
        let (last, middle) = ((1 << CHANCE_BITS) - 1, 1 << (CHANCE_BITS - 1));

        assert_eq!([0, last].map(|chance| takes(ALL, chance)), [true, true]);
        assert_eq!([0, last].map(|chance| takes(0.0, chance)), [false, false]);
        assert_eq!([middle - 1, middle].map(|chance| takes(0.5, chance)), [false, true]);
    }

    proptest! {
        #[test]
        fn whatever_is_read_can_be_kept(text in "(00|[0-9a-f]{2})-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,5})?", state in "[ -~]{0,20}") {
            if let Some(read) = TraceContext::of_headers(&text, Some(&state)) {
                prop_assert_eq!(read.to_string().parse::<TraceContext>().unwrap(), read);
            }
        }

        #[test]
        fn reading_never_panics(traceparent: String, tracestate: String) {
            drop(TraceContext::of_headers(&traceparent, Some(&tracestate)));
        }
    }
}
