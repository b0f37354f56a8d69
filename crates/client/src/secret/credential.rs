//! A credential that systemd hands to a service: a file below `$CREDENTIALS_DIRECTORY` (systemd.exec(5)).
//!
//! Its owner and mode are systemd's business, which grants access by an ACL, so they are not looked at.

use std::path::{Component, Path, PathBuf};

use sasl::Secret;

use super::{SECRET_OCTETS_MAX, SecretError, first_line, private};

/// Reads the credential of this name.
pub(super) fn read(name: &str) -> Result<Secret, SecretError> {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    read_of(directory.as_deref(), name)
}

fn read_of(directory: Option<&Path>, name: &str) -> Result<Secret, SecretError> {
    let none = |why| SecretError::NoCredential {
        name: name.to_owned(),
        why,
    };
    // One plain name: what leads elsewhere is none.
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(only)), None) if only == name => {}
        _ => return Err(none("that is no name of a credential")),
    }
    let directory = directory.ok_or_else(|| {
        none("systemd handed none over ($CREDENTIALS_DIRECTORY is not set; see LoadCredential=)")
    })?;
    let octets = private::read_any(&directory.join(name), SECRET_OCTETS_MAX)?;
    Ok(first_line(&octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_plain_name_in_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("work"), "redqueen\n").unwrap();
        let read = |name| read_of(Some(directory.path()), name);
        assert_eq!(read("work").unwrap().expose(), b"redqueen");
        for wrong in [
            "",
            ".",
            "..",
            "../work",
            "/etc/passwd",
            "work/",
            "./work",
            "a/b",
        ] {
            let why = read(wrong).unwrap_err().to_string();
            assert!(why.ends_with("that is no name of a credential"), "{why}");
        }
        assert!(matches!(read("isp"), Err(SecretError::File { .. })));
        let why = read_of(None, "work").unwrap_err().to_string();
        assert!(why.contains("LoadCredential="), "{why}");
    }
}
