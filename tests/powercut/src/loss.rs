//! Where the power is cut, and what is lost of what was not flushed.

use std::fmt;
use std::str::FromStr;

use fastrand::Rng;

/// What a power cut takes of the writes since the last flush.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Loss {
    /// All of them.
    Unflushed,
    /// None: the disk had written everything that it was given.
    Nothing,
    /// A random part.
    Some,
    /// A random part; of some writes single sectors are lost.
    Torn,
    /// The earlier ones: later writes are there without them.
    Early,
    /// All of them, and also all from before the last so many flushes: a disk that lies.
    Lie(u32),
}

impl Loss {
    /// One of those that an honest disk may show.
    pub(crate) fn honest(dice: &mut Rng) -> Self {
        match dice.u8(..10) {
            0..2 => Self::Unflushed,
            2 => Self::Nothing,
            3..6 => Self::Some,
            6..8 => Self::Torn,
            _ => Self::Early,
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unflushed => f.write_str("unflushed"),
            Self::Nothing => f.write_str("nothing"),
            Self::Some => f.write_str("some"),
            Self::Torn => f.write_str("torn"),
            Self::Early => f.write_str("early"),
            Self::Lie(flushes) => write!(f, "lie-{flushes}"),
        }
    }
}

impl FromStr for Loss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lie = text.strip_prefix("lie-").and_then(|n| n.parse().ok());
        Ok(match (text, lie) {
            (_, Some(flushes)) => Self::Lie(flushes),
            ("unflushed", _) => Self::Unflushed,
            ("nothing", _) => Self::Nothing,
            ("some", _) => Self::Some,
            ("torn", _) => Self::Torn,
            ("early", _) => Self::Early,
            _ => return Err(format!("{text:?} is no loss")),
        })
    }
}

/// One power cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Cut {
    /// How many writes and flushes had been done.
    pub(crate) position: usize,
    /// What is lost.
    pub(crate) loss: Loss,
    /// What decides on the parts that are lost.
    pub(crate) seed: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            position,
            loss,
            seed,
        } = self;
        write!(f, "position {position}, loss {loss}, seed {seed}")
    }
}

/// What became of the writes since the last flush.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Left {
    /// How many there were.
    pub(crate) unflushed: usize,
    /// How many are lost whole.
    pub(crate) lost: usize,
    /// How many are there in part.
    pub(crate) torn: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_read_as_it_is_written() {
        let mut dice = Rng::with_seed(1);
        for loss in (0..50)
            .map(|_| Loss::honest(&mut dice))
            .chain([Loss::Lie(7)])
        {
            assert_eq!(loss.to_string().parse(), Ok(loss));
        }
        assert!("lie".parse::<Loss>().is_err());
    }
}
