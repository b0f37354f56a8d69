//! German.

use super::{Counted, put};
use crate::Octets;
use crate::command::Keyword;
use crate::reply::{Refusal, Said};

pub(super) fn refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Credentials => {
            "Name oder Passwort falsch, oder das Konto darf sich nicht anmelden"
        }
        Refusal::InUse => "das Postfach wird gerade von einer anderen Sitzung benutzt",
        Refusal::TooSoon => "zu viele Anmeldungen in letzter Zeit, bitte vor der nächsten warten",
        Refusal::Unavailable => "zurzeit nicht möglich, bitte später erneut versuchen",
        Refusal::Damaged => "die Post ist beschädigt, bitte den Betreiber verständigen",
        Refusal::TooManySessions => "zu viele Sitzungen, bitte später erneut versuchen",
        Refusal::NotDeletedNow => "es wurde nichts gelöscht, bitte später erneut versuchen",
        Refusal::NotDeleted => "es wurde nichts gelöscht, bitte den Betreiber verständigen",
        Refusal::NotHiddenNow => "es wurde nichts verborgen, bitte später erneut versuchen",
        Refusal::NotHidden => "es wurde nichts verborgen, bitte den Betreiber verständigen",
        Refusal::MechanismNotHere => "Mechanismus auf dieser Verbindung nicht möglich",
        Refusal::ServerFirst => "dieser Mechanismus kennt keine erste Antwort",
        Refusal::Binding => "die Kanalbindung passt nicht zu dieser Verbindung",
        Refusal::BindingSpent => {
            "die Kanalbindung dieser Verbindung ist verbraucht, bitte neu verbinden"
        }
        Refusal::UnknownCommand => "unbekannter Befehl",
        Refusal::TooManyErrors => "zu viele Fehler, die Verbindung wird beendet",
        Refusal::Http => "dies ist ein POP3-Server, die Verbindung wird beendet",
        Refusal::Usage(keyword) => usage(keyword),
        Refusal::Nul => "die Zeile enthält ein NUL",
        Refusal::LineTooLong => "die Zeile ist zu lang",
        Refusal::BareLf => "eine Zeile muss mit CRLF enden",
        Refusal::NumberTooLarge => "die Zahl ist zu groß",
        Refusal::NoSuchMessage => "diese Nachricht gibt es nicht",
        Refusal::MessageDeleted => "die Nachricht ist gelöscht",
        Refusal::MessageHidden => "die Nachricht ist verborgen, nicht gelöscht",
        Refusal::MessageKept => "die Nachricht ist bis QUIT ausgelassen, nicht gelöscht",
        Refusal::ReadOnly => "in diesem Postfach kann nichts gelöscht werden",
        Refusal::NotLoggedIn => "bitte zuerst anmelden",
        Refusal::LoggedIn => "bereits angemeldet",
        Refusal::UserFirst => "zuerst USER",
        Refusal::NotUtf8 => "der Benutzername ist kein UTF-8",
        Refusal::Password => "das Passwort muss UTF-8 ohne Steuerzeichen sein",
        Refusal::PasswordsAfterTls => "Passwörter werden nur innerhalb von TLS angenommen",
        Refusal::NotBase64 => "kein Base64",
        Refusal::UnknownMechanism => "unbekannter Mechanismus",
        Refusal::MalformedResponse => "keine Nachricht dieses Mechanismus",
        Refusal::Cancelled => "Anmeldung abgebrochen",
        Refusal::StlsNotOffered => "TLS ist hier nicht verfügbar",
        Refusal::AlreadyTls => "bereits innerhalb von TLS",
        Refusal::StlsAfterUtf8 => "kein STLS nach UTF8",
        Refusal::Utf8AfterSize => "kein UTF8 mehr, nachdem eine Größe genannt wurde",
        Refusal::NeedsUtf8 => "der Kopf der Nachricht erfordert UTF8",
        Refusal::UnknownLanguage => "diese Sprache wird hier nicht gesprochen",
        Refusal::ForwardedLate => "XCLIENT kommt vor der Anmeldung",
        Refusal::ForwardedTwice => "XCLIENT sagt jedes nur einmal",
        Refusal::ForwardedInACircle => "diese Verbindung wird im Kreis weitergereicht",
    }
}

