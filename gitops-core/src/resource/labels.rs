//! Label selectors.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Chooses objects by their labels, as `kubectl -l` does: `app=web,tier in (a, b),!old`.
///
/// ```
/// use gitops_core::resource::LabelSelector;
///
/// let selector: LabelSelector = "app=web, tier in (a, b), !old".parse()?;
/// let labels = [("app", "web"), ("tier", "b")];
/// assert!(selector.matches(|name| labels.iter().find(|(label, _)| *label == name).map(|(_, value)| *value)));
/// # Ok::<(), gitops_core::resource::InvalidLabelSelector>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector {
    text: Arc<str>,
    requirements: Vec<Requirement>,
}

/// A label selector that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no label selector; write it as `app=web,tier in (a,b),!old`")]
pub struct InvalidLabelSelector(Arc<str>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Missing(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl LabelSelector {
    /// Returns whether labels, looked up by name, are chosen.
    #[must_use]
    pub fn matches<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(&label))
    }
}

impl Requirement {
    /// Rule: Kubernetes, "Labels and Selectors": `!=` and `notin` also match objects without the label.
    fn holds<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        match self {
            Self::Exists(name) => label(name).is_some(),
            Self::Missing(name) => label(name).is_none(),
            Self::In(name, values) => label(name).is_some_and(|value| values.iter().any(|wanted| wanted == value)),
            Self::NotIn(name, values) => label(name).is_none_or(|value| values.iter().all(|wanted| wanted != value)),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let name = |text: &str| {
            let text = text.trim();
            let odd = |char: char| char.is_whitespace() || "(),!=".contains(char);
            (!text.is_empty() && !text.contains(odd)).then(|| text.to_owned())
        };
        if let Some(values) = text.strip_suffix(')') {
            let (head, values) = values.split_once('(')?;
            let values = values.split(',').map(|value| value.trim().to_owned()).collect();
            let (label, word) = head.trim().rsplit_once(char::is_whitespace)?;
            return match word {
                "in" => Some(Self::In(name(label)?, values)),
                "notin" => Some(Self::NotIn(name(label)?, values)),
                _ => None,
            };
        }
        if let Some((label, value)) = text.split_once("!=") {
            return Some(Self::NotIn(name(label)?, vec![value.trim().to_owned()]));
        }
        if let Some((label, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            return Some(Self::In(name(label)?, vec![value.trim().to_owned()]));
        }
        match text.strip_prefix('!') {
            Some(label) => Some(Self::Missing(name(label)?)),
            None => Some(Self::Exists(name(text)?)),
        }
    }
}

impl FromStr for LabelSelector {
    type Err = InvalidLabelSelector;

    fn from_str(text: &str) -> Result<Self, InvalidLabelSelector> {
        // A comma within brackets stands between values.
        let mut depth = 0usize;
        let parts = text.split(|char| {
            match char {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            char == ',' && depth == 0
        });
        let read: Option<_> = parts.map(|part| Requirement::read(part.trim())).collect();
        let requirements = read.ok_or_else(|| InvalidLabelSelector(text.into()))?;
        Ok(Self { text: text.into(), requirements })
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_chooses_as_kubectl_does() {
        let labels = [("app", "web"), ("tier", "b")];
        let label = |name: &str| labels.iter().find(|(label, _)| *label == name).map(|(_, value)| *value);
        for (text, expected) in [
            ("app", true),
            ("!app", false),
            ("app=web", true),
            ("app==web,tier!=a", true),
            ("other!=x", true),
            ("tier in (a, b)", true),
            ("tier notin (a,b), app", false),
            ("app = db", false),
        ] {
            assert_eq!(text.parse::<LabelSelector>().unwrap().matches(label), expected, "{text}");
        }
        for text in ["", "app,", "=x", "tier in a", "tier of (a)", "a b"] {
            assert!(text.parse::<LabelSelector>().is_err(), "{text}");
        }
    }
}
