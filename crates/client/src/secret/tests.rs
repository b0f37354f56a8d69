//! Each source, right and wrong.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

fn write(file: &Path, text: &str, mode: u32) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
}

fn told(source: &Source) -> String {
    match source.secret(&mut nobody) {
        Ok(secret) => String::from_utf8(secret.expose().to_vec()).unwrap(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_file_must_be_private() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    let source = Source::File(file.clone());
    let name = file.display();
    for (mode, answer) in [
        (0o600, "redqueen".to_owned()),
        (0o400, "redqueen".to_owned()),
        (
            0o644,
            format!("{name}: others may read it (mode 0644); run: chmod 600 {name}"),
        ),
        (
            0o620,
            format!("{name}: others may read it (mode 0620); run: chmod 600 {name}"),
        ),
    ] {
        write(&file, "redqueen\nuser: mrose\n", mode);
        assert_eq!(told(&source), answer);
        std::fs::remove_file(&file).unwrap();
    }
    for (text, answer) in [
        ("redqueen", "redqueen".to_owned()),
        ("redqueen\r\n", "redqueen".to_owned()),
        (" red queen \n", " red queen ".to_owned()),
        ("", format!("{name} is empty")),
        ("\nredqueen\n", format!("{name} is empty")),
    ] {
        write(&file, text, 0o600);
        assert_eq!(told(&source), answer);
    }
    write(&file, &"x".repeat(SECRET_OCTETS_MAX + 1), 0o600);
    assert_eq!(told(&source), format!("{name} is longer than 65536 octets"));
    std::fs::remove_file(&file).unwrap();
    assert!(told(&source).contains("No such file"));
    std::fs::create_dir(&file).unwrap();
    assert_eq!(told(&source), format!("{name}: it is no regular file"));
    std::fs::remove_dir(&file).unwrap();
    // A pipe that nobody writes to must not be waited for.
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.unwrap().success());
    assert_eq!(told(&source), format!("{name}: it is no regular file"));
}

#[test]
fn a_file_of_another_is_not_believed() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    write(&file, "redqueen\n", 0o600);
    std::os::unix::fs::chown(&file, Some(65_534), None).unwrap();
    let why = told(&Source::File(file));
    assert!(why.contains("belongs to user 65534"), "{why}");
}

#[test]
fn a_person_is_asked() {
    let source = Source::Prompt("Password of mrose".to_owned());
    let mut asked = Vec::new();
    let secret = source.secret(&mut |question| {
        asked.push(question.to_owned());
        Ok(Secret::new("redqueen"))
    });
    assert_eq!(secret.unwrap().expose(), b"redqueen");
    assert_eq!(asked, ["Password of mrose"]);
    assert_eq!(
        told(&source),
        "the secret was not told: nobody is there to be asked"
    );
    let empty = source.secret(&mut |_| Ok(Secret::new("")));
    assert_eq!(empty.unwrap_err().to_string(), "the answer is empty");
}

#[test]
fn no_source_prints_its_secret() {
    let literal = Source::Literal(Secret::new("redqueen"));
    let command: Source = Source::Command("echo redqueen".parse().unwrap());
    assert!(!format!("{literal:?} {literal} {command}").contains("redqueen"));
    assert_eq!(told(&literal), "redqueen");
    assert_eq!(told(&command), "redqueen");
}
