//! One stray word in the file of a store that a process has attached, wherever it lies and whatever it says, is no outage for
//! that process where the word can be derived from others: within a few requests and seconds every session is there, can be
//! taken up and written, and new ones find room. And it is none for processes that come later.
//!
//! Left out are the words that are themselves the truth: the chunk table, what nodes say of their session, payloads.

#[path = "../src/file/byte_lock.rs"]
#[allow(dead_code, reason = "the store's own module, of which a part is used")]
mod byte_lock;
mod harness;
#[path = "stray_words/input.rs"]
mod input;
#[path = "../src/file/layout.rs"]
#[allow(dead_code, unreachable_pub, reason = "the store's own module, of which a part is used")]
mod layout;
#[path = "stray_words/scene.rs"]
mod scene;
#[path = "../src/file/words.rs"]
#[allow(dead_code, unreachable_pub, reason = "the store's own module, of which a part is used")]
mod words;

use std::path::Path;
use std::time::Duration;

use cloakroom_seam::Over;
use cloakroom_store::{Error, Options, Store};
use harness::process::Worker;
use harness::{
    Checked, Finding, LIFE, Named, Suite, attach, get, in_thread, put, read, sound, temporary, wait_until, waiting,
};
use layout::{SLOT_SIZE, SLOTS_AT, directory_at, header, node, shard, shard_at, slot};
use scene::{Base, MEGABYTES, NODE, REMEMBERED, Scene, Word, header_words, slot_words};
use words::Owner;

fn main() -> std::process::ExitCode {
    let mut suite = Suite::new("stray_words");
    let cases: [Named<'_>; 10] = [
        ("the head of a shard", Box::new(|| one_word(&shard_words()))),
        ("the header", Box::new(|| one_word(&header_words()))),
        ("the owner slot of the thread", Box::new(|| one_word(&slot_words()))),
        ("the index", Box::new(|| one_word(&index_words()))),
        ("what is derived in a node", Box::new(|| one_word(&node_words()))),
        ("a lock of a living process that does not hold it", Box::new(lock_of_another)),
        ("the words of one who waits", Box::new(waiter)),
        ("the number of the store", Box::new(numbers)),
        ("all entries of an owner slot", Box::new(entries)),
        ("the inputs that the fuzz target keeps", Box::new(kept_inputs)),
    ];
    suite.side_by_side(&cases, |_| {});
    suite.finish()
}

fn shard_words() -> Vec<Word> {
    let words = (0..shard::BINS + 64).step_by(4).chain((shard::TOMBSTONE_LIST..shard::TWICE + 12).step_by(4));
    words.map(|at| (format!("shard {at}"), shard_at(0) + at)).collect()
}

fn index_words() -> Vec<Word> {
    (0..3).map(|entry| (format!("directory entry {entry}"), directory_at(0) + 4 * entry)).collect()
}

fn node_words() -> Vec<Word> {
    let fields = [node::LOCK, node::QUEUE, node::NEXT, node::PREV, node::ENDED, node::ENDED + 4];
    fields.into_iter().map(|field| (format!("node {field}"), NODE + field)).collect()
}

/// Sets each of the words to each of its values, one at a time.
fn one_word(places: &[Word]) -> Checked {
    let base = Base::new()?;
    let dir = temporary();
    let mut played = 0;
    for (name, at) in places {
        let values = in_thread(|| Ok::<_, String>(Scene::new(&base, dir.path())?.values(*at)))??;
        for value in values {
            let play = || {
                let mut scene = Scene::new(&base, dir.path())?;
                scene.set(*at, value);
                scene.requests(1)?;
                scene.second()?;
                scene.requests(2)?;
                scene.whole()?;
                // A process that comes later.
                Worker::start(|| newcomer(dir.path())).ask("come").map(drop)
            };
            in_thread(play).and_then(|done| done).map_err(|e| format!("{name} says {value:#x}: {e}"))?;
            played += 1;
        }
    }
    Ok(Finding::Passed(format!("{played} stray words in {} places", places.len())))
}

