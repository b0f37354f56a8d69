//! `Authentication-Results` fields that claim to be ours, in mail that strangers bring.
//!
//! Owners' filters believe the field that carries our name, so a message that comes with one must
//! not keep it (RFC 8601 §5). It is renamed, `X-Forged-Authentication-Results`, which leaves to see
//! what somebody tried. Fields of other hosts stay: they say what those hosts have found, and may be
//! signed.
//!
//! A CR without LF in the header becomes a space: there are programs that take one for a line end, and what stands
//! behind it for a field.
//!
//! The stored form is rewritten as it goes by. Only the beginning of such a field is held back, until
//! it is known whose name it carries; one that hides its name behind [`HELD_OCTETS_MAX`] octets of
//! comments, or has none, is not believed either.

/// Renames the fields that claim a name. Fed with the stored form, cut anywhere.
#[derive(Clone, Debug)]
pub(super) struct ForgedResults {
    bare: BareCr,
    /// The name that only we may use.
    authserv_id: String,
    at: At,
    /// The beginning of a field that may be one.
    held: Vec<u8>,
    /// The name in it, as far as it has been read.
    name: Vec<u8>,
}

/// Takes the CRs without LF out of a header, cut anywhere.
#[derive(Clone, Debug)]
struct BareCr {
    /// Behind a CR, which is held back.
    cr: bool,
    /// Nothing else has come of the line.
    empty: bool,
    body: bool,
}

impl Default for BareCr {
    fn default() -> Self {
        Self {
            cr: false,
            empty: true,
            body: false,
        }
    }
}

impl BareCr {
    fn replace(&mut self, fresh: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(fresh.len() + 1);
        for (at, &octet) in fresh.iter().enumerate() {
            if self.body {
                out.extend_from_slice(&fresh[at..]);
                break;
            }
            let behind_cr = std::mem::take(&mut self.cr);
            match (behind_cr, octet) {
                (true, b'\n') => {
                    out.extend_from_slice(b"\r\n");
                    self.body = std::mem::replace(&mut self.empty, true);
                    continue;
                }
                (true, _) => {
                    out.push(b' ');
                    self.empty = false;
                }
                (false, _) => {}
            }
            match octet {
                b'\r' => self.cr = true,
                octet => {
                    out.push(octet);
                    self.empty = octet == b'\n';
                }
            }
        }
        out
    }
}

/// Where the next octet of the stored form stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    /// In the name of a field, behind so many octets of [`FIELD`].
    Name(usize),
    /// Behind the name.
    Colon,
    /// Before the authserv-id; in so many comments, one in another (RFC 5322 §3.2.2).
    Space {
        comments: usize,
        spot: Spot,
    },
    /// In the authserv-id, which may be quoted.
    Id {
        quoted: bool,
        spot: Spot,
    },
    /// Within a line that stays as it is.
    Line,
    /// Behind a CR at the start of a line.
    Blank,
    Body,
}

/// What the octet before means for the next one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Spot {
    Plain,
    /// Behind a backslash.
    Escaped,
    /// Behind a line end: white space goes on with the field, anything else ends it.
    LineStart,
}

/// What to do with an octet.
enum Next {
    Hold(At),
    /// It ends what was held back, which is what this says, and begins something else.
    Again(Claim),
    Is(Claim),
}

#[derive(Clone, Copy)]
enum Claim {
    Ours,
    NotOurs,
}

impl ForgedResults {
    pub(super) fn new(authserv_id: &str) -> Self {
        Self {
            bare: BareCr::default(),
            authserv_id: authserv_id.trim_end_matches('.').to_owned(),
            at: At::Name(0),
            held: Vec::new(),
            name: Vec::new(),
        }
    }

    /// Rewrites the stored form from this place on.
    pub(super) fn pass(&mut self, stored: &mut Vec<u8>, from: usize) {
        if self.at != At::Body {
            let fresh = self.bare.replace(&stored.split_off(from));
            self.rewrite(&fresh, stored);
        }
    }

    /// The text has ended: appends what was held back.
    pub(super) fn finish(&mut self, stored: &mut Vec<u8>) {
        if self.at != At::Body && std::mem::take(&mut self.bare.cr) {
            self.rewrite(b" ", stored);
        }
        let claim = match self.at {
            At::Space { .. } | At::Id { quoted: true, .. } => Claim::Ours,
            At::Id { .. } => self.claim(),
            _ => Claim::NotOurs,
        };
        self.release(claim, stored);
        self.at = At::Body;
    }

