//! What is done with a damaged store file, and what must hold whatever it holds: no call panics, hangs or reaches
//! beyond the mapping, a payload that reads is one that was committed to that session, and after a full recovery every
//! invariant holds and the store works.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_seam::{Effort, End, Over};
use cloakroom_store::{AttachError, Error, Lease, Options, Store};

use super::byte_lock::{self, Byte};
use super::edits::{Atlas, Damaged, EDIT, MOST_EDITS, choice, damage};
use super::harness::image::Image;
use super::harness::{LIFE, attach, ids_in_shard, in_thread, put, read, store_file, unlocked, value, waiting};

/// Capacity of the store, in MiB: the smallest there is.
const MEGABYTES: u64 = 8;
/// Most operations on one damaged store.
const MOST_OPERATIONS: usize = 40;

/// Every payload that was ever committed, by session.
pub(crate) type Committed = BTreeMap<String, Vec<Vec<u8>>>;

/// A small store with something of everything in it.
pub(crate) struct Base {
    pub(crate) image: Image,
    pub(crate) atlas: Atlas,
    pub(crate) committed: Committed,
    /// All sessions, and two that there are none of.
    pub(crate) ids: Vec<String>,
}

impl Base {
    pub(crate) fn build(dir: &Path) -> Base {
        let mut committed = Committed::new();
        let ids = in_thread(|| {
            let store = attach(dir, MEGABYTES);
            populate(&store, &mut committed).expect("a store");
            let mut ids: Vec<String> = committed.keys().cloned().collect();
            ids.extend(ids_in_shard(&store, "absent", 0, 2));
            ids
        });
        let image = Image::take(dir);
        std::fs::remove_file(store_file(dir)).expect("the store file");
        Base { atlas: Atlas::of(&image), image, committed, ids: ids.expect("a store") }
    }
}

fn populate(store: &Arc<Store>, committed: &mut Committed) -> Result<(), String> {
    let mut write = |id: &str, len: usize| {
        let content = value(id.len() as u64 ^ len as u64, len);
        put(store, id, &content)?;
        committed.entry(id.to_owned()).or_default().push(content);
        Ok::<(), String>(())
    };
    let lengths = [1000, 40, 10_000, 300_000, 0, 500, 700, 900, 200, 1500, 4096, 4097, 64, 2000];
    for shard in 0..2 {
        let ids = ids_in_shard(store, "session", shard, lengths.len());
        for (id, len) in ids.iter().zip(lengths) {
            write(id, len)?;
        }
        // Older payloads, which nothing may bring back to life in another session.
        for id in ids.iter().skip(7) {
            write(id, 1234)?;
            write(id, 321)?;
        }
        for (i, grace) in [(5, Duration::ZERO), (6, LIFE)] {
            let id = ids.get(i).ok_or("too few ids")?;
            store.destroy(&store.key(b"", id.as_bytes()), End { tombstone: LIFE, grace }).map_err(|e| e.to_string())?;
        }
        for id in ids.iter().take(4) {
            store.snapshot(&store.key(b"", id.as_bytes())).map_err(|e| e.to_string())?;
        }
    }
    // Enough in one shard for its index to have two buckets.
    for id in ids_in_shard(store, "many", 0, 115) {
        write(&id, 5)?;
    }
    committed.retain(|id, _| !id.starts_with("many") || id.ends_with('7'));
    Ok(())
}

/// Damages the base as `input` says, works on it and recovers it. `Err` is a broken promise; `rebooted` is whether
/// the file is attached as after a reboot.
pub(crate) fn play(base: &Base, dir: &Path, input: &[u8], rebooted: bool) -> Result<(), String> {
    let Some((&choices, rest)) = input.split_first() else { return Ok(()) };
    let Some((&edits, rest)) = rest.split_first() else { return Ok(()) };
    // Another version's store makes whoever attaches wait for those who use it.
    let sealed = if choices & choice::NOT_ALONE != 0 { choices & !choice::SEAL_HEADER } else { choices };
    let edits = (usize::from(edits) % (MOST_EDITS + 1) * EDIT).min(rest.len() / EDIT * EDIT);
    let (edits, operations) = rest.split_at(edits);
    let damaged = damage(&base.image, &base.atlas, sealed, edits);
    show(base, dir, &damaged, choices, operations, rebooted)
}

