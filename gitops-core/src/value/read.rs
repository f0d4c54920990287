//! The straight way from JSON text to a tree.
//!
//! It takes what is plainly right. All else goes to serde_json, which also words the errors: there is one judge of what
//! JSON is.

use super::Builder;

/// Feeds one JSON value into `builder`. `None` for anything that needs a closer look.
pub(super) fn read(text: &str, builder: &mut Builder) -> Option<()> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, scratch: String::new(), escapes: false };
    loop {
        reader.value(builder)?;
        while !reader.has_next(builder)? {
            if builder.depth() == 0 {
                reader.space();
                return reader.byte().is_none().then_some(());
            }
        }
    }
}

/// serde_json goes a little deeper.
const MAX_DEPTH: usize = 100;

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// The last string that had escapes.
    scratch: String,
    /// Some key had escapes.
    escapes: bool,
}

impl<'t> Reader<'t> {
    #[inline]
    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.byte() {
            self.step();
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.byte() == Some(byte)).then(|| self.step())
    }

    /// Reads a scalar, or opens a list or map.
    fn value(&mut self, out: &mut Builder) -> Option<()> {
        self.space();
        match self.byte()? {
            b'"' => {
                self.step();
                out.string(self.string()?);
            }
            b'{' => {
                self.step();
                out.start_map();
            }
            b'[' => {
                self.step();
                out.start_list();
            }
            b'-' | b'0'..=b'9' => self.number(out)?,
            b't' => {
                self.word("true")?;
                out.bool(true);
            }
            b'f' => {
                self.word("false")?;
                out.bool(false);
            }
            b'n' => {
                self.word("null")?;
                out.null();
            }
            _ => return None,
        }
        (out.depth() <= MAX_DEPTH).then_some(())
    }

    /// Goes to the next value of the list or map that is open; closes it, and returns `false`, when there is none.
    fn has_next(&mut self, out: &mut Builder) -> Option<bool> {
        let Some((is_map, is_empty)) = out.innermost() else { return Some(false) };
        self.space();
        match (self.byte()?, is_map) {
            (b'}', true) | (b']', false) => {
                self.step();
                out.end();
                return Some(false);
            }
            (b',', _) if !is_empty => {
                self.step();
                self.space();
                // A list that ends behind a comma is none.
                if !is_map && self.byte()? == b']' {
                    return None;
                }
            }
            _ if is_empty => {}
            _ => return None,
        }
        if is_map {
            self.key(out)?;
        }
        Some(true)
    }

    fn key(&mut self, out: &mut Builder) -> Option<()> {
        self.take(b'"')?;
        let start = self.at;
        // A key that was written with escapes does not look like what it says, so there must be none.
        let expected = if self.escapes { None } else { out.expected_key(self.bytes.get(start..)?) };
        if let Some(len) = expected {
            self.at = start.saturating_add(len).saturating_add(1);
        } else {
            let key = self.string()?;
            let end = start.saturating_add(key.len()).saturating_add(1);
            out.key(key);
            self.escapes |= self.at != end;
        }
        self.space();
        self.take(b':')
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.bytes.get(self.at..)?.starts_with(word.as_bytes()).then(|| self.at = self.at.saturating_add(word.len()))
    }

    fn number(&mut self, out: &mut Builder) -> Option<()> {
        let start = self.at;
        let is_negative = self.take(b'-').is_some();
        let first = self.at;
        let mut number = 0_i64;
        while let Some(digit @ b'0'..=b'9') = self.byte() {
            number = number.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            self.step();
        }
        let is_float = matches!(self.byte(), Some(b'.' | b'e' | b'E'));
        // 18 digits always fit. `-0` is a float.
        let is_plain = match self.at.saturating_sub(first) {
            0 => false,
            1 => number != 0 || !is_negative,
            digits => digits <= 18 && self.bytes.get(first) != Some(&b'0'),
        };
        if is_plain && !is_float {
            out.int(if is_negative { number.wrapping_neg() } else { number });
            return Some(());
        }
        while let Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E') = self.byte() {
            self.step();
        }
        let text = self.text.get(start..self.at)?;
        super::json::feed(text, out).ok()
    }

    /// Reads the rest of a string, behind its first quote.
    fn string(&mut self) -> Option<&str> {
        let start = self.at;
        self.run();
        if self.byte()? == b'"' {
            let text = self.text.get(start..self.at);
            self.step();
            return text;
        }
        self.scratch.clear();
        self.scratch.push_str(self.text.get(start..self.at)?);
        loop {
            match self.byte()? {
                b'"' => {
                    self.step();
                    return Some(&self.scratch);
                }
                b'\\' => {
                    self.step();
                    let character = self.escape()?;
                    self.scratch.push(character);
                }
                _ => return None,
            }
            let start = self.at;
            self.run();
            self.scratch.push_str(self.text.get(start..self.at)?);
        }
    }

    fn escape(&mut self) -> Option<char> {
        let character = match self.byte()? {
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            b'b' => '\x08',
            b'f' => '\x0C',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let end = self.at.saturating_add(5);
                let digits = self.text.get(self.at.saturating_add(1)..end)?;
                self.at = end;
                // No sign; and half of a pair is no character.
                let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                return char::from_u32(u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)?);
            }
            _ => return None,
        };
        self.step();
        Some(character)
    }

    /// Goes to the next quote, backslash or control character, eight bytes at a time.
    fn run(&mut self) {
        const ONES: u64 = 0x0101_0101_0101_0101;
        let marks = |word: u64, byte: u8| (word ^ (ONES * u64::from(byte))).wrapping_sub(ONES);
        while let Some(bytes) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_le_bytes(*bytes);
            // The lowest mark is exact, those above it may be wrong. Quotes have no high bit, nor have the others.
            let control = word.wrapping_sub(ONES * 0x20);
            let found = (control | marks(word, b'"') | marks(word, b'\\')) & !word & (ONES * 0x80);
            if found != 0 {
                self.at = self.at.saturating_add(found.trailing_zeros() as usize / 8);
                return;
            }
            self.at = self.at.saturating_add(8);
        }
        while self.byte().is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1F)) {
            self.step();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::json::feed;

    fn slow(text: &str) -> Option<String> {
        let mut builder = Builder::new();
        feed(text, &mut builder).ok()?;
        Some(builder.finish().unwrap().to_json())
    }

    fn fast(text: &str) -> Option<String> {
        let mut builder = Builder::new();
        read(text, &mut builder)?;
        Some(builder.finish().unwrap().to_json())
    }

    #[test]
    fn what_is_plain_is_read_the_straight_way() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        for text in [
            r#" {"a" : [ 1 , -2, 0 , 1.5e-7, -0, 1e2, 123456789012345678, 12345678901234567890 ] , "b":{}, "c":[ ]} "#,
            r#"{"a":{"b":1,"c":2},"d":{"b":3,"c":4},"e":{"c":5,"b":6},"f":{"b":1,"b":2}}"#,
            r#"[{"name":"a","value":"x"},{"name":"b","value":"y"},{"name":"c","valueFrom":null,"value":""},{"name" : "d"}]"#,
            r#"["", "\"\\\/\b\f\n\r\t\u0041\u00e9", "é…", true, false, null, "more than eight bytes \" and more than eight"]"#,
            r#"{"a\nb":1,"a\\nb":2,"c":{"a\nb":1,"a\\nb":2},"d":{"a\\nb":1,"x":2}}"#,
            "\"\u{7f}\u{80}\"",
            "0",
            &deep,
        ] {
            assert_eq!(fast(text), slow(text), "{text}");
            assert!(fast(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_left_to_the_judge() {
        let deep = format!("{}1{}", "[".repeat(101), "]".repeat(101));
        for text in [
            "",
            " ",
            "[1,]",
            "{\"a\":1,}",
            "{,}",
            "[,]",
            "[1 2]",
            "{\"a\" 1}",
            "{a:1}",
            "{\"a\":}",
            "[}",
            "{]",
            "1 2",
            "01",
            "-",
            "+1",
            "1.",
            ".5",
            "1e",
            "-01",
            "1e999",
            "tru",
            "nul",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "\"\\ud800\"",
            "\"\\ud83d\\ude00\"",
            "\"\u{1}\"",
            "[{\"a\\\"b\":1},{\"a\"b\":1}]",
            "]",
            "}",
            ",",
            "[1",
            "{\"a\":1",
            "{\"a\"",
            &deep,
            "{\"a\":1,\"b\":2},",
            "[{\"a\":1},{\"a:1}]",
            "{\"a\":{\"b\":1},\"b\":{\"b\\\":1}}",
        ] {
            assert_eq!(fast(text), None, "{text}");
        }
    }

    /// Pieces that make JSON often, and broken JSON as often.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\"a\":",
            "\"b\" : ",
            "\"a\\n\":",
            "\"name\"",
            "\"x\"",
            "12",
            "-",
            "0",
            ".5",
            "e3",
            "true",
            "null",
            " ",
            "\n",
            "\\u00",
            "4f",
            "é",
            "a long text of many bytes",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn both_ways_read_the_same(text in pieces(), wrapped in any::<bool>()) {
            let text = if wrapped { format!("[{{\"a\":{text}}},{{\"a\":{text}}}]") } else { text };
            if let Some(read) = fast(&text) {
                prop_assert_eq!(Some(read), slow(&text), "{}", text);
            }
        }
    }
}
