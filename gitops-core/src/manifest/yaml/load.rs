//! Nodes → events: types, key texts, aliases and merges, in the order in which Go decodes them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Mark;
use super::compose::{Composed, Node, Shape};
use super::resolve::{Typed, is_merge, resolve};
use crate::manifest::events::Events;
use crate::manifest::fault::Fault;
use crate::manifest::{Dialect, Limits};

/// Sends the events of `document`; a document without a node is null.
pub(in crate::manifest) fn load(
    document: &Composed<'_>,
    dialect: Dialect,
    limits: &Limits,
    out: &mut impl Events,
) -> Result<(), Fault> {
    if document.nodes.is_empty() {
        out.null();
        return Ok(());
    }
    let mut loader = Loader {
        nodes: &document.nodes,
        dialect,
        limits,
        out,
        open: Vec::new(),
        depth: 0,
        aliases: BTreeSet::new(),
        budget: Budget::default(),
        aliased_text: 0,
    };
    // The document itself counts as one, before its root.
    loader.budget.count(0, Mark::default())?;
    loader.value(0)?;
    while let Some(open) = loader.open.last_mut() {
        match open {
            Open::List { next, end } | Open::Map { next, end, .. } if *next >= *end => loader.close(),
            Open::List { next, .. } => {
                let at = *next;
                *next = loader.nodes.get(at).map_or(usize::MAX, |node| node.end);
                loader.value(at)?;
            }
            Open::Map { next, merged, .. } => {
                let (key, merged) = (*next, *merged);
                let value = loader.nodes.get(key).map_or(usize::MAX, |node| node.end);
                *next = loader.nodes.get(value).map_or(usize::MAX, |node| node.end);
                loader.entry(key, value, merged)?;
            }
            Open::Merges(maps) => match maps.pop() {
                Some(map) => loader.merge_map(map)?,
                None => loader.close(),
            },
            Open::Alias(_) => loader.close(),
        }
    }
    Ok(())
}

struct Loader<'n, 't, E> {
    nodes: &'n [Node<'t>],
    dialect: Dialect,
    limits: &'n Limits,
    out: &'n mut E,
    open: Vec<Open>,
    /// Open lists and maps of the result.
    depth: usize,
    /// Aliases that are being followed.
    aliases: BTreeSet<usize>,
    budget: Budget,
    /// Bytes of text that aliases repeated.
    aliased_text: usize,
}

#[derive(Debug)]
enum Open {
    List {
        next: usize,
        end: usize,
    },
    /// A map, or one whose entries go into the map around it.
    Map {
        next: usize,
        end: usize,
        merged: bool,
    },
    /// Maps to merge, the last one first.
    Merges(Vec<usize>),
    Alias(usize),
}

/// Go's rule against documents that consist of aliases only.
#[derive(Debug, Default)]
struct Budget {
    decoded: u32,
    aliased: u32,
}

impl Budget {
    fn count(&mut self, aliases: usize, mark: Mark) -> Result<(), Fault> {
        self.decoded = self.decoded.saturating_add(1);
        self.aliased = self.aliased.saturating_add(u32::from(aliases > 0));
        if self.aliased <= 100 || self.decoded <= 1000 {
            return Ok(());
        }
        let (decoded, aliased) = (f64::from(self.decoded), f64::from(self.aliased));
        let over = ((decoded - 400_000.0) / 3_600_000.0).clamp(0.0, 1.0);
        if aliased / decoded <= 0.99 - 0.89 * over {
            return Ok(());
        }
        Err(Fault::too_large(mark, "aliases repeat too much of this document").hint("write the values out"))
    }
}

