//! A store with sessions, a handle on its file to write stray words with, and the requests that must be served all the same.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_seam::{Committed, End, Over};
use cloakroom_store::Store;

use super::harness::image::Image;
use super::harness::{LIFE, attach, get, ids_in_shard, in_thread, put, read, store_file, temporary, value, waiting};
use super::layout::{CHUNKS_AT, SLOTS_AT, header, node, slot};
use super::words::{Head, NodeState, Owner};

/// Times that a request is made before it counts as refused, each a second later for the store.
const TRIES: u32 = 3;
/// Capacity of the store.
pub(crate) const MEGABYTES: u64 = 8;
/// Sessions that are begun, enough for the index to have two buckets, and those of them that are ended.
const SESSIONS: usize = 130;
const ENDED: std::ops::Range<usize> = 100..110;
/// How sessions end that are to be remembered.
pub(crate) const REMEMBERED: End = End { tombstone: LIFE, grace: Duration::ZERO };
/// Stands for the place of the first session's node.
pub(crate) const NODE: u64 = 1 << 60;

/// The name and the offset of a word.
pub(crate) type Word = (String, u64);

pub(crate) fn header_words() -> Vec<Word> {
    let mut at: Vec<u64> = (0..32).step_by(4).collect();
    at.extend((header::SECRET..header::SECRET + 32).step_by(8));
    at.extend((header::INCARNATION..header::DERIVED + 8).step_by(4));
    at.extend([header::BOOT_ID, header::BOOT_ID + 12]);
    at.extend((header::DEVICE..header::RECOVERIES + 8).step_by(4));
    at.extend([header::CAPACITY, header::CAPACITY + 4, header::CHUNKS, header::SLOTS, header::RELOCATION]);
    at.extend([header::CHUNK_HINT, header::TOTALS, header::TOTALS + 4]);
    at.into_iter().map(|at| (format!("header {at}"), at)).collect()
}

pub(crate) fn slot_words() -> Vec<Word> {
    let words = (0..slot::LEASES + 64).step_by(4).chain([slot::SINCE, slot::COUNTERS]);
    words.map(|at| (format!("owner slot {at}"), SLOTS_AT + at)).collect()
}

/// The ids of all sessions, and whether each was ended.
pub(crate) fn ids(store: &Arc<Store>) -> impl Iterator<Item = (String, bool)> {
    ids_in_shard(store, "session", 0, SESSIONS).into_iter().enumerate().map(|(i, id)| (id, ENDED.contains(&i)))
}

/// Sessions by their ids, with what they hold.
pub(crate) type Sessions = Vec<(String, Vec<u8>)>;

/// A store file with sessions in shard 0.
pub(crate) struct Base {
    pub(crate) image: Image,
    pub(crate) sessions: Sessions,
    /// Node of the first session.
    node: u64,
}

impl Base {
    pub(crate) fn new() -> Result<Base, String> {
        let dir = temporary();
        let (sessions, key) = in_thread(|| Base::populate(dir.path()))??;
        let bytes = std::fs::read(store_file(dir.path())).map_err(|e| e.to_string())?;
        let is_node = |at: &usize| {
            let head = bytes[at + node::HEAD as usize..][..8].try_into().unwrap_or_default();
            bytes[at + node::KEY as usize..].starts_with(&key)
                && Head(u64::from_le_bytes(head)).state() == NodeState::Live
        };
        let mut places = (CHUNKS_AT as usize..bytes.len() - 128).step_by(128);
        let node = places.find(is_node).ok_or("no node")? as u64;
        Ok(Base { image: Image::take(dir.path()), sessions, node })
    }

    fn populate(dir: &Path) -> Result<(Sessions, [u8; 16]), String> {
        let store = attach(dir, MEGABYTES);
        let mut sessions = Vec::new();
        for (i, (id, ended)) in ids(&store).enumerate() {
            let content = value(i as u64, 20 + 40 * (i % 50));
            put(&store, &id, &content)?;
            // What came back is not evicted.
            get(&store, &id)?;
            if !ended {
                sessions.push((id, content));
            }
        }
        for (id, _) in ids(&store).filter(|(_, ended)| *ended) {
            store.destroy(&store.key(b"", id.as_bytes()), REMEMBERED).map_err(|e| e.to_string())?;
        }
        let (id, _) = sessions.first().ok_or("no session")?;
        let key = store.key(b"", id.as_bytes()).to_bytes();
        Ok((sessions, key))
    }
}

/// That store, attached by the thread that made this.
pub(crate) struct Scene {
    pub(crate) store: Arc<Store>,
    pub(crate) sessions: Sessions,
    file: File,
    node: u64,
}

impl Scene {
    /// With a new file.
    pub(crate) fn new(base: &Base, dir: &Path) -> Result<Scene, String> {
        let _ = std::fs::remove_file(store_file(dir));
        base.image.write(dir);
        Scene::beside(base, dir)
    }

