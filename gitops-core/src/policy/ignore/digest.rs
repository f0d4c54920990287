//! The digest of rules: of what they say, in a form of its own, so that a word less in some `Debug` changes none.

use crate::value::{Digest, Hasher, Purpose};

use super::{Manager, Names, OnCreate, Rule, Rules, Scope, Selector, Target};

impl Rules {
    pub(super) fn digest_of(rules: &[Rule], masked: &[std::sync::Arc<str>]) -> Digest {
        let hasher = rules.iter().fold(Hasher::new(Purpose::Rules).text("rules"), rule);
        masked.iter().fold(hasher.text("masked"), |hasher, name| hasher.text(&**name)).finish()
    }
}

fn rule(hasher: Hasher, rule: &Rule) -> Hasher {
    let scope = match rule.scope {
        Scope::System => "system",
        Scope::Application => "application",
    };
    let on_create = match rule.on_create {
        OnCreate::Send => "send",
        OnCreate::Omit => "omit",
    };
    let hasher = target(hasher.text("rule").text(scope).text(on_create), &rule.target);
    rule.fields.iter().fold(hasher, selector)
}

fn target(hasher: Hasher, target: &Target) -> Hasher {
    let Target { group, version, kind, namespace, name, labels, annotations } = target;
    let hasher = [group, version, kind, namespace, name].into_iter().fold(hasher, names);
    [labels, annotations].into_iter().fold(hasher, |hasher, selector| {
        let text = selector.as_ref().map(ToString::to_string);
        hasher.text(text.as_deref())
    })
}

fn names(hasher: Hasher, names: &Names) -> Hasher {
    match names {
        Names::Any => hasher.text("any"),
        Names::Like(glob) => hasher.text("like").text(&**glob),
        Names::Only(name) => hasher.text("only").text(&**name),
        Names::Matching(pattern) => hasher.text("matching").text(pattern.as_str()),
    }
}

fn selector(hasher: Hasher, selector: &Selector) -> Hasher {
    match selector {
        Selector::Path(pattern) => pattern.feed(hasher.text("path")),
        #[cfg(feature = "jq")]
        Selector::Jq(program) => hasher.text("jq").text(program.as_str()),
        Selector::OwnedBy(Manager { name, subresource }) => {
            hasher.text("owned by").text(&**name).text(subresource.as_deref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_say_something_else_have_another_digest_and_equal_ones_the_same() {
        let rule = |target: Target, fields: Vec<Selector>| Rules::new([Rule::new(target, fields).unwrap()]);
        let path = |text: &str| vec![Selector::path(text).unwrap()];
        let pointer = |text: &str| vec![Selector::pointer(text).unwrap()];
        let kind = || Target::kind("apps", "Deployment");
        let all = [
            Rules::default(),
            Rules::default().with_masked_annotations(["a"]),
            Rules::default().with_masked_annotations(["a", "b"]),
            rule(kind(), path("spec.replicas")),
            rule(kind(), pointer("/spec/replicas")),
            // The same text, once a path and once a pointer.
            rule(kind(), path("/spec")),
            rule(kind(), pointer("/spec")),
            rule(kind(), path("spec.*")),
            rule(kind(), path("spec[\"*\"]")),
            rule(kind(), path("spec[*]")),
            rule(kind(), path("spec[=\"1\"]")),
            rule(kind(), path("spec[=1]")),
            rule(kind(), path("spec[1]")),
            rule(kind(), path("spec[a=1,b=2]")),
            rule(kind(), path("spec.**")),
            rule(kind(), vec![Selector::owned_by("spec")]),
            rule(Target::kind("apps", "Deploymen?"), path("spec.replicas")),
            rule(Target { labels: Some("a=b".parse().unwrap()), ..kind() }, path("spec.replicas")),
            rule(Target { annotations: Some("a=b".parse().unwrap()), ..kind() }, path("spec.replicas")),
            rule(kind(), path("spec.replicas")).for_all(),
        ];
        for (place, rules) in all.iter().enumerate() {
            for (other, others) in all.iter().enumerate() {
                assert_eq!(rules.digest() == others.digest(), place == other, "{rules:?} {others:?}");
            }
            assert_eq!(rules.digest(), rules.clone().and(&Rules::default()).digest());
        }
        assert_eq!(rule(kind(), path("spec[b=2,a=1]")).digest(), rule(kind(), path("spec[a=1,b=2]")).digest());
    }
}
