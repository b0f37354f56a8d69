//! The two messages of the demo: 120 and 200 octets, as in the session of RFC 1939 §10.

/// Whose maildrop the demo shows.
pub(super) const ACCOUNT: &str = "bob";

/// How bob logs in: by POP3's best known password, so it protects nothing.
pub(super) const PASSWORD: &str = "redqueen";

/// What LIST says of the two letters.
pub(super) const OCTETS: [u64; 2] = [120, 200];

/// The letters as they are put in, with CRLF line ends.
pub(super) const LETTERS: [&str; 2] = [
    concat!(
        "From: postmaster@mailgate.dobbs.org\r\n",
        "To: bob@dobbs.org\r\n",
        "Subject: Welcome\r\n",
        "\r\n",
        "Your post waits here till you call for it.\r\n",
    ),
    concat!(
        "From: postmaster@mailgate.dobbs.org\r\n",
        "To: bob@dobbs.org\r\n",
        "Subject: How it works\r\n",
        "\r\n",
        "LIST says what waits, RETR hands a message over,\r\n",
        "DELE marks it. Only QUIT deletes: a lost connection\r\n",
        "loses no mail.\r\n",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letters_have_their_sizes() {
        for (letter, octets) in LETTERS.iter().zip(OCTETS) {
            assert_eq!(letter.len() as u64, octets, "{letter}");
            // Printed as they travel, so no line of them may need dot-stuffing.
            assert!(letter.lines().all(|line| !line.starts_with('.')));
        }
    }
}
