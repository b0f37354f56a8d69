//! One line from a stranger: no panic, and what was read can be printed and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pop3::Command;
use pop3::client::{Status, scan_line, unique_id_line};

fuzz_target!(|line: &[u8]| {
    match Command::parse(line) {
        Ok(command) => {
            assert!(!line.contains(&0), "a NUL means nothing");
            // Only what would end a line early cannot be printed.
            match command.to_line() {
                Ok(printed) => {
                    let printed = printed.expose().strip_suffix(b"\r\n").expect("a line");
                    assert!(!printed.contains(&b'\n'));
                    assert_eq!(Command::parse(printed), Ok(command));
                }
                Err(_) => assert!(line.iter().any(|octet| b"\r\n".contains(octet))),
            }
        }
        Err(refusal) => {
            let mut out = Vec::new();
            refusal.print(&mut out);
            assert!(out.starts_with(b"-ERR ") && out.ends_with(b"\r\n"));
        }
    }
    // The same line from a server.
    if let Some(status) = Status::parse(line) {
        assert!(!status.text.chars().any(char::is_control));
        let printed = status.to_string();
        assert_eq!(Status::parse(printed.as_bytes()), Some(status.clone()));
        if let Some(timestamp) = status.timestamp() {
            assert!(timestamp.bytes().all(|octet| octet.is_ascii_graphic()));
        }
        let _ = status.stat();
    }
    let _ = scan_line(line);
    let _ = unique_id_line(line);
    if let Ok(octets) = sasl::base64::decode(line) {
        assert_eq!(sasl::base64::encode(&octets).as_bytes(), line);
    }
});
