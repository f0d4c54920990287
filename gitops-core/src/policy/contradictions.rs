//! What cannot both be meant.

use std::collections::BTreeMap;

use crate::problem::{Code, Problem};
use crate::resource::ordering::{ARGO_DEPENDS_ON, CLI_DEPENDS_ON, DEPENDS_ON};

use super::annotations::{
    ARGO_HOOK_DELETE, ARGO_SYNC_OPTIONS, FLUX_FORCE, Found, HELM, HELM_HOOK_DELETE, HOOK, HOOK_DELETE, PRUNE, Reader,
    SYNC_OPTIONS,
};
use super::words::stricter;
use super::{Options, Permission, Role};

/// The sync options of one annotation, as they are written, by their names.
pub(super) type Named<'a> = BTreeMap<&'a str, &'a str>;

/// Reads what an annotation means; nothing where it cannot be read.
pub(super) type Read<T> = fn(&str) -> Option<T>;

impl<'a> Reader<'a> {
    /// Blocks an object of which one annotation gives the same option two values: which of them is meant nobody can
    /// tell, and one of them may delete. Applications are refused for the same.
    pub(super) fn once(&mut self, option: &'a str, found: Found<'_>, named: &mut Named<'a>) {
        let name = option.split_once('=').map_or(option, |(name, _)| name);
        let before = named.insert(name, option);
        if let Some(before) = before.filter(|before| *before != option) {
            let text = format!("there are both `{before}` and `{option}`");
            self.block(Code::InvalidOption, found, text, "remove one");
        }
    }

    /// Says of the annotations that give way to `counts` where they mean something else. Charts are written for Helm, and
    /// say more precisely for others what is meant there: that is a note.
    pub(super) fn overruled<T: PartialEq>(&mut self, counts: Found<'_>, all: [(&'static str, Read<T>); 3], code: Code) {
        let text = |name: &str| self.annotations.and_then(|map| map.get(name)?.as_str());
        let meant = all.iter().find(|(name, _)| *name == counts.name).and_then(|(_, read)| read(counts.text));
        for (name, read) in all.iter().filter(|(name, _)| *name != counts.name) {
            let Some(said) = text(name).filter(|said| meant.is_some() && read(said) != meant) else { continue };
            let text = format!("says `{said}`, and `{}` says `{}`, which counts", counts.name, counts.text);
            let told = if name.starts_with(HELM) { Problem::note(code, text) } else { Problem::warning(code, text) };
            let found = Found { place: "annotations", name, text: said };
            self.problems.push(told.field(found.field()).hint("remove the one that is not meant"));
        }
    }

    /// Takes what the annotation `gitops.rs/prune` says. `named`: what our other annotation says of the same; where they
    /// differ, the one that keeps more counts.
    pub(super) fn prune(
        &mut self,
        permission: Permission,
        found: Found<'_>,
        named: Option<&str>,
        options: &mut Options,
    ) {
        let Some(named) = named.filter(|_| options.prune != permission) else {
            options.prune = permission;
            return;
        };
        options.prune = stricter(options.prune, permission);
        let (said, counts) = (found.text, if options.prune == permission { found.text } else { named });
        let text =
            format!("says `{said}`, and `{SYNC_OPTIONS}` says `{named}`: `{counts}` counts, since it keeps more");
        self.warn(Code::InvalidOption, found, text);
    }

    /// Takes back what our own annotations allow where those of others keep more: who deletes what somebody wanted to
    /// keep cannot make up for it. `others`: what these say of pruning, and of going with the application.
    pub(super) fn keep_more(&mut self, others: (Permission, Permission), options: &mut Options) {
        let Some(keeper) = self.keeper else { return };
        let has_prune = self.annotations.is_some_and(|map| map.get(PRUNE).is_some());
        let by = if has_prune { PRUNE } else { SYNC_OPTIONS };
        for (permission, kept, name, what) in [
            (&mut options.prune, others.0, by, "pruned"),
            (&mut options.delete, others.1, SYNC_OPTIONS, "deleted with its application"),
        ] {
            let counts = stricter(*permission, kept);
            if counts == *permission {
                continue;
            }
            *permission = counts;
            let text = format!("says that it may be {what}, and `{keeper}` keeps more: that counts");
            let found = Found { place: "annotations", name, text: "" };
            let hint = format!("remove `{keeper}` if it may go");
            self.problems.push(Problem::warning(Code::InvalidOption, text).field(found.field()).hint(hint));
        }
    }

    /// Says what cannot both be meant.
    pub(super) fn contradictions(&mut self, options: &Options) {
        let found = |name| Found { place: "annotations", name, text: "" };
        let has = |name: &str| self.annotations.is_some_and(|map| map.get(name).is_some());
        let named = |names: &[&'static str]| names.iter().find(|name| has(name)).copied().unwrap_or(SYNC_OPTIONS);
        let sync_options = named(&[PRUNE, SYNC_OPTIONS, ARGO_SYNC_OPTIONS, FLUX_FORCE]);
        let hook_delete = [HOOK_DELETE, ARGO_HOOK_DELETE, HELM_HOOK_DELETE].into_iter().find(|name| has(name));
        let dependencies = named(&[DEPENDS_ON, ARGO_DEPENDS_ON, CLI_DEPENDS_ON]);
        if options.role == Role::Hook {
            // Whether its object may be deleted counts for a hook as well.
            if options.prune_last || options.replace || options.force || options.create_only {
                let text =
                    "options of applying, replacing, forcing and the order of pruning have no effect on a hook".into();
                self.warn(Code::InvalidOption, found(sync_options), text);
            }
            if !options.depends_on.is_empty() {
                let text = "a hook cannot depend on single objects".into();
                let hint = "order hooks by phase and wave";
                self.block(Code::InvalidDependency, found(dependencies), text, hint);
            }
            if !options.change_rules.is_empty() || !options.change_groups.is_empty() {
                let text = "change groups and rules have no effect on a hook; phase and wave order it".into();
                self.warn(Code::InvalidDependency, found(HOOK), text);
            }
        } else if let (Role::Resource, Some(name)) = (options.role, hook_delete) {
            self.warn(Code::InvalidOption, found(name), "has no effect: the object is no hook".into());
        }
        if options.role == Role::Resource && options.prune_last && options.prune == Permission::Never {
            self.warn(
                Code::InvalidOption,
                found(sync_options),
                "`PruneLast=true` has no effect: the object is never pruned".into(),
            );
        }
        if options.role == Role::Resource && options.replace && options.create_only {
            self.warn(
                Code::InvalidOption,
                found(sync_options),
                "`Replace=true` has no effect: the object is created only once".into(),
            );
        }
    }
}
