//! Documents → resources and problems.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::places::{Annotations, Finder, Repeats, Step, steps};
use super::stream::{Input, Piece, Place};
use super::yaml::Mark;
use super::{Dialect, Duplicates, Limits, Lines, ParsedFile, Position, Stopped};
use crate::path::FieldPath;
use crate::problem::{Code, Problem};
use crate::resource::ordering::orders;
use crate::resource::{InvalidResource, Origin, Resource};
use crate::value::{Builder, List, Map, Value, ValueRef};

/// How many repeated keys of one file are reported one by one.
const REPEATS: usize = 20;

pub(super) fn parse(file: &Arc<str>, bytes: &[u8], dialect: Dialect, limits: &Limits) -> ParsedFile {
    let mut parsed =
        ParsedFile { file: Arc::clone(file), resources: Vec::new(), problems: Vec::new(), lines: BTreeMap::new() };
    if is_lfs_pointer(bytes) {
        let problem =
            Problem::blocks(Code::InvalidResource, "this is a Git LFS pointer, not the manifest it stands for");
        parsed.problems.push(
            problem.at(&Origin::new(file, 0, 1)).hint("commit the manifest itself; Git LFS content is not fetched"),
        );
        return parsed;
    }
    let input = Input { bytes, dialect, limits };
    let (pieces, fault) = input.read();
    let mut number = 0_u32;
    for piece in &pieces {
        let refused = piece.repeats && report_repeats(&mut parsed, input, piece, number);
        let objects = objects(input, piece);
        let mut lines = if objects.iter().any(Object::is_ordered) { ordering(input, piece) } else { BTreeMap::new() };
        for object in objects {
            if number as usize >= limits.documents {
                let text = format!("the file has more than {} documents", limits.documents);
                let origin = Origin::new(file, number, object.line);
                parsed.problems.push(Problem::blocks(Code::TooLarge, text).at(&origin).hint("split the file"));
                return parsed;
            }
            let origin = Origin::new(file, number, object.line);
            number = number.saturating_add(1);
            if refused {
                continue;
            }
            let lines = if lines.is_empty() { None } else { lines.remove(&object.indices()) };
            match Resource::new(object.value) {
                Ok(resource) => {
                    parsed.lines.extend(lines.map(|lines| (parsed.resources.len(), lines)));
                    parsed.resources.push((resource, origin));
                }
                Err(error) => parsed.problems.push(invalid(&error).at(&origin)),
            }
        }
    }
    if pieces.iter().any(|piece| matches!(piece.place, Place::Json(_))) {
        parsed.problems.extend(replaced(file, bytes));
    }
    if let Some(fault) = fault {
        parsed.problems.push(stopped(file, bytes, number, Stopped::from(fault)));
    }
    parsed
}

/// Warns of bytes in JSON that are no UTF-8: as in Go, each reads as U+FFFD.
fn replaced(file: &Arc<str>, bytes: &[u8]) -> Option<Problem> {
    let before = bytes.utf8_chunks().next().filter(|chunk| !chunk.invalid().is_empty())?.valid();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let [lines, columns] = [before.matches('\n').count(), line.chars().count()]
        .map(|count| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1));
    let text = "here is a byte that is no UTF-8; it is read as U+FFFD";
    let problem = Problem::warning(Code::InvalidSyntax, text).at(&Origin::new(file, 0, lines)).column(columns);
    Some(problem.hint("save the file as UTF-8 text"))
}

pub(super) fn locate(bytes: &[u8], dialect: Dialect, document: u32, field: &FieldPath) -> Option<Position> {
    let input = Input { bytes, dialect, limits: &Limits::default() };
    let (pieces, _) = input.read();
    let mut left = document as usize;
    for piece in &pieces {
        let count = count(piece.value.root());
        if left >= count {
            left = left.saturating_sub(count);
            continue;
        }
        let object = objects(input, piece).into_iter().nth(left)?;
        let mut path = object.steps();
        path.extend(steps(object.value.root(), field)?);
        let mark = find(input, piece, &path).pop()?;
        return Some(Position::of(mark));
    }
    None
}

