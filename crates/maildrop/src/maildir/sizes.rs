//! Sizes of messages whose names do not tell them, kept beside them in `restante-sizes`.
//!
//! What LIST says counts CRLF, so somebody has to read a message once. A line is
//! `<checksum> <octets with CRLF> <flags> <name>`; the checksum (CRC-32C, hexadecimal) is that of the rest of
//! the line. Nothing is lost with the file: a line that is torn or wrong is no line,
//! and what it was about is measured again. Only the session that has the maildrop writes it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;

use super::scan::Scan;
use crate::native::media::{Disk, File};
use crate::plain::Measured;

/// What the file is called, beside `new/` and `cur/`.
const FILE: &str = "restante-sizes";
/// It is written here first.
const TEMPORARY: &str = "restante-sizes.new";

/// The flag of a message with octets ≥ 0x80 in its header.
const INTERNATIONALISED: &str = "8";
const NO_FLAGS: &str = "-";

/// What is known, by the name up to the flags.
#[derive(Debug, Default)]
pub(super) struct SizeCache {
    known: HashMap<Box<str>, Measured>,
    /// Octets of the file up to the end of its last whole line.
    len: u64,
    /// Lines to be added.
    added: String,
}

impl SizeCache {
    /// Reads the file. What cannot be read is not known.
    pub(super) fn load<D: Disk>(disk: &D) -> Self {
        let mut cache = Self::default();
        let Ok(octets) = super::read_all(disk, FILE) else {
            return cache;
        };
        let whole = memchr::memrchr(b'\n', &octets).map_or(0, |end| end + 1);
        cache.len = whole as u64;
        let lines = octets[..whole].split(|&octet| octet == b'\n');
        for line in lines.filter_map(|line| std::str::from_utf8(line).ok()) {
            if let Some((base, measured)) = parse(line) {
                cache.known.insert(base.into(), measured);
            }
        }
        cache
    }

    pub(super) fn get(&self, base: &str) -> Option<Measured> {
        self.known.get(base).copied()
    }

    /// Notes what was measured.
    pub(super) fn add(&mut self, base: &str, measured: Measured) {
        print(&mut self.added, base, measured);
        self.known.insert(base.into(), measured);
    }

    /// Writes what was added. When most of what the file holds is of messages that are gone, it is written
    /// anew.
    ///
    /// # Errors
    ///
    /// What the file system says; no more is lost than time.
    pub(super) fn save<D: Disk>(mut self, disk: &D, scan: &Scan) -> io::Result<()> {
        if self.added.is_empty() {
            return Ok(());
        }
        let before = self.known.len();
        let there = scan.by_base();
        self.known.retain(|base, _| there.contains_key(&**base));
        if self.len > 0 && self.known.len() >= before / 2 {
            let file = disk.open(FILE)?;
            return file.write_at(&[self.added.as_bytes()], self.len);
        }
        let mut all = String::new();
        for (base, &measured) in &self.known {
            print(&mut all, base, measured);
        }
        let _ = disk.unlink(TEMPORARY);
        disk.create(TEMPORARY)?.write_at(&[all.as_bytes()], 0)?;
        disk.rename(TEMPORARY, FILE)
    }
}

fn print(out: &mut String, base: &str, measured: Measured) {
    let flags = match measured.internationalised {
        true => INTERNATIONALISED,
        false => NO_FLAGS,
    };
    let rest = format!("{} {flags} {base}", measured.octets);
    // To a string nothing fails.
    let _ = writeln!(out, "{:08x} {rest}", crc32c::crc32c(rest.as_bytes()));
}

fn parse(line: &str) -> Option<(&str, Measured)> {
    let (checksum, rest) = line.split_once(' ')?;
    if u32::from_str_radix(checksum, 16).ok()? != crc32c::crc32c(rest.as_bytes()) {
        return None;
    }
    let mut words = rest.splitn(3, ' ');
    let measured = Measured {
        octets: words.next()?.parse().ok()?,
        internationalised: words.next()? == INTERNATIONALISED,
    };
    Some((words.next()?, measured))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Measured = Measured {
        octets: 44,
        internationalised: true,
    };

    #[test]
    fn a_line_comes_back_and_no_other_octet_does() {
        let mut line = String::new();
        print(&mut line, "1.M2P3.h with space", SIZES);
        let line = line.strip_suffix('\n').unwrap();
        assert_eq!(parse(line), Some(("1.M2P3.h with space", SIZES)));
        for place in 0..line.len() {
            for bit in 0..7 {
                let mut rotten = line.as_bytes().to_vec();
                rotten[place] ^= 1 << bit;
                let rotten = String::from_utf8(rotten).unwrap();
                // The digits of the checksum have two cases.
                let is_same = rotten.eq_ignore_ascii_case(line) && place < 8;
                assert!(is_same || parse(&rotten).is_none(), "{rotten}");
            }
            assert_eq!(parse(&line[..place]), None);
        }
    }
}
