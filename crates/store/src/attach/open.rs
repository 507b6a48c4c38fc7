//! Attaching a store: one [`Store`] a process and file, and the full recovery by a process that attaches alone.
//!
//! Every process that has a store attached holds a shared lock on its "present" byte. A process that gets the "attach" byte
//! and finds no other present knows that every lock in the file is a dead one's. If moreover the file was last used under
//! another boot of the kernel, or is a copy, or was cut short, its pages may be old or torn: then every shard is
//! rebuilt with every payload verified before another process is let in. A file whose header is damaged is quarantined first
//! ([`crate::attach::quarantine`]), the sessions in one of an earlier format are brought over to a new one ([`crate::attach::upgrade`]).

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::attach::beside::{self, Keep};
use crate::attach::content::Content;
use crate::attach::quarantine;
use crate::attach::upgrade::upgrade;
use crate::core::clock::boot_id;
use crate::core::extent::chunks_in;
use crate::core::owner_slot::SlotView;
use crate::core::store::Store;
use crate::file::byte_lock::{self, Byte};
use crate::file::error::{AttachError, Error};
use crate::file::layout::{
    CHUNK, DERIVED, DIRS_AT, HEADER_SIZE, MAX_CAPACITY, MAX_CHUNKS, MAX_SLOTS, MIN_CAPACITY, SHARD_SIZE, SHARDS_AT,
    SLOT_SIZE, SLOTS_AT, TABLE_AT, directory_page, file_len, header, shard,
};
use crate::file::process::PerProcess;
use crate::file::region::Region;
use crate::file::store_file::{self, Constants, StoreFile};
use crate::file::words::{ChunkState, Owner};
use crate::shard::guard::{Reach, Shard, ShardGuard};
use crate::shard::node::Node;
use crate::shard::rebuild::Trust;

/// How long to wait for another process that attaches: a full recovery of a large store takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait for processes that still use a store that another version made: at a reload, old workers finish their
/// requests while new ones begin.
const LEAVE: Duration = Duration::from_secs(5);

/// The nearest capacity that a store may have.
pub(crate) fn clamped(bytes: u64) -> u64 {
    bytes.clamp(MIN_CAPACITY, MAX_CAPACITY)
}

/// How to attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes the store may take; `None` leaves it as it is, and makes no store where there is none.
    pub capacity: Option<u64>,
    /// Whose store: a user id. `None`: the effective user's.
    pub user: Option<u32>,
}

/// The stores attached by this process, by device and inode.
#[derive(Default)]
struct Registry {
    stores: Vec<Weak<Store>>,
}

static REGISTRY: PerProcess<Mutex<Registry>> = PerProcess::new();

impl Registry {
    /// The stores of this process that a handle or a lease still has.
    fn living(&mut self) -> impl Iterator<Item = Arc<Store>> + use<'_> {
        self.stores.retain(|store| store.strong_count() > 0);
        self.stores.iter().filter_map(Weak::upgrade)
    }

    /// Moves the sessions of a store of this process whose file was deleted to its path, before a blank file is made there: a
    /// thread that attaches may be the first to come by. What to tell the administrator.
    fn relocate_deleted(&mut self, directory: &Path, user: u32) -> Result<Option<String>, AttachError> {
        let path = store_file::path_in(directory, user);
        if rustix::fs::lstat(&path).is_ok() {
            return Ok(None);
        }
        for store in self.living().filter(|store| store.path() == path) {
            if store.relocate_deleted()? {
                return Ok(Some(store.relocated_note()));
            }
        }
        Ok(None)
    }
}

/// The store that is to be attached: its directory, its user, and the capacity that the caller asks for.
struct Target<'a> {
    dir: OwnedFd,
    directory: &'a Path,
    user: u32,
    capacity: Option<u64>,
}

/// The outcome of one attempt to attach.
enum Attempt {
    Attached(Arc<Store>),
    /// The file was replaced between opening and locking it.
    Replaced,
    /// Processes of the version that made it still use the file.
    InUse,
    /// A file that could not be used as it is went out of the way; what to tell the administrator.
    Cleared(Obstacle, String),
}

