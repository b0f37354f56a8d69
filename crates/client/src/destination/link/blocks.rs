//! A text on its way over a link: in blocks, in a form of the protocol's own.

use std::io;
use std::time::Duration;

use super::Link;
use crate::destination::{Form, Text};

/// So much of a text is written at once.
const BLOCK_OCTETS: usize = 64 << 10;

/// Why a text was not said to its end.
#[derive(Debug)]
pub(in crate::destination) enum Unsaid {
    /// The text could not be read.
    Spool(io::Error),
    /// The other side took no more of it.
    Link(io::Error),
}

impl From<io::Error> for Unsaid {
    fn from(error: io::Error) -> Self {
        Self::Spool(error)
    }
}

impl Link {
    /// Says a text, of whose pieces `shape` appends what travels. Its last octets come back unsaid: with the end of the text behind them
    /// they are what makes it a delivery.
    pub(in crate::destination) fn say(
        &mut self,
        text: &mut Text,
        limit: Duration,
        mut shape: impl FnMut(&[u8], &mut Vec<u8>),
    ) -> Result<Vec<u8>, Unsaid> {
        let mut out = Vec::new();
        text.pieces(Form::Crlf, |piece| {
            for block in piece.chunks(BLOCK_OCTETS) {
                if out.len() + block.len() > BLOCK_OCTETS {
                    self.write(&out, limit).map_err(Unsaid::Link)?;
                    out.clear();
                }
                shape(block, &mut out);
            }
            Ok::<(), Unsaid>(())
        })?;
        Ok(out)
    }
}
