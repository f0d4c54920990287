//! The compact form of a model: strings once, types by number. What the table of built-in kinds is stored as.
//!
//! Layout, all numbers as LEB128: the strings; the types after the two deduced ones; the kinds. A type starts with a
//! byte of flags that says which parts follow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::defaults::FieldDefault;
use super::encoding::Encoding;
use super::schema::{Atom, DEDUCED, Field, ListType, MapType, Meaning, Relation, Scalar, Schema, TypeId};
use super::served::{Conversion, Freshness, ScalePaths, Scope, ServedKind};
use super::{ApiModel, Known, RootType};
use crate::path::{FieldPath, Segment};
use crate::resource::GroupKind;
use crate::value::{Digest, Hasher, Purpose, Value};

/// Bytes that are no table of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the model table is damaged at byte {at}")]
pub struct InvalidTable {
    /// Where reading stopped.
    pub(crate) at: usize,
}

const MAGIC: &[u8] = b"model3";
const SCALARS: [Scalar; 4] = [Scalar::String, Scalar::Numeric, Scalar::Boolean, Scalar::Untyped];
const MEANINGS: [Meaning; 9] = [
    Meaning::Plain,
    Meaning::Integer,
    Meaning::Quantity,
    Meaning::IntOrString,
    Meaning::Time,
    Meaning::MicroTime,
    Meaning::Duration,
    Meaning::Bytes,
    Meaning::Amount,
];
const RELATIONS: [Relation; 3] = [Relation::Atomic, Relation::Associative, Relation::Unstated];

impl ApiModel {
    /// Returns the served kinds and their types in a compact form.
    #[must_use]
    pub fn to_table(&self) -> Vec<u8> {
        let mut roots = Vec::new();
        let mut kinds = Vec::new();
        for known in self.0.values() {
            let Some(served) = &known.served else { continue };
            let first = roots.len();
            roots.extend(known.types.values().map(|root| root.schema.at(root.id)));
            kinds.push((&**served, known.types.keys().zip(first..).collect::<Vec<_>>()));
        }
        let (schema, ids) = Schema::joined(&roots);
        let id = |at: usize| ids.get(at).copied().unwrap_or(DEDUCED);
        let kinds = kinds
            .into_iter()
            .map(|(kind, roots)| (kind, roots.into_iter().map(|(version, at)| (version, id(at))).collect()));
        let kinds: Roots<'_> = kinds.collect();
        let mut writer = Writer { strings: BTreeSet::new(), index: BTreeMap::new(), out: MAGIC.to_vec() };
        writer.collect(&schema, &kinds);
        writer.write(&schema, &kinds);
        writer.out
    }

    /// Reads what [`ApiModel::to_table`] wrote.
    ///
    /// # Errors
    /// When the bytes are not such a table.
    pub fn from_table(table: &[u8]) -> Result<Self, InvalidTable> {
        decode(table).map(|kinds| Self(Arc::new(kinds)))
    }
}

