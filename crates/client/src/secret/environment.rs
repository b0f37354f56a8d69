//! A line `NAME=value` of a file, as systemd's `EnvironmentFile=` and many containers have them.
//!
//! Empty lines and lines that begin with `#` say nothing. A value may stand in quotes; in double quotes a
//! backslash takes the next character as it is. Nothing is expanded. The last line that sets a name counts.

use std::path::Path;

use sasl::Secret;
use zeroize::Zeroizing;

use super::{SECRET_OCTETS_MAX, SecretError, private};

/// The value of a variable.
pub(super) fn read(file: &Path, name: &str) -> Result<Secret, SecretError> {
    let text = private::read(file, SECRET_OCTETS_MAX)?;
    let value = text.split(|&octet| octet == b'\n').rev().find_map(|line| {
        let line = line.trim_ascii();
        let line = line.strip_prefix(b"export ").unwrap_or(line).trim_ascii();
        let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(unquoted(value.trim_ascii()))
    });
    value.ok_or_else(|| SecretError::NoVariable {
        file: file.to_owned(),
        name: name.to_owned(),
    })
}

fn unquoted(value: &[u8]) -> Secret {
    match value {
        [b'\'', inside @ .., b'\''] => Secret::new(inside),
        [b'"', inside @ .., b'"'] => {
            let mut plain = Zeroizing::new(Vec::with_capacity(inside.len()));
            let mut octets = inside.iter();
            while let Some(&octet) = octets.next() {
                plain.push(match octet {
                    b'\\' => octets.next().copied().unwrap_or(octet),
                    _ => octet,
                });
            }
            Secret::new(plain.as_slice())
        }
        _ => Secret::new(value),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_variable_has_the_value_of_its_last_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("env");
        let text = "# the mail\nA=1\n\nB = 2\nexport C= red queen \r\nD='a b\\'\nE=\"a\\\"b\\\\ $X\"\n\
                    A=2\n#F=3\nG=\nH='\nAB=x=y";
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        for (name, value) in [
            ("A", Some("2")),
            ("B", None),
            ("C", Some("red queen")),
            ("D", Some("a b\\")),
            ("E", Some("a\"b\\ $X")),
            ("F", None),
            ("G", Some("")),
            ("H", Some("'")),
            ("AB", Some("x=y")),
        ] {
            let found = read(&file, name).ok();
            let found = found.as_ref().map(Secret::expose);
            assert_eq!(found, value.map(str::as_bytes), "{name}");
        }
        std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            read(&file, "A"),
            Err(SecretError::NotPrivate { .. })
        ));
    }
}
