//! What cells are made of: fields that may not be there, ages, selectors, short lists.

use crate::time::Timestamp;
use crate::value::ValueRef;

pub(super) const NONE: &str = "<none>";
pub(super) const UNSET: &str = "<unset>";
pub(super) const UNKNOWN: &str = "<unknown>";

/// One object, or a part of one, at an instant. What is not there reads as the zero of its type, as in Go.
#[derive(Clone, Copy)]
pub(super) struct Row<'r> {
    pub(super) object: ValueRef<'r>,
    pub(super) now: Timestamp,
}

impl<'r> Row<'r> {
    /// The field at a path of plain names; null is as good as absent.
    pub(super) fn at(self, path: &str) -> Option<ValueRef<'r>> {
        path.split('.').try_fold(self.object, |at, key| at.get(key)).filter(|found| !found.is_null())
    }

    pub(super) fn text(self, path: &str) -> &'r str {
        self.at(path).and_then(ValueRef::as_str).unwrap_or_default()
    }

    /// The text of a field, or `otherwise` when it is empty.
    pub(super) fn text_or(self, path: &str, otherwise: &'r str) -> &'r str {
        let text = self.text(path);
        if text.is_empty() { otherwise } else { text }
    }

    pub(super) fn number(self, path: &str) -> i64 {
        self.at(path).and_then(ValueRef::as_i64).unwrap_or(0)
    }

    /// A number or text, such as a quantity, as text.
    pub(super) fn scalar(self, path: &str) -> Option<String> {
        let found = self.at(path)?;
        found.as_str().map(str::to_owned).or_else(|| found.as_i64().map(|number| number.to_string()))
    }

    pub(super) fn flag(self, path: &str) -> bool {
        self.at(path).and_then(ValueRef::as_bool).unwrap_or(false)
    }

    /// The items of a list.
    pub(super) fn items(self, path: &str) -> impl DoubleEndedIterator<Item = Row<'r>> + ExactSizeIterator + use<'r> {
        let items: Vec<Row<'r>> = self
            .at(path)
            .and_then(ValueRef::as_list)
            .into_iter()
            .flatten()
            .map(|object| Row { object, ..self })
            .collect();
        items.into_iter()
    }

    /// The texts in a list.
    pub(super) fn texts(self, path: &str) -> Vec<&'r str> {
        self.items(path).filter_map(|item| item.object.as_str()).collect()
    }

    /// How many entries a list or map has.
    pub(super) fn count(self, path: &str) -> i64 {
        let found = self.at(path);
        let list = found.and_then(ValueRef::as_list).map(|list| list.len());
        let count = list.or_else(|| found.and_then(ValueRef::as_map).map(|map| map.len()));
        count.and_then(|count| i64::try_from(count).ok()).unwrap_or(0)
    }

    pub(super) fn instant(self, path: &str) -> Option<Timestamp> {
        self.text(path).parse().ok()
    }

    /// How long ago a time was.
    pub(super) fn ago(self, path: &str) -> String {
        self.instant(path).map_or_else(|| UNKNOWN.to_owned(), |at| human(at, self.now))
    }

    /// The status of a condition.
    pub(super) fn condition(self, path: &str, name: &str) -> Option<&'r str> {
        self.items(path).find(|condition| condition.text("type") == name).map(|condition| condition.text("status"))
    }

    pub(super) fn is_terminating(self) -> bool {
        self.at("metadata.deletionTimestamp").is_some()
    }

    /// `app=web,tier=front`
    pub(super) fn labels(self, path: &str) -> String {
        let map = self.at(path).and_then(ValueRef::as_map).into_iter().flatten();
        let pairs: Vec<String> =
            map.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        or(pairs.join(","), NONE)
    }

    /// A label selector as text, in order of its keys; empty when it selects everything or nothing.
    pub(super) fn selector(self, path: &str) -> String {
        let labels = self.at(path).and_then(|selector| selector.get("matchLabels")?.as_map()).into_iter().flatten();
        let labels = labels.map(|(key, value)| (key, format!("{key}={}", value.as_str().unwrap_or_default())));
        let expressions = self.items(&format!("{path}.matchExpressions")).map(|expression| {
            let key = expression.text("key");
            let mut values = expression.texts("values");
            values.sort_unstable();
            let text = match expression.text("operator") {
                "In" => format!("{key} in ({})", values.join(",")),
                "NotIn" => format!("{key} notin ({})", values.join(",")),
                "DoesNotExist" => format!("!{key}"),
                _ => key.to_owned(),
            };
            (key, text)
        });
        let mut parts: Vec<(&str, String)> = labels.chain(expressions).collect();
        parts.sort_by_key(|(key, _)| *key);
        parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
    }
}

/// The text, or `otherwise` when it is empty.
pub(super) fn or(text: String, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text }
}

/// The first three, and how many more there are.
pub(super) fn first_three(items: &[String]) -> String {
    let shown = items.iter().take(3).cloned().collect::<Vec<_>>().join(",");
    match items.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

/// A time ago, as kubectl prints it: two units at most, and the smaller one only while it matters.
pub(in crate::memory) fn human(from: Timestamp, to: Timestamp) -> String {
    let millis = to.millis().saturating_sub(from.millis());
    let seconds = millis / 1000;
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let two = |large: i64, unit: char, small: i64, part: char| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{part}") }
    };
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, 'm', seconds % 60, 's'),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, 'h', minutes % 60, 'm'),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(hours / 24, 'd', hours % 24, 'h'),
        () if hours < 24 * 365 * 2 => format!("{}d", hours / 24),
        () if hours < 24 * 365 * 8 => two(hours / 24 / 365, 'y', hours / 24 % 365, 'd'),
        () => format!("{}y", hours / 24 / 365),
    }
}
