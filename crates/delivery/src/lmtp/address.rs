//! Paths of MAIL and RCPT: `<address>`, with a source route that is dropped.
//!
//! Grammar: RFC 5321 §4.1.2, and RFC 6531 §3.3 for what is not ASCII. Lenient where it harms nobody:
//! dots of a local part anywhere. Whether an address may go beyond ASCII is the transaction's to say.

/// Longest address in octets. RFC 5321 §4.5.3.1.3 allows 254; some that carry another address within
/// them are longer. A reply with it still is a line (§4.5.3.1.5).
const ADDRESS_OCTETS_MAX: usize = 400;

/// The address of a path in angle brackets, empty for `<>`, and what follows behind a space.
///
/// A source route is dropped (RFC 5321 §4.1.2, appendix C).
pub(super) fn path(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('<')?;
    if let Some(rest) = inner.strip_prefix('>') {
        return Some((String::new(), parameters(rest)?));
    }
    let inner = match inner.strip_prefix('@') {
        Some(route) => route_end(route)?,
        None => inner,
    };
    let (mut address, rest) = local_part(inner)?;
    let rest = match rest.strip_prefix('@') {
        Some(rest) => {
            let (domain, rest) = domain(rest)?;
            address.push('@');
            address.push_str(domain);
            rest
        }
        None => rest,
    };
    let parameters = parameters(rest.strip_prefix('>')?)?;
    (address.len() <= ADDRESS_OCTETS_MAX).then_some((address, parameters))
}

fn parameters(rest: &str) -> Option<&str> {
    (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim_ascii())
}

/// Behind `@one,@two:`, given without its first `@`.
fn route_end(route: &str) -> Option<&str> {
    let (_, rest) = domain(route)?;
    match rest.strip_prefix(':') {
        Some(rest) => Some(rest),
        None => route_end(rest.strip_prefix(",@")?),
    }
}

/// A dot-string or quoted-string in its shortest form, and what follows.
fn local_part(text: &str) -> Option<(String, &str)> {
    let is_atom = |c: char| {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c) || is_beyond_ascii(c)
    };
    let Some(quoted) = text.strip_prefix('"') else {
        let (atom, rest) = text.split_at(text.find(|c| !is_atom(c)).unwrap_or(text.len()));
        return (!atom.is_empty()).then(|| (atom.to_owned(), rest));
    };
    let (mut plain, mut chars) = (String::new(), quoted.chars());
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => plain.push(chars.next()?),
            c => plain.push(c),
        }
    }
    // `"bob"` and `bob` are the same (RFC 5321 §4.1.2: compare by value, quote only if needed).
    let local_part = match !plain.is_empty() && plain.chars().all(is_atom) {
        true => plain,
        false => format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\"")),
    };
    Some((local_part, chars.as_str()))
}

/// A domain or an address literal in square brackets, and what follows.
fn domain(text: &str) -> Option<(&str, &str)> {
    let end = match text.starts_with('[') {
        true => text.find(']')? + 1,
        false => {
            // Underscores are not right, but they are there.
            let is_domain =
                |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c) || is_beyond_ascii(c);
            text.find(|c| !is_domain(c)).unwrap_or(text.len())
        }
    };
    let (domain, rest) = text.split_at(end);
    let literal = |c: char| c.is_ascii() && !"<>[]\\ ".contains(c);
    let sound = match domain.strip_prefix('[') {
        Some(inner) => inner.trim_end_matches(']').chars().all(literal),
        None => !domain.is_empty(),
    };
    sound.then_some((domain, rest))
}

/// `UTF8-non-ascii` (RFC 6531 §3.3) that is no control character.
fn is_beyond_ascii(c: char) -> bool {
    !c.is_ascii() && !c.is_control()
}