impl<'n, 't, E: Events> Loader<'n, 't, E> {
    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::List { .. } | Open::Map { merged: false, .. }) => {
                self.depth = self.depth.saturating_sub(1);
                self.out.end();
            }
            Some(Open::Alias(alias)) => {
                self.aliases.remove(&alias);
            }
            Some(Open::Merges(_) | Open::Map { .. }) | None => {}
        }
    }

    fn node(&self, at: usize) -> Result<&'n Node<'t>, Fault> {
        self.nodes.get(at).ok_or_else(|| Fault::syntax(Mark::default(), "a value is missing"))
    }

    fn count(&mut self, mark: Mark) -> Result<(), Fault> {
        self.budget.count(self.aliases.len(), mark)
    }

    fn follow(&mut self, alias: usize, mark: Mark) -> Result<(), Fault> {
        if self.aliases.insert(alias) {
            return Ok(());
        }
        Err(Fault::syntax(mark, "this alias stands for something that holds itself"))
    }

    /// Sends a scalar, or opens a collection.
    fn value(&mut self, mut at: usize) -> Result<(), Fault> {
        let mut node = self.node(at)?;
        let mark = node.mark;
        self.count(mark)?;
        if let Shape::Alias(target) = node.shape {
            self.follow(at, mark)?;
            self.open.push(Open::Alias(at));
            at = target;
            node = self.node(at)?;
            self.count(mark)?;
        }
        self.out.place(node.mark);
        match &node.shape {
            Shape::Scalar(scalar) => {
                let typed = resolve(scalar, self.dialect, node.mark)?;
                self.scalar(&typed, mark)
            }
            Shape::List => {
                self.deeper(mark)?;
                self.out.start_list();
                self.open.push(Open::List { next: at.saturating_add(1), end: node.end });
                Ok(())
            }
            Shape::Map => {
                self.deeper(mark)?;
                self.out.start_map();
                self.open_map(at, node, false)
            }
            Shape::Alias(_) => Err(Fault::syntax(node.mark, "an alias cannot have an anchor")),
        }
    }

    fn deeper(&mut self, mark: Mark) -> Result<(), Fault> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > self.limits.depth {
            return Err(Fault::too_large(mark, format!("more than {} levels of nesting", self.limits.depth)));
        }
        Ok(())
    }

    /// Opens a map. yaml.v2 merges where `<<` stands, yaml.v3 before all other entries; later entries win.
    fn open_map(&mut self, at: usize, node: &Node<'t>, merged: bool) -> Result<(), Fault> {
        let (next, end) = (at.saturating_add(1), node.end);
        self.open.push(Open::Map { next, end, merged });
        if self.dialect == Dialect::Kustomize {
            self.check_unique(next, end)?;
            let merge = self.entries(next, end).filter(|(key, _)| self.is_merge(*key)).last();
            if let Some((_, value)) = merge {
                self.merge(value)?;
            }
        }
        Ok(())
    }

    /// The key and value nodes of a map.
    fn entries(&self, next: usize, end: usize) -> impl Iterator<Item = (usize, usize)> + use<'n, 't, E> {
        let nodes = self.nodes;
        let after = move |at: usize| nodes.get(at).map_or(usize::MAX, |node| node.end);
        std::iter::successors(Some(next), move |key| Some(after(after(*key))))
            .take_while(move |key| *key < end)
            .map(move |key| (key, after(key)))
    }

    fn is_merge(&self, key: usize) -> bool {
        matches!(self.nodes.get(key), Some(Node { shape: Shape::Scalar(scalar), .. }) if is_merge(scalar))
    }

    /// yaml.v3 refuses keys that are written alike.
    fn check_unique(&self, next: usize, end: usize) -> Result<(), Fault> {
        let mut keys: Vec<(&str, Mark)> = Vec::new();
        for (key, _) in self.entries(next, end) {
            if let Some(Node { shape: Shape::Scalar(scalar), mark, .. }) = self.nodes.get(key) {
                keys.push((&scalar.text, *mark));
            }
        }
        keys.sort_unstable();
        let twice = keys.windows(2).find(|pair| matches!(pair, [a, b] if a.0 == b.0));
        match twice {
            Some([(key, first), (_, second)]) => {
                let text = format!("key `{key}` is given twice, first on line {}", first.line.saturating_add(1));
                Err(Fault::syntax(*second, text).hint("keep one of the two"))
            }
            _ => Ok(()),
        }
    }

    fn entry(&mut self, key: usize, value: usize, merged: bool) -> Result<(), Fault> {
        if self.is_merge(key) {
            return if self.dialect == Dialect::Kustomize { Ok(()) } else { self.merge(value) };
        }
        let mark = self.node(key)?.mark;
        let name = self.key(key)?;
        self.out.place(mark);
        if merged {
            self.out.merged_key(&name);
        } else {
            self.out.key(&name);
        }
        self.value(value)
    }

    /// Returns a key as text, the way sigs.k8s.io/yaml spells what is no text.
    fn key(&mut self, at: usize) -> Result<Cow<'n, str>, Fault> {
        let mut node = self.node(at)?;
        let mark = node.mark;
        self.count(mark)?;
        if let Shape::Alias(target) = node.shape {
            self.follow(at, mark)?;
            node = self.node(target)?;
            self.count(mark)?;
            self.aliases.remove(&at);
        }
        let Shape::Scalar(scalar) = &node.shape else {
            return Err(Fault::syntax(mark, "a list or map cannot be a key"));
        };
        match resolve(scalar, self.dialect, mark)? {
            Typed::Text(text) => Ok(text),
            Typed::Date(text) => Ok(Cow::Borrowed(text)),
            Typed::Int(number) => Ok(number.to_string().into()),
            Typed::Uint(number) if self.dialect == Dialect::Kustomize => Ok(number.to_string().into()),
            Typed::Bool(flag) if self.dialect == Dialect::Kubectl => Ok(flag.to_string().into()),
            Typed::Float(number) if self.dialect == Dialect::Kubectl => Ok(float_key(number).into()),
            Typed::Null => Err(Fault::syntax(mark, "null cannot be a key").hint("put the key in quotes")),
            _ => Err(Fault::syntax(mark, "this key is no text").hint("put the key in quotes")),
        }
    }

    fn merge(&mut self, value: usize) -> Result<(), Fault> {
        let node = self.node(value)?;
        let maps = if matches!(node.shape, Shape::List) {
            // Earlier maps win, so they come last.
            let next = |at: &usize| self.nodes.get(*at).map(|node| node.end);
            std::iter::successors(Some(value.saturating_add(1)), next).take_while(|at| *at < node.end).collect()
        } else {
            vec![value]
        };
        self.open.push(Open::Merges(maps));
        Ok(())
    }

    /// Opens a map whose entries go into the one that is open.
    fn merge_map(&mut self, mut at: usize) -> Result<(), Fault> {
        let mut node = self.node(at)?;
        let mark = node.mark;
        if let Shape::Alias(target) = node.shape {
            self.count(mark)?;
            self.follow(at, mark)?;
            self.open.push(Open::Alias(at));
            at = target;
            node = self.node(at)?;
        }
        if !matches!(node.shape, Shape::Map) {
            return Err(Fault::syntax(mark, "`<<` takes a map or a list of maps"));
        }
        self.count(mark)?;
        self.open_map(at, node, true)
    }

    fn scalar(&mut self, typed: &Typed<'_>, mark: Mark) -> Result<(), Fault> {
        if let (Typed::Text(text), false) = (typed, self.aliases.is_empty()) {
            self.aliased_text = self.aliased_text.saturating_add(text.len());
            if self.aliased_text > self.limits.bytes {
                return Err(Fault::too_large(mark, "aliases repeat too much text").hint("write the values out"));
            }
        }
        if send(typed, self.out) {
            return Ok(());
        }
        Err(Fault::syntax(mark, "a manifest cannot hold an infinite or undefined number"))
    }
}

