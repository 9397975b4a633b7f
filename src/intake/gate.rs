//! When nothing more is taken in: too much is pending, or the disk is nearly full.
//!
//! What is turned away costs nothing and can come again. What was accepted goes on: there must be room left to claim, to
//! record and to remove.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::records::Fill;
use crate::store::{Store, StoreError};

/// What the store may hold before nothing more is taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Pending deliveries; `None` for any number.
    pub max_pending: Option<u64>,
    /// Bytes that stay free on the disk, where the store knows its disk.
    pub min_free_bytes: u64,
}

impl Bounds {
    /// Whether a store that holds so much may take more.
    const fn allow(&self, fill: Fill) -> bool {
        let has_disk = match fill.free_bytes {
            Some(free) => free >= self.min_free_bytes,
            None => true,
        };
        let has_room = match self.max_pending {
            Some(most) => fill.pending < most,
            None => true,
        };
        has_disk && has_room
    }
}

/// Open while the bounds hold, as far as was last looked.
pub(super) struct Gate {
    bounds: Bounds,
    store: Arc<dyn Store>,
    is_open: AtomicBool,
}

impl Gate {
    pub(super) fn new(bounds: Bounds, store: Arc<dyn Store>) -> Self {
        Self { bounds, store, is_open: AtomicBool::new(true) }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Looks how full the store is.
    pub(super) async fn look(&self) -> Result<(), StoreError> {
        let fill = self.store.fill(self.bounds.max_pending.unwrap_or(0)).await?;
        let opens = self.bounds.allow(fill);
        let was_open = self.is_open.swap(opens, Ordering::Relaxed);
        if was_open && !opens {
            tracing::warn!(
                pending = fill.pending,
                free_bytes = fill.free_bytes,
                "nothing more is taken in until less is pending and the disk has room"
            );
        } else if opens && !was_open {
            tracing::info!("events are taken in again");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_closes_the_gate_by_itself() {
        let bounds = Bounds { max_pending: Some(10), min_free_bytes: 100 };

        for (pending, free_bytes, allowed) in
            [(9, Some(100), true), (10, Some(100), false), (9, Some(99), false), (9, None, true), (10, None, false)]
        {
            assert_eq!(bounds.allow(Fill { pending, free_bytes }), allowed, "{pending} {free_bytes:?}");
        }
        assert!(Bounds::default().allow(Fill { pending: u64::MAX, free_bytes: Some(0) }));
    }
}
