//! `FIELD=VALUE` as people write it.

use gitops_core::path::{FieldPath, InvalidPath, Segment};
use gitops_core::value::{Value, ValueRef};

/// Reads `spec.containers[name=web].image=nginx`: a path in the form that changes are shown in, and a value that is
/// read as YAML, so that `5` is a number and `"5"` a text. Only a field can be set, not an item.
pub(crate) fn assignment(text: &str) -> Result<(FieldPath, Value), String> {
    let end = end_of_path(text).ok_or_else(|| wrong(text, "a `=` and a value must follow the field"))?;
    let (path, value) = text.split_at_checked(end).unwrap_or((text, ""));
    let path: FieldPath = path.parse().map_err(|error: InvalidPath| wrong(text, error.why))?;
    if !matches!(path.segments().last(), Some(Segment::Field(_))) {
        return Err(wrong(text, "it must end in a field, not in an item"));
    }
    Ok((path, self::value(value.strip_prefix('=').unwrap_or(value))))
}

/// Finds the first `=` that stands in no brackets.
fn end_of_path(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped, mut inside) = (false, false, false);
    for (at, char) in text.char_indices() {
        match char {
            '=' if !inside => return Some(at),
            '"' if inside && !escaped => quoted = !quoted,
            '[' if !quoted => inside = true,
            ']' if !quoted => inside = false,
            _ => {}
        }
        escaped = char == '\\' && !escaped;
    }
    None
}

/// Refuses a path through an item that is not there, or through a text: a hand edit changes what there is.
pub(crate) fn reaches(path: &FieldPath, tree: ValueRef<'_>) -> Result<(), String> {
    let segments = path.segments();
    for (at, segment) in segments.iter().enumerate() {
        let outer: FieldPath = segments.iter().take(at).cloned().collect();
        // Maps that are not there yet are made.
        let Some(found) = outer.find(tree).filter(|found| !found.is_null()) else { return Ok(()) };
        if !matches!(segment, Segment::Field(_)) && segment.of(found).is_none() {
            let item = outer.join(segment.clone());
            return Err(format!("the object has no `{item}`; `gitops cluster get KIND/NAME` shows what it has"));
        }
        if matches!(segment, Segment::Field(_)) && found.as_map().is_none() {
            let text = format!("`{outer}` is a {}, so it has no fields", found.kind_name());
            return Err(format!("{text}; `gitops cluster get KIND/NAME` shows what it has"));
        }
    }
    Ok(())
}

fn wrong(text: &str, why: &str) -> String {
    format!("`{text}` cannot be read: {why}; write it as `spec.replicas=5` or `spec.containers[name=web].image=nginx`")
}

/// What is no YAML is a text.
fn value(text: &str) -> Value {
    if text.is_empty() {
        return Value::from("");
    }
    let yaml = serde_yaml::from_str::<serde_json::Value>(text).ok();
    yaml.and_then(|yaml| Value::from_serialize(&yaml).ok()).unwrap_or_else(|| Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_reads_back_in_the_form_it_is_shown_in() {
        for (text, path, value) in [
            ("spec.replicas=5", "spec.replicas", "5"),
            ("spec.replicas=\"5\"", "spec.replicas", "\"5\""),
            (
                "spec.template.spec.containers[name=web].image=nginx:1.27",
                "spec.template.spec.containers[name=web].image",
                "\"nginx:1.27\"",
            ),
            ("spec.ports[port=80,protocol=TCP].name=http", "spec.ports[port=80,protocol=TCP].name", "\"http\""),
            ("metadata.annotations[\"a.b/c]\"]=x=y", "metadata.annotations[\"a.b/c]\"]", "\"x=y\""),
            ("spec.list[2].a=true", "spec.list[2].a", "true"),
            ("spec.set[=7].a=null", "spec.set[=7].a", "null"),
            ("data.key=", "data.key", "\"\""),
            ("spec.selector={a: b}", "spec.selector", "{\"a\":\"b\"}"),
        ] {
            let (read, assigned) = assignment(text).unwrap();
            assert_eq!((read.to_string().as_str(), assigned.to_json().as_str()), (path, value), "{text}");
        }
    }

    #[test]
    fn what_is_no_field_is_refused_with_an_example() {
        for text in ["", "=5", "spec", "spec..a=1", "spec.=1", "spec.a[=1", "spec.a[b]=1", "spec.a[0]=1", "a[\"x]=1"] {
            let error = assignment(text).unwrap_err();
            assert!(error.contains("write it as `spec.replicas=5`"), "{text}: {error}");
        }
    }
}