/// Sends a scalar the way it comes out of Go's JSON; returns whether JSON can hold it.
pub(super) fn send(typed: &Typed<'_>, out: &mut impl Events) -> bool {
    match typed {
        Typed::Null => out.null(),
        Typed::Bool(flag) => out.bool(*flag),
        Typed::Int(number) => out.int(*number),
        #[expect(clippy::cast_precision_loss, reason = "Kubernetes holds such numbers as float64")]
        Typed::Uint(number) => out.float(*number as f64),
        Typed::Float(number) if number.is_finite() => match as_json_int(*number) {
            Some(number) => out.int(number),
            None => out.float(*number),
        },
        Typed::Float(_) => return false,
        Typed::Text(text) => out.string(text),
        Typed::Date(text) => out.string(text),
    }
    true
}

/// The whole number that Go's JSON spelling of a float reads back as: floats below 1e21 are spelled without a dot, in
/// their shortest digits; what does not fit stays a float.
fn as_json_int(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "in range and whole")]
    match number.abs() {
        _ if number.fract() != 0.0 => None,
        0.0..9_007_199_254_740_992.0 => Some(number as i64),
        0.0..1e21 => number.to_string().parse().ok(),
        _ => None,
    }
}

/// Go's shortest `%g` of a float32.
fn float_key(number: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "as sigs.k8s.io/yaml does")]
    let number = number as f32;
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => number.to_string(),
    }
}