/// One object of a document.
struct Object {
    value: Value,
    line: u32,
    place: Option<Arc<Item>>,
}

/// The item of a list that an object is; the list may be an item itself.
struct Item {
    index: usize,
    list: Option<Arc<Self>>,
}

impl Object {
    /// Returns how to reach it from the document's root.
    fn steps(&self) -> Vec<Step> {
        let lists = self.indices().into_iter();
        lists.flat_map(|index| [Step::Field("items".to_owned()), Step::Index(index)]).collect()
    }

    /// Returns which item it is, of the outermost list first.
    fn indices(&self) -> Vec<usize> {
        let items = std::iter::successors(self.place.as_deref(), |item| item.list.as_deref());
        let mut indices: Vec<usize> = items.map(|item| item.index).collect();
        indices.reverse();
        indices
    }

    /// Whether it asks to go before or after others.
    fn is_ordered(&self) -> bool {
        let annotations = self.value.root().dig(&["metadata", "annotations"]).and_then(ValueRef::as_map);
        annotations.is_some_and(|map| map.iter().any(|(name, _)| orders(name)))
    }
}

/// Whether a value is a list of objects, and the kind of them that its own kind says.
fn list_of(value: ValueRef<'_>) -> Option<(&str, Option<List<'_>>)> {
    let item_kind = value.get("kind")?.as_str()?.strip_suffix("List")?;
    let items = value.get("items")?;
    match items.as_list() {
        None if items.is_null() => Some((item_kind, None)),
        None => None,
        items => Some((item_kind, items)),
    }
}

/// How many objects a document holds.
fn count(value: ValueRef<'_>) -> usize {
    let (mut count, mut left) = (0_usize, vec![value]);
    while let Some(value) = left.pop() {
        match list_of(value) {
            None => count = count.saturating_add(1),
            Some((_, items)) => left.extend(items.into_iter().flatten()),
        }
    }
    count
}

/// Returns the objects of a document in order, lists and lists in lists flattened; one more than the limit at most.
fn objects(input: Input<'_>, piece: &Piece) -> Vec<Object> {
    let limit = input.limits.documents.saturating_add(1);
    let mut objects = Vec::new();
    let mut left = vec![Object { value: piece.value.clone(), line: Position::of(piece.start).line, place: None }];
    while let Some(object) = left.pop().filter(|_| objects.len() < limit) {
        let Some((item_kind, items)) = list_of(object.value.root()) else {
            objects.push(object);
            continue;
        };
        // Items of lists in lists have the line of the outer item: looking for more would read the document per list.
        let lines = if object.place.is_none() { item_lines(input, piece) } else { Vec::new() };
        let mut lines = lines.into_iter();
        let api_version = object.value.root().get("apiVersion").and_then(ValueRef::as_str);
        let start = left.len();
        for (index, item) in items.into_iter().flatten().enumerate().take(limit) {
            let value = typed_item(item, item_kind, api_version);
            let place = Some(Arc::new(Item { index, list: object.place.clone() }));
            left.push(Object { value, line: lines.next().unwrap_or(object.line), place });
        }
        if let Some(added) = left.get_mut(start..) {
            added.reverse();
        }
    }
    objects
}

fn item_lines(input: Input<'_>, piece: &Piece) -> Vec<u32> {
    let marks = find(input, piece, &[Step::Field("items".to_owned()), Step::EveryItem]);
    marks.into_iter().map(|mark| Position::of(mark).line).collect()
}

/// Items of a typed list, such as `ConfigMapList`, may leave their type to the list.
/// Rule: `unstructuredJSONScheme.decodeToList` of k8s.io/apimachinery.
fn typed_item(item: ValueRef<'_>, kind: &str, api_version: Option<&str>) -> Value {
    let untyped = |map: &Map<'_>| !kind.is_empty() && map.get("kind").is_none() && map.get("apiVersion").is_none();
    let (Some(map), Some(api_version)) = (item.as_map().filter(untyped), api_version) else { return item.to_value() };
    let mut builder = Builder::new();
    builder.start_map();
    for (key, text) in [("apiVersion", api_version), ("kind", kind)] {
        builder.key(key);
        builder.string(text);
    }
    for (key, value) in map {
        builder.key(key);
        builder.value(value);
    }
    builder.end();
    builder.finish().unwrap_or_else(|_| item.to_value())
}

