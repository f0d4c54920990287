//! Globs of Git: wildmatch(3) of git, with `WM_PATHNAME`.

/// Bytes of one glob. Longer ones fit nothing.
const LONGEST: usize = 4096;

/// A glob. It is tried in time that grows with its length times the length of the text, whatever it is.
#[derive(Clone, Debug)]
pub(super) struct Glob(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Byte(u8),
    /// `?`: any byte but `/`.
    One,
    /// `*`: any bytes but `/`.
    Many,
    /// `**`: any bytes.
    All,
    /// `**/`: nothing, or any bytes and a `/`.
    Folders,
    /// `[..]`: one of these bytes, and no `/`.
    Class(Box<[u64; 4]>),
}

impl Glob {
    /// Reads a glob; `None` if it can fit nothing.
    pub(super) fn read(glob: &[u8]) -> Option<Self> {
        let (mut parts, mut rest, mut before) = (Vec::new(), glob, None);
        if glob.len() > LONGEST {
            return None;
        }
        while let Some((first, after)) = rest.split_first() {
            let begins = before.is_none_or(|byte| byte == b'/');
            (before, rest) = (Some(*first), after);
            match first {
                b'?' => parts.push(Part::One),
                b'\\' => {
                    let (byte, after) = rest.split_first()?;
                    (before, rest) = (Some(*byte), after);
                    parts.push(Part::Byte(*byte));
                }
                b'[' => {
                    let (class, after) = class(rest)?;
                    (before, rest) = (Some(b']'), after);
                    parts.push(Part::Class(Box::new(class)));
                }
                b'*' => {
                    let stars = rest.iter().take_while(|byte| **byte == b'*').count();
                    rest = rest.get(stars..).unwrap_or_default();
                    parts.push(match rest {
                        _ if stars == 0 || !begins => Part::Many,
                        [] | [b'\\', b'/', ..] => Part::All,
                        [b'/', after @ ..] => {
                            (before, rest) = (Some(b'/'), after);
                            Part::Folders
                        }
                        _ => Part::Many,
                    });
                }
                byte => parts.push(Part::Byte(*byte)),
            }
        }
        Some(Self(parts))
    }

    /// Returns whether the whole of `text` fits.
    pub(super) fn fits(&self, text: &[u8]) -> bool {
        // Whether the parts so far fit the text up to each place.
        let mut here = vec![false; text.len() + 1];
        if let Some(first) = here.first_mut() {
            *first = true;
        }
        for part in &self.0 {
            here = part.after(&here, text);
            if !here.contains(&true) {
                return false;
            }
        }
        here.last().copied().unwrap_or_default()
    }
}

impl Part {
    /// Returns where a text may go on after this part, which begins at one of the places `here`.
    fn after(&self, here: &[bool], text: &[u8]) -> Vec<bool> {
        let mut next = Vec::with_capacity(here.len());
        // Whether this part began further to the front and goes on.
        let mut is_open = false;
        // The bytes before each place; there is none before the first.
        let befores = std::iter::once(None).chain(text.iter().copied().map(Some));
        let mut last = false;
        for (starts, before) in here.iter().copied().zip(befores) {
            next.push(match (self, before) {
                (Self::Many, Some(b'/')) => {
                    is_open = starts;
                    starts
                }
                (Self::Many | Self::All, _) => {
                    is_open |= starts;
                    is_open
                }
                (Self::Folders, before) => {
                    let ends = is_open && before == Some(b'/');
                    is_open |= starts;
                    starts || ends
                }
                (_, None) => false,
                (Self::Byte(byte), Some(before)) => last && *byte == before,
                (Self::One, Some(before)) => last && before != b'/',
                (Self::Class(class), Some(before)) => last && before != b'/' && has(class, before),
            });
            last = starts;
        }
        next
    }
}

fn has(class: &[u64; 4], byte: u8) -> bool {
    class.get(usize::from(byte / 64)).is_some_and(|bits| bits >> (byte % 64) & 1 == 1)
}

fn add(class: &mut [u64; 4], byte: u8) {
    if let Some(bits) = class.get_mut(usize::from(byte / 64)) {
        *bits |= 1 << (byte % 64);
    }
}

/// Reads a class after its `[`, and returns what comes after it.
fn class(glob: &[u8]) -> Option<([u64; 4], &[u8])> {
    let (is_not, mut rest) = match glob {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (mut class, mut before, mut is_first) = ([0; 4], None, true);
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match (byte, rest) {
            (b']', _) if !is_first => break,
            (b'\\', _) => {
                let (byte, after) = rest.split_first()?;
                rest = after;
                add(&mut class, *byte);
                before = Some(*byte);
            }
            (b'-', [end, ..]) if before.is_some() && *end != b']' => {
                let (mut end, mut after) = rest.split_first()?;
                if *end == b'\\' {
                    (end, after) = after.split_first()?;
                }
                rest = after;
                (before.unwrap_or_default()..=*end).for_each(|byte| add(&mut class, byte));
                before = None;
            }
            (b'[', [b':', named @ ..]) => {
                let end = named.iter().position(|byte| *byte == b']')?;
                let (name, after) = named.split_at(end);
                match name.strip_suffix(b":") {
                    Some(name) => {
                        let fits = named_class(name)?;
                        (0..=u8::MAX).filter(fits).for_each(|byte| add(&mut class, byte));
                        rest = after.get(1..).unwrap_or_default();
                        before = None;
                    }
                    None => {
                        add(&mut class, b'[');
                        before = Some(b'[');
                    }
                }
            }
            (byte, _) => {
                add(&mut class, *byte);
                before = Some(*byte);
            }
        }
        is_first = false;
    }
    if is_not {
        class.iter_mut().for_each(|bits| *bits = !*bits);
    }
    Some((class, rest))
}

fn named_class(name: &[u8]) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_fit_what_they_fit_for_git() {
        for (glob, text, fits) in [
            ("a", "a", true),
            ("a", "b", false),
            ("*", "a/b", false),
            ("a*", "a", true),
            ("**", "a/b", true),
            ("**/b", "b", true),
            ("**/b", "a/c/b", true),
            ("**/b", "ab", false),
            ("a/**", "a/b/c", true),
            ("a/**", "a", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "ab", false),
            ("a**/b", "ax/b", true),
            ("a**/b", "ax/y/b", false),
            ("?", "/", false),
            ("[!a]", "/", false),
            ("[]]", "]", true),
            ("[!]a-]", "b", true),
            ("[!]a-]", "-", false),
            ("[a-c]", "b", true),
            ("[a\\-c]", "b", false),
            ("[[:digit:]x]", "7", true),
            ("[[:nothing:]]", "a", false),
            ("[[:x]", ":", true),
            ("[a", "a", false),
            ("\\*", "*", true),
            ("a\\", "a", false),
            ("", "", true),
        ] {
            let found = Glob::read(glob.as_bytes()).is_some_and(|glob| glob.fits(text.as_bytes()));
            assert_eq!(found, fits, "{glob} {text}");
        }
    }

    #[test]
    fn a_glob_made_to_take_for_ever_does_not() {
        let glob = Glob::read("*a".repeat(1000).as_bytes()).unwrap();
        assert!(!glob.fits("a".repeat(999).as_bytes()));
        assert!(Glob::read(&[b'*'; LONGEST + 1]).is_none());
    }
}
