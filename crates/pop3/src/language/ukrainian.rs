//! Ukrainian.

use super::{Counted, put};
use crate::Octets;
use crate::command::Keyword;
use crate::reply::{Refusal, Said};

pub(super) fn refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Credentials => {
            "неправильне ім’я чи пароль, або цьому обліковому запису вхід заборонено"
        }
        Refusal::InUse => "скринька зайнята іншим сеансом",
        Refusal::TooSoon => "забагато входів останнім часом, зачекайте перед наступним",
        Refusal::Unavailable => "зараз це неможливо, спробуйте пізніше",
        Refusal::Damaged => "пошту пошкоджено, повідомте адміністратора",
        Refusal::TooManySessions => "забагато сеансів, спробуйте пізніше",
        Refusal::NotDeletedNow => "нічого не видалено, спробуйте пізніше",
        Refusal::NotDeleted => "нічого не видалено, повідомте адміністратора",
        Refusal::NotHiddenNow => "нічого не приховано, спробуйте пізніше",
        Refusal::NotHidden => "нічого не приховано, повідомте адміністратора",
        Refusal::MechanismNotHere => "цей механізм неможливий на цьому з’єднанні",
        Refusal::ServerFirst => "цей механізм не приймає початкової відповіді",
        Refusal::Binding => "прив’язка каналу не відповідає цьому з’єднанню",
        Refusal::BindingSpent => {
            "прив’язку каналу цього з’єднання вже використано, з’єднайтеся знову"
        }
        Refusal::UnknownCommand => "невідома команда",
        Refusal::TooManyErrors => "забагато помилок, з’єднання закривається",
        Refusal::Http => "це POP3-сервер, з’єднання закривається",
        Refusal::Usage(keyword) => usage(keyword),
        Refusal::Nul => "рядок містить символ NUL",
        Refusal::LineTooLong => "рядок задовгий",
        Refusal::BareLf => "рядок має закінчуватися на CRLF",
        Refusal::NumberTooLarge => "число завелике",
        Refusal::NoSuchMessage => "такого листа немає",
        Refusal::MessageDeleted => "лист видалено",
        Refusal::MessageHidden => "лист приховано, не видалено",
        Refusal::MessageKept => "лист пропущено до QUIT, не видалено",
        Refusal::ReadOnly => "у цій скриньці нічого не можна видалити",
        Refusal::NotLoggedIn => "спершу увійдіть",
        Refusal::LoggedIn => "ви вже увійшли",
        Refusal::UserFirst => "спершу USER",
        Refusal::NotUtf8 => "ім’я користувача не в UTF-8",
        Refusal::Password => "пароль має бути в UTF-8, без керівних символів",
        Refusal::PasswordsAfterTls => "паролі приймаються лише всередині TLS",
        Refusal::NotBase64 => "це не base64",
        Refusal::UnknownMechanism => "невідомий механізм",
        Refusal::MalformedResponse => "це не повідомлення цього механізму",
        Refusal::Cancelled => "автентифікацію скасовано",
        Refusal::StlsNotOffered => "TLS тут недоступний",
        Refusal::AlreadyTls => "з’єднання вже всередині TLS",
        Refusal::StlsAfterUtf8 => "після UTF8 не можна STLS",
        Refusal::Utf8AfterSize => "після повідомлення розміру не можна UTF8",
        Refusal::NeedsUtf8 => "заголовок листа потребує UTF8",
        Refusal::UnknownLanguage => "цією мовою тут не розмовляють",
        Refusal::ForwardedLate => "XCLIENT має бути до входу",
        Refusal::ForwardedTwice => "XCLIENT називає кожне лише раз",
        Refusal::ForwardedInACircle => "це з’єднання передають по колу",
    }
}

