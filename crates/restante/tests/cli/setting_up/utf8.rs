//! UTF8 (RFC 6856): headers in UTF-8 come as they are to where they may go, and as surrogates to where that is not known.

use std::fs;
use std::path::Path;

use super::{Home, Server};

/// The text of the one message in a Maildir that says so.
fn naive(maildir: &Path) -> Vec<String> {
    let files = fs::read_dir(maildir.join("new")).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    texts.filter(|text| text.contains("Plan.")).collect()
}

#[test]
fn headers_come_as_they_are_where_every_destination_takes_them() {
    let (home, server) = (Home::new(), Server::start());
    home.set_up(&server);
    // A second account of the same maildrop hands its mail on as well, to somebody who may know ASCII alone.
    let mut written = fs::read_to_string(home.configuration()).unwrap();
    let (_, account) = written.split_once("[account.bob]\n").unwrap();
    let maildir = "{ maildir = \"~/Mail/bob\" }";
    assert!(account.contains(maildir));
    let lmtp = format!(
        "[ {{ maildir = \"~/Mail/both\" }}, {{ lmtp = \"{}\", recipient = \"bob\" }} ]",
        server.word("LMTP ")
    );
    let both = account.replace(maildir, &lmtp);
    written.push_str(&format!("\n[account.both]\n{both}"));
    fs::write(home.configuration(), written).unwrap();
    server.deliver_text("Subject: na\u{ef}ve\\n\\nPlan.\\n");

    let ended = home.run(&["fetch", "both", "--trace"], "").with(0);
    assert!(!ended.stderr.contains("C: UTF8"), "{}", ended.stderr);
    let surrogates = naive(&home.path("Mail/both"));
    assert_eq!(surrogates.len(), 1);
    assert!(
        surrogates[0].contains("Subject: =?utf-8?Q?na=C3=AFve?=\n"),
        "{surrogates:?}"
    );

    // It knows the server by now, and says everything at once.
    for new in [1, 0] {
        let ended = home.run(&["fetch", "bob", "--trace"], "").with(0);
        let said: Vec<_> = ended
            .stderr
            .lines()
            .filter(|it| it.contains(" C: "))
            .collect();
        assert_eq!(
            said.iter().filter(|it| it.ends_with("C: UTF8")).count(),
            1,
            "{said:?}"
        );
        assert!(
            ended.stderr.contains("S: +OK UTF-8 from now on"),
            "{}",
            ended.stderr
        );
        let retrieved = said.iter().filter(|it| it.contains("C: RETR")).count();
        assert_eq!(retrieved > 0, new == 1, "{said:?}");
        let own = naive(&home.path("Mail/bob"));
        // Once for the message, and once for what was handed on of it.
        assert!(
            own.iter()
                .any(|text| text.contains("Subject: na\u{ef}ve\n")),
            "{own:?}"
        );
        assert_eq!(own.len(), 2, "{own:?}");
    }

    // From now on it goes where only ASCII may: what is on the server has other sizes, and is no new mail.
    let written = fs::read_to_string(home.configuration()).unwrap();
    let lmtp = lmtp.replace("~/Mail/both", "~/Mail/bob");
    fs::write(home.configuration(), written.replacen(maildir, &lmtp, 1)).unwrap();
    let ended = home.run(&["fetch", "bob", "--trace"], "").with(0);
    assert!(!ended.stderr.contains("C: UTF8"), "{}", ended.stderr);
    assert!(ended.stderr.contains("C: TOP"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("C: RETR"), "{}", ended.stderr);
}
