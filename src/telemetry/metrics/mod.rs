//! Metrics: every name and every label, in one place, as Prometheus reads them.
//!
//! Whoever does something counts it in instruments of its own ([`IntakeMetrics`], [`DeliveryMetrics`], [`TokenMetrics`],
//! [`TraceMetrics`]): an atomic addition, made ready beforehand. [`Exporter`] gives them their names. What can only be seen by looking
//! ([`Sights`]) is handed in when somebody asks for the text.
//!
//! No label has values that customers make: a webhook has no line of its own here, but in `/v1/stats`.

mod exporter;
mod instruments;

pub use self::exporter::{CONTENT_TYPE, Exporter, HealthCount, LaneCount, Sights, StoreSights};
pub use self::instruments::{CommitMetrics, DeliveryMetrics, DropReason, IntakeMetrics, TokenMetrics, TraceMetrics, Tried};