/// The obstacle in the way of a store.
#[derive(PartialEq, Eq)]
enum Obstacle {
    OtherFormat,
    Damaged,
}

impl Store {
    /// Attaches the store of a user in `directory`, making it where `options.capacity` is given and there is none.
    ///
    /// # Errors
    /// [`AttachError`], each variant saying what to do.
    pub fn attach(directory: &Path, options: Options) -> Result<Arc<Store>, AttachError> {
        let user = options.user.unwrap_or_else(|| rustix::process::geteuid().as_raw());
        let capacity = options.capacity.map(clamped);
        let mut registry = REGISTRY.get().lock();
        let (dir, note) = store_file::open_directory(directory, user)?;
        let mut notes = Vec::from_iter(note);
        if capacity.is_some() {
            notes.extend(registry.relocate_deleted(directory, user)?);
        }
        let target = Target { dir, directory, user, capacity };
        let begun = Instant::now();
        let mut damaged = false;
        loop {
            match target.attempt(&mut registry, begun.elapsed() < LEAVE, !damaged)? {
                Attempt::Attached(store) => {
                    notes.into_iter().for_each(|note| store.note(note));
                    return Ok(store);
                }
                Attempt::Replaced => {}
                Attempt::InUse => std::thread::sleep(Duration::from_millis(20)),
                Attempt::Cleared(obstacle, note) => {
                    // The file at the path once a damaged one was quarantined is a store, or something is wrong with more than
                    // a file.
                    damaged |= obstacle == Obstacle::Damaged;
                    notes.push(note);
                }
            }
        }
    }
}

impl Target<'_> {
    /// Attaches what is at the path, or does one step towards it. `patient` where it may wait for processes of another version,
    /// `rescue` where a damaged file may be quarantined.
    fn attempt(&self, registry: &mut Registry, patient: bool, rescue: bool) -> Result<Attempt, AttachError> {
        let Target { dir, directory, user, capacity } = self;
        let opened = store_file::open(dir, directory, *user, capacity.is_some())?;
        let here = (opened.device, opened.inode);
        if let Some(store) = registry.living().find(|store| (store.file.device, store.file.inode) == here) {
            store.use_again()?;
            if let Some(capacity) = capacity {
                store.ask_for(*capacity);
            }
            return Ok(Attempt::Attached(store));
        }
        let path = opened.path.clone();
        let failed = |what, source| AttachError::Io { path: path.clone(), what, source };
        if !byte_lock::exclusive_within(&opened.file, Byte::Attach, PATIENCE).map_err(|e| failed("lock it", e))? {
            return Err(AttachError::Busy { path, waited: PATIENCE });
        }
        if !opened.in_place() {
            return Ok(Attempt::Replaced);
        }
        let alone = !byte_lock::held_elsewhere(&opened.file, Byte::Present).map_err(|e| failed("lock it", e))?;
        // Leaving this function closes the file, which gives the attach byte back.
        let content = match opened.content()? {
            Content::Blank => None,
            Content::Store(constants) => Some(constants),
            Content::OtherFormat { format, layout, header } => {
                let upgradable = header.is_some();
                if capacity.is_none() || (!alone && !patient) || (upgradable && !opened.is_own()) {
                    return Err(AttachError::OtherFormat { path, format, layout, in_use: !alone, upgradable });
                }
                if !alone {
                    return Ok(Attempt::InUse);
                }
                let note = match header {
                    Some(header) => upgrade(&opened, dir, &header, capacity.unwrap_or(MIN_CAPACITY))?,
                    None => {
                        let ending = format!("format-{format}-{layout:08x}");
                        let kept = beside::rename_to_kept(&opened, dir, Keep::All(&ending))
                            .map_err(|source| failed("set it aside under another name", source))?;
                        format!(
                            "the session store {} was written by another version of Cloakroom (format {format}, layout \
                             {layout:08x}); it was set aside as {}, and its sessions are not read by this version; delete \
                             it when you do not need them any more",
                            path.display(),
                            kept.display()
                        )
                    }
                };
                return Ok(Attempt::Cleared(Obstacle::OtherFormat, note));
            }
            Content::Damaged(what) if alone && capacity.is_some() && opened.is_own() && rescue => {
                return Ok(Attempt::Cleared(Obstacle::Damaged, quarantine::quarantine(&opened, dir, &what)?));
            }
            Content::Damaged(what) => return Err(AttachError::Foreign { path, what }),
        };
        let store = attach_locked(opened, content, *capacity, alone)?;
        byte_lock::unlock(&store.file.file, Byte::Attach);
        registry.stores.push(Arc::downgrade(&store));
        Ok(Attempt::Attached(store))
    }
}

