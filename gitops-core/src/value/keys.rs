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
        let hash = Self::hash(key.as_bytes());
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

    /// Mixes the length and up to 16 bytes: keys of manifests differ there, and a clash costs little.
    fn hash(key: &[u8]) -> u64 {
        let word = |bytes: Option<&[u8; 8]>| bytes.map(|bytes| u64::from_le_bytes(*bytes));
        let (first, last) = match (word(key.first_chunk()), word(key.last_chunk())) {
            (Some(first), Some(last)) => (first, last),
            _ => (key.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)), 0),
        };
        let mixed = (first ^ last.rotate_left(29)).wrapping_add(key.len() as u64);
        mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    pub(super) fn put(&mut self, slot: usize, id: u32) {
        if let Some(place) = self.slots.get_mut(slot) {
            *place = id;
        }
    }
}
