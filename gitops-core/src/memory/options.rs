//! The options of lists and watches: what goes together, which version is meant, and where a page begins.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;
use serde::{Deserialize, Serialize};

use super::refuse::{self, Fault};
use super::request::{Select, Watch};
use super::response::{CauseReason, Status};

/// As Go reads it: what the last letter has too much is passed over.
const BASE64: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

const MATCH: &str = "resourceVersionMatch";

/// Rule: `ValidateListOptions` of Kubernetes 1.36, as recorded.
pub(super) fn check_list(select: &Select) -> Result<(), Status> {
    let Some(found) = select.version_match.as_deref().filter(|found| !found.is_empty()) else { return Ok(()) };
    let version = select.version.as_deref().unwrap_or_default();
    let mut faults = Vec::new();
    if version.is_empty() {
        faults.push(forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"));
    }
    if is_some(select.token.as_deref()) {
        faults.push(forbidden("resourceVersionMatch is forbidden when continue is provided"));
    }
    if !matches!(found, "Exact" | "NotOlderThan") {
        let text = format!("{found:?}: supported values: \"Exact\", \"NotOlderThan\", \"\"");
        faults.push(refuse::fault(MATCH, CauseReason::NotSupported, &text));
    }
    if (found, version) == ("Exact", "0") {
        faults.push(forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
    }
    refuse_any(faults)
}

/// Rule: `validateWatchOptions` of Kubernetes 1.36, as recorded.
pub(super) fn check_watch(watch: &Watch) -> Result<(), Status> {
    let found = watch.version_match.as_deref().unwrap_or_default();
    let mut faults = Vec::new();
    if watch.initial.is_some() && found != "NotOlderThan" {
        faults.push(forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    }
    if watch.initial.is_none() && !found.is_empty() {
        faults.push(forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
    }
    if !matches!(found, "" | "NotOlderThan") {
        let text = format!("{found:?}: supported values: \"NotOlderThan\"");
        faults.push(refuse::fault(MATCH, CauseReason::NotSupported, &text));
    }
    if is_some(watch.select.token.as_deref()) {
        faults.push(forbidden("resourceVersionMatch is forbidden when continue is provided"));
    }
    refuse_any(faults)
}

fn is_some(text: Option<&str>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

fn forbidden(why: &str) -> Fault {
    refuse::fault(MATCH, CauseReason::Forbidden, why)
}

fn refuse_any(faults: Vec<Fault>) -> Result<(), Status> {
    if faults.is_empty() { Ok(()) } else { Err(refuse::invalid_of("meta.k8s.io", "ListOptions", "", faults)) }
}

/// Reads a version; none, empty and `0` are all `None`.
pub(super) fn version(text: Option<&str>) -> Result<Option<u64>, String> {
    let text = text.unwrap_or_default();
    match text.parse::<u64>() {
        Ok(0) => Ok(None),
        Ok(version) => Ok(Some(version)),
        Err(_) if text.is_empty() => Ok(None),
        Err(_) => Err(format!(
            "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
        )),
    }
}

/// Where a page begins, as a client carries it from one request to the next.
///
/// Rule: `continueToken` of Kubernetes (`meta.k8s.io/v1`): base64 of JSON, and nothing in it is secret. The key is
/// relative to what is listed, so that a token also works elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// At which version to go on; `None`: at the present one, whatever came between.
    pub(super) version: Option<u64>,
    /// The first key that is wanted.
    pub(super) start: String,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Wire {
    v: String,
    rv: i64,
    start: String,
}

impl Token {
    /// Goes on after a key.
    pub(super) fn after(key: &str, version: u64) -> Self {
        Self { version: Some(version), start: format!("{key}\0") }
    }

    /// Goes on at the same key, without a version.
    pub(super) fn unversioned(&self) -> Self {
        Self { version: None, start: self.start.clone() }
    }

    pub(super) fn encode(&self) -> String {
        let rv = self.version.map_or(-1, |version| i64::try_from(version).unwrap_or(i64::MAX));
        // As recorded: only with a version it starts with a slash.
        let start = if rv < 0 { self.start.clone() } else { format!("/{}", self.start) };
        let wire = Wire { v: "meta.k8s.io/v1".to_owned(), rv, start };
        BASE64.encode(serde_json::to_string(&wire).unwrap_or_default())
    }

    pub(super) fn decode(text: &str) -> Result<Self, Status> {
        Self::read(text)
            .map_err(|why| refuse::bad_request(format!("invalid continue token: continue key is not valid: {why}")))
    }

    fn read(text: &str) -> Result<Self, String> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let at = || text.bytes().position(|byte| !known(byte)).unwrap_or(text.len());
        let bytes = BASE64.decode(text).map_err(|_| format!("illegal base64 data at input byte {}", at()))?;
        let wire: Wire = serde_json::from_slice(&bytes).map_err(|_| match bytes.first() {
            Some(byte) if *byte != b'{' => {
                format!("invalid character '{}' looking for beginning of value", byte.escape_ascii())
            }
            _ => "unexpected end of JSON input".to_owned(),
        })?;
        if wire.v != "meta.k8s.io/v1" {
            return Err(format!("server does not recognize this encoded version {}", wire.v));
        }
        if wire.rv == 0 {
            return Err("incorrect encoded start resourceVersion (version meta.k8s.io/v1)".to_owned());
        }
        if wire.start.is_empty() {
            return Err("empty start key (version meta.k8s.io/v1)".to_owned());
        }
        let start = wire.start.strip_prefix('/').unwrap_or(&wire.start);
        if !start.is_empty() && start.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(wire.start);
        }
        Ok(Self { version: u64::try_from(wire.rv).ok(), start: start.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_it_was_and_garbage_is_told_apart() {
        let token = Token::after("shop/web", 1005);
        assert_eq!(Token::decode(&token.encode()).unwrap(), token);
        assert_eq!(Token::decode(&token.unversioned().encode()).unwrap(), token.unversioned());
        let encode = |json: &str| BASE64.encode(json);
        for (text, expected) in [
            ("!!!".to_owned(), "illegal base64 data at input byte 0"),
            ("garbage".to_owned(), "invalid character '\\x81' looking for beginning of value"),
            (encode("{}"), "server does not recognize this encoded version "),
            (encode(r#"{"v":"meta.k8s.io/v1","start":"a"}"#), "incorrect encoded start resourceVersion"),
            (encode(r#"{"v":"meta.k8s.io/v1","rv":5}"#), "empty start key"),
            (encode(r#"{"v":"meta.k8s.io/v1","rv":5,"start":"/../x"}"#), "/../x"),
        ] {
            let found = Token::decode(&text).unwrap_err().message;
            let expected = format!("invalid continue token: continue key is not valid: {expected}");
            assert!(found.starts_with(&expected), "{found}");
        }
    }
}
