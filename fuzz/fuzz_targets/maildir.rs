//! The lists of other servers that lie beside a Maildir: no panic, names that are unique-ids, and an order
//! that is one.
#![no_main]

use std::cmp::Ordering;

use libfuzzer_sys::fuzz_target;
use maildrop::maildir::courier::SizeList;
use maildrop::maildir::dovecot::{UidList, UidlFormat};
use maildrop::maildir::{Names, name};
use pop3::UniqueId;

// The first line is a format, the rest is a list, and every word of it may be the name of a file.
fuzz_target!(|octets: &[u8]| {
    let (format, list) = match octets.iter().position(|&octet| octet == b'\n') {
        Some(end) => (&octets[..end], &octets[end + 1..]),
        None => (&b""[..], octets),
    };
    let format = std::str::from_utf8(format)
        .ok()
        .and_then(|format| format.parse::<UidlFormat>().ok())
        .unwrap_or_default();
    let mut files: Vec<&[u8]> = list
        .split(|octet| b" \n:".contains(octet))
        .take(64)
        .collect();
    let dovecot = UidList::parse(list).map(|list| Names::Dovecot(list, format));
    let courier = SizeList::parse(list).map(Names::Courier);
    for names in [dovecot, courier].into_iter().flatten() {
        for file in &files {
            if let Some(id) = names.unique_id(file) {
                assert_eq!(UniqueId::new(id.as_bytes()), Some(id));
            }
            let flagged = [*file, b":2,S"].concat();
            assert_eq!(names.unique_id(file), names.unique_id(&flagged));
        }
        files.sort_by(|one, other| names.rank(one, other));
        for pair in files.windows(2) {
            assert_ne!(names.rank(pair[0], pair[1]), Ordering::Greater);
        }
    }
    for file in files {
        let _ = name::arrival_us(file);
    }
});
