//! `~/.netrc`: passwords by server and user (netrc(5), ftp(1)).

use std::path::Path;

use sasl::Secret;

use super::Surroundings;
use super::read::Text;

/// The machines of a netrc file.
#[derive(Debug, Default)]
pub(super) struct Netrc {
    machines: Vec<Machine>,
}

#[derive(Debug, Default)]
struct Machine {
    /// None is the default, which counts for every server.
    name: Option<String>,
    login: Option<String>,
    password: Option<Secret>,
}

impl Netrc {
    /// That of the user; it holds nothing if there is none.
    pub(super) fn of(around: &Surroundings) -> Self {
        Self::read(&around.home.join(".netrc"))
    }

    pub(super) fn read(file: &Path) -> Self {
        Self {
            machines: Text::read(file)
                .map(|text| machines(&text))
                .unwrap_or_default(),
        }
    }

    /// The password of a user at a server. The first entry of that server counts that is his or nobody's.
    pub(super) fn password(&self, host: &str, user: &str) -> Option<Secret> {
        self.of_host(host)
            .find(|it| it.login.as_deref().is_none_or(|login| login == user))
            .and_then(|it| it.password.clone())
    }

    /// Whoever logs in at a server, and his password, by the first entry of it (as getmail takes it).
    pub(super) fn first<'a>(&'a self, host: &'a str) -> Option<(Option<&'a str>, Option<Secret>)> {
        let machine = self.of_host(host).next()?;
        Some((machine.login.as_deref(), machine.password.clone()))
    }

    fn of_host<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Machine> {
        let named = self.machines.iter().filter(move |it| {
            it.name
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case(host))
        });
        named.chain(self.machines.iter().filter(|it| it.name.is_none()))
    }
}

fn machines(text: &Text) -> Vec<Machine> {
    let mut found: Vec<Machine> = Vec::new();
    let mut lines = text.text.lines();
    while let Some(line) = lines.next() {
        let mut words = Words(line);
        // An entry goes on over the ends of lines.
        while let Some(word) = words.next() {
            match word.as_str() {
                "machine" => found.push(Machine {
                    name: Some(argument(&mut words, &mut lines)),
                    ..Machine::default()
                }),
                "default" => found.push(Machine::default()),
                "login" | "user" => {
                    let login = argument(&mut words, &mut lines);
                    if let Some(machine) = found.last_mut() {
                        machine.login = Some(login);
                    }
                }
                "password" | "passwd" => {
                    let password = argument(&mut words, &mut lines);
                    if let Some(machine) = found.last_mut() {
                        machine.password = Some(text.encoding().secret(&password));
                    }
                }
                "account" => drop(argument(&mut words, &mut lines)),
                // A macro ends with an empty line.
                "macdef" => {
                    lines.by_ref().find(|line| line.trim().is_empty());
                    break;
                }
                word if word.starts_with('#') => break,
                _ => {}
            }
        }
    }
    found
}

/// The next word, of this line or of one that follows.
fn argument<'a>(words: &mut Words<'a>, lines: &mut impl Iterator<Item = &'a str>) -> String {
    loop {
        if let Some(word) = words.next() {
            return word;
        }
        match lines.next() {
            Some(line) => *words = Words(line),
            None => return String::new(),
        }
    }
}

/// The words of a line; one in double quotes may hold spaces, and `\` takes the next letter as it is.
struct Words<'a>(&'a str);

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let text = self.0.trim_start_matches([' ', '\t', ',']);
        let (text, quoted) = match text.strip_prefix('"') {
            Some(rest) => (rest, true),
            None if text.is_empty() => return None,
            None => (text, false),
        };
        let mut word = String::new();
        let mut letters = text.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => word.extend(letters.next().map(|(_, it)| it)),
                '"' if quoted => {
                    self.0 = &text[at + 1..];
                    return Some(word);
                }
                ' ' | '\t' if !quoted => {
                    self.0 = &text[at..];
                    return Some(word);
                }
                _ => word.push(letter),
            }
        }
        self.0 = "";
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn netrc(text: &str) -> Netrc {
        Netrc {
            machines: machines(&Text::of(text.into()).unwrap()),
        }
    }

    #[test]
    fn passwords_are_found_by_server_and_user() {
        let netrc = netrc(
            "# comment machine no login no\n\
             machine pop.example.org login joe password \"a b\\\"c\"\n\
             machine pop.example.org\n  login mrose\n\n  password\n  red\\ queen account x\n\
             macdef init\nmachine evil password x\n\n\
             machine one.example.org password alone\n\
             default login anonymous password guest\n",
        );
        for (host, user, expected) in [
            ("pop.example.org", "joe", Some("a b\"c")),
            ("POP.example.org", "mrose", Some("red queen")),
            ("pop.example.org", "bob", None),
            ("one.example.org", "bob", Some("alone")),
            ("evil", "bob", None),
            ("other", "anonymous", Some("guest")),
        ] {
            let found = netrc.password(host, user);
            assert_eq!(found, expected.map(Secret::new), "{user}@{host}");
        }
        assert_eq!(netrc.first("pop.example.org").unwrap().0, Some("joe"));
    }

    #[test]
    fn torn_files_hold_what_they_hold() {
        for text in [
            "",
            "machine",
            "machine a login",
            "password x",
            "machine a password",
            "\"",
            "\\",
            "macdef",
        ] {
            let _ = netrc(text).password("a", "b");
        }
        assert!(
            Netrc::read(Path::new("/nonexistent/netrc"))
                .machines
                .is_empty()
        );
    }
}
