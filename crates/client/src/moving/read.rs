//! Reading files of others: bounded, and as text whatever their encoding.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use sasl::Secret;

use super::MovingError;

/// A configuration as text.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) text: String,
    encoding: Encoding,
}

/// How octets became the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    Utf8,
    /// Each octet is the character of that number, so that no octet is lost.
    Latin1,
}

/// Most octets of a configuration that people write.
const CONFIGURATION_OCTETS_MAX: u64 = 1 << 20;
/// A unique-id has 1024 octets at most, with a name of a user and of a host before it.
const LINE_OCTETS_MAX: usize = 4096;

impl Text {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// When it cannot be read, is larger than any configuration, or is no text.
    pub(super) fn read(file: &Path) -> Result<Self, MovingError> {
        Self::read_up_to(CONFIGURATION_OCTETS_MAX, file)
    }

    /// Reads one of at most so many octets.
    pub(super) fn read_up_to(octets_max: u64, file: &Path) -> Result<Self, MovingError> {
        let mut octets = Vec::new();
        open(file)?
            .take(octets_max + 1)
            .read_to_end(&mut octets)
            .map_err(|source| unreadable(file, source))?;
        if octets.len() as u64 > octets_max {
            return Err(unusable(file, "it is too large to be a configuration"));
        }
        Self::of(octets)
            .ok_or_else(|| unusable(file, "it holds NUL octets, so it is no configuration"))
    }

    /// None if it is no text.
    pub(super) fn of(octets: Vec<u8>) -> Option<Self> {
        if memchr::memchr(0, &octets).is_some() {
            return None;
        }
        Some(match String::from_utf8(octets) {
            Ok(text) => Self {
                text: text
                    .strip_prefix('\u{feff}')
                    .map_or_else(|| text.clone(), str::to_owned),
                encoding: Encoding::Utf8,
            },
            Err(error) => Self {
                text: error.as_bytes().iter().copied().map(char::from).collect(),
                encoding: Encoding::Latin1,
            },
        })
    }

    /// How a secret of this text is written.
    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }
}

impl Encoding {
    /// A secret, in the octets that stood in the file.
    pub(super) fn secret(self, text: &str) -> Secret {
        match self {
            Self::Utf8 => Secret::new(text.as_bytes()),
            Self::Latin1 => Secret::new(
                text.chars()
                    .map(|it| u8::try_from(u32::from(it)).unwrap_or(b'?'))
                    .collect::<Vec<u8>>(),
            ),
        }
    }
}

/// What stands in a line of a file.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Line<'a> {
    /// Its octets, without the end of line.
    Whole(&'a [u8]),
    /// It is longer than any line should be; it was skipped.
    TooLong,
}

/// Reads a file of any size line by line, and tells each with its number, from 1. One line is in memory at a time.
pub(super) fn lines(file: &Path, mut each: impl FnMut(usize, Line<'_>)) -> Result<(), MovingError> {
    let mut input = BufReader::new(open(file)?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let limit = LINE_OCTETS_MAX as u64 + 1;
        let read = (&mut input).take(limit).read_until(b'\n', &mut line);
        match read.map_err(|source| unreadable(file, source))? {
            0 => break,
            _ if line.len() > LINE_OCTETS_MAX && line.last() != Some(&b'\n') => {
                input
                    .skip_until(b'\n')
                    .map_err(|source| unreadable(file, source))?;
                each(number, Line::TooLong);
            }
            _ => {
                let text = line.strip_suffix(b"\n").unwrap_or(&line);
                each(
                    number,
                    Line::Whole(text.strip_suffix(b"\r").unwrap_or(text)),
                );
            }
        }
    }
    Ok(())
}

/// A named pipe or a device would never end.
fn open(file: &Path) -> Result<File, MovingError> {
    let about = file.metadata().map_err(|source| unreadable(file, source))?;
    if !about.is_file() {
        return Err(unusable(file, "it is no file"));
    }
    File::open(file).map_err(|source| unreadable(file, source))
}

pub(super) fn unreadable(file: &Path, source: io::Error) -> MovingError {
    MovingError::Unreadable {
        file: file.to_owned(),
        source,
    }
}

pub(super) fn unusable(file: &Path, why: impl Into<String>) -> MovingError {
    MovingError::Unusable {
        file: file.to_owned(),
        why: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(octets: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), octets).unwrap();
        file
    }

    #[test]
    fn lines_come_with_their_numbers_and_too_long_ones_are_skipped() {
        let long = vec![b'x'; 3 * LINE_OCTETS_MAX];
        let most = vec![b'y'; LINE_OCTETS_MAX];
        let file = file(&[b"one\r\n\n", &long[..], b"\n", &most[..], b"\nlast"].concat());
        let mut found = Vec::new();
        lines(file.path(), |number, line| {
            found.push((
                number,
                match line {
                    Line::Whole(text) => Some(text.to_vec()),
                    Line::TooLong => None,
                },
            ));
        })
        .unwrap();
        assert_eq!(
            found,
            [
                (1, Some(b"one".to_vec())),
                (2, Some(Vec::new())),
                (3, None),
                (4, Some(most)),
                (5, Some(b"last".to_vec())),
            ]
        );
    }

    #[test]
    fn text_keeps_the_octets_of_a_secret() {
        let utf8 = Text::of("a\u{e4}".into()).unwrap();
        assert_eq!(
            utf8.encoding().secret(&utf8.text).expose(),
            "a\u{e4}".as_bytes()
        );
        let latin1 = Text::of(b"a\xe4".to_vec()).unwrap();
        assert_eq!(latin1.text, "a\u{e4}");
        assert_eq!(latin1.encoding().secret(&latin1.text).expose(), b"a\xe4");
        assert!(Text::of(b"a\0b".to_vec()).is_none());
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(
            Text::read(directory.path()),
            Err(MovingError::Unusable { .. })
        ));
        assert!(matches!(
            Text::read(&directory.path().join("none")),
            Err(MovingError::Unreadable { .. })
        ));
    }

    #[test]
    fn what_is_too_large_is_not_read() {
        let file = file(b"12345");
        assert!(Text::read_up_to(5, file.path()).is_ok());
        let refused = Text::read_up_to(4, file.path()).unwrap_err().to_string();
        assert!(
            refused.ends_with("it is too large to be a configuration"),
            "{refused}"
        );
    }
}
