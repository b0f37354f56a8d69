//! A getmailrc as Python's RawConfigParser reads it: sections, keys without case, values that may go on in indented lines.

/// A section, its keys and their values, with their lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) line: usize,
    values: Vec<(String, String, usize)>,
}

impl Section {
    /// The value of a key, which is the last one that was given.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.all()
            .filter(|(name, ..)| *name == key)
            .map(|(_, value, _)| value)
            .last()
    }

    /// The line of a key, or that of the section.
    pub(super) fn line_of(&self, key: &str) -> usize {
        self.all()
            .filter(|(name, ..)| *name == key)
            .map(|(.., line)| line)
            .last()
            .unwrap_or(self.line)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str, usize)> {
        self.values
            .iter()
            .map(|(key, value, line)| (key.as_str(), value.as_str(), *line))
    }

    /// What Python takes for true. None if it takes it for neither.
    pub(super) fn on(&self, key: &str) -> Option<bool> {
        match self.value(key)?.to_ascii_lowercase().as_str() {
            "1" | "yes" | "true" | "on" => Some(true),
            "0" | "no" | "false" | "off" => Some(false),
            _ => None,
        }
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.value(key)?.parse().ok()
    }
}

/// The sections of a text. What belongs to none is left out, as are lines that say nothing: `stray` is told of them.
pub(super) fn sections(text: &str, mut stray: impl FnMut(usize)) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let content = line.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        let goes_on = line.starts_with([' ', '\t']);
        let last = sections.last_mut();
        match (goes_on, last) {
            (true, Some(section)) if !section.values.is_empty() => {
                if let Some((_, value, _)) = section.values.last_mut() {
                    value.push('\n');
                    value.push_str(content);
                }
            }
            (_, last) => {
                if let Some(name) = content.strip_prefix('[').and_then(|it| it.split_once(']')) {
                    sections.push(Section {
                        name: name.0.to_owned(),
                        line: number,
                        values: Vec::new(),
                    });
                } else if let (Some(section), Some(at)) = (last, content.find(['=', ':'])) {
                    let key = content[..at].trim().to_ascii_lowercase();
                    section
                        .values
                        .push((key, content[at + 1..].trim().to_owned(), number));
                } else {
                    stray(number);
                }
            }
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_those_of_python() {
        let mut strays = Vec::new();
        let sections = sections(
            "lost = 1\n# a\n[retriever]\nType: Simple\nserver = a = b\n; c\npassword_command = (\n   \"x\",\n   # not\n   \"y\")\nword\n[b]\nread_all = No\nn = 7\nread_all = true\nodd = maybe\n",
            |line| strays.push(line),
        );
        assert_eq!(strays, [1, 11]);
        assert_eq!(sections.len(), 2);
        let first = &sections[0];
        assert_eq!((first.name.as_str(), first.line), ("retriever", 3));
        assert_eq!(first.value("type"), Some("Simple"));
        assert_eq!(first.value("server"), Some("a = b"));
        assert_eq!(first.value("password_command"), Some("(\n\"x\",\n\"y\")"));
        assert_eq!(first.line_of("password_command"), 7);
        let second = &sections[1];
        assert_eq!(
            (second.on("read_all"), second.on("odd"), second.on("none")),
            (Some(true), None, None)
        );
        assert_eq!(second.number("n"), Some(7));
    }
}
