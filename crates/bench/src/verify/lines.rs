//! Line ends and transparency of a text as it travels: each line ends with CRLF, and one that begins
//! with a dot has another before it (RFC 1939 §3).

use memchr::memchr_iter;

/// Looks at a text that comes in chunks, split anywhere.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    /// The last two octets that were seen; the text begins a line.
    last: [u8; 2],
}

impl Lines {
    pub(super) fn new() -> Self {
        Self { last: *b"\r\n" }
    }

    pub(super) fn see(&mut self, chunk: &[u8]) -> Result<(), String> {
        // Octet `at` of what came before the chunk and of the chunk.
        let last = self.last;
        let octet = |at: isize| match at {
            -2 => Some(last[0]),
            -1 => Some(last[1]),
            _ => chunk.get(at.unsigned_abs()).copied(),
        };
        if last[1] == b'.' && last[0] == b'\n' && !matches!(octet(0), None | Some(b'.')) {
            return Err("a line that begins with one dot: it is not stuffed".to_owned());
        }
        if last[1] == b'\n' {
            begins(octet(0), octet(1))?;
        }
        for end in memchr_iter(b'\n', chunk) {
            let end = end.cast_signed();
            if octet(end - 1) != Some(b'\r') {
                return Err("a line that ends with LF alone".to_owned());
            }
            begins(octet(end + 1), octet(end + 2))?;
        }
        match *chunk {
            [] => {}
            [only] => self.last = [last[1], only],
            [.., before, end] => self.last = [before, end],
        }
        Ok(())
    }
}

/// The first two octets of a line, as far as they are there.
fn begins(first: Option<u8>, second: Option<u8>) -> Result<(), String> {
    match (first, second) {
        (Some(b'.'), Some(octet)) if octet != b'.' => {
            Err("a line that begins with one dot: it is not stuffed".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_lines_are_found_wherever_they_are_split() {
        for (text, right) in [
            (&b""[..], true),
            (b"a\r\nb\r\n", true),
            (b"..\r\n..a\r\na.\r\n...\r\n", true),
            (b"a\rb\r\n", true),
            (b"\r\n\r\n", true),
            (b"a\n", false),
            (b"\n", false),
            (b"a\r\n\nb\r\n", false),
            (b".a\r\n", false),
            (b"a\r\n.b\r\n", false),
            (b"a\r\n.\rb\r\n", false),
            (b".\n", false),
        ] {
            for size in 1..=text.len().max(1) {
                let mut lines = Lines::new();
                let seen = text.chunks(size).try_for_each(|chunk| lines.see(chunk));
                assert_eq!(seen.is_ok(), right, "{} {size}", text.escape_ascii());
            }
        }
    }
}
