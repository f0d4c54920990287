//! Label selectors, read as strictly as the API server reads them.
//!
//! Rule: Kubernetes, "Labels and Selectors", and what kube-apiserver 1.36 was recorded to take and to refuse.

use std::collections::BTreeSet;
use std::fmt;
use std::iter::Peekable;
use std::vec::IntoIter;

use crate::resource::Resource;

use super::validate::{LABEL_VALUE, bad_selector_key, is_name_part};

/// One part of a label selector.
#[derive(Debug)]
pub(super) struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Exists,
    Missing,
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Above(i64),
    Below(i64),
}

impl Requirement {
    /// Rule: `!=` and `notin` also match objects without the label.
    pub(super) fn holds(&self, object: &Resource) -> bool {
        let value = object.label(&self.key);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Missing => value.is_none(),
            Test::In(values) => value.is_some_and(|value| values.contains(value)),
            Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Test::Above(least) => number().is_some_and(|number| number > *least),
            Test::Below(most) => number().is_some_and(|number| number < *most),
        }
    }
}

/// Reads a selector; what is wrong is said in the server's words.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let mut tokens = Tokens(scan(text).into_iter().peekable());
    let mut found = Vec::new();
    loop {
        match tokens.peek() {
            Token::Word(_) | Token::Not => {}
            Token::End => return Ok(found),
            other => return Err(format!("found '{other}', expected: !, identifier, or 'end of string'")),
        }
        found.push(tokens.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?);
        match tokens.next() {
            Token::End => return Ok(found),
            Token::Comma => {}
            other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
        }
        match tokens.peek() {
            Token::Word(_) | Token::Not => {}
            other => return Err(format!("found '{other}', expected: identifier after ','")),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Not,
    Equal,
    DoubleEqual,
    NotEqual,
    Above,
    Below,
    Open,
    Close,
    Comma,
    End,
}

/// Words stand between blanks and the letters that mean something.
fn scan(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let special = |letter: char| letter.is_ascii_whitespace() || "=!(),><".contains(letter);
    while let Some(first) = rest.chars().next() {
        let pair = [("==", Token::DoubleEqual), ("!=", Token::NotEqual)].into_iter();
        if let Some((sign, token)) = pair.into_iter().find(|(sign, _)| rest.starts_with(sign)) {
            tokens.push(token);
            rest = rest.strip_prefix(sign).unwrap_or_default();
            continue;
        }
        let token = match first {
            '=' => Some(Token::Equal),
            '!' => Some(Token::Not),
            '>' => Some(Token::Above),
            '<' => Some(Token::Below),
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            ',' => Some(Token::Comma),
            _ => None,
        };
        if token.is_some() || first.is_ascii_whitespace() {
            tokens.extend(token);
            rest = rest.strip_prefix(first).unwrap_or_default();
            continue;
        }
        let (word, more) = rest.split_at_checked(rest.find(special).unwrap_or(rest.len())).unwrap_or_default();
        tokens.push(Token::Word(word.to_owned()));
        rest = more;
    }
    tokens
}

struct Tokens(Peekable<IntoIter<Token>>);

impl Tokens {
    fn peek(&mut self) -> Token {
        self.0.peek().cloned().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token {
        self.0.next().unwrap_or(Token::End)
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let missing = self.peek() == Token::Not;
        if missing {
            self.next();
        }
        let key = match self.next() {
            Token::Word(key) => key,
            other => return Err(format!("found '{other}', expected: identifier")),
        };
        if let Some(why) = bad_selector_key(&key) {
            return Err(format!("<nil>: Invalid value: \"{key}\": {why}"));
        }
        if missing {
            return Ok(Requirement { key, test: Test::Missing });
        }
        if matches!(self.peek(), Token::End | Token::Comma) {
            return Ok(Requirement { key, test: Test::Exists });
        }
        let test = match self.next() {
            Token::Equal | Token::DoubleEqual => Test::In(values(&key, BTreeSet::from([self.value()?]))?),
            Token::NotEqual => Test::NotIn(values(&key, BTreeSet::from([self.value()?]))?),
            Token::Above => Test::Above(number(&self.value()?)?),
            Token::Below => Test::Below(number(&self.value()?)?),
            Token::Word(word) if word == "in" => Test::In(values(&key, self.list()?)?),
            Token::Word(word) if word == "notin" => Test::NotIn(values(&key, self.list()?)?),
            other => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        Ok(Requirement { key, test })
    }

    /// The one value after a sign; none means the empty one.
    fn value(&mut self) -> Result<String, String> {
        if matches!(self.peek(), Token::End | Token::Comma) {
            return Ok(String::new());
        }
        match self.next() {
            Token::Word(value) => Ok(value),
            other => Err(format!("found '{other}', expected: identifier")),
        }
    }

    /// The values in parentheses; between two commas, or a comma and a parenthesis, stands the empty one.
    fn list(&mut self) -> Result<BTreeSet<String>, String> {
        match self.next() {
            Token::Open => {}
            other => return Err(format!("found '{other}' expected: '('")),
        }
        match self.peek() {
            Token::Word(_) | Token::Comma | Token::Close => {}
            other => return Err(format!("found '{other}', expected: ',', ')' or identifier")),
        }
        let mut found = BTreeSet::new();
        loop {
            match self.peek() {
                Token::Word(value) => {
                    self.next();
                    found.insert(value);
                }
                Token::Comma | Token::Close => drop(found.insert(String::new())),
                other => return Err(format!("found '{other}', expected: ',', or identifier")),
            }
            match self.next() {
                Token::Comma => {}
                Token::Close => return Ok(found),
                other => return Err(format!("found '{other}', expected: ',' or ')'")),
            }
        }
    }
}

fn values(key: &str, values: BTreeSet<String>) -> Result<BTreeSet<String>, String> {
    for (at, value) in values.iter().enumerate() {
        let bad = |why: &str| Err(format!("values[{at}][{key}]: Invalid value: \"{value}\": {why}"));
        if value.len() > 63 {
            return bad("must be no more than 63 bytes");
        }
        if !value.is_empty() && !is_name_part(value) {
            return bad(LABEL_VALUE);
        }
    }
    Ok(values)
}

fn number(value: &str) -> Result<i64, String> {
    let why = "for 'Gt', 'Lt' operators, the value must be an integer";
    value.parse().map_err(|_| format!("values[0]: Invalid value: \"{value}\": {why}"))
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Word(word) => word,
            Self::Not => "!",
            Self::Equal => "=",
            Self::DoubleEqual => "==",
            Self::NotEqual => "!=",
            Self::Above => ">",
            Self::Below => "<",
            Self::Open => "(",
            Self::Close => ")",
            Self::Comma => ",",
            Self::End => "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_that_does_not_parse_is_refused_in_the_words_of_the_server() {
        for (text, expected) in [
            ("k=a b", "found 'b', expected: ',' or 'end of string'"),
            ("k in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
            ("k in a", "unable to parse requirement: found 'a' expected: '('"),
            ("k in (a", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("=a", "found '=', expected: !, identifier, or 'end of string'"),
            ("k=a,", "found '', expected: identifier after ','"),
            ("!k=a", "found '=', expected: ',' or 'end of string'"),
            ("k = in (a)", "found '(', expected: ',' or 'end of string'"),
            ("k near (a)", "unable to parse requirement: found 'near', expected: in, notin, =, ==, !=, gt, lt"),
            ("k=(", "unable to parse requirement: found '(', expected: identifier"),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn a_selector_takes_every_form_the_server_takes() {
        let object = |labels: &str| {
            let text = format!(
                r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"a","namespace":"b","labels":{labels}}}}}"#
            );
            Resource::new(crate::value::Value::from_json(text.as_bytes()).unwrap()).unwrap()
        };
        let (some, empty, none) = (object(r#"{"k":"5"}"#), object(r#"{"k":""}"#), object("{}"));
        for (text, expected) in [
            ("", [true, true, true]),
            ("k", [true, true, false]),
            ("!k", [false, false, true]),
            ("! k", [false, false, true]),
            ("k=5", [true, false, false]),
            ("k == 5", [true, false, false]),
            ("k=", [false, true, false]),
            ("k!=5", [false, true, true]),
            ("k in (5, 6)", [true, false, false]),
            ("k in ()", [false, true, false]),
            ("k in (5,)", [true, true, false]),
            ("k in (,,5)", [true, true, false]),
            ("k notin (5)", [false, true, true]),
            ("k>4,k<6", [true, false, false]),
            ("k<5", [false, false, false]),
        ] {
            let requirements = parse(text).unwrap();
            let found = [&some, &empty, &none].map(|object| requirements.iter().all(|one| one.holds(object)));
            assert_eq!(found, expected, "{text}");
        }
    }
}
