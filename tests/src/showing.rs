//! Reading a text as a server does that writes it out of a buffer which is not the session's.

use maildrop::native::Text;
use maildrop::native::media::File;

/// Two blocks and what may be around them.
const ROOM_MAX: u64 = (2 * 64 + 4) << 10;

/// Takes off the text all that it shows, in two steps at first, as of a client that is short of room.
/// What it does not show is left for [`Text::read`].
pub fn take_shown<F: File>(text: &mut Text<F>) -> Vec<u8> {
    let octets = text.octets().0;
    let room = (octets + octets / 64 + 512).min(ROOM_MAX);
    let mut room = vec![0; room as usize];
    let mut taken = Vec::new();
    while let Some(shown) = text.peek(&mut room) {
        let octets = &room[shown.octets];
        let takes = match taken.is_empty() {
            true => octets.len().div_ceil(2),
            false => octets.len(),
        };
        taken.extend_from_slice(&octets[..takes]);
        text.advance(takes);
    }
    taken
}
