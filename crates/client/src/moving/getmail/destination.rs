//! What a `[destination]` of getmail's means for us.

use super::ini::Section;
use super::rc::Rc;
use super::tuple;
use crate::destination::Address;
use crate::moving::notes::{Notes, shown};
use crate::moving::table::Deliver;

/// Destinations that name destinations that name destinations …
const DEPTH_MAX: usize = 2;
/// And how many each may name.
const COUNT_MAX: usize = 20;

impl Rc<'_> {
    /// Where the mail of a section goes. Nothing if there is no such place here; a note tells of it.
    pub(super) fn destinations(
        &self,
        section: &Section,
        depth: usize,
        notes: &mut Notes<'_>,
    ) -> Vec<Deliver> {
        let kind = section.value("type").unwrap_or("");
        let no_equal = |notes: &mut Notes<'_>, advice: &str| {
            notes.at(
                section.line_of("type"),
                format!("destination {}", shown(kind)),
                advice,
            );
        };
        if section.value("user").is_some() || section.value("group").is_some() {
            notes.at(
                section.line_of("user"),
                "user of a destination",
                "mail is delivered with the rights of whoever fetches it",
            );
        }
        match kind {
            "Maildir" => self.place(section, notes, Deliver::Maildir),
            "Mboxrd" => self.place(section, notes, Deliver::Mbox),
            "MDA_external" => self.command(section, notes),
            "MDA_lmtp" => {
                let host = section.value("host").unwrap_or("localhost");
                let to = if host.starts_with('/') {
                    format!("unix:{host}")
                } else {
                    format!("{host}:{}", section.value("port").unwrap_or("2003"))
                };
                if to.parse::<Address>().is_err() {
                    no_equal(
                        notes,
                        "its host or port is no address here, which is HOST:PORT or unix:/PATH",
                    );
                    return Vec::new();
                }
                let recipient = section.value("override").unwrap_or_else(|| {
                    notes.at(
                        section.line,
                        "MDA_lmtp without override",
                        "its recipient is taken to be you; correct it",
                    );
                    &self.around.user
                });
                if section.value("fallback").is_some() {
                    notes.at(
                        section.line_of("fallback"),
                        "fallback",
                        "a message that the recipient cannot get stays on the server and is listed",
                    );
                }
                vec![Deliver::Lmtp(to, recipient.to_owned())]
            }
            "MultiDestination" => {
                let names = section
                    .value("destinations")
                    .and_then(tuple::strings)
                    .unwrap_or_default();
                if names.len() > COUNT_MAX {
                    notes.at(
                        section.line_of("destinations"),
                        format!("{} destinations", names.len()),
                        format!("the first {COUNT_MAX} are taken"),
                    );
                }
                names
                    .iter()
                    .take(COUNT_MAX)
                    .flat_map(|name| self.named(name, section, depth, notes))
                    .collect()
            }
            "MultiSorter" | "MultiGuesser" => {
                no_equal(
                    notes,
                    "mail for several people is not told apart yet; all of it goes to the default",
                );
                let default = section.value("default").unwrap_or("").to_owned();
                self.named(&default, section, depth, notes)
            }
            "MDA_qmaillocal" => {
                no_equal(
                    notes,
                    "write deliver = { command = [\"qmail-local\", …] } with what qmail-local(8) wants",
                );
                Vec::new()
            }
            _ => {
                no_equal(notes, "there is no such destination here");
                Vec::new()
            }
        }
    }

    /// `[section]`, `/maildir/`, or `/mbox`.
    fn named(
        &self,
        name: &str,
        section: &Section,
        depth: usize,
        notes: &mut Notes<'_>,
    ) -> Vec<Deliver> {
        let path = self.expanded(name);
        let inner = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        match inner.map(|it| self.section(it)) {
            Some(Some(other)) if depth < DEPTH_MAX => self.destinations(other, depth + 1, notes),
            None if path.ends_with('/') && path.starts_with(['/', '.']) => {
                vec![Deliver::Maildir(self.around.expanded(&path))]
            }
            None if path.starts_with(['/', '.']) => {
                vec![Deliver::Mbox(self.around.expanded(&path))]
            }
            _ => {
                notes.at(
                    section.line,
                    format!("destination {}", shown(name)),
                    "there is no such section, nor is it a path; it is left out",
                );
                Vec::new()
            }
        }
    }

    fn place(
        &self,
        section: &Section,
        notes: &mut Notes<'_>,
        make: fn(std::path::PathBuf) -> Deliver,
    ) -> Vec<Deliver> {
        match section.value("path").filter(|it| !it.is_empty()) {
            Some(path) => vec![make(self.around.expanded(&self.expanded(path)))],
            None => {
                notes.at(
                    section.line,
                    "a destination without a path",
                    "it is left out",
                );
                Vec::new()
            }
        }
    }

    fn command(&self, section: &Section, notes: &mut Notes<'_>) -> Vec<Deliver> {
        let Some(path) = section.value("path").filter(|it| !it.is_empty()) else {
            notes.at(section.line, "a command without a path", "it is left out");
            return Vec::new();
        };
        let Some(arguments) = section
            .value("arguments")
            .map_or(Some(Vec::new()), tuple::strings)
        else {
            notes.at(
                section.line_of("arguments"),
                "arguments that are no tuple of strings",
                "the command is left out; write deliver = { command = [\"…\"] }",
            );
            return Vec::new();
        };
        if section.on("unixfrom") == Some(true) {
            notes.at(
                section.line_of("unixfrom"),
                "unixfrom",
                "messages are handed over without a From line",
            );
        }
        if arguments.iter().any(|it| it.contains("%(")) {
            notes.at(
                section.line_of("arguments"),
                "a %(…) in arguments",
                "sender and recipient are not told to commands; MAILER-DAEMON and you stand in their places",
            );
        }
        let told = |it: &String| {
            let mut word = self.expanded(it);
            for (key, value) in [
                ("sender", "MAILER-DAEMON"),
                ("recipient", &self.around.user),
                ("local", &self.around.user),
                ("domain", "localhost"),
                ("mailbox", ""),
            ] {
                word = word.replace(&format!("%({key})"), value);
            }
            word
        };
        let program = self
            .around
            .expanded(&self.expanded(path))
            .to_string_lossy()
            .into_owned();
        vec![Deliver::Command(
            std::iter::once(program)
                .chain(arguments.iter().map(told))
                .collect(),
        )]
    }
}
