//! Reading many files at once.
//!
//! A pack holds most objects as differences from others. Read in the order in which they lie there, an object comes
//! behind those that it is made from, which are kept for a while, so that none is unpacked again for each of its heirs.
//! Threads share the work.

use std::fs;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, Builder};

use gitops_core::source::{ContentId, SourceError};
use gix::odb::pack::index;
use gix::{ObjectId, Repository};

use crate::{GitLimits, GitSource, objects};

/// Fewer files are not worth a thread.
const SHARE: usize = 256;
const THREADS: usize = 8;
/// Of a repository with more packs, the others count as without order.
const ORDERED_PACKS: usize = 64;

type Content = Result<Arc<[u8]>, SourceError>;

/// Reads files, each from the first of the repositories that has it. The results are in the order of `ids`.
pub(crate) fn contents(sources: &[GitSource], limits: &GitLimits, ids: &[ContentId]) -> Vec<Content> {
    let repositories = || sources.iter().map(GitSource::local).collect::<Vec<_>>();
    if ids.len() <= SHARE {
        let repositories = repositories();
        return ids.iter().map(|id| objects::content_in(&repositories, limits, id)).collect();
    }
    let places = in_order_of_packs(&repositories(), ids);
    let read = &|share: &[usize]| {
        let repositories = repositories();
        let read = |place: &usize| Some((*place, objects::content_in(&repositories, limits, ids.get(*place)?)));
        share.iter().filter_map(read).collect::<Vec<_>>()
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS);
    let mut shares = places.chunks(ids.len().div_ceil(threads).max(SHARE));
    let own = shares.next().unwrap_or_default();
    let mut contents = thread::scope(|scope| {
        let start = |share| (share, Builder::new().spawn_scoped(scope, move || read(share)));
        let others: Vec<_> = shares.map(start).collect();
        let mut contents = read(own);
        for (share, thread) in others {
            // Where no thread is to be had there is still this one.
            let joined = thread.map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            contents.extend(joined.unwrap_or_else(|_| read(share)));
        }
        contents
    });
    contents.sort_unstable_by_key(|(place, _)| *place);
    contents.into_iter().map(|(_, content)| content).collect()
}

/// Returns the places of the ids: first of what is in no pack, then pack by pack. It is only a matter of speed, so what
/// cannot be read of an index is passed over.
fn in_order_of_packs(repositories: &[Repository], ids: &[ContentId]) -> Vec<usize> {
    let files = repositories.iter().flat_map(|repository| {
        let folder = fs::read_dir(repository.objects.store_ref().path().join("pack"));
        let files = folder.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        files.filter(|path| path.extension().is_some_and(|ending| ending == "idx"))
    });
    let Some(hash) = repositories.first().map(Repository::object_hash) else { return (0..ids.len()).collect() };
    let packs: Vec<_> = files.take(ORDERED_PACKS).filter_map(|path| index::File::at(path, hash).ok()).collect();
    let offset = |id: &ContentId| {
        let id = ObjectId::from_hex(id.as_str().as_bytes()).ok().filter(|id| id.kind() == hash)?;
        let found =
            |(pack, index): (usize, &index::File<_>)| Some((pack, index.pack_offset_at_index(index.lookup(id)?)));
        packs.iter().enumerate().find_map(found)
    };
    let mut places: Vec<usize> = (0..ids.len()).collect();
    places.sort_by_cached_key(|place| ids.get(*place).and_then(offset));
    places
}