/// Removes the stores that this process has made, that no other process has attached and that hold no session, where only their
/// owner can put a file in their place; with `again`, also where this process has done so before at the same path. Elsewhere
/// an empty store stays: a neighbour could take its name. What such a store remembers of ended sessions is known only to this
/// process from then on. Waits for nothing.
pub fn remove_empty_stores(again: bool) {
    let Some(living) = REGISTRY.get().try_lock().map(|mut registry| registry.living().collect::<Vec<_>>()) else {
        return;
    };
    living.iter().for_each(|store| store.remove_if_unneeded(again));
}

/// Attaches the file, whose attach byte is locked; closing the file gives that back on errors, as dropping the store does. It is a store with
/// `content`, or blank.
pub(crate) fn attach_locked(
    opened: StoreFile,
    content: Option<Constants>,
    capacity: Option<u64>,
    alone: bool,
) -> Result<Arc<Store>, AttachError> {
    let path = opened.path.clone();
    let io = |what, source| AttachError::Io { path: path.clone(), what, source };
    let made = content.is_none();
    let Constants { shards, secret } = match (content, capacity) {
        (Some(constants), _) => constants,
        (None, Some(capacity)) => opened.make(capacity)?,
        (None, None) => return Err(AttachError::Missing { path }),
    };
    let length = opened.len()?;
    // Mapped to its full size at once; what is not allocated yet is not touched.
    let whole = capacity.map_or(0, |bytes| file_len(store_file::chunks_for(bytes, shards)));
    let region =
        Region::new(&opened.file, &opened.path, whole.max(file_len(0)).max(length)).map_err(|e| io("map it", e))?;
    let store = Arc::new(Store::new(opened, region, shards, &secret, made));
    let cut = mend_length(&store, length, alone).map_err(|e| io("allocate the missing end of it", e))?;
    let error = |error: Error| match error {
        Error::Io { what, source } => io(what, source),
        other => io("recover it", std::io::Error::other(other.to_string())),
    };
    let map = store.map().map_err(error)?;
    store.prefault_shards(map);
    // A file that was left for another one and came back to its path is a store as any other.
    map.u32(header::RELOCATION).store(0, Ordering::Release);
    if alone {
        begin_alone(&store, made, cut).map_err(error)?;
    } else if cut {
        for id in 0..store.shards {
            Shard::new(map, id).word(shard::DIRTY).store(1, Ordering::Release);
        }
    }
    if cut {
        store.note(format!(
            "the session store {} was shorter than it says it is ({length} bytes); what was cut off is lost, the rest was verified and kept",
            path.display()
        ));
    }
    if let Some(capacity) = capacity {
        // What dead processes asked for counts no more.
        map.u64(header::CAPACITY).fetch_max(capacity, Ordering::AcqRel);
        store.ask_for(capacity);
    }
    store.remember_header(store.region.map(), &Constants { shards, secret });
    if !byte_lock::try_shared(&store.file.file, Byte::Present).map_err(|e| io("lock it", e))? {
        return Err(io("lock it", std::io::Error::other("somebody has its \"present\" byte exclusively")));
    }
    Ok(store)
}

