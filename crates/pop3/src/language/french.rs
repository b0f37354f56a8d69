//! French.

use super::{Counted, put};
use crate::Octets;
use crate::command::Keyword;
use crate::reply::{Refusal, Said};

pub(super) fn refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Credentials => {
            "nom ou mot de passe incorrect, ou compte non autorisé à se connecter"
        }
        Refusal::InUse => "la boîte est utilisée par une autre session",
        Refusal::TooSoon => "trop de connexions récentes, veuillez attendre avant la suivante",
        Refusal::Unavailable => "impossible pour le moment, veuillez réessayer plus tard",
        Refusal::Damaged => "le courrier est endommagé, veuillez prévenir l’administrateur",
        Refusal::TooManySessions => "trop de sessions, veuillez réessayer plus tard",
        Refusal::NotDeletedNow => "rien n’a été supprimé, veuillez réessayer plus tard",
        Refusal::NotDeleted => "rien n’a été supprimé, veuillez prévenir l’administrateur",
        Refusal::NotHiddenNow => "rien n’a été masqué, veuillez réessayer plus tard",
        Refusal::NotHidden => "rien n’a été masqué, veuillez prévenir l’administrateur",
        Refusal::MechanismNotHere => "mécanisme impossible sur cette connexion",
        Refusal::ServerFirst => "ce mécanisme n’attend pas de réponse initiale",
        Refusal::Binding => "la liaison de canal ne convient pas à cette connexion",
        Refusal::BindingSpent => {
            "la liaison de canal de cette connexion a déjà servi, veuillez vous reconnecter"
        }
        Refusal::UnknownCommand => "commande inconnue",
        Refusal::TooManyErrors => "trop d’erreurs, fermeture de la connexion",
        Refusal::Http => "ceci est un serveur POP3, fermeture de la connexion",
        Refusal::Usage(keyword) => usage(keyword),
        Refusal::Nul => "la ligne contient un caractère NUL",
        Refusal::LineTooLong => "la ligne est trop longue",
        Refusal::BareLf => "une ligne doit finir par CRLF",
        Refusal::NumberTooLarge => "le nombre est trop grand",
        Refusal::NoSuchMessage => "ce message n’existe pas",
        Refusal::MessageDeleted => "le message est supprimé",
        Refusal::MessageHidden => "le message est masqué, non supprimé",
        Refusal::MessageKept => "le message est écarté jusqu’à QUIT, non supprimé",
        Refusal::ReadOnly => "rien ne peut être supprimé dans cette boîte",
        Refusal::NotLoggedIn => "connectez-vous d’abord",
        Refusal::LoggedIn => "déjà connecté",
        Refusal::UserFirst => "USER d’abord",
        Refusal::NotUtf8 => "le nom d’utilisateur n’est pas en UTF-8",
        Refusal::Password => "le mot de passe doit être en UTF-8, sans caractère de contrôle",
        Refusal::PasswordsAfterTls => "les mots de passe ne sont acceptés que sous TLS",
        Refusal::NotBase64 => "ce n’est pas du base64",
        Refusal::UnknownMechanism => "mécanisme inconnu",
        Refusal::MalformedResponse => "ce n’est pas un message de ce mécanisme",
        Refusal::Cancelled => "authentification annulée",
        Refusal::StlsNotOffered => "TLS n’est pas disponible ici",
        Refusal::AlreadyTls => "déjà sous TLS",
        Refusal::StlsAfterUtf8 => "pas de STLS après UTF8",
        Refusal::Utf8AfterSize => "pas de UTF8 une fois une taille annoncée",
        Refusal::NeedsUtf8 => "l’en-tête de ce message exige UTF8",
        Refusal::UnknownLanguage => "cette langue n’est pas parlée ici",
        Refusal::ForwardedLate => "XCLIENT vient avant la connexion",
        Refusal::ForwardedTwice => "XCLIENT ne dit chaque chose qu’une fois",
        Refusal::ForwardedInACircle => "cette connexion est transmise en boucle",
    }
}

fn usage(keyword: Keyword) -> &'static str {
    match keyword {
        Keyword::Apop => "APOP attend un nom d’utilisateur et une empreinte MD5",
        Keyword::Auth => "AUTH attend un mécanisme et au plus une réponse initiale",
        Keyword::Capa => "CAPA n’attend aucun argument",
        Keyword::Dele => "DELE attend un numéro de message",
        Keyword::Lang => "LANG attend une langue ou rien",
        Keyword::Last => "LAST n’attend aucun argument",
        Keyword::List => "LIST attend un numéro de message ou rien",
        Keyword::Noop => "NOOP n’attend aucun argument",
        Keyword::Pass => "PASS attend un mot de passe",
        Keyword::Quit => "QUIT n’attend aucun argument",
        Keyword::Retr => "RETR attend un numéro de message",
        Keyword::Rset => "RSET n’attend aucun argument",
        Keyword::Stat => "STAT n’attend aucun argument",
        Keyword::Stls => "STLS n’attend aucun argument",
        Keyword::Top => "TOP attend un numéro de message et un nombre de lignes",
        Keyword::Uidl => "UIDL attend un numéro de message ou rien",
        Keyword::User => "USER attend un nom d’utilisateur",
        Keyword::Utf8 => "UTF8 n’attend aucun argument",
        Keyword::Xclient => "XCLIENT attend des attributs comme ADDR=192.0.2.7",
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
                    format_args!("la boîte de {name} contient {messages} ({octets})"),
                ),
                None => put(out, format_args!("la boîte contient {messages} ({octets})")),
            }
        }
        Said::Reset { messages, octets } => {
            let (messages, octets) = (counted(messages), sized(octets));
            put(out, format_args!("la boîte contient {messages} ({octets})"));
        }
        Said::Shown { messages, octets } => {
            let (messages, octets) = (counted(messages), sized(octets));
            put(
                out,
                format_args!("cette boîte montre {messages} ({octets})"),
            );
        }
        Said::Top => put(out, format_args!("voici le début du message")),
        Said::Deleted(number) => put(out, format_args!("message {number} supprimé")),
        Said::Hidden(number) => put(out, format_args!("message {number} masqué, non supprimé")),
        Said::Kept(number) => put(
            out,
            format_args!("message {number} écarté jusqu’à QUIT, non supprimé"),
        ),
        Said::Capabilities => put(out, format_args!("voici la liste des capacités")),
        Said::Mechanisms => put(out, format_args!("voici les mécanismes")),
        Said::BeginTls => put(out, format_args!("TLS peut commencer")),
        Said::Bye(server) => put(out, format_args!("{server} serveur POP3, au revoir")),
        Said::Committed { server, left } => {
            put(out, format_args!("{server} serveur POP3, au revoir "));
            match left {
                0 => put(out, format_args!("(boîte vide)")),
                1 => put(out, format_args!("(1 message restant)")),
                _ => put(out, format_args!("({left} messages restants)")),
            }
        }
        Said::Languages(tag) => put(
            out,
            format_args!("la langue est {tag}, voici toutes les langues"),
        ),
        Said::Utf8 => put(out, format_args!("désormais en UTF-8")),
        Said::Language => put(out, format_args!("la langue est maintenant le français")),
    }
}

/// Nothing is singular, too.
pub(super) fn counted(messages: usize) -> Counted {
    let word = match messages {
        0 | 1 => "message",
        _ => "messages",
    };
    Counted(messages as u64, word)
}

pub(super) fn sized(octets: Octets) -> Counted {
    let word = match octets.0 {
        0 | 1 => "octet",
        _ => "octets",
    };
    Counted(octets.0, word)
}
