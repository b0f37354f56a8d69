//! A stranger's words, as they may be shown.

/// So much of what a stranger says is told to people.
const LETTERS_MAX: usize = 300;

/// On one line of bounded length, with nothing in them that moves a cursor.
pub(super) fn told(said: &str) -> String {
    let said = said.trim_end();
    let plain = |letter: char| match letter.is_control() {
        true => ' ',
        false => letter,
    };
    let mut told: String = said.chars().take(LETTERS_MAX).map(plain).collect();
    if said.chars().nth(LETTERS_MAX).is_some() {
        told.push('…');
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_short_and_harmless() {
        let told = told(&format!("\u{1b}[2J\u{7}a\r\n{}", "b".repeat(1000)));
        assert!(told.starts_with(" [2J a  bbb") && told.ends_with("b…"));
        assert_eq!(told.chars().count(), LETTERS_MAX + 1);
    }
}