    /// With the file that is there.
    pub(crate) fn beside(base: &Base, dir: &Path) -> Result<Scene, String> {
        let store = attach(dir, MEGABYTES);
        let file = File::options().read(true).write(true).open(store_file(dir)).map_err(|e| e.to_string())?;
        let scene = Scene { store, file, sessions: base.sessions.clone(), node: base.node };
        // From here on the thread has its owner slot.
        scene.whole()?;
        Ok(scene)
    }

    fn place(&self, at: u64) -> u64 {
        if at >= NODE { at - NODE + self.node } else { at }
    }

    /// The first session's node as other words name it.
    pub(crate) fn node_ref(&self) -> u32 {
        (self.node / 64) as u32
    }

    pub(crate) fn word(&self, at: u64) -> u32 {
        let mut word = [0; 4];
        self.file.read_exact_at(&mut word, self.place(at)).expect("within the file");
        u32::from_le_bytes(word)
    }

    pub(crate) fn set(&self, at: u64, value: u32) {
        self.file.write_all_at(&value.to_le_bytes(), self.place(at)).expect("written");
    }

    /// What a word may come to say.
    pub(crate) fn values(&self, at: u64) -> Vec<u32> {
        let old = self.word(at);
        let mine = Owner::new(0, self.word(SLOTS_AT + slot::GENERATION)).0;
        let node = self.node_ref();
        let mut values =
            vec![0, 1, 7, u32::MAX, i32::MAX as u32, old ^ 1 << 31, old.wrapping_add(8), node, node + 1, mine];
        values.retain(|value| *value != old);
        values
    }

    /// What a process does once a second.
    pub(crate) fn second(&self) -> Result<(), String> {
        if !self.store.in_place() || self.store.relocated() {
            let (next, _) = self.store.attach_relocated().map_err(|e| e.to_string())?;
            if !Arc::ptr_eq(&next, &self.store) {
                return Err("another store came to lie at the path".to_owned());
            }
        }
        self.store.mend();
        self.store.settle_capacity();
        Ok(())
    }

    /// Makes a request, again and again where it is refused.
    fn again(&self, what: &str, mut work: impl FnMut() -> Result<(), String>) -> Result<(), String> {
        let mut result = work();
        for _ in 1..TRIES {
            if result.is_ok() {
                break;
            }
            self.second()?;
            result = work();
        }
        result.map_err(|e| format!("{what}: {e}"))
    }

    /// Every kind of request, of which each may be refused a few times.
    pub(crate) fn requests(&mut self, round: u64) -> Result<(), String> {
        let store = &self.store;
        let some = || self.sessions.iter().take(3).chain(self.sessions.iter().skip(60).take(3));
        for (id, content) in some() {
            self.again("a session is read", || match get(store, id)? {
                Some(found) if found == *content => Ok(()),
                Some(found) => Err(format!("{} other bytes", found.len())),
                None => Err("it is not there".to_owned()),
            })?;
        }
        let new = ids_in_shard(store, &format!("new {round} "), 0, 40);
        for (i, id) in new.iter().enumerate() {
            self.again("a session is begun", || {
                put(store, id, &value(i as u64, 30 * i))?;
                if get(store, id)?.is_some() { Ok(()) } else { Err("it is not there".to_owned()) }
            })?;
        }
        let mut written = Vec::new();
        for (id, content) in some() {
            let next = value(round, content.len() + 100);
            self.again("a session is taken up", || {
                let key = store.key(b"", id.as_bytes());
                let mut lease = store.acquire(&key, &waiting(Duration::from_secs(2))).map_err(|e| e.to_string())?;
                let found = read(&mut lease)?;
                if found != *content && found != next {
                    return Err(format!("{} other bytes", found.len()));
                }
                match lease.commit(&next, LIFE, Over::Anything) {
                    Ok(Committed::Stored) => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })?;
            written.push(next);
        }
        for id in &new {
            self.again("a session is ended", || {
                let key = store.key(b"", id.as_bytes());
                store
                    .destroy(&key, End { tombstone: Duration::ZERO, grace: Duration::ZERO })
                    .map_err(|e| e.to_string())?;
                if get(store, id)?.is_none() { Ok(()) } else { Err("it is still there".to_owned()) }
            })?;
        }
        for (at, content) in (0..3).chain(60..63).zip(written) {
            self.sessions[at].1 = content;
        }
        Ok(())
    }

    /// Every session is there.
    pub(crate) fn whole(&self) -> Result<(), String> {
        whole(&self.store, &self.sessions)
    }
}

/// Every session is there.
pub(crate) fn whole(store: &Arc<Store>, sessions: &Sessions) -> Result<(), String> {
    for (id, content) in sessions {
        if get(store, id)?.as_ref() != Some(content) {
            return Err(format!("session {id} is not what it was"));
        }
    }
    Ok(())
}