/// [`play`] with an image that is damaged already.
pub(crate) fn show(
    base: &Base,
    dir: &Path,
    damaged: &Damaged,
    choices: u8,
    operations: &[u8],
    rebooted: bool,
) -> Result<(), String> {
    for entry in std::fs::read_dir(dir).map_err(|e| e.to_string())?.flatten() {
        let _ = std::fs::remove_file(entry.path());
    }
    let mut image = damaged.image.clone();
    if rebooted && image.len >= 4096 {
        image.wipe_boot_id();
    }
    write(&image, dir, rebooted);
    let alone = choices & choice::NOT_ALONE == 0 || rebooted;
    let stage = Stage { base, forged: damaged.forged, alone };
    let present = (!alone).then(|| Present::new(dir));
    let attached = in_thread(|| stage.first_act(dir, operations, rebooted))??;
    drop(present);
    if attached && (choices & choice::ONCE_MORE == 0) {
        forget_boot(dir)?;
        in_thread(|| stage.second_act(dir))??;
    }
    Ok(())
}

/// Writes the image: as the very file that it was, unless as after a reboot.
fn write(image: &Image, dir: &Path, rebooted: bool) {
    if rebooted || image.len < 4096 {
        image.write_copy(dir);
    } else {
        image.write(dir);
    }
}

fn forget_boot(dir: &Path) -> Result<(), String> {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().write(true).open(store_file(dir)).map_err(|e| e.to_string())?;
    file.write_all_at(&[0; 16], super::layout::header::BOOT_ID).map_err(|e| e.to_string())
}

/// Another process's hold on the byte that says that somebody has the store attached.
struct Present {
    _file: std::fs::File,
}

impl Present {
    fn new(dir: &Path) -> Present {
        let file = std::fs::File::options().read(true).write(true).open(store_file(dir)).expect("the store file");
        assert!(byte_lock::try_shared(&file, Byte::Present).expect("a lock"), "the byte is taken");
        Present { _file: file }
    }
}

struct Stage<'b> {
    base: &'b Base,
    forged: bool,
    alone: bool,
}

/// Errors that a damaged store may answer with; an owner that lives and does not go on is none of them.
fn bear<T>(what: &str, result: Result<T, Error>) -> Result<Option<T>, String> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e @ (Error::Stuck { .. } | Error::Forked | Error::TooManyThreads(_))) => {
            Err(format!("{what} answered as if somebody else were there: {e}"))
        }
        Err(_) => Ok(None),
    }
}

