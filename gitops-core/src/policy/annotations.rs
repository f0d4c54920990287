//! Per-object options, read from annotations.
//!
//! Understood are our own annotations and those of Argo CD, Helm, Flux, cli-utils, Config Sync and kapp, in this order of
//! precedence; of what is said of deleting, the word that keeps more counts, whoever says it. Unlike Argo CD, which
//! falls back to a default without a word, a value that cannot be read is a problem.

use std::collections::BTreeSet;
use std::num::IntErrorKind;

use crate::path::FieldPath;
use crate::problem::{Code, Problem};
use crate::resource::Resource;
use crate::resource::ordering::DEPENDS_ON;
use crate::value::Map;

use super::contradictions::{Named, Read};
use super::sync_options::Said;
use super::words::{self, Effect, Speaker, Word};
use super::{Hook, HookDelete, Options, Permission, Role};

const WAVE: &str = "gitops.rs/sync-wave";
pub(super) const HOOK: &str = "gitops.rs/hook";
pub(super) const HOOK_DELETE: &str = "gitops.rs/hook-delete-policy";
pub(super) const SYNC_OPTIONS: &str = "gitops.rs/sync-options";
pub(crate) const PRUNE: &str = "gitops.rs/prune";
const IGNORE_HEALTH: &str = "gitops.rs/ignore-healthcheck";
pub(crate) const ON_REMOVE: &str = "gitops.rs/on-remove";
const APPROVED: &str = "gitops.rs/deletion-approved";
// Written by the engine; no options.
const OPERATION: &str = "gitops.rs/operation";
const TRACKING_ID: &str = "gitops.rs/tracking-id";

const ARGO_WAVE: &str = "argocd.argoproj.io/sync-wave";
const ARGO_HOOK: &str = "argocd.argoproj.io/hook";
pub(super) const ARGO_HOOK_DELETE: &str = "argocd.argoproj.io/hook-delete-policy";
pub(super) const ARGO_SYNC_OPTIONS: &str = "argocd.argoproj.io/sync-options";
const ARGO_COMPARE_OPTIONS: &str = "argocd.argoproj.io/compare-options";
const ARGO_IGNORE_HEALTH: &str = "argocd.argoproj.io/ignore-healthcheck";
const ARGO_APPROVED: &str = "argocd.argoproj.io/deletion-approved";

pub(super) const HELM: &str = "helm.sh/";
const HELM_HOOK: &str = "helm.sh/hook";
const HELM_WEIGHT: &str = "helm.sh/hook-weight";
pub(super) const HELM_HOOK_DELETE: &str = "helm.sh/hook-delete-policy";
const HELM_POLICY: &str = "helm.sh/resource-policy";

const FLUX: &str = "kustomize.toolkit.fluxcd.io/";
const FLUX_PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";
const FLUX_SSA: &str = "kustomize.toolkit.fluxcd.io/ssa";
const FLUX_RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";
pub(super) const FLUX_FORCE: &str = "kustomize.toolkit.fluxcd.io/force";

pub(super) const CLI_MUTATION: &str = "config.kubernetes.io/apply-time-mutation";
const CLI_ON_REMOVE: &str = "cli-utils.sigs.k8s.io/on-remove";
const LIFECYCLE_DELETION: &str = "client.lifecycle.config.k8s.io/deletion";
const LIFECYCLE_MUTATION: &str = "client.lifecycle.config.k8s.io/mutation";

const KAPP_DELETE: &str = "kapp.k14s.io/delete-strategy";
const KAPP_EXISTS: &str = "kapp.k14s.io/exists";
const KAPP_NOOP: &str = "kapp.k14s.io/noop";

/// All annotations of our own; another one is a typing error.
const OWN: [&str; 11] = [
    APPROVED,
    DEPENDS_ON,
    HOOK,
    HOOK_DELETE,
    IGNORE_HEALTH,
    ON_REMOVE,
    OPERATION,
    PRUNE,
    SYNC_OPTIONS,
    WAVE,
    TRACKING_ID,
];
/// Where annotations that we read live.
const DOMAINS: [&str; 8] = [
    "gitops.rs/",
    "argocd.argoproj.io/",
    "helm.sh/",
    FLUX,
    "config.kubernetes.io/",
    "cli-utils.sigs.k8s.io/",
    "client.lifecycle.config.k8s.io/",
    "kapp.k14s.io/",
];