/// Gives back its full length to a file that was cut short, so that no process runs into the missing end. `true` if so.
/// A process that attaches alone takes the file's length for how many chunks there are: none uses the missing ones, and the header
/// could ask for any amount.
fn mend_length(store: &Store, length: u64, alone: bool) -> std::io::Result<bool> {
    let map = store.region.map();
    // The header's word, which the file may contradict.
    let mut chunks = map.u32(header::CHUNKS).load(Ordering::Acquire).min(MAX_CHUNKS);
    if length >= file_len(chunks) {
        take_in_chunks(store, length, chunks)?;
        return Ok(false);
    }
    if alone {
        chunks = length.saturating_sub(file_len(0)).div_ceil(CHUNK) as u32;
    } else if chunks > store.capacity_chunks(map) {
        return Err(std::io::Error::other("its header claims more than it may have"));
    }
    let needed = file_len(chunks);
    store.region.extend(&store.file.file, &store.file.path, needed)?;
    if length < file_len(0) {
        // The fixed parts are gone too: owner slots, shards and directories are made again, empty.
        store.file.allocate(0, file_len(0))?;
    }
    let first = chunks_in(length);
    if chunks > first {
        store.file.allocate(file_len(first), u64::from(chunks - first) * CHUNK)?;
    }
    store.region.map().u32(header::CHUNKS).store(chunks, Ordering::Release);
    Ok(true)
}

/// Takes in the chunks of a file of `length` bytes that its header, which says that there are `said`, does not know, if
/// anything was ever written there: sessions may lie in them.
fn take_in_chunks(store: &Store, length: u64, said: u32) -> std::io::Result<()> {
    let there = chunks_in(length);
    if there > said && store.file.has_data_from(file_len(said))? {
        store.file.allocate(file_len(said), u64::from(there - said) * CHUNK)?;
        let map = store.region.map();
        store.file.allocate(TABLE_AT, 4 * u64::from(there))?;
        map.u32(header::CHUNKS).fetch_max(there, Ordering::AcqRel);
    }
    Ok(())
}

