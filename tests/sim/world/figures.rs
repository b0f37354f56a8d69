//! What happened, in figures.

use std::fmt;

/// What happened in a life, in figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) steps: u64,
    pub(crate) cuts: u64,
    pub(crate) kills: u64,
    pub(crate) failures: u64,
    pub(crate) overtaken: u64,
    /// Files that got another's name.
    pub(crate) replaced: u64,
    /// Bodies of dead messages that were given back.
    pub(crate) holes: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} steps, {} power cuts, {} kills, {} failed calls, {} times overtaken, {} files replaced, {} holes",
            self.steps,
            self.cuts,
            self.kills,
            self.failures,
            self.overtaken,
            self.replaced,
            self.holes
        )
    }
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.cuts += other.cuts;
        self.kills += other.kills;
        self.failures += other.failures;
        self.overtaken += other.overtaken;
        self.replaced += other.replaced;
        self.holes += other.holes;
    }
}
