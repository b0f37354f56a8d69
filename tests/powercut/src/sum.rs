//! What a run counts.

use std::fmt;
use std::time::Duration;

use crate::history::Ends;
use crate::judge::Verdict;

/// What a run counts.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    /// Crash images.
    pub(crate) images: usize,
    /// Those of them whose recovery was cut, too.
    pub(crate) again: usize,
    /// Workloads that were played.
    pub(crate) recordings: usize,
    /// What their disks have seen.
    pub(crate) flushes: usize,
    pub(crate) writes: usize,
    /// Blocks that the cuts have taken, whole or in part.
    pub(crate) lost: usize,
    pub(crate) torn: usize,
    /// Promises that were held against images.
    pub(crate) promises: usize,
    /// Images that have lost the file that nobody synced.
    pub(crate) unsynced_lost: usize,
    /// Promises that were broken.
    pub(crate) violations: usize,
    /// How deliveries and sessions ended.
    pub(crate) ends: Ends,
    /// Time for workloads.
    pub(crate) recording: Duration,
    /// Time for images.
    pub(crate) judging: Duration,
}

impl Sum {
    /// Counts an image.
    pub(crate) fn add(&mut self, verdict: &Verdict) {
        self.images += 1;
        self.again += usize::from(verdict.again.is_some());
        self.lost += verdict.left.lost;
        self.torn += verdict.left.torn;
        self.promises += verdict.promises;
        self.unsynced_lost += usize::from(verdict.unsynced_lost);
        self.violations += usize::from(verdict.broken.is_some());
    }

    /// Adds what another has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.images += other.images;
        self.again += other.again;
        self.recordings += other.recordings;
        self.flushes += other.flushes;
        self.writes += other.writes;
        self.lost += other.lost;
        self.torn += other.torn;
        self.promises += other.promises;
        self.unsynced_lost += other.unsynced_lost;
        self.violations += other.violations;
        self.ends.merge(&other.ends);
        self.recording += other.recording;
        self.judging += other.judging;
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            images,
            again,
            recordings,
            writes,
            flushes,
            ..
        } = self;
        let Self {
            lost,
            torn,
            promises,
            ends,
            ..
        } = self;
        let each = self.judging.as_secs_f64() / self.images.max(1) as f64;
        let recording = self.recording.as_secs_f64();
        writeln!(
            f,
            "  {} deliveries acknowledged, {} killed (of which {} had come through); \
             {} sessions committed, {} killed at QUIT (of which {} had come through); \
             {} times hidden or shown again, {} killed at it (of which {} had come through)",
            ends.delivered,
            ends.undelivered,
            ends.undelivered_shown,
            ends.committed,
            ends.uncommitted,
            ends.uncommitted_done,
            ends.veiled,
            ends.unveiled,
            ends.unveiled_done,
        )?;
        write!(
            f,
            "  {images} images ({again} cut again in recovery) of {recordings} recordings: \
             {writes} writes and {flushes} flushes recorded, {lost} unflushed blocks lost, {torn} torn, \
             {promises} promises judged; {each:.3} s an image, {recording:.1} s recording"
        )
    }
}
