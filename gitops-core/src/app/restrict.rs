//! What a project permits, and why.

use super::project::{Kinds, NamedKinds, Pattern, Place};
use super::spec::shown;
use super::{Destination, Project};
use crate::model::Scope;
use crate::resource::ResourceKey;

/// Whether something is permitted, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// Whether it is.
    pub permitted: bool,
    /// Why, in one sentence.
    pub reason: String,
}

impl Answer {
    fn yes(reason: String) -> Self {
        Self { permitted: true, reason }
    }

    fn no(reason: String) -> Self {
        Self { permitted: false, reason }
    }
}

impl Project {
    /// Says whether applications may be made from a repository.
    ///
    /// Some pattern must match, and no pattern with `!` may name it. A pattern with `!` matches all that it does not
    /// name. Rule: `IsSourcePermitted` of Argo CD.
    #[must_use]
    pub fn permits_source(&self, repository: &str) -> Answer {
        let address = shown(repository);
        let mut by = None;
        for candidate in &self.source_repos {
            let matches = candidate.glob_matches(repository);
            if candidate.pattern.negated && matches {
                return Answer::no(format!("repository `{address}` is forbidden by `{candidate}`"));
            }
            if candidate.pattern.negated || matches {
                by = by.or(Some(candidate));
            }
        }
        match by {
            Some(by) => Answer::yes(format!("repository `{address}` is permitted by `{by}`")),
            None => Answer::no(format!("no source repository permits `{address}`")),
        }
    }

    /// Says whether applications may go to a cluster and namespace. It must be asked for each namespace that an
    /// application has objects in.
    ///
    /// Some place must match, and no pattern with `!` may name it. Give both address and name of the cluster where they
    /// are known: a pattern with `!` forbids what it cannot tell. Rule: `IsDestinationPermitted` of Argo CD. There, a
    /// pattern with `!` does not count in a place that has both `server` and `name`, and none for a namespace does in one
    /// that has only `name`; here each counts.
    #[must_use]
    pub fn permits_destination(&self, destination: &Destination) -> Answer {
        let (server, name) = destination.cluster();
        let asked = Asked { server, name, namespace: &destination.namespace };
        let mut by = None;
        for (number, place) in (1..).zip(&self.destinations) {
            match asked.judge(place) {
                Judgement::Forbids => return Answer::no(format!("{asked} is forbidden by destination {number}")),
                Judgement::Permits => by = by.or(Some(number)),
                Judgement::SaysNothing => {}
            }
        }
        match by {
            Some(number) => Answer::yes(format!("{asked} is permitted by destination {number}")),
            None => Answer::no(format!("no destination permits {asked}")),
        }
    }

    /// Says whether applications may have an object, by its kind and name. Where it may be is another question:
    /// [`Project::permits_destination`].
    ///
    /// Rule: `IsGroupKindNamePermitted` of Argo CD: objects without namespace must be on the whitelist; those with one,
    /// only if there is one. None may be on the blacklist.
    #[must_use]
    pub fn permits(&self, key: &ResourceKey, scope: Scope) -> Answer {
        let kind = &key.group_kind;
        let is = |kinds: &Kinds| kinds.group.matches(key.group()) && kinds.kind.matches(key.kind());
        let is_named = |kinds: &NamedKinds| {
            let name = kinds.name.as_ref().is_none_or(|name| name.matches(&key.name));
            kinds.group.matches(key.group()) && kinds.kind.matches(key.kind()) && name
        };
        let (list, permitted, forbidden) = if scope == Scope::Namespaced {
            let permitted = self.namespace_resource_whitelist.as_ref().map(|kinds| kinds.iter().any(is));
            ("namespaceResource", permitted, self.namespace_resource_blacklist.iter().any(is))
        } else {
            let permitted = self.cluster_resource_whitelist.iter().any(is_named);
            ("clusterResource", Some(permitted), self.cluster_resource_blacklist.iter().any(is_named))
        };
        match (permitted, forbidden) {
            (_, true) => Answer::no(format!("{kind} `{}` is forbidden by `{list}Blacklist`", key.name)),
            (Some(false), _) => Answer::no(format!("{kind} `{}` is not in `{list}Whitelist`", key.name)),
            (Some(true), _) => Answer::yes(format!("{kind} `{}` is in `{list}Whitelist`", key.name)),
            (None, _) => Answer::yes(format!("there is no `{list}Whitelist`, so all kinds are permitted")),
        }
    }
}

/// What is asked about.
struct Asked<'a> {
    server: &'a str,
    name: &'a str,
    namespace: &'a str,
}

/// What one place says.
enum Judgement {
    Permits,
    Forbids,
    SaysNothing,
}

impl Asked<'_> {
    /// Rule: `isDestinationMatched`. A cluster that is forbidden by its name is so for all namespaces, one that is
    /// forbidden by its address for the namespaces of the place.
    fn judge(&self, place: &Place) -> Judgement {
        let known = |pattern: Option<&Pattern>, text: &str| !text.is_empty() && matches(pattern, text);
        let negated = |pattern: Option<&Pattern>| pattern.is_some_and(|pattern| pattern.negated);
        let (server, name) = (known(place.server.as_ref(), self.server), known(place.name.as_ref(), self.name));
        let namespace = match &place.namespace {
            None => self.namespace.is_empty(),
            pattern => matches(pattern.as_ref(), self.namespace),
        };
        let vetoed = !name && negated(place.name.as_ref())
            || !server && negated(place.server.as_ref()) && namespace
            || (server || name) && negated(place.namespace.as_ref()) && !namespace;
        if vetoed {
            Judgement::Forbids
        } else if (server || name) && namespace {
            Judgement::Permits
        } else {
            Judgement::SaysNothing
        }
    }
}

/// Whether a pattern matches; one with `!` does if its glob does not.
fn matches(pattern: Option<&Pattern>, text: &str) -> bool {
    pattern.is_some_and(|pattern| pattern.glob.matches(text) != pattern.negated)
}

impl std::fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let server = shown(self.server);
        match self.namespace {
            "" => f.write_str("no namespace of ")?,
            namespace => write!(f, "namespace `{namespace}` of ")?,
        }
        match (self.name, &*server) {
            ("", server) => write!(f, "cluster {server}"),
            (name, "") => write!(f, "cluster `{name}`"),
            (name, server) => write!(f, "cluster `{name}` ({server})"),
        }
    }
}
