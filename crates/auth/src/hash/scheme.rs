//! The schemes of password hashes: their names, what they look like, and which one a hash is of.

use std::fmt;

/// How a password is hashed. Our own are [`Scheme::Argon2id`]; the others come from other servers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// `$argon2id$v=19$m=…,t=…,p=…$salt$hash` (RFC 9106)
    Argon2id,
    /// `$argon2i$v=19$m=…,t=…,p=…$salt$hash`
    Argon2i,
    /// `$2a$`, `$2b$` or `$2y$`
    BlfCrypt,
    /// `$6$salt$hash` or `$6$rounds=…$salt$hash`
    Sha512Crypt,
    /// `$5$salt$hash` or `$5$rounds=…$salt$hash`
    Sha256Crypt,
    /// `$y$parameters$salt$hash`
    Yescrypt,
    /// `$7$parameters and salt$hash`, or `$scrypt$ln=…,r=…,p=…$salt$hash` (RFC 7914)
    Scrypt,
    /// `$pbkdf2-sha256$i=…$salt$hash`, the same with `sha512`, or Dovecot's with SHA-1,
    /// `$1$salt$rounds$hash`
    Pbkdf2,
    /// `$1$salt$hash`: so cheap to guess that it is only read, never made
    Md5Crypt,
}

impl Scheme {
    /// All of them, the best first.
    pub const ALL: [Self; 9] = [
        Self::Argon2id,
        Self::Argon2i,
        Self::Yescrypt,
        Self::Scrypt,
        Self::BlfCrypt,
        Self::Sha512Crypt,
        Self::Sha256Crypt,
        Self::Pbkdf2,
        Self::Md5Crypt,
    ];

    /// The scheme's name as Dovecot writes it between braces. Where Dovecot has none, because it
    /// leaves the scheme to crypt(3), it is written likewise.
    pub fn name(self) -> &'static str {
        match self {
            Self::Argon2id => "ARGON2ID",
            Self::Argon2i => "ARGON2I",
            Self::BlfCrypt => "BLF-CRYPT",
            Self::Sha512Crypt => "SHA512-CRYPT",
            Self::Sha256Crypt => "SHA256-CRYPT",
            Self::Yescrypt => "YESCRYPT",
            Self::Scrypt => "SCRYPT",
            Self::Pbkdf2 => "PBKDF2",
            Self::Md5Crypt => "MD5-CRYPT",
        }
    }

    /// The scheme of that name, in whatever case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }

    /// The scheme that a hash says it is of. Only its beginning is looked at, and how many fields
    /// there are: `$1$` is MD5-crypt to crypt(3) and PBKDF2 to Dovecot, which has one field more.
    pub fn of(hash: &str) -> Option<Self> {
        let fields = hash.split('$').count();
        let scheme = match hash.strip_prefix('$')?.split_once('$')?.0 {
            "argon2id" => Self::Argon2id,
            "argon2i" => Self::Argon2i,
            "2a" | "2b" | "2x" | "2y" => Self::BlfCrypt,
            "6" => Self::Sha512Crypt,
            "5" => Self::Sha256Crypt,
            "y" => Self::Yescrypt,
            "7" | "scrypt" => Self::Scrypt,
            "1" if fields == 5 => Self::Pbkdf2,
            "pbkdf2-sha256" | "pbkdf2-sha512" => Self::Pbkdf2,
            "1" => Self::Md5Crypt,
            _ => return None,
        };
        Some(scheme)
    }

    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Argon2id => "$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>",
            Self::Argon2i => "$argon2i$v=19$m=32768,t=4,p=1$<salt>$<hash>",
            Self::BlfCrypt => "$2y$10$<53 characters>",
            Self::Sha512Crypt => "$6$<salt>$<86 characters>",
            Self::Sha256Crypt => "$5$<salt>$<43 characters>",
            Self::Yescrypt => "$y$j9T$<salt>$<43 characters>",
            Self::Scrypt => {
                "$7$CU..../....<salt>$<43 characters> or $scrypt$ln=16,r=8,p=1$<salt>$<hash>"
            }
            Self::Pbkdf2 => {
                "$1$<salt>$5000$<40 hexadecimal digits> or $pbkdf2-sha256$i=600000$<salt>$<hash>"
            }
            Self::Md5Crypt => "$1$<salt>$<22 characters>",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
