//! Objects that others are stored as differences from, kept for a while.

use std::collections::{BTreeMap, VecDeque};

use gix::objs::Kind;
use gix::odb::pack::cache::DecodeEntry;

/// Bytes of objects that are kept for one call, or for each thread of it.
const KEPT: usize = 16 << 20;

/// The pack of an object, and where it stands there.
type Place = (u32, u64);

/// What was unpacked last.
#[derive(Default)]
pub(crate) struct Bases {
    objects: BTreeMap<Place, Base>,
    /// The oldest first.
    order: VecDeque<Place>,
    bytes: usize,
}

struct Base {
    data: Box<[u8]>,
    kind: Kind,
    packed: usize,
}

impl DecodeEntry for Bases {
    fn put(&mut self, pack: u32, offset: u64, data: &[u8], kind: Kind, packed: usize) {
        if data.len() > KEPT || self.objects.contains_key(&(pack, offset)) {
            return;
        }
        self.bytes += data.len();
        while self.bytes > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self.objects.remove(&oldest).map_or(0, |base| base.data.len());
        }
        self.order.push_back((pack, offset));
        self.objects.insert((pack, offset), Base { data: data.into(), kind, packed });
    }

    fn get(&mut self, pack: u32, offset: u64, out: &mut Vec<u8>) -> Option<(Kind, usize)> {
        let base = self.objects.get(&(pack, offset))?;
        out.clear();
        out.extend_from_slice(&base.data);
        Some((base.kind, base.packed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_given_back_until_newer_objects_need_the_room() {
        let (mut bases, mut out) = (Bases::default(), vec![1; 9]);
        let third = vec![7; KEPT / 3 - 8];
        bases.put(1, 12, b"first", Kind::Blob, 3);
        bases.put(1, 12, b"again", Kind::Blob, 3);
        assert_eq!(bases.get(1, 12, &mut out), Some((Kind::Blob, 3)));
        assert_eq!(out, b"first");
        assert_eq!(bases.get(2, 12, &mut out), None, "another pack");
        for offset in 0..3 {
            bases.put(2, offset, &third, Kind::Tree, 5);
        }
        assert_eq!(bases.get(1, 12, &mut out), Some((Kind::Blob, 3)), "there is room for all");
        bases.put(2, 3, &third, Kind::Tree, 5);
        assert_eq!(bases.get(1, 12, &mut out), None);
        assert_eq!(bases.get(2, 0, &mut out), None, "the oldest went first");
        assert_eq!(bases.get(2, 3, &mut out), Some((Kind::Tree, 5)));
        assert_eq!((out.len(), bases.bytes, bases.objects.len()), (third.len(), 3 * third.len(), 3));
        bases.put(2, 4, &vec![0; KEPT + 1], Kind::Blob, 5);
        assert_eq!(bases.objects.len(), 3, "what is too large pushes nothing out");
    }
}