/// Reads the options of one object. What cannot be read is a problem that holds the object back.
#[must_use]
pub fn options(resource: &Resource) -> (Options, Vec<Problem>) {
    let metadata = resource.tree().get("metadata");
    let read = |place: &str, domains: &[&str]| {
        let map = metadata?.get(place)?.as_map()?;
        let known = |name: &str| domains.iter().any(|domain| name.starts_with(domain));
        map.iter().any(|(name, _)| known(name)).then_some(map)
    };
    // Flux takes its settings from labels too.
    let (annotations, labels) = (read("annotations", &DOMAINS), read("labels", &[FLUX]));
    if annotations.is_none() && labels.is_none() {
        return (Options::default(), Vec::new());
    }
    Reader { annotations, labels, resource, keeper: None, problems: Vec::new() }.read()
}

/// A text and the field that holds it.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) place: &'static str,
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

pub(super) struct Reader<'a> {
    pub(super) annotations: Option<Map<'a>>,
    labels: Option<Map<'a>>,
    pub(super) resource: &'a Resource,
    /// The first annotation of others that says that the object stays, or asks.
    pub(super) keeper: Option<&'static str>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn read(mut self) -> (Options, Vec<Problem>) {
        let mut options = Options::default();
        self.own_names();
        options.wave = self.wave();
        self.hook(&mut options);
        self.keepers(&mut options);
        self.flux(&mut options);
        let before = permissions(&options);
        self.sync_options(ARGO_SYNC_OPTIONS, Speaker::Argo, &mut options);
        if permissions(&options) != before {
            self.keeper = self.keeper.or(Some(ARGO_SYNC_OPTIONS));
        }
        let others = permissions(&options);
        let said = self.sync_options(SYNC_OPTIONS, Speaker::Own, &mut options);
        if let Some(found) = self.get(PRUNE, Code::InvalidOption) {
            let permission = match found.text {
                "enabled" => Some(Permission::Default),
                "disabled" => Some(Permission::Never),
                "confirm" => Some(Permission::Confirm),
                _ => None,
            };
            match permission {
                Some(permission) => self.prune(permission, found, said.get("Prune").copied(), &mut options),
                None => self.invalid(found, "use `enabled`, `disabled` or `confirm`"),
            }
            options.said.add(Said::Prune);
        }
        self.keep_more(others, &mut options);
        self.compare_options();
        if let Some(found) = self.first(&[IGNORE_HEALTH, ARGO_IGNORE_HEALTH], Code::InvalidOption) {
            match words::flag(found.text) {
                Some(flag) => options.ignore_health = flag,
                None => self.invalid(found, "use \"true\" or \"false\""),
            }
        }
        if let Some(found) = self.get(ON_REMOVE, Code::InvalidOption)
            && !matches!(found.text, "keep" | "unset")
        {
            self.invalid(found, "use `keep` or `unset`");
        }
        options.depends_on = self.depends_on();
        self.change_order(&mut options);
        if let Some(found) = self.first(&[APPROVED, ARGO_APPROVED], Code::InvalidOption) {
            options.deletion_approved = found.text.parse().ok();
            if options.deletion_approved.is_none() {
                self.invalid(found, "use a time such as `2026-03-01T12:00:00Z`");
            }
        }
        self.contradictions(&options);
        (options, self.problems)
    }

    /// Returns an annotation; one that is no text is a problem.
    pub(super) fn get(&mut self, name: &'static str, code: Code) -> Option<Found<'a>> {
        self.entry("annotations", self.annotations?, name, code)
    }

    pub(super) fn entry(&mut self, place: &'static str, map: Map<'a>, name: &'a str, code: Code) -> Option<Found<'a>> {
        let value = map.get(name).filter(|value| !value.is_null())?;
        if let Some(text) = value.as_str() {
            return Some(Found { place, name, text });
        }
        let text = format!("an annotation is a text, not a {}", value.kind_name());
        let found = Found { place, name, text: "" };
        self.block(code, found, text, "put the value in quotes");
        None
    }

    pub(super) fn first(&mut self, names: &[&'static str], code: Code) -> Option<Found<'a>> {
        names.iter().find_map(|name| self.get(name, code))
    }

    pub(super) fn block(&mut self, code: Code, found: Found<'_>, text: String, hint: &str) {
        self.problems.push(Problem::blocks(code, text).field(found.field()).hint(hint));
    }

    fn invalid(&mut self, found: Found<'_>, hint: &str) {
        self.block(Code::InvalidOption, found, format!("`{}` is not allowed here", found.text), hint);
    }

    fn own_names(&mut self) {
        let Some(map) = self.annotations else { return };
        for (name, _) in map {
            if name.starts_with("gitops.rs/") && !OWN.contains(&name) {
                let found = Found { place: "annotations", name, text: "" };
                let hint = format!("use one of `{}`", OWN.join("`, `"));
                self.block(Code::InvalidOption, found, format!("there is no annotation `{name}`"), &hint);
            }
        }
    }

    /// Rule: Argo CD user guide, "Sync Phases and Waves": its annotation, else Helm's weight, else 0.
    fn wave(&mut self) -> i32 {
        let names = [WAVE, ARGO_WAVE, HELM_WEIGHT];
        let Some(found) = self.first(&names, Code::InvalidWave) else { return 0 };
        self.overruled(
            found,
            names.map(|name| (name, (|text| text.parse::<i32>().ok()) as Read<_>)),
            Code::InvalidWave,
        );
        found.text.parse().unwrap_or_else(|error: std::num::ParseIntError| {
            let text = match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => {
                    format!("sync wave `{}` is out of range", found.text)
                }
                _ => format!("sync wave `{}` is not a whole number", found.text),
            };
            self.block(Code::InvalidWave, found, text, "use a whole number in quotes, such as \"-1\" or \"5\"");
            0
        })
    }

    /// Rule: Argo CD's `hook.IsHook`, `Types` and `Skip`; `Skip` counts only when it stands alone.
    fn hook(&mut self, options: &mut Options) {
        let (found, dialect) = match self.first(&[HOOK, ARGO_HOOK], Code::InvalidHook) {
            Some(found) => (Some(found), words::ARGO_HOOKS),
            None => (self.get(HELM_HOOK, Code::InvalidHook), words::HELM_HOOKS),
        };
        let delete = self.hook_delete();
        let Some(found) = found else { return };
        let phases =
            [(HOOK, words::argo_hooks as Read<_>), (ARGO_HOOK, words::argo_hooks), (HELM_HOOK, words::helm_hooks)];
        self.overruled(found, phases, Code::InvalidHook);
        let meant: Vec<Word> = self.each(found, dialect);
        let phases: BTreeSet<_> =
            meant.iter().filter_map(|word| if let Word::Phase(phase) = word { Some(*phase) } else { None }).collect();
        if !phases.is_empty() {
            options.role = Role::Hook;
            options.hook =
                Some(Hook { phases, delete: delete.unwrap_or_else(|| [HookDelete::BeforeHookCreation].into()) });
        } else if meant.contains(&Word::NoPhase) {
            options.role = Role::Ignored;
        } else if words::csv(found.text).next().is_none() {
            let hint = format!("use {}, or remove the annotation", words::allowed(dialect));
            self.block(Code::InvalidHook, found, "names no phase".into(), &hint);
        }
    }

    /// Rule: Argo CD unites its policies with Helm's; without any, the hook is deleted before it is created again.
    fn hook_delete(&mut self) -> Option<BTreeSet<HookDelete>> {
        let mut policies = BTreeSet::new();
        if let Some(found) = self.get(HOOK_DELETE, Code::InvalidHook) {
            policies.extend(self.each(found, words::ARGO_HOOK_DELETE));
        } else {
            for (name, dialect) in
                [(ARGO_HOOK_DELETE, words::ARGO_HOOK_DELETE), (HELM_HOOK_DELETE, words::HELM_HOOK_DELETE)]
            {
                if let Some(found) = self.get(name, Code::InvalidHook) {
                    policies.extend(self.each(found, dialect));
                }
            }
        }
        (!policies.is_empty()).then_some(policies)
    }

    /// Reads a list of words; unknown ones are problems.
    fn each<T: Copy>(&mut self, found: Found<'_>, dialect: &[(&str, T)]) -> Vec<T> {
        let mut meant = Vec::new();
        for word in words::csv(found.text) {
            match dialect.iter().find(|(known, _)| *known == word) {
                Some((_, meaning)) => meant.push(*meaning),
                None => {
                    let hint = format!("use {}", words::allowed(dialect));
                    self.block(Code::InvalidHook, found, format!("`{word}` is unknown"), &hint);
                }
            }
        }
        meant
    }

    fn stays(&mut self, name: &'static str, options: &mut Options) {
        options.stay();
        self.keeper = self.keeper.or(Some(name));
    }

    /// Annotations whose only word means that the object stays when it is not declared any more; two of kapp, by being
    /// there, that it is none of ours.
    ///
    /// Rule: kapp, "Delete strategy", "Noop" and "Exists".
    fn keepers(&mut self, options: &mut Options) {
        for (name, word) in
            [(HELM_POLICY, "keep"), (CLI_ON_REMOVE, "keep"), (LIFECYCLE_DELETION, "detach"), (KAPP_DELETE, "orphan")]
        {
            let Some(found) = self.get(name, Code::InvalidOption) else { continue };
            if found.text.trim().eq_ignore_ascii_case(word) {
                self.stays(name, options);
            } else if (name, found.text) != (KAPP_DELETE, "") {
                self.invalid(found, &format!("use `{word}`, or remove the annotation"));
            }
        }
        for name in [KAPP_EXISTS, KAPP_NOOP] {
            if self.get(name, Code::InvalidOption).is_some() {
                (options.role, options.hook) = (Role::Ignored, None);
                self.stays(name, options);
            }
        }
        if let Some(found) = self.get(LIFECYCLE_MUTATION, Code::InvalidOption) {
            match found.text {
                "ignore" => options.create_only = true,
                _ => self.invalid(found, "use `ignore`, or remove the annotation"),
            }
        }
    }

    /// Rule: Flux reads these from annotations or labels, without regard to case.
    fn flux(&mut self, options: &mut Options) {
        for name in [FLUX_PRUNE, FLUX_SSA, FLUX_RECONCILE, FLUX_FORCE] {
            let found = self
                .get(name, Code::InvalidOption)
                .or_else(|| self.entry("labels", self.labels?, name, Code::InvalidOption));
            let Some(found) = found else { continue };
            match (name, found.text.to_ascii_lowercase().as_str()) {
                (FLUX_PRUNE, "disabled") => self.stays(name, options),
                (FLUX_RECONCILE, "disabled") | (FLUX_SSA, "ignore") => {
                    (options.role, options.hook) = (Role::Ignored, None);
                    self.stays(name, options);
                }
                (FLUX_SSA, "ifnotpresent") => options.create_only = true,
                (FLUX_FORCE, word @ ("enabled" | "disabled")) => {
                    options.force = word == "enabled";
                    options.said.add(Said::Force);
                }
                // `Merge` keeps the fields of others, which we always do.
                (FLUX_SSA, "override" | "merge") => {}
                (FLUX_SSA, _) => self.invalid(found, "use `Override`, `Merge`, `IfNotPresent` or `Ignore`"),
                (_, "enabled" | "disabled") => {}
                _ => self.invalid(found, "use `enabled` or `disabled`"),
            }
        }
    }

    /// Returns the options that the annotation names.
    fn sync_options(&mut self, name: &'static str, speaker: Speaker, options: &mut Options) -> Named<'a> {
        let mut named = Named::new();
        let Some(found) = self.get(name, Code::InvalidOption) else { return named };
        for option in words::csv(found.text) {
            self.once(option, found, &mut named);
            match words::sync_option(option, speaker, options) {
                Effect::Done => {}
                Effect::None(why) => self.problems.push(
                    Problem::note(Code::InvalidOption, format!("sync option `{option}` has no effect: {why}"))
                        .field(found.field()),
                ),
                Effect::Invalid(allowed) => {
                    let text = format!("sync option `{option}` is unknown");
                    self.block(Code::InvalidOption, found, text, &format!("use {allowed}"));
                }
            }
        }
        named
    }

    fn compare_options(&mut self) {
        let Some(found) = self.get(ARGO_COMPARE_OPTIONS, Code::InvalidOption) else { return };
        for option in words::csv(found.text) {
            if words::COMPARE_OPTIONS.contains(&option) {
                let text = format!("compare option `{option}` has no effect: comparing follows field ownership");
                self.problems.push(Problem::note(Code::InvalidOption, text).field(found.field()));
            } else {
                let hint = format!("use one of `{}`", words::COMPARE_OPTIONS.join("`, `"));
                self.block(Code::InvalidOption, found, format!("compare option `{option}` is unknown"), &hint);
            }
        }
    }

    pub(super) fn warn(&mut self, code: Code, found: Found<'_>, text: String) {
        self.problems.push(Problem::warning(code, text).field(found.field()));
    }
}

/// Whether an object may be pruned, and may go with its application.
fn permissions(options: &Options) -> (Permission, Permission) {
    (options.prune, options.delete)
}

impl Found<'_> {
    pub(super) fn field(&self) -> FieldPath {
        FieldPath::fields(&["metadata", self.place, self.name])
    }
}
