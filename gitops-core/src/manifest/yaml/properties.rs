//! Anchors, aliases, tags and directives.

use super::scan::{Kind, Scanner};
use crate::manifest::fault::Fault;

impl<'t> Scanner<'t> {
    /// Reads the name behind `&` or `*`.
    pub(super) fn name(&mut self) -> Result<&'t str, Fault> {
        let mark = self.at.mark;
        self.at.skip();
        let start = self.at.pos();
        self.at.skip_while(|at| at.is_word());
        let name = self.at.since(start);
        let ends =
            self.at.is_gap(0) || matches!(self.at.byte(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !ends {
            return Err(Fault::syntax(mark, "an anchor or alias needs a name of letters, digits, `-` and `_`")
                .hint("put a value that starts with `*` or `&` in quotes"));
        }
        Ok(name)
    }

    /// Reads a tag: `!<uri>`, `!handle!suffix`, `!suffix` or `!`.
    pub(super) fn tag(&mut self) -> Result<Kind<'t>, Fault> {
        let mark = self.at.mark;
        let mut handle = "";
        let mut suffix = String::new();
        if self.at.byte(1) == b'<' {
            self.at.skip();
            self.at.skip();
            self.uri(&mut suffix)?;
            if suffix.is_empty() || self.at.byte(0) != b'>' {
                return Err(Fault::syntax(mark, "no `>` ends this tag"));
            }
            self.at.skip();
        } else {
            handle = self.tag_handle();
            if handle.len() > 1 && handle.ends_with('!') {
                self.uri(&mut suffix)?;
                if suffix.is_empty() {
                    return Err(Fault::syntax(mark, "this tag has no name"));
                }
            } else {
                suffix.push_str(handle.get(1..).unwrap_or(""));
                self.uri(&mut suffix)?;
                handle = "!";
                if suffix.is_empty() {
                    (handle, suffix) = ("", "!".to_owned());
                }
            }
        }
        if !self.at.is_gap(0) {
            return Err(
                Fault::syntax(mark, "a space must follow a tag").hint("put a value that starts with `!` in quotes")
            );
        }
        Ok(Kind::Tag { handle, suffix })
    }

    /// Reads `!`, `!word` or `!word!`; the caller saw the first `!`.
    fn tag_handle(&mut self) -> &'t str {
        let start = self.at.pos();
        self.at.skip();
        self.at.skip_while(|at| at.is_word());
        if self.at.byte(0) == b'!' {
            self.at.skip();
        }
        self.at.since(start)
    }

    /// Reads the characters of a URI, `%` escapes decoded.
    fn uri(&mut self, uri: &mut String) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        loop {
            match self.at.byte(0) {
                b'%' => {
                    let digits = self.at.between(self.at.pos(), self.at.pos().saturating_add(3)).get(1..);
                    let octet = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
                    let octet = octet.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                    bytes.push(octet.ok_or_else(|| {
                        Fault::syntax(self.at.mark, "two hexadecimal digits must follow `%` in a tag")
                    })?);
                    (0..3).for_each(|_| self.at.skip());
                }
                byte if self.at.is_word() || b";/?:@&=+$,.!~*'()[]".contains(&byte) => {
                    bytes.push(byte);
                    self.at.skip();
                }
                _ => break,
            }
        }
        match String::from_utf8(bytes) {
            Ok(text) => {
                uri.push_str(&text);
                Ok(())
            }
            Err(_) => Err(Fault::syntax(self.at.mark, "a tag must be valid UTF-8")),
        }
    }

    /// Reads a `%YAML` or `%TAG` line.
    pub(super) fn directive(&mut self) -> Result<Kind<'t>, Fault> {
        let mark = self.at.mark;
        self.at.skip();
        let start = self.at.pos();
        self.at.skip_while(|at| at.is_word());
        let name = self.at.since(start);
        if !self.at.is_gap(0) {
            return Err(Fault::syntax(mark, "a directive is a word"));
        }
        let kind = match name {
            "YAML" => self.version()?,
            "TAG" => self.tag_directive()?,
            _ => {
                return Err(Fault::syntax(mark, format!("`%{name}` is no directive of YAML"))
                    .hint("put a value that starts with `%` in quotes"));
            }
        };
        self.at.skip_blanks();
        self.at.skip_comment();
        if !self.at.is_break_or_end(0) {
            return Err(Fault::syntax(self.at.mark, "nothing but a comment may follow a directive"));
        }
        self.at.take_break();
        Ok(kind)
    }

    fn version(&mut self) -> Result<Kind<'t>, Fault> {
        self.at.skip_blanks();
        let major = self.version_number()?;
        if self.at.byte(0) != b'.' {
            return Err(Fault::syntax(self.at.mark, "a YAML version is two numbers, as in `%YAML 1.1`"));
        }
        self.at.skip();
        Ok(Kind::Version(major, self.version_number()?))
    }

    fn version_number(&mut self) -> Result<u8, Fault> {
        let start = self.at.pos();
        self.at.skip_while(|at| at.byte(0).is_ascii_digit());
        let digits = self.at.since(start);
        let number = if digits.len() <= 2 { digits.parse().ok() } else { None };
        number.ok_or_else(|| Fault::syntax(self.at.mark, "a YAML version is two numbers, as in `%YAML 1.1`"))
    }

    fn tag_directive(&mut self) -> Result<Kind<'t>, Fault> {
        let mark = self.at.mark;
        let wrong = || Fault::syntax(mark, "a tag directive is `%TAG !handle! prefix`");
        self.at.skip_blanks();
        if self.at.byte(0) != b'!' {
            return Err(wrong());
        }
        let handle = self.tag_handle();
        if (handle != "!" && !handle.ends_with('!')) || !self.at.is_blank(0) {
            return Err(wrong());
        }
        self.at.skip_blanks();
        let mut prefix = String::new();
        self.uri(&mut prefix)?;
        if prefix.is_empty() || !self.at.is_gap(0) {
            return Err(wrong());
        }
        Ok(Kind::TagDirective { handle, prefix })
    }
}