impl Stage<'_> {
    /// A payload that read must have been committed to the session.
    fn judge(&self, id: &str, found: &[u8], written: &Committed) -> Result<(), String> {
        let known = |all: &Committed| all.get(id).is_some_and(|values| values.iter().any(|value| value == found));
        if found.is_empty() || self.forged || known(&self.base.committed) || known(written) {
            return Ok(());
        }
        Err(format!("a session holds {} bytes that were never committed to it", found.len()))
    }

    /// Attaches the damaged file and works on it; whether it could be attached.
    fn first_act(&self, dir: &Path, operations: &[u8], rebooted: bool) -> Result<bool, String> {
        let attached = Store::attach(dir, Options { capacity: Some(MEGABYTES << 20), user: None });
        let store = match attached {
            Ok(store) => store,
            Err(AttachError::LaterFormat { .. }) => return Ok(false),
            // Nobody may set the file aside or cut it to size while others use it.
            Err(AttachError::Foreign { .. } | AttachError::Io { .. }) if !self.alone => return Ok(false),
            // Another layout, said by a header whose checksum holds.
            Err(AttachError::OtherFormat { .. }) if !self.alone => return Ok(false),
            Err(e) => return Err(format!("attach: {e}")),
        };
        if rebooted {
            self.sound(&store, "after the recovery")?;
        }
        let mut written = Committed::new();
        let mut held = Vec::new();
        for pair in operations.as_chunks::<2>().0.iter().take(MOST_OPERATIONS) {
            let [operation, which] = *pair;
            let id = self.base.ids.get(usize::from(which) % self.base.ids.len()).map_or("", String::as_str);
            self.operate(&store, operation, id, &mut written, &mut held)?;
        }
        drop(held);
        for id in &self.base.ids {
            if let Some((Some(found), _)) = bear("snapshot", store.snapshot(&store.key(b"", id.as_bytes())))? {
                self.judge(id, &found, &written)?;
            }
        }
        bear("check", store.check())?;
        // A store that was begun anew is removed with its last session.
        match (store.relocated(), store.in_place()) {
            (true, true) => Err("a store at its path says that it was left".to_owned()),
            (left, _) => Ok(!left),
        }
    }

    fn operate(
        &self,
        store: &Arc<Store>,
        operation: u8,
        id: &str,
        written: &mut Committed,
        held: &mut Vec<Lease>,
    ) -> Result<(), String> {
        let key = store.key(b"", id.as_bytes());
        let at_once = waiting(Duration::ZERO);
        match operation % 16 {
            0 => {
                if let Some((Some(found), _)) = bear("snapshot", store.snapshot(&key))? {
                    self.judge(id, &found, written)?;
                }
            }
            kind @ 1..=5 => {
                let how = if kind == 5 { unlocked() } else { at_once };
                let Some(mut lease) = bear("acquire", store.acquire(&key, &how))? else { return Ok(()) };
                match read(&mut lease) {
                    Ok(found) => self.judge(id, &found, written)?,
                    Err(what) if what.contains("ended") => {}
                    Err(_) => return Ok(()),
                }
                let len = [0, 300, 1000, 6000, 200_000, 321][usize::from(kind)];
                let content = value(u64::from(operation), len);
                written.entry(id.to_owned()).or_default().push(content.clone());
                bear("commit", lease.commit(&content, LIFE, Over::Anything))?;
            }
            6 => {
                if let Some(mut lease) = bear("acquire", store.acquire(&key, &at_once))? {
                    bear("touch", lease.touch(b"touched", LIFE))?;
                    written.entry(id.to_owned()).or_default().push(b"touched".to_vec());
                }
            }
            7 => _ = bear("destroy", store.destroy(&key, End::at_once(LIFE)))?,
            8 => _ = bear("destroy", store.destroy(&key, End { tombstone: LIFE, grace: LIFE }))?,
            9 => {
                if let Some(mut lease) = bear("acquire", store.acquire(&key, &at_once))? {
                    bear("destroy", lease.destroy(End::at_once(LIFE)))?;
                }
            }
            10 => _ = bear("collect", store.collect(Effort::All))?,
            11 => {
                store.clock().skew(1_000_000, 1_000_000);
                bear("collect", store.collect(if operation < 128 { Effort::All } else { Effort::Step }))?;
                store.clock().skew(0, 0);
            }
            12 => _ = bear("stats", store.stats())?,
            13 => _ = bear("check", store.check())?,
            14 => held.extend(bear("acquire", store.acquire(&key, &at_once))?),
            _ => held.clear(),
        }
        Ok(())
    }

    /// After a full recovery nothing may be wrong, whatever was found.
    fn second_act(&self, dir: &Path) -> Result<(), String> {
        let store = Store::attach(dir, Options { capacity: Some(MEGABYTES << 20), user: None })
            .map_err(|e| format!("attach once more: {e}"))?;
        self.sound(&store, "after the second recovery")?;
        for (i, id) in self.base.ids.iter().enumerate().take(6) {
            let key = store.key(b"", id.as_bytes());
            let mut lease = store.acquire(&key, &waiting(Duration::ZERO)).map_err(|e| format!("acquire: {e}"))?;
            let content = value(i as u64, 700 * i + 1);
            lease.commit(&content, LIFE, Over::Anything).map_err(|e| format!("commit: {e}"))?;
        }
        self.sound(&store, "after some work")
    }

    fn sound(&self, store: &Arc<Store>, when: &str) -> Result<(), String> {
        let report = store.check().map_err(|e| format!("check {when}: {e}"))?;
        if report.problems.is_empty() {
            return Ok(());
        }
        Err(format!("check {when}: {}", report.problems.join("; ")))
    }
}
