//! Annotations by which an object asks to go before or after others.

pub(crate) const DEPENDS_ON: &str = "gitops.rs/depends-on";
pub(crate) const ARGO_DEPENDS_ON: &str = "argocd.argoproj.io/depends-on";
pub(crate) const CLI_DEPENDS_ON: &str = "config.kubernetes.io/depends-on";
/// Of kapp, which reads any number of each with a suffix behind a dot.
pub(crate) const CHANGE_GROUP: &str = "kapp.k14s.io/change-group";
pub(crate) const CHANGE_RULE: &str = "kapp.k14s.io/change-rule";

/// Returns whether an annotation is `name`, or one of several of that name.
pub(crate) fn is_one_of(annotation: &str, name: &str) -> bool {
    annotation.strip_prefix(name).is_some_and(|suffix| suffix.is_empty() || suffix.starts_with('.'))
}

/// Returns whether an annotation is about the order of objects.
pub(crate) fn orders(annotation: &str) -> bool {
    [DEPENDS_ON, ARGO_DEPENDS_ON, CLI_DEPENDS_ON].contains(&annotation)
        || is_one_of(annotation, CHANGE_RULE)
        || is_one_of(annotation, CHANGE_GROUP)
}
