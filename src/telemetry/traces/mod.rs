//! Traces: what became of an event, from its enqueue to every attempt, as spans for a collector that speaks OTLP.
//!
//! | span | kind | child of |
//! |---|---|---|
//! | `enqueue TYPE` | producer | the producer's span, if it sent a `traceparent`; else it begins the trace |
//! | `deliver TYPE` | client, one an attempt | the enqueue span |
//! | `log in` | client | the attempt that began the login; others may wait for it too |
//!
//! An attempt is a child of the enqueue and not linked to it, as OpenTelemetry's conventions for messaging leave open: it
//! is about one event, so it has one cause, and whoever looks for a delivery finds all of its attempts in one trace.
//!
//! Nothing here waits: a span that is over goes into a bounded queue, or is dropped and counted. [`SpanExport`] sends what
//! waits there. While traces are off there is no queue, and nothing is made.

mod export;
mod messages;
mod span;
mod spans;
mod tracer;

pub use self::export::{Collector, SpanExport, SpanQueue};
pub use self::spans::{Attempted, Enqueue, Login};
pub use self::tracer::{AttemptTrace, EnqueueTrace, LoginTrace, TraceSettings, Tracer};