fn find(input: Input<'_>, piece: &Piece, path: &[Step]) -> Vec<Mark> {
    let mut finder = Finder::new(path);
    let lines = input.replay(&piece.place, &mut finder);
    finder.found().into_iter().map(|mark| piece.place.in_file(input.bytes, mark, lines)).collect()
}

/// Finds the lines on which the objects of a document ask to go before or after others, in one pass over it.
fn ordering(input: Input<'_>, piece: &Piece) -> BTreeMap<Vec<usize>, Lines> {
    let mut finder = Annotations::new(orders);
    let lines = input.replay(&piece.place, &mut finder);
    let line = |mark| Position::of(piece.place.in_file(input.bytes, mark, lines)).line;
    let mut found: BTreeMap<Vec<usize>, Lines> = BTreeMap::new();
    for (indices, name, mark) in finder.found() {
        found.entry(indices).or_default().insert(name.into(), line(mark));
    }
    found
}

/// Reports the keys that are given twice; returns whether the document is refused.
fn report_repeats(parsed: &mut ParsedFile, input: Input<'_>, piece: &Piece, number: u32) -> bool {
    let mut finder = Repeats::default();
    let lines = input.replay(&piece.place, &mut finder);
    let repeats = finder.found();
    let refuse = input.limits.duplicates == Duplicates::Refuse && !repeats.is_empty();
    for repeat in repeats.iter().take(REPEATS) {
        let first = Position::of(piece.place.in_file(input.bytes, repeat.first, lines));
        let second = Position::of(piece.place.in_file(input.bytes, repeat.second, lines));
        let key = &repeat.key;
        let problem = if refuse {
            Problem::blocks(Code::InvalidResource, format!("key `{key}` is given twice in one map"))
        } else {
            Problem::warning(Code::DuplicateKey, format!("key `{key}` is given twice in one map; the last one wins"))
        };
        parsed.problems.push(
            problem
                .at(&Origin::new(&parsed.file, number, second.line))
                .column(second.column)
                .and_at(&Origin::new(&parsed.file, number, first.line))
                .hint("keep one of the two"),
        );
    }
    if repeats.len() > REPEATS {
        let text = format!("{} more keys are given twice", repeats.len().saturating_sub(REPEATS));
        let line = Position::of(piece.start).line;
        parsed.problems.push(Problem::warning(Code::DuplicateKey, text).at(&Origin::new(&parsed.file, number, line)));
    }
    refuse
}

fn invalid(error: &InvalidResource) -> Problem {
    let text = match error {
        InvalidResource::Missing(field) => {
            let hook = if *field == "metadata.name" { ", or for a hook `metadata.generateName`" } else { "" };
            format!("{error}; a manifest needs `apiVersion`, `kind` and `metadata.name`{hook}")
        }
        error => error.to_string(),
    };
    Problem::blocks(Code::InvalidResource, text).hint("leave files that are no manifests out of the source's paths")
}

fn stopped(file: &Arc<str>, bytes: &[u8], number: u32, stopped: Stopped) -> Problem {
    let code = if stopped.too_large { Code::TooLarge } else { Code::InvalidSyntax };
    let origin = Origin::new(file, number, stopped.position.line);
    let problem = Problem::blocks(code, stopped.text).at(&origin).column(stopped.position.column);
    if !stopped.too_large && bytes.windows(2).any(|pair| pair == b"{{") {
        return problem
            .hint("this looks like a template; render it and commit the result, or leave it out of the paths");
    }
    match stopped.hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// Rule: the Git LFS specification, "The Pointer".
fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"version https://git-lfs.github.com/spec/") && bytes.len() < 1024
}