fn usage(keyword: Keyword) -> &'static str {
    match keyword {
        Keyword::Apop => "APOP braucht einen Benutzernamen und eine MD5-Prüfsumme",
        Keyword::Auth => "AUTH braucht einen Mechanismus und höchstens eine erste Antwort",
        Keyword::Capa => "CAPA hat kein Argument",
        Keyword::Dele => "DELE braucht eine Nachrichtennummer",
        Keyword::Lang => "LANG braucht eine Sprache oder nichts",
        Keyword::Last => "LAST hat kein Argument",
        Keyword::List => "LIST braucht eine Nachrichtennummer oder nichts",
        Keyword::Noop => "NOOP hat kein Argument",
        Keyword::Pass => "PASS braucht ein Passwort",
        Keyword::Quit => "QUIT hat kein Argument",
        Keyword::Retr => "RETR braucht eine Nachrichtennummer",
        Keyword::Rset => "RSET hat kein Argument",
        Keyword::Stat => "STAT hat kein Argument",
        Keyword::Stls => "STLS hat kein Argument",
        Keyword::Top => "TOP braucht eine Nachrichtennummer und eine Zeilenzahl",
        Keyword::Uidl => "UIDL braucht eine Nachrichtennummer oder nichts",
        Keyword::User => "USER braucht einen Benutzernamen",
        Keyword::Utf8 => "UTF8 hat kein Argument",
        Keyword::Xclient => "XCLIENT erwartet Attribute wie ADDR=192.0.2.7",
    }
}

pub(super) fn say(said: &Said<'_>, out: &mut Vec<u8>) {
    match *said {
        Said::Opened {
            name,
            messages,
            octets,
        } => {
            let (messages, octets) = (counted(messages), sized(octets));
            match name {
                Some(name) => put(
                    out,
                    format_args!("das Postfach von {name} enthält {messages} ({octets})"),
                ),
                None => put(
                    out,
                    format_args!("das Postfach enthält {messages} ({octets})"),
                ),
            }
        }
        Said::Reset { messages, octets } => {
            let (messages, octets) = (counted(messages), sized(octets));
            put(
                out,
                format_args!("das Postfach enthält {messages} ({octets})"),
            );
        }
        Said::Shown { messages, octets } => {
            let (messages, octets) = (counted(messages), sized(octets));
            put(
                out,
                format_args!("dieses Postfach zeigt {messages} ({octets})"),
            );
        }
        Said::Top => put(out, format_args!("der Anfang der Nachricht folgt")),
        Said::Deleted(number) => put(out, format_args!("Nachricht {number} gelöscht")),
        Said::Hidden(number) => put(
            out,
            format_args!("Nachricht {number} verborgen, nicht gelöscht"),
        ),
        Said::Kept(number) => put(
            out,
            format_args!("Nachricht {number} bis QUIT ausgelassen, nicht gelöscht"),
        ),
        Said::Capabilities => put(out, format_args!("die Liste der Fähigkeiten folgt")),
        Said::Mechanisms => put(out, format_args!("die Mechanismen folgen")),
        Said::BeginTls => put(out, format_args!("TLS kann beginnen")),
        Said::Bye(server) => put(out, format_args!("{server} POP3-Server meldet sich ab")),
        Said::Committed { server, left: 0 } => {
            put(
                out,
                format_args!("{server} POP3-Server meldet sich ab (Postfach leer)"),
            );
        }
        Said::Committed { server, left } => {
            let left = counted(left);
            put(
                out,
                format_args!("{server} POP3-Server meldet sich ab (noch {left})"),
            );
        }
        Said::Languages(tag) => put(
            out,
            format_args!("die Sprache ist {tag}, alle Sprachen folgen"),
        ),
        Said::Utf8 => put(out, format_args!("von jetzt an UTF-8")),
        Said::Language => put(out, format_args!("die Sprache ist jetzt Deutsch")),
    }
}

pub(super) fn counted(messages: usize) -> Counted {
    let word = match messages {
        1 => "Nachricht",
        _ => "Nachrichten",
    };
    Counted(messages as u64, word)
}

pub(super) fn sized(octets: Octets) -> Counted {
    let word = match octets.0 {
        1 => "Oktett",
        _ => "Oktette",
    };
    Counted(octets.0, word)
}