    fn rewrite(&mut self, fresh: &[u8], stored: &mut Vec<u8>) {
        let mut rest = fresh;
        while let Some((&octet, behind)) = rest.split_first() {
            if self.at == At::Body {
                break;
            }
            if self.at == At::Line {
                let Some(lf) = memchr::memchr(b'\n', rest) else {
                    break;
                };
                stored.extend_from_slice(&rest[..=lf]);
                rest = &rest[lf + 1..];
                self.at = At::Name(0);
                continue;
            }
            let next = match self.held.len() < HELD_OCTETS_MAX {
                true => self.look(octet),
                false => Next::Again(Claim::Ours),
            };
            match next {
                Next::Hold(at) => {
                    self.held.push(octet);
                    self.at = at;
                    rest = behind;
                }
                Next::Is(claim) => {
                    self.held.push(octet);
                    self.release(claim, stored);
                    self.at = match octet {
                        b'\n' => At::Name(0),
                        _ => At::Line,
                    };
                    rest = behind;
                }
                Next::Again(claim) => {
                    let line_start = self.held.ends_with(b"\n");
                    self.release(claim, stored);
                    self.at = match line_start {
                        true => At::Name(0),
                        false => At::Line,
                    };
                }
            }
            if self.at == At::Body {
                self.release(Claim::NotOurs, stored);
            }
        }
        stored.extend_from_slice(rest);
    }

    /// What an octet of a header line means while its field may be one of ours.
    fn look(&mut self, octet: u8) -> Next {
        match self.at {
            At::Name(0) if octet == b'\r' => Next::Hold(At::Blank),
            At::Name(matched) if FIELD[matched] == octet.to_ascii_lowercase() => {
                Next::Hold(match matched + 1 {
                    len if len == FIELD.len() => At::Colon,
                    matched => At::Name(matched),
                })
            }
            At::Blank if octet == b'\n' => Next::Hold(At::Body),
            // White space before the colon is obsolete, not wrong (RFC 5322 §4.5).
            At::Colon if matches!(octet, b' ' | b'\t') => Next::Hold(At::Colon),
            At::Colon if octet == b':' => Next::Hold(At::Space {
                comments: 0,
                spot: Spot::Plain,
            }),
            At::Space { comments, spot } => self.look_for_id(octet, comments, spot),
            At::Id { quoted, spot } => self.look_at_id(octet, quoted, spot),
            At::Name(_) | At::Blank | At::Colon | At::Line | At::Body => Next::Is(Claim::NotOurs),
        }
    }

    fn look_for_id(&mut self, octet: u8, comments: usize, spot: Spot) -> Next {
        let space = |comments, spot| Next::Hold(At::Space { comments, spot });
        match (spot, octet) {
            (Spot::LineStart, b' ' | b'\t') => space(comments, Spot::Plain),
            // A field without a name.
            (Spot::LineStart, _) => Next::Again(Claim::Ours),
            (_, b'\n') => space(comments, Spot::LineStart),
            (Spot::Escaped, _) => space(comments, Spot::Plain),
            (Spot::Plain, b'(') => space(comments + 1, Spot::Plain),
            (Spot::Plain, b')') if comments > 0 => space(comments - 1, Spot::Plain),
            (Spot::Plain, b'\\') if comments > 0 => space(comments, Spot::Escaped),
            (Spot::Plain, _) if comments > 0 => space(comments, Spot::Plain),
            (Spot::Plain, b' ' | b'\t' | b'\r') => space(0, Spot::Plain),
            (Spot::Plain, _) => {
                self.name.clear();
                self.look_at_id(octet, false, Spot::Plain)
            }
        }
    }

    fn look_at_id(&mut self, octet: u8, quoted: bool, spot: Spot) -> Next {
        let id = |quoted, spot| Next::Hold(At::Id { quoted, spot });
        match (spot, octet) {
            (Spot::LineStart, b' ' | b'\t') => id(quoted, Spot::Plain),
            // A quoted name without an end.
            (Spot::LineStart, _) => Next::Again(Claim::Ours),
            // A quoted name may be folded; the fold is not part of it.
            (_, b'\n') if quoted => id(true, Spot::LineStart),
            (Spot::Plain, b'\r') if quoted => id(true, Spot::Plain),
            (Spot::Plain, b'\\') if quoted => id(true, Spot::Escaped),
            (Spot::Plain, b'"') => id(!quoted, Spot::Plain),
            (_, octet) if quoted || is_of_names(octet) => {
                self.name.push(octet);
                id(quoted, Spot::Plain)
            }
            _ => Next::Is(self.claim()),
        }
    }

    /// Whose name it is. None is nobody's, and is not believed.
    fn claim(&self) -> Claim {
        let name = self.name.trim_ascii();
        let end = name.iter().rposition(|octet| *octet != b'.');
        let name = &name[..end.map_or(0, |last| last + 1)];
        match name.is_empty() || name.eq_ignore_ascii_case(self.authserv_id.as_bytes()) {
            true => Claim::Ours,
            false => Claim::NotOurs,
        }
    }

    fn release(&mut self, claim: Claim, stored: &mut Vec<u8>) {
        if let Claim::Ours = claim {
            stored.extend_from_slice(PREFIX);
        }
        stored.append(&mut self.held);
        self.name.clear();
    }
}

/// What the name of a host may consist of, in any alphabet.
fn is_of_names(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._".contains(&octet) || !octet.is_ascii()
}

const FIELD: &[u8] = b"authentication-results";

const PREFIX: &[u8] = b"X-Forged-";

/// Most octets of a field before the end of its name. Honest ones have less than a hundred.
const HELD_OCTETS_MAX: usize = 1024;

#[cfg(test)]
mod tests;