fn usage(keyword: Keyword) -> &'static str {
    match keyword {
        Keyword::Apop => "APOP потребує імені користувача та MD5-дайджесту",
        Keyword::Auth => "AUTH потребує механізму та щонайбільше однієї початкової відповіді",
        Keyword::Capa => "CAPA не має аргументів",
        Keyword::Dele => "DELE потребує номера листа",
        Keyword::Lang => "LANG потребує мови або нічого",
        Keyword::Last => "LAST не має аргументів",
        Keyword::List => "LIST потребує номера листа або нічого",
        Keyword::Noop => "NOOP не має аргументів",
        Keyword::Pass => "PASS потребує пароля",
        Keyword::Quit => "QUIT не має аргументів",
        Keyword::Retr => "RETR потребує номера листа",
        Keyword::Rset => "RSET не має аргументів",
        Keyword::Stat => "STAT не має аргументів",
        Keyword::Stls => "STLS не має аргументів",
        Keyword::Top => "TOP потребує номера листа та кількості рядків",
        Keyword::Uidl => "UIDL потребує номера листа або нічого",
        Keyword::User => "USER потребує імені користувача",
        Keyword::Utf8 => "UTF8 не має аргументів",
        Keyword::Xclient => "XCLIENT очікує атрибути, як-от ADDR=192.0.2.7",
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
                Some(name) => put(out, format_args!("у скриньці {name} {messages} ({octets})")),
                None => put(out, format_args!("у скриньці {messages} ({octets})")),
            }
        }
        Said::Reset { messages, octets } => {
            let (messages, octets) = (counted(messages), sized(octets));
            put(out, format_args!("у скриньці {messages} ({octets})"));
        }
        Said::Shown { messages, octets } => {
            let (messages, octets) = (counted(messages), sized(octets));
            put(
                out,
                format_args!("із цієї скриньки показано: {messages} ({octets})"),
            );
        }
        Said::Top => put(out, format_args!("далі початок листа")),
        Said::Deleted(number) => put(out, format_args!("лист {number} видалено")),
        Said::Hidden(number) => put(out, format_args!("лист {number} приховано, не видалено")),
        Said::Kept(number) => put(
            out,
            format_args!("лист {number} пропущено до QUIT, не видалено"),
        ),
        Said::Capabilities => put(out, format_args!("далі перелік можливостей")),
        Said::Mechanisms => put(out, format_args!("далі перелік механізмів")),
        Said::BeginTls => put(out, format_args!("починайте TLS")),
        Said::Bye(server) => put(out, format_args!("{server} POP3-сервер завершує сеанс")),
        Said::Committed { server, left } => {
            put(out, format_args!("{server} POP3-сервер завершує сеанс "));
            match left {
                0 => put(out, format_args!("(скринька порожня)")),
                _ => put(out, format_args!("(залишок: {})", counted(left))),
            }
        }
        Said::Languages(tag) => put(out, format_args!("мова {tag}, далі перелік мов")),
        Said::Utf8 => put(out, format_args!("відтепер UTF-8")),
        Said::Language => put(out, format_args!("тепер мова українська")),
    }
}

pub(super) fn counted(messages: usize) -> Counted {
    let number = messages as u64;
    Counted(number, form(number, ["лист", "листи", "листів"]))
}

pub(super) fn sized(octets: Octets) -> Counted {
    Counted(octets.0, form(octets.0, ["октет", "октети", "октетів"]))
}

/// The form after 1, 21, 101; after 2 to 4, 22; after all others, 11 to 14 among them.
fn form(number: u64, [one, few, many]: [&'static str; 3]) -> &'static str {
    match (number % 10, number % 100) {
        (_, 11..=14) => many,
        (1, _) => one,
        (2..=4, _) => few,
        _ => many,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_asks_for_its_form() {
        for (messages, text) in [
            (0, "0 листів"),
            (1, "1 лист"),
            (2, "2 листи"),
            (4, "4 листи"),
            (5, "5 листів"),
            (11, "11 листів"),
            (12, "12 листів"),
            (14, "14 листів"),
            (21, "21 лист"),
            (22, "22 листи"),
            (25, "25 листів"),
            (111, "111 листів"),
            (121, "121 лист"),
            (1000, "1000 листів"),
        ] {
            assert_eq!(counted(messages).to_string(), text);
        }
    }
}