/// Puts the store in order for the only process that has it: the shards' locks are all dead ones', as is what the search
/// for a free chunk goes by. Unless nothing can have happened to the pages since they were last right, every shard is
/// verified and rebuilt.
fn begin_alone(store: &Arc<Store>, made: bool, cut: bool) -> Result<(), Error> {
    let map = store.map()?;
    let boot = boot_id();
    let word = |at: u64| map.u64(at);
    map.u32(header::CHUNK_HINT).store(0, Ordering::Relaxed);
    let here = [store.file.device, store.file.inode];
    if here != [header::DEVICE, header::INODE].map(|at| word(at).load(Ordering::Relaxed)) {
        // In a copy, pages that hold zeros may be holes, and a full disk would be found out by a signal.
        let headers = u64::from(store.shards) * SHARD_SIZE;
        store.file.allocate(SHARDS_AT, headers).map_err(|source| Error::Io { what: "allocate it again", source })?;
    }
    // Shards as another version of this format kept them are rebuilt when a request comes to them.
    let foreign = map.u32(header::DERIVED).swap(DERIVED, Ordering::Relaxed) != DERIVED;
    for id in 0..store.shards {
        let view = Shard::new(map, id);
        if foreign {
            view.word(shard::DIRTY).store(1, Ordering::Release);
        }
        if view.word(shard::LOCK).swap(0, Ordering::AcqRel) != 0 {
            view.word(shard::DIRTY).store(1, Ordering::Release);
            map.u64(header::RECOVERIES).fetch_add(1, Ordering::Relaxed);
        }
    }
    let coherent = !cut
        && word(header::CLOCK_BOOT).load(Ordering::Relaxed) <= store.clock().boot()
        && boot != [0, 0]
        && boot == [word(header::BOOT_ID).load(Ordering::Relaxed), word(header::BOOT_ID + 8).load(Ordering::Relaxed)]
        && word(header::DEVICE).load(Ordering::Relaxed) == store.file.device
        && word(header::INODE).load(Ordering::Relaxed) == store.file.inode;
    if coherent {
        return Ok(());
    }
    // Invalid until the recovery is complete: should it be interrupted, the next one begins again.
    word(header::BOOT_ID).store(0, Ordering::Relaxed);
    word(header::BOOT_ID + 8).store(0, Ordering::Release);
    if !made {
        reconcile_extents(store)?;
        if !store.region.in_memory() {
            store.file.read_ahead(file_len(store.chunks(store.region.map())));
        }
    }
    let map = store.map()?;
    for index in 0..store.slots_allocated(map).min(MAX_SLOTS) {
        forget_slot(SlotView::new(map, index));
    }
    carry_clock_on(store)?;
    if !made {
        let slot = store.claim_slot()?;
        for id in 0..store.shards {
            let view = Shard::new(map, id);
            view.word(shard::LOCK).store(slot.owner.0, Ordering::Relaxed);
            let mut guard = ShardGuard { store, map, shard: view, me: slot, keep: 0, reach: Reach::Shard };
            guard.rebuild(Trust::Nothing)?;
            guard.nodes(|node: Node<'_>| node.lock().store(0, Ordering::Relaxed));
        }
        map.u64(header::RECOVERIES).fetch_add(1, Ordering::Relaxed);
        store.leave(slot);
    }
    word(header::DEVICE).store(store.file.device, Ordering::Relaxed);
    word(header::INODE).store(store.file.inode, Ordering::Relaxed);
    word(header::BOOT_ID).store(boot[0], Ordering::Relaxed);
    word(header::BOOT_ID + 8).store(boot[1], Ordering::Release);
    Ok(())
}

/// Makes header, chunk table and file agree about what is allocated: after a crash each may be older than the others.
/// Chunks that the file has and the header does not know are taken in, since sessions may lie in them; what tables say
/// beyond the end is wiped, for it would come to life when the store grows; a chunk that the table calls new may have
/// been used. Holes, as in a copy, are allocated.
fn reconcile_extents(store: &Store) -> Result<(), Error> {
    let io = |source| Error::Io { what: "allocate it again", source };
    let map = store.region.map();
    let length = store.file.len().map_err(|e| io(std::io::Error::other(e.to_string())))?;
    let chunks = store.chunks(map).max(chunks_in(length));
    let (slots, table) = (store.slots_allocated(map), TABLE_AT + 4 * u64::from(chunks));
    store.file.wipe(SLOTS_AT + u64::from(slots) * SLOT_SIZE, SHARDS_AT).map_err(io)?;
    store.file.wipe(table, DIRS_AT).map_err(io)?;
    store.file.allocate(0, HEADER_SIZE).map_err(io)?;
    store.file.allocate(SLOTS_AT, u64::from(slots.max(1)) * SLOT_SIZE).map_err(io)?;
    store.file.allocate(SHARDS_AT, u64::from(store.shards) * SHARD_SIZE).map_err(io)?;
    store.file.allocate(TABLE_AT, 4 * u64::from(chunks.max(1))).map_err(io)?;
    for shard in 0..store.shards {
        store.file.allocate(directory_page(shard), 4096).map_err(io)?;
    }
    if chunks > 0 {
        store.file.allocate(file_len(0), u64::from(chunks) * CHUNK).map_err(io)?;
    }
    store.file.cut(file_len(chunks)).map_err(io)?;
    map.u32(header::CHUNKS).store(chunks, Ordering::Release);
    for chunk in 0..chunks {
        if store.chunk_state(map, chunk) == Some(ChunkState::New) {
            store.set_chunk_state(map, chunk, ChunkState::Released);
        }
    }
    Ok(())
}

/// Clears all that an owner slot of an earlier boot says.
fn forget_slot(view: SlotView<'_>) {
    for i in 0..crate::file::layout::slot::LEASE_COUNT {
        view.lease_node(i).store(0, Ordering::Relaxed);
        view.lease_pending(i).store(0, Ordering::Relaxed);
    }
    view.waiting().store(0, Ordering::Relaxed);
    view.asked().store(0, Ordering::Relaxed);
    view.generation().fetch_add(1, Ordering::Relaxed);
    view.state().store(0, Ordering::Relaxed);
    debug_assert_eq!(Owner(0).slot(), None);
}

/// Lets the store clock go on where it stopped: time during which the machine was off does not count.
fn carry_clock_on(store: &Store) -> Result<(), Error> {
    let map = store.map()?;
    let boot = store.clock().boot();
    let stopped = u64::from(crate::shard::nodes::newest_use(store, map));
    // No machine has been running for longer than since 1970, whatever the file says.
    let most = boot.max(u64::from(store.clock().wall()));
    let base = map.u64(header::CLOCK_BASE).load(Ordering::Relaxed).max(stopped).min(most);
    map.u64(header::CLOCK_BASE).store(base, Ordering::Relaxed);
    map.u64(header::CLOCK_BOOT).store(boot, Ordering::Relaxed);
    Ok(())
}