/// A process that attaches the store, finds the sessions of a [`Base`], and stays.
fn newcomer(dir: &Path) -> impl FnMut(&str) -> Result<String, String> {
    let dir = dir.to_owned();
    let mut kept = Vec::new();
    move |_| {
        let store = Store::attach(&dir, Options { capacity: Some(MEGABYTES << 20), user: None });
        let store = store.map_err(|e| e.to_string())?;
        for (id, ended) in scene::ids(&store) {
            if get(&store, &id)?.is_some() == ended {
                return Err(format!("a newcomer finds that session {id} is not what it was"));
            }
        }
        put(&store, "newcomer", b"content")?;
        kept.push(store);
        Ok(format!("{} kept", kept.len()))
    }
}

/// The lock of a session names a process that lives and does not hold it.
fn lock_of_another() -> Checked {
    let dir = temporary();
    let base = Base::new()?;
    base.image.write(dir.path());
    let mut other = Worker::start(|| newcomer(dir.path()));
    other.ask("come")?;
    in_thread(|| {
        let mut scene = Scene::beside(&base, dir.path())?;
        // The other came first.
        let theirs = Owner::new(0, scene.word(SLOTS_AT + slot::GENERATION)).0;
        for (round, waiters) in [(1, 0), (2, Owner::WAITERS)] {
            scene.set(NODE + node::LOCK, theirs | waiters);
            scene.requests(round)?;
            scene.whole()?;
        }
        sound(&scene.store).map(drop)
    })??;
    Ok(Finding::Passed("the lock was had".to_owned()))
}

/// A process waits for a session while a word of its owner slot or of the queue goes astray: it gets the lock all the same,
/// and only when that is free.
fn waiter() -> Checked {
    let slot_fields = [slot::WAKE, slot::WAITING, slot::NEXT, slot::STATE, slot::TICKET];
    let base = Base::new()?;
    let mut played = 0;
    for field in [None].into_iter().chain(slot_fields.map(Some)) {
        for value in [0u32, 1, 5, u32::MAX, i32::MAX as u32] {
            let dir = temporary();
            base.image.write(dir.path());
            let mut waits = Worker::start(|| patient(dir.path(), &base.sessions[0].0));
            waits.ask("attach")?;
            in_thread(|| wait_astray(&Scene::beside(&base, dir.path())?, &mut waits, field, value))
                .and_then(|done| done)
                .map_err(|e| format!("field {field:?} says {value:#x}: {e}"))?;
            played += 1;
        }
    }
    Ok(Finding::Passed(format!("{played} stray words while a process waited")))
}

/// The part of [`waiter`] that holds the session. `field` is one of the other's owner slot, or the node's queue.
fn wait_astray(scene: &Scene, waits: &mut Worker, field: Option<u64>, value: u32) -> Result<(), String> {
    let (id, content) = scene.sessions.first().ok_or("no session")?;
    let key = scene.store.key(b"", id.as_bytes());
    let mut held = scene.store.acquire(&key, &waiting(Duration::ZERO)).map_err(|e| e.to_string())?;
    waits.tell("take");
    let theirs = |index: u64| SLOTS_AT + SLOT_SIZE * index;
    let node = scene.node_ref();
    let waiter = || (0..8).find(|index| scene.word(theirs(*index) + slot::WAITING) == node);
    wait_until("the other waits", Duration::from_secs(20), || {
        waiter().is_some() && scene.word(NODE + node::QUEUE) != 0
    })?;
    let index = waiter().ok_or("no waiter")?;
    scene.set(field.map_or(NODE + node::QUEUE, |field| theirs(index) + field), value);
    if waits.answer(Duration::from_millis(60)).is_ok() {
        return Err("it took a lock that is held".to_owned());
    }
    read(&mut held)?;
    held.commit(content, LIFE, Over::Anything).map_err(|e| e.to_string())?;
    drop(held);
    if waits.answer(Duration::from_secs(20))? != "took" {
        return Err("it did not take the lock".to_owned());
    }
    waits.ask("mend")?;
    sound(&scene.store).map(drop)
}

