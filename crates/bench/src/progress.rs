//! How far a run is, for whoever watches.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared between the threads of a run and whoever watches it.
#[derive(Debug, Default)]
pub struct Progress {
    measuring: AtomicBool,
    units: AtomicU64,
}

impl Progress {
    /// Whether the clock runs; before that, accounts are logged in to and mail is read once.
    pub fn is_measuring(&self) -> bool {
        self.measuring.load(Ordering::Relaxed)
    }

    /// Units done: sessions, messages or deliveries.
    pub fn units(&self) -> u64 {
        self.units.load(Ordering::Relaxed)
    }

    pub(crate) fn begin(&self) {
        self.units.store(0, Ordering::Relaxed);
        self.measuring.store(true, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, units: u64) {
        self.units.fetch_add(units, Ordering::Relaxed);
    }
}
