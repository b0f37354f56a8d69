//! Japanese.

use super::{Counted, put};
use crate::Octets;
use crate::command::Keyword;
use crate::reply::{Refusal, Said};

pub(super) fn refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Credentials => {
            "ユーザー名かパスワードが違うか、このアカウントではログインできません"
        }
        Refusal::InUse => "メールボックスは別のセッションで使用中です",
        Refusal::TooSoon => "最近のログインが多すぎます。しばらく待ってからお試しください",
        Refusal::Unavailable => "現在は処理できません。後でもう一度お試しください",
        Refusal::Damaged => "メールが破損しています。管理者にご連絡ください",
        Refusal::TooManySessions => "セッションが多すぎます。後でもう一度お試しください",
        Refusal::NotDeletedNow => "何も削除されていません。後でもう一度お試しください",
        Refusal::NotDeleted => "何も削除されていません。管理者にご連絡ください",
        Refusal::NotHiddenNow => "何も非表示になっていません。後でもう一度お試しください",
        Refusal::NotHidden => "何も非表示になっていません。管理者にご連絡ください",
        Refusal::MechanismNotHere => "この接続では使えない認証方式です",
        Refusal::ServerFirst => "この認証方式は初期応答を取りません",
        Refusal::Binding => "チャネルバインディングがこの接続と一致しません",
        Refusal::BindingSpent => {
            "この接続のチャネルバインディングは使用済みです。接続し直してください"
        }
        Refusal::UnknownCommand => "不明なコマンドです",
        Refusal::TooManyErrors => "エラーが多すぎるため、接続を閉じます",
        Refusal::Http => "これは POP3 サーバーです。接続を閉じます",
        Refusal::Usage(keyword) => usage(keyword),
        Refusal::Nul => "行に NUL が含まれています",
        Refusal::LineTooLong => "行が長すぎます",
        Refusal::BareLf => "行は CRLF で終わる必要があります",
        Refusal::NumberTooLarge => "数値が大きすぎます",
        Refusal::NoSuchMessage => "そのメッセージはありません",
        Refusal::MessageDeleted => "そのメッセージは削除済みです",
        Refusal::MessageHidden => "そのメッセージは非表示になり、削除されません",
        Refusal::MessageKept => "そのメッセージは QUIT まで除外され、削除されません",
        Refusal::ReadOnly => "このメールボックスでは削除できません",
        Refusal::NotLoggedIn => "先にログインしてください",
        Refusal::LoggedIn => "すでにログインしています",
        Refusal::UserFirst => "先に USER を送信してください",
        Refusal::NotUtf8 => "ユーザー名が UTF-8 ではありません",
        Refusal::Password => "パスワードは制御文字を含まない UTF-8 でなければなりません",
        Refusal::PasswordsAfterTls => "パスワードは TLS 接続でのみ受け付けます",
        Refusal::NotBase64 => "Base64 ではありません",
        Refusal::UnknownMechanism => "不明な認証方式です",
        Refusal::MalformedResponse => "この認証方式のメッセージではありません",
        Refusal::Cancelled => "認証は中止されました",
        Refusal::StlsNotOffered => "TLS はここでは利用できません",
        Refusal::AlreadyTls => "すでに TLS 接続です",
        Refusal::StlsAfterUtf8 => "UTF8 の後に STLS は使えません",
        Refusal::Utf8AfterSize => "サイズを伝えた後に UTF8 は使えません",
        Refusal::NeedsUtf8 => "このメッセージのヘッダーには UTF8 が必要です",
        Refusal::UnknownLanguage => "その言語には対応していません",
        Refusal::ForwardedLate => "XCLIENT はログインの前に送ってください",
        Refusal::ForwardedTwice => "XCLIENT の各項目は一度だけです",
        Refusal::ForwardedInACircle => "接続が循環して転送されています",
    }
}

