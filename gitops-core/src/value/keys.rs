//! Which keys a tree under construction has already.

/// What the keys of a tree that is being copied are here; remembered only when there is much to copy.
pub(super) struct KeyMap(Vec<u32>);

impl KeyMap {
    pub(super) fn new(nodes: usize, keys: usize) -> Self {
        Self(if nodes > keys { vec![0; keys.saturating_add(1)] } else { Vec::new() })
    }

    pub(super) fn get(&mut self, old: u32, find: impl FnOnce() -> u32) -> u32 {
        match self.0.get_mut(old as usize) {
            Some(0) => {}
            Some(new) => return *new,
            None => return find(),
        }
        let new = find();
        self.0.get_mut(old as usize).into_iter().for_each(|place| *place = new);
        new
    }
}

/// Finds keys that this tree already has. Bounded: a key that does not fit its few slots is simply stored again, so
/// hostile keys cost nothing but room.
#[derive(Debug, Default)]
pub(super) struct KeyIndex {
    slots: Vec<u32>,
}

const SLOTS: usize = 512;
const PROBES: usize = 4;

impl KeyIndex {
    /// Forgets all keys, and keeps the room.
    pub(super) fn clear(&mut self) {
        self.slots.fill(0);
    }

    pub(super) fn find(&mut self, key: &str, same: impl Fn(u32) -> bool) -> Result<u32, usize> {
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, 0);
        }
        let hash = hash(key.as_bytes());
        let start = (hash >> 32) as usize;
        for probe in 0..PROBES {
            let slot = start.wrapping_add(probe) % SLOTS;
            match self.slots.get(slot) {
                Some(0) | None => return Err(slot),
                Some(&id) if same(id) => return Ok(id),
                Some(_) => {}
            }
        }
        Err(SLOTS)
    }

    pub(super) fn put(&mut self, slot: usize, id: u32) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = id;
        }
    }
}

/// Mixes the length and up to 16 bytes: keys of manifests differ there, and a clash costs little.
fn hash(key: &[u8]) -> u64 {
    let (first, last) = ends(key);
    (first ^ last.rotate_left(29)).wrapping_add(key.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Whether both are the same text. Most keys have up to 16 bytes, which their ends and their length tell.
pub(super) fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && if left.len() <= 16 { ends(left) == ends(right) } else { left == right }
}

/// The first and the last eight bytes as numbers, which overlap in a short text.
fn ends(text: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into());
    }
    (text.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)), 0)
}

/// Which key comes next: maps of one kind have their keys in one order, again and again.
#[derive(Debug, Default)]
pub(super) struct Follow {
    /// For each key, and for none (0).
    after: Vec<Followers>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Followers {
    /// The first key of the last map of this name.
    first: Next,
    /// What came behind this key the last time.
    next: Next,
}

/// A key, and whether it rises above the one before it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Next {
    /// 0 for none.
    pub(super) key: u32,
    pub(super) rises: bool,
}

impl Follow {
    pub(super) fn clear(&mut self) {
        self.after.clear();
    }

    /// What is expected behind the key `last` of a map called `name`; `last` is 0 at its start.
    pub(super) fn expected(&self, name: u32, last: u32) -> Next {
        let of = |key: u32| self.after.get(key as usize).copied().unwrap_or_default();
        if last == 0 { of(name).first } else { of(last).next }
    }

    pub(super) fn learn(&mut self, name: u32, last: u32, next: Next) {
        let key = if last == 0 { name } else { last } as usize;
        if key >= self.after.len() {
            self.after.resize(key.saturating_add(1), Followers::default());
        }
        let Some(of) = self.after.get_mut(key) else { return };
        if last == 0 { of.first = next } else { of.next = next }
    }
}
