//! What a server says to EHLO or LHLO that it can do (RFC 5321 §4.1.1.1).

use sasl::Mechanism;

use super::reply::Reply;

/// What a server can do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Offers {
    /// RFC 2920.
    pub(super) pipelining: bool,
    /// RFC 6152.
    pub(super) eight_bit: bool,
    /// RFC 6531.
    pub(super) utf8: bool,
    /// RFC 3207.
    pub(super) start_tls: bool,
    /// Whether sizes may be declared, and the largest that it takes; 0 if it does not say (RFC 1870).
    pub(super) size: Option<u64>,
    /// The names behind AUTH, in capitals.
    pub(super) mechanisms: Vec<String>,
}

impl Offers {
    pub(super) fn read(reply: &Reply) -> Self {
        let mut offers = Self::default();
        // The first line names the server.
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            // Some old servers say "AUTH=LOGIN".
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            match words.next() {
                Some("PIPELINING") => offers.pipelining = true,
                Some("8BITMIME") => offers.eight_bit = true,
                Some("SMTPUTF8") => offers.utf8 = true,
                Some("STARTTLS") => offers.start_tls = true,
                Some("SIZE") => {
                    offers.size = Some(words.next().and_then(|it| it.parse().ok()).unwrap_or(0));
                }
                Some("AUTH") => offers.mechanisms.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        offers
    }

    pub(super) fn offers(&self, mechanism: Mechanism) -> bool {
        self.mechanisms.iter().any(|it| it == mechanism.name())
    }

    /// The mechanisms, for people.
    pub(super) fn mechanisms(&self) -> String {
        self.mechanisms.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_read_whatever_their_case() {
        let said = "250-mail AUTH\r\n250-size 1000\r\n250-PIPELINING\r\n250-8BitMime\r\n250-SMTPUTF8\r\n\
                    250-STARTTLS\r\n250-AUTH PLAIN login\r\n250-X-A\r\n250 AUTH=XOAUTH2\r\n";
        let reply = Reply::take(&mut said.as_bytes().to_vec()).unwrap().unwrap();
        let offers = Offers::read(&reply);
        assert!(offers.offers(Mechanism::Plain) && offers.offers(Mechanism::Login));
        assert_eq!(offers.mechanisms(), "PLAIN, LOGIN, XOAUTH2");
        assert!(offers.pipelining && offers.eight_bit && offers.utf8 && offers.start_tls);
        assert_eq!(offers.size, Some(1000));
        let reply = Reply::take(&mut b"250-a\r\n250 SIZE\r\n".to_vec())
            .unwrap()
            .unwrap();
        assert_eq!(Offers::read(&reply).size, Some(0));
        let reply = Reply::take(&mut b"250 SIZE\r\n".to_vec()).unwrap().unwrap();
        assert_eq!(Offers::read(&reply), Offers::default());
    }
}
