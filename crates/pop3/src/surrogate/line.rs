//! A field on its way out, folded where a line would become long.

/// A line is folded before it has more octets than this, line end not counted: RFC 2047 §2 allows 76
/// with encoded words, and a comma or two may still be added.
const LINE_OCTETS_MAX: usize = 74;

/// A field of pieces that white space separates.
pub(super) struct Line {
    octets: Vec<u8>,
    /// Octets on the line so far.
    column: usize,
    pieces: usize,
}

impl Line {
    /// With the name and the colon.
    pub(super) fn begin(name: &[u8]) -> Self {
        let mut octets = name.to_vec();
        octets.push(b':');
        Self {
            column: octets.len(),
            octets,
            pieces: 0,
        }
    }

    /// Adds a piece of printable ASCII, behind a space or on a line of its own.
    pub(super) fn piece(&mut self, piece: &[u8]) {
        // The first piece stays with the name: a line of a name alone is not well read.
        if self.pieces > 0 && self.column + 1 + piece.len() > LINE_OCTETS_MAX {
            self.octets.extend_from_slice(b"\r\n");
            self.column = 0;
        }
        self.octets.push(b' ');
        self.octets.extend_from_slice(piece);
        self.column += 1 + piece.len();
        self.pieces += 1;
    }

    /// Adds octets to the last piece.
    pub(super) fn attach(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
        self.column += octets.len();
    }

    /// Number of pieces so far.
    pub(super) fn pieces(&self) -> usize {
        self.pieces
    }

    /// Appends the field. One without pieces is none.
    pub(super) fn end(mut self, out: &mut Vec<u8>) {
        if self.pieces > 0 {
            self.octets.extend_from_slice(b"\r\n");
            out.append(&mut self.octets);
        }
    }
}