type VersionIds = Vec<(Arc<str>, TypeId)>;
type Roots<'a> = Vec<(&'a ServedKind, Vec<(&'a Arc<str>, TypeId)>)>;

struct Writer {
    strings: BTreeSet<Arc<str>>,
    index: BTreeMap<Arc<str>, u64>,
    out: Vec<u8>,
}

impl Writer {
    /// Gathers all strings first, so that they get numbers in order.
    fn collect(&mut self, schema: &Schema, kinds: &Roots<'_>) {
        let mut dry = Self { strings: BTreeSet::new(), index: BTreeMap::new(), out: Vec::new() };
        dry.body(schema, kinds);
        self.strings = dry.strings;
        self.index = self.strings.iter().zip(0..).map(|(text, at)| (Arc::clone(text), at)).collect();
    }

    fn write(&mut self, schema: &Schema, kinds: &Roots<'_>) {
        let strings = std::mem::take(&mut self.strings);
        self.number(strings.len());
        for text in strings {
            self.number(text.len());
            self.out.extend_from_slice(text.as_bytes());
        }
        self.body(schema, kinds);
    }

    fn body(&mut self, schema: &Schema, kinds: &Roots<'_>) {
        let atoms = schema.atoms.get(2..).unwrap_or_default();
        self.number(atoms.len());
        atoms.iter().for_each(|atom| self.atom(atom));
        self.number(kinds.len());
        for (kind, roots) in kinds {
            self.kind(kind, roots);
        }
    }

    fn number(&mut self, number: impl TryInto<u64>) {
        let mut left: u64 = number.try_into().unwrap_or(0);
        loop {
            let low = u8::try_from(left & 127).unwrap_or(0);
            left >>= 7;
            if left == 0 {
                self.out.push(low);
                return;
            }
            self.out.push(low | 128);
        }
    }

    fn text(&mut self, text: &Arc<str>) {
        let at = self.index.get(text).copied().unwrap_or(0);
        self.strings.insert(Arc::clone(text));
        self.number(at);
    }

    fn atom(&mut self, atom: &Atom) {
        let bit = |set: bool, at: u8| u8::from(set) << at;
        let map = atom.map.as_ref();
        self.out.push(
            bit(atom.scalar.is_some(), 0)
                | bit(atom.list.is_some(), 1)
                | bit(map.is_some(), 2)
                | bit(atom.nullable, 3)
                | bit(atom.meaning != Meaning::Plain, 4)
                | bit(map.is_some_and(|map| map.atomic), 5)
                | bit(map.is_some_and(|map| map.free_form), 6)
                | bit(map.is_some_and(|map| map.element.is_some()), 7),
        );
        if let Some(scalar) = atom.scalar {
            self.number(SCALARS.iter().position(|of| *of == scalar).unwrap_or(0));
        }
        if atom.meaning != Meaning::Plain {
            self.number(MEANINGS.iter().position(|of| *of == atom.meaning).unwrap_or(0));
        }
        if let Some(list) = &atom.list {
            self.number(list.element.0);
            self.number(RELATIONS.iter().position(|of| *of == list.relation).unwrap_or(0));
            self.number(list.keys.len());
            list.keys.iter().for_each(|key| self.text(key));
        }
        if let Some(map) = map {
            if let Some(element) = map.element {
                self.number(element.0);
            }
            self.number(map.fields.len());
            for field in &map.fields {
                self.text(&field.name);
                // The two lowest bits say what is known of the default, and whether it follows.
                let default = match field.default {
                    FieldDefault::None => 0,
                    FieldDefault::Known(_) => 1,
                    FieldDefault::Unknown => 2,
                };
                self.number((u64::from(field.type_id.0) << 2) | default);
                self.out.push(Encoding::to_byte(field.encoding));
                if let FieldDefault::Known(default) = &field.default {
                    self.text(&default.to_json().into());
                }
            }
        }
    }

    fn kind(&mut self, kind: &ServedKind, roots: &[(&Arc<str>, TypeId)]) {
        self.text(&kind.group_kind.group);
        self.text(&kind.group_kind.kind);
        self.text(&kind.plural);
        let flags = u8::from(kind.scope == Scope::Cluster)
            | (u8::from(kind.has_status_subresource) << 1)
            | (u8::from(kind.conversion == Conversion::Unknown) << 2)
            | (u8::from(kind.scale.is_some()) << 3);
        self.out.push(flags);
        for names in [&kind.versions, &kind.verbs] {
            self.number(names.len());
            names.iter().for_each(|name| self.text(name));
        }
        if let Some(scale) = &kind.scale {
            let paths = [Some(&scale.spec_replicas), Some(&scale.status_replicas), scale.label_selector.as_ref()];
            for path in paths {
                self.text(&path.map(|path| path.to_string()).unwrap_or_default().into());
            }
        }
        self.number(roots.len());
        for (version, id) in roots {
            self.text(version);
            self.number(id.0);
        }
    }
}

pub(super) fn decode(table: &[u8]) -> Result<BTreeMap<GroupKind, Known>, InvalidTable> {
    let mut input = Input { table, at: 0, strings: Vec::new() };
    if table.get(..MAGIC.len()) != Some(MAGIC) {
        return Err(InvalidTable { at: 0 });
    }
    input.at = MAGIC.len();
    for _ in 0..input.count()? {
        let len = input.count()?;
        let text = input.table.get(input.at..input.at.saturating_add(len)).and_then(|text| str::from_utf8(text).ok());
        input.strings.push(text.ok_or(InvalidTable { at: input.at })?.into());
        input.at += len;
    }
    let mut schema = Schema::empty();
    for _ in 0..input.count()? {
        let atom = input.atom()?;
        schema.atoms.push(atom);
    }
    let schema = Arc::new(schema);
    let whole = Digest::of(Purpose::Schema, table);
    let mut kinds = BTreeMap::new();
    for _ in 0..input.count()? {
        let (kind, roots) = input.kind()?;
        let digest = Hasher::new(Purpose::Schema).digest(&whole).text(&*kind.group_kind.kind).finish();
        let root = |(version, id)| (version, RootType { schema: Arc::clone(&schema), id, flaws: Arc::default() });
        let types = roots.into_iter().map(root).collect();
        kinds.insert(
            GroupKind::clone(&kind.group_kind),
            Known { served: Some(Arc::new(kind)), types, digest, definition: None },
        );
    }
    if input.at == table.len() { Ok(kinds) } else { Err(InvalidTable { at: input.at }) }
}

struct Input<'a> {
    table: &'a [u8],
    at: usize,
    strings: Vec<Arc<str>>,
}