/// Waits for the session `id` for longer than any test.
fn patient(dir: &Path, id: &str) -> impl FnMut(&str) -> Result<String, String> {
    let (dir, id) = (dir.to_owned(), id.to_owned());
    let mut kept = None;
    move |command| {
        let store = kept.get_or_insert_with(|| attach(&dir, MEGABYTES));
        match command {
            "take" => {
                let how = waiting(Duration::from_secs(600));
                let mut lease = store.acquire(&store.key(b"", id.as_bytes()), &how).map_err(|e| e.to_string())?;
                read(&mut lease)?;
                Ok("took".to_owned())
            }
            "mend" => {
                store.mend();
                Ok("mended".to_owned())
            }
            _ => put(store, "mine", b"").map(|()| "attached".to_owned()),
        }
    }
}

/// The number of the store falls back behind those that sessions were ended with.
fn numbers() -> Checked {
    let dir = temporary();
    in_thread(|| {
        let mut scene = Scene::new(&Base::new()?, dir.path())?;
        // Some ids that were ended and are in use again.
        for (id, content) in scene.sessions.iter().take(5) {
            let key = scene.store.key(b"", id.as_bytes());
            scene.store.destroy(&key, REMEMBERED).map_err(|e| e.to_string())?;
            put(&scene.store, id, content)?;
        }
        scene.set(header::INCARNATION, 1);
        scene.requests(1)?;
        scene.whole()?;
        sound(&scene.store).map(drop)
    })??;
    Ok(Finding::Passed("ids in use again are".to_owned()))
}

/// All entries of the thread's owner slot list sessions that it does not hold.
fn entries() -> Checked {
    let dir = temporary();
    in_thread(|| {
        let mut scene = Scene::new(&Base::new()?, dir.path())?;
        let node = scene.node_ref();
        let take = |scene: &Scene, number: usize| {
            let (id, _) = &scene.sessions[number];
            scene.store.acquire(&scene.store.key(b"", id.as_bytes()), &waiting(Duration::ZERO))
        };
        for places in [[node; 8], std::array::from_fn(|i| node + 2 * i as u32), std::array::from_fn(|i| 1 + i as u32)] {
            for (i, place) in (0..).zip(places) {
                scene.set(SLOTS_AT + slot::LEASES + 8 * i, place);
            }
            // At once, without waiting for the next second.
            take(&scene, 0).map_err(|e| e.to_string())?.release();
            scene.requests(u64::from(places[1]))?;
        }
        // Some alone do not keep the thread from anything, and are cleared with the next second.
        for i in [0, 3] {
            scene.set(SLOTS_AT + slot::LEASES + 8 * i, node + 2);
            scene.set(SLOTS_AT + slot::LEASES + 8 * i + 4, node);
        }
        scene.second()?;
        if (0..16).any(|word| scene.word(SLOTS_AT + slot::LEASES + 4 * word) != 0) {
            return Err("an entry stays that lists what the thread does not hold".to_owned());
        }
        // Those that it holds stay.
        let mut held = (0..8).map(|i| take(&scene, i)).collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
        match take(&scene, 8) {
            Err(Error::TooManyLeases(8)) => {}
            other => return Err(format!("a ninth lease: {:?}", other.map(drop))),
        }
        held.clear();
        scene.requests(9)?;
        scene.whole()?;
        sound(&scene.store).map(drop)
    })??;
    Ok(Finding::Passed("cleared where the thread does not hold them".to_owned()))
}

/// The inputs that the fuzz target `stray` keeps.
fn kept_inputs() -> Checked {
    let dir = temporary();
    let base = Base::new()?;
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/stray");
    let mut played = 0;
    for entry in std::fs::read_dir(corpus).map_err(|e| e.to_string())?.flatten() {
        let input = std::fs::read(entry.path()).map_err(|e| e.to_string())?;
        input::play(&base, dir.path(), &input).map_err(|e| format!("{}: {e}", entry.path().display()))?;
        played += 1;
    }
    if played > 20 { Ok(Finding::Passed(format!("{played} inputs"))) } else { Err(format!("{played} inputs")) }
}
