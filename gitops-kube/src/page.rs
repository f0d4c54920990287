//! Pages of lists, and events of watches: JSON that holds objects.

use std::borrow::Cow;
use std::fmt;

use gitops_core::resource::Resource;
use gitops_core::value::Value;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a server sent that is no list, or holds something that is no object.
#[derive(Debug)]
pub(crate) struct Unreadable(String);

/// A page of a list.
pub(crate) struct Page {
    pub(crate) objects: Vec<Resource>,
    pub(crate) version: String,
    /// What to ask for next; `None` at the end.
    pub(crate) token: Option<String>,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListMeta {
    resource_version: String,
    r#continue: String,
}

/// What a watch tells.
pub(crate) enum Event {
    /// An object is there, or differs.
    Present(Resource),
    /// An object is gone; its last content.
    Gone(Resource),
    /// Nothing happened up to this version.
    Mark(String),
    /// The watch ends: its version is too old, or the server failed.
    Refused,
}

#[derive(Deserialize)]
struct Told<'a> {
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

impl Page {
    /// Reads a page. `api_version` and `kind` are those of the objects: of built-in kinds a list does not repeat them.
    pub(crate) fn read(body: &[u8], api_version: &str, kind: &str) -> Result<Self, Unreadable> {
        let list: List<'_> = serde_json::from_slice(body).map_err(Unreadable::of)?;
        let names = format!("{{\"apiVersion\":{},\"kind\":{},", json(api_version), json(kind));
        let mut objects = Vec::new();
        for item in list.items.unwrap_or_default() {
            objects.push(object(item.get(), &names)?);
        }
        let token = Some(list.metadata.r#continue).filter(|token| !token.is_empty());
        Ok(Self { objects, version: list.metadata.resource_version, token })
    }
}

impl Event {
    /// Reads one line of a watch.
    pub(crate) fn read(line: &[u8]) -> Result<Self, Unreadable> {
        let told: Told<'_> = serde_json::from_slice(line).map_err(Unreadable::of)?;
        let text = told.object.get();
        match &*told.r#type {
            "ADDED" | "MODIFIED" => Ok(Self::Present(object(text, "{")?)),
            "DELETED" => Ok(Self::Gone(object(text, "{")?)),
            "BOOKMARK" => {
                let mark = Value::from_json(text.as_bytes()).map_err(Unreadable::of)?;
                let version = mark.root().dig(&["metadata", "resourceVersion"]).and_then(|version| version.as_str());
                Ok(Self::Mark(version.unwrap_or_default().to_owned()))
            }
            "ERROR" => Ok(Self::Refused),
            other => Err(Unreadable(format!("an event of type `{other}`"))),
        }
    }
}

/// Reads an object, with these names in front where it has none of its own.
fn object(text: &str, names: &str) -> Result<Resource, Unreadable> {
    let text = text.trim();
    // Go writes what is not there not at all, and `apiVersion` and `kind` first or sorted: before `metadata`.
    let read = |text: &str| Value::from_json(text.as_bytes()).map_err(Unreadable::of);
    let value = match text.strip_prefix('{') {
        Some(rest) if rest.starts_with("\"metadata\"") => read(&(names.to_owned() + rest))?,
        Some(rest) => {
            let value = read(text)?;
            match value.root().get("kind") {
                Some(_) => value,
                None => read(&(names.to_owned() + rest))?,
            }
        }
        None => return Err(Unreadable("something that is no object".to_owned())),
    };
    Resource::new(value).map_err(Unreadable::of)
}

fn json(text: &str) -> String {
    Value::from(text).to_json()
}

impl Unreadable {
    fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server sent what cannot be read: {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_a_list_have_their_kind_whether_it_is_repeated_or_not() {
        for item in [
            r#"{"metadata":{"name":"a","namespace":"n"},"data":{"kind":"x"}}"#,
            r#"{"data":{"kind":"x"},"metadata":{"name":"a","namespace":"n"}}"#,
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"n"},"data":{"kind":"x"}}"#,
        ] {
            let body = format!(r#"{{"metadata":{{"resourceVersion":"7","continue":""}},"items":[{item}]}}"#);
            let page = Page::read(body.as_bytes(), "v1", "ConfigMap").unwrap();
            assert_eq!(page.objects[0].key().to_string(), "ConfigMap n/a");
            assert_eq!((&*page.version, page.token), ("7", None));
        }
        assert!(Page::read(br#"{"metadata":{},"items":null}"#, "v1", "ConfigMap").unwrap().objects.is_empty());
        for broken in ["", "{", r#"{"items":[{"metadata":{}}]}"#, r#"{"items":[7]}"#] {
            assert!(Page::read(broken.as_bytes(), "v1", "ConfigMap").is_err(), "{broken}");
        }
    }
}