fn usage(keyword: Keyword) -> &'static str {
    match keyword {
        Keyword::Apop => "APOP にはユーザー名と MD5 ダイジェストを指定します",
        Keyword::Auth => "AUTH には認証方式と、必要なら初期応答を一つ指定します",
        Keyword::Capa => "CAPA は引数を取りません",
        Keyword::Dele => "DELE にはメッセージ番号を指定します",
        Keyword::Lang => "LANG には言語を指定するか、何も指定しません",
        Keyword::Last => "LAST は引数を取りません",
        Keyword::List => "LIST にはメッセージ番号を指定するか、何も指定しません",
        Keyword::Noop => "NOOP は引数を取りません",
        Keyword::Pass => "PASS にはパスワードを指定します",
        Keyword::Quit => "QUIT は引数を取りません",
        Keyword::Retr => "RETR にはメッセージ番号を指定します",
        Keyword::Rset => "RSET は引数を取りません",
        Keyword::Stat => "STAT は引数を取りません",
        Keyword::Stls => "STLS は引数を取りません",
        Keyword::Top => "TOP にはメッセージ番号と行数を指定します",
        Keyword::Uidl => "UIDL にはメッセージ番号を指定するか、何も指定しません",
        Keyword::User => "USER にはユーザー名を指定します",
        Keyword::Utf8 => "UTF8 は引数を取りません",
        Keyword::Xclient => "XCLIENT には ADDR=192.0.2.7 のような属性が必要です",
    }
}

pub(super) fn say(said: &Said<'_>, out: &mut Vec<u8>) {
    match *said {
        Said::Opened {
            name,
            messages,
            octets,
        } => {
            if let Some(name) = name {
                put(out, format_args!("{name} の"));
            }
            held(messages, octets, out);
        }
        Said::Reset { messages, octets } => held(messages, octets, out),
        Said::Shown { messages, octets } => {
            let (messages, octets) = (counted(messages), sized(octets));
            put(
                out,
                format_args!("このメールボックスのうち {messages}を表示します ({octets})"),
            );
        }
        Said::Top => put(out, format_args!("メッセージの先頭を送信します")),
        Said::Deleted(number) => put(out, format_args!("メッセージ {number} を削除しました")),
        Said::Hidden(number) => put(
            out,
            format_args!("メッセージ {number} は非表示になり、削除されません"),
        ),
        Said::Kept(number) => put(
            out,
            format_args!("メッセージ {number} は QUIT まで除外され、削除されません"),
        ),
        Said::Capabilities => put(out, format_args!("機能の一覧は次のとおりです")),
        Said::Mechanisms => put(out, format_args!("認証方式は次のとおりです")),
        Said::BeginTls => put(out, format_args!("TLS を開始してください")),
        Said::Bye(server) => {
            put(
                out,
                format_args!("{server} POP3 サーバーとの接続を終了します"),
            );
        }
        Said::Committed { server, left } => {
            put(
                out,
                format_args!("{server} POP3 サーバーとの接続を終了します "),
            );
            match left {
                0 => put(out, format_args!("(メールボックスは空です)")),
                _ => put(out, format_args!("(残り {left} 通)")),
            }
        }
        Said::Languages(tag) => {
            put(
                out,
                format_args!("現在の言語は {tag} です。対応言語は次のとおりです"),
            );
        }
        Said::Utf8 => put(out, format_args!("これ以降は UTF-8 を使用します")),
        Said::Language => put(out, format_args!("言語を日本語に変更しました")),
    }
}

fn held(messages: usize, octets: Octets, out: &mut Vec<u8>) {
    let (messages, octets) = (counted(messages), sized(octets));
    put(
        out,
        format_args!("メールボックスには {messages}があります ({octets})"),
    );
}

pub(super) fn counted(messages: usize) -> Counted {
    Counted(messages as u64, "通のメッセージ")
}

pub(super) fn sized(octets: Octets) -> Counted {
    Counted(octets.0, "オクテット")
}