impl Input<'_> {
    fn error<T>(&self) -> Result<T, InvalidTable> {
        Err(InvalidTable { at: self.at })
    }

    fn byte(&mut self) -> Result<u8, InvalidTable> {
        let Some(byte) = self.table.get(self.at) else { return self.error() };
        self.at += 1;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u32, InvalidTable> {
        let mut number = 0_u32;
        for shift in (0..32).step_by(7) {
            let byte = self.byte()?;
            number |= u32::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(number);
            }
        }
        self.error()
    }

    /// A count of things that take at least a byte each, so never more than there are bytes.
    fn count(&mut self) -> Result<usize, InvalidTable> {
        let count = self.number()? as usize;
        if count > self.table.len() { self.error() } else { Ok(count) }
    }

    fn text(&mut self) -> Result<Arc<str>, InvalidTable> {
        let index = self.number()? as usize;
        self.strings.get(index).cloned().ok_or(InvalidTable { at: self.at })
    }

    fn texts(&mut self) -> Result<Vec<Arc<str>>, InvalidTable> {
        (0..self.count()?).map(|_| self.text()).collect()
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Result<T, InvalidTable> {
        let index = self.number()? as usize;
        all.get(index).copied().ok_or(InvalidTable { at: self.at })
    }

    fn atom(&mut self) -> Result<Atom, InvalidTable> {
        let flags = self.byte()?;
        let set = |bit: u8| flags & (1 << bit) != 0;
        let mut atom = Atom { nullable: set(3), ..Atom::default() };
        if set(0) {
            atom.scalar = Some(self.one_of(&SCALARS)?);
        }
        if set(4) {
            atom.meaning = self.one_of(&MEANINGS)?;
        }
        if set(1) {
            let element = TypeId(self.number()?);
            atom.list = Some(ListType { element, relation: self.one_of(&RELATIONS)?, keys: self.texts()?.into() });
        }
        if set(2) {
            let element = if set(7) { Some(TypeId(self.number()?)) } else { None };
            let fields = (0..self.count()?).map(|_| self.field()).collect::<Result<_, _>>()?;
            atom.map = Some(MapType { fields, element, atomic: set(5), free_form: set(6) });
        }
        Ok(atom)
    }

    fn field(&mut self) -> Result<Field, InvalidTable> {
        let name = self.text()?;
        let number = self.number()?;
        let encoding = Encoding::of_byte(self.byte()?);
        let default = match number & 3 {
            0 => FieldDefault::None,
            1 => FieldDefault::Known(Value::from_json(self.text()?.as_bytes()).or_else(|_| self.error())?),
            2 => FieldDefault::Unknown,
            _ => return self.error(),
        };
        let mut field = Field::new(name, TypeId(number >> 2), default);
        field.encoding = encoding;
        Ok(field)
    }

    fn path(&mut self) -> Result<Option<FieldPath>, InvalidTable> {
        let text = self.text()?;
        Ok((!text.is_empty()).then(|| text.split('.').map(Segment::field).collect()))
    }

    fn kind(&mut self) -> Result<(ServedKind, VersionIds), InvalidTable> {
        let group_kind = GroupKind { group: self.text()?, kind: self.text()? };
        let plural = self.text()?;
        let flags = self.byte()?;
        let scope = if flags & 1 != 0 { Scope::Cluster } else { Scope::Namespaced };
        let mut kind = ServedKind::new(group_kind, &plural, scope, "");
        kind.has_status_subresource = flags & 2 != 0;
        kind.conversion = if flags & 4 != 0 { Conversion::Unknown } else { Conversion::Identity };
        kind.versions = self.texts()?;
        kind.verbs = self.texts()?;
        let Some(preferred) = kind.versions.first() else { return self.error() };
        kind.preferred = Arc::clone(preferred);
        kind.freshness = Freshness::Current;
        if flags & 8 != 0 {
            let (spec, status, label_selector) = (self.path()?, self.path()?, self.path()?);
            let (Some(spec_replicas), Some(status_replicas)) = (spec, status) else { return self.error() };
            kind.scale = Some(ScalePaths { spec_replicas, status_replicas, label_selector });
        }
        let roots = (0..self.count()?).map(|_| Ok((self.text()?, TypeId(self.number()?)))).collect::<Result<_, _>>()?;
        Ok((kind, roots))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_table_is_refused_or_read_but_never_a_panic() {
        let table = ApiModel::builtin().to_table();
        let step = table.len() / 300;
        for at in (0..table.len()).step_by(step.max(1)) {
            let mut damaged = table.clone();
            damaged[at] ^= 0x55;
            if let Ok(model) = ApiModel::from_table(&damaged) {
                let _ = model.schema(&GroupKind::new("apps", "Deployment"), "v1").field("spec").field("template");
            }
            assert!(ApiModel::from_table(&table[..at]).is_err());
        }
    }

    #[test]
    fn a_table_survives_a_round_trip() {
        let table = ApiModel::builtin().to_table();
        let again = ApiModel::from_table(&table).unwrap();
        assert_eq!(again.to_table(), table);
    }
}
