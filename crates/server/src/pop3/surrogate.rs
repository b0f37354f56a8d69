//! Messages whose header is not ASCII, for clients that have not said UTF8: of each header a
//! surrogate is made, and its size is told or it is sent (RFC 6856 §2.1).
//!
//! Headers are read one after the other by a thread that may wait for the disk, and are bounded in
//! size. Nothing here runs for any other message.

use maildrop::{Patience, Progress, Text, TextError};
use pop3::reply::Refusal;
use pop3::surrogate::{HEADER_OCTETS_MAX, Surrogate};
use pop3::{MessageNumber, Part};
use tracing::error;

use super::Driver;
use crate::connection::cut;
use crate::listener::blocking;
use crate::log::End;

/// So many headers are read before somebody else may have the thread.
const AT_ONCE: usize = 64;

impl Driver<'_> {
    /// Tells the session how large the surrogates of these messages are. What cannot be read keeps
    /// the size that it has in the listing; RETR will say why.
    pub(super) async fn measure(&mut self, numbers: &[MessageNumber]) -> Result<(), End> {
        let mut sizes = Vec::with_capacity(numbers.len());
        for some in numbers.chunks(AT_ONCE) {
            let headers: Vec<_> = some
                .iter()
                .filter_map(|&number| Some((number, self.header(number)?.ok()?)))
                .collect();
            let measured = blocking(move || {
                let sizes = headers.into_iter().filter_map(|(number, header)| {
                    let (surrogate, _) = replaced(header).ok()??;
                    Some((number, surrogate.sizes()))
                });
                sizes.collect::<Vec<_>>()
            });
            tokio::select! {
                measured = measured => sizes.extend(measured?),
                () = cut(&self.visit.phase) => return Err(End::Cut),
            }
        }
        self.session.measured(&sizes);
        Ok(())
    }

    /// Streams a part of a message with a surrogate in place of its header.
    pub(super) async fn send_surrogate(
        &mut self,
        number: MessageNumber,
        part: Part,
    ) -> Result<(), End> {
        let (Some(header), Some(open)) = (self.header(number), &self.open) else {
            error!("the session sends a message without a maildrop");
            return Err(End::Fault);
        };
        let texts = header.and_then(|header| Ok((header, open.text(number, part)?)));
        let (header, text) = match texts {
            Ok(texts) => texts,
            Err(why) => {
                self.refuse_text(&why);
                return Ok(());
            }
        };
        match blocking(move || replaced(header)).await? {
            Ok(Some((surrogate, octets))) => {
                let start = self.connection.output.len();
                self.connection.output.extend_from_slice(surrogate.wire());
                self.stream(text, start, octets).await
            }
            Ok(None) => {
                let output = &mut self.connection.output;
                self.session.refused(Refusal::NeedsUtf8, output);
                Ok(())
            }
            Err(why) => {
                self.refuse_text(&why);
                Ok(())
            }
        }
    }

    /// The header of a message, up to and including the blank line.
    fn header(&self, number: MessageNumber) -> Option<Result<Text, TextError>> {
        Some(self.open.as_ref()?.text(number, Part::Top(0)))
    }
}

/// The surrogate of a header, and how many octets of the text it stands for; none if the header is
/// too large.
fn replaced(mut header: Text) -> Result<Option<(Surrogate, usize)>, TextError> {
    let mut stored = Vec::new();
    while header.read(&mut stored, Patience::Wait)? != Progress::End {
        if stored.len() > HEADER_OCTETS_MAX {
            return Ok(None);
        }
    }
    let fits = stored.len() <= HEADER_OCTETS_MAX;
    Ok(fits.then(|| (Surrogate::of_stored(&stored), stored.len())))
}
