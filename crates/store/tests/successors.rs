//! Which session takes another's place, over rebuilds of either one's shard and crashes of the machine.

mod harness;

use std::path::Path;
use std::sync::Arc;

use cloakroom_seam::{Acquire, Committed, End, Key, Look, Named, Over, Succession, Successor};
use cloakroom_store::{Lease, Store};
use harness::image::{Image, PAGE};
use harness::{LIFE, attach, attach_existing, exclusive, ids_in_shard, in_thread, put, sound, temporary};

const RETIRE: End = End { tombstone: LIFE, grace: LIFE };
const AT_ONCE: End = End::at_once(LIFE);
/// The shards of the session whose id is replaced, of the one that takes its place, and of the next.
const SHARDS: [u32; 3] = [1, 2, 3];

/// A session, the one that takes its place, and one that takes that one's.
struct Rotation {
    store: Arc<Store>,
    keys: [Key; 3],
}

/// How far a rotation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Named,
    Written,
    Settled,
    /// With the third session, as the second was left before it was written.
    NamedAnew,
    /// The second one's id was replaced, too, before the first was settled.
    Chain,
    Reinstated,
}

const STAGES: [Stage; 6] =
    [Stage::Named, Stage::Written, Stage::Settled, Stage::NamedAnew, Stage::Chain, Stage::Reinstated];

impl Rotation {
    /// A session that holds "stored", among others in each shard.
    fn new(dir: &Path) -> Rotation {
        let store = attach(dir, 16);
        for shard in 0..4 {
            for id in ids_in_shard(&store, "other", shard, 2) {
                put(&store, &id, b"other").expect("put");
            }
        }
        let keys = SHARDS.map(|shard| store.key(b"", ids_in_shard(&store, "session", shard, 1)[0].as_bytes()));
        write(&mut store.acquire(&keys[0], &exclusive()).expect("acquire"), b"stored", Over::Anything);
        Rotation { store, keys }
    }

    fn reserve(&self, which: usize) -> (Lease, Successor) {
        let key = self.keys[which];
        let lease = self.store.acquire(&key, &Acquire { drawn: true, ..exclusive() }).expect("acquire");
        let successor = Successor { key, incarnation: lease.incarnation() };
        (lease, successor)
    }

    fn name(&self, which: usize, successor: &Successor, before: Option<&Successor>) {
        let mut lease = self.store.acquire(&self.keys[which], &harness::unlocked()).expect("acquire");
        assert_eq!(lease.name(successor, before).expect("name"), Named::Unchanged);
    }

    /// Goes on to `stage`. The leases that are held there.
    fn go_to(&self, stage: Stage) -> Vec<Lease> {
        let [old, new, _] = self.keys;
        let (mut held, second) = self.reserve(1);
        self.name(0, &second, None);
        match stage {
            Stage::Named => return vec![held],
            Stage::Reinstated => {
                assert!(self.store.reinstate(&old, &second).expect("reinstate"));
                return vec![held];
            }
            Stage::NamedAnew => {
                let (next, third) = self.reserve(2);
                self.name(0, &third, Some(&second));
                held.destroy(AT_ONCE).expect("destroy");
                return vec![next];
            }
            Stage::Written | Stage::Settled | Stage::Chain => {}
        }
        write(&mut held, b"new", Over::Reservation);
        if stage == Stage::Settled {
            self.store.settle(&old, &second, RETIRE).expect("settle");
        }
        if stage == Stage::Chain {
            let (mut next, third) = self.reserve(2);
            self.name(1, &third, None);
            write(&mut next, b"newest", Over::Reservation);
            self.store.settle(&new, &third, RETIRE).expect("settle");
        }
        Vec::new()
    }
}

fn write(lease: &mut Lease, payload: &[u8], over: Over) {
    assert_eq!(lease.commit(payload, LIFE, over).expect("commit"), Committed::Stored);
}

/// All that a look says but the mark, whose number may have risen.
fn told(look: &Look) -> (Option<&[u8]>, u64, bool, Option<Successor>, bool) {
    let (successor, retired) = match look.succession {
        Succession::None => (None, false),
        Succession::Named(successor) => (Some(successor), false),
        Succession::Retired(successor) => (Some(successor), true),
    };
    (look.payload.as_deref(), look.incarnation, look.is_written, successor, retired)
}

/// The store in a file as somebody leaves it who dies with the lock of `shard`, or with none as the machine goes down.
fn rebuilt(image: &Image, shard: Option<u32>, check: impl FnOnce(&Arc<Store>) + Send) {
    let dir = temporary();
    let mut image = image.clone();
    match shard {
        Some(shard) => image.lock_shard(shard),
        None => image.wipe_boot_id(),
    }
    image.write(dir.path());
    in_thread(|| {
        let store = attach_existing(dir.path()).expect("attach");
        // Whatever takes the lock of each shard.
        for shard in 0..4 {
            put(&store, &ids_in_shard(&store, "later", shard, 1)[0], b"later").expect("put");
        }
        let recoveries = store.stats().expect("stats").recoveries;
        assert!(recoveries > 0 || shard.is_none(), "nothing was rebuilt");
        sound(&store).expect("sound");
        check(&store);
    })
    .unwrap_or_else(|e| panic!("shard {shard:?}: {e}"));
}

#[test]
fn a_rebuild_keeps_which_session_takes_anothers_place() {
    for stage in STAGES {
        let dir = temporary();
        let rotation = Rotation::new(dir.path());
        let held = rotation.go_to(stage);
        let image = Image::take(dir.path());
        let before = rotation.keys.map(|key| rotation.store.look(&key).expect("look"));
        for shard in SHARDS.map(Some).into_iter().chain([None]) {
            rebuilt(&image, shard, |store| {
                for (key, before) in rotation.keys.iter().zip(&before) {
                    let after = store.look(key).expect("look");
                    assert!(told(&after) == told(before), "{stage:?}: a session is told otherwise after a rebuild");
                }
                go_on(store, &rotation.keys, stage);
            });
        }
        drop(held);
    }
}

/// What whoever finds the rotation does: nobody holds the successor any more.
fn go_on(store: &Arc<Store>, keys: &[Key; 3], stage: Stage) {
    let look = store.look(&keys[0]).expect("look");
    let Succession::Named(successor) = look.succession else {
        assert!(matches!(stage, Stage::Settled | Stage::Reinstated));
        return;
    };
    let held = store.acquire(&successor.key, &exclusive()).expect("nobody holds it");
    if store.look(&successor.key).expect("look").is_written {
        store.settle(&keys[0], &successor, RETIRE).expect("settle");
        assert!(store.look(&keys[0]).expect("look").succession == Succession::Retired(successor));
    } else {
        assert!(store.reinstate(&keys[0], &successor).expect("reinstate"));
        drop(held);
        write(&mut store.acquire(&keys[0], &exclusive()).expect("acquire"), b"lives on", Over::WhatWasRead);
    }
    sound(store).expect("sound");
}

/// A crash of the machine may leave the page of the session that names another, and not that of the other, nor the one with the
/// number of the next session: that number is not drawn a second time, or a stranger would take the session's place.
#[test]
fn nobody_gets_the_number_of_a_successor_that_was_lost() {
    let dir = temporary();
    let rotation = Rotation::new(dir.path());
    let before = Image::take(dir.path());
    let held = rotation.go_to(Stage::Named);
    let after = Image::take(dir.path());
    let Succession::Named(successor) = rotation.store.look(&rotation.keys[0]).expect("look").succession else {
        panic!("it names none")
    };
    drop(held);
    let mut image = before;
    let key = rotation.keys[0].to_bytes();
    let pages: Vec<u64> = after.pages.iter().map(|(at, _)| *at).collect();
    let named: Vec<u64> =
        pages.into_iter().filter(|at| after.page(*at).windows(16).any(|bytes| bytes == key)).collect();
    assert_eq!(named.len(), 1, "the key is in its node");
    named.iter().for_each(|at| {
        assert_eq!(after.page(*at).len(), PAGE);
        image.set(*at, &after.page(*at));
    });
    image.wipe_boot_id();
    let other = temporary();
    image.write_copy(other.path());
    in_thread(|| {
        let store = attach_existing(other.path()).expect("attach");
        let first = store.look(&rotation.keys[0]).expect("look");
        assert!(matches!(first.succession, Succession::Named(gone) if gone.incarnation == successor.incarnation));
        for id in ids_in_shard(&store, "stranger", SHARDS[1], 20) {
            put(&store, &id, b"strange").expect("put");
            let found = store.look(&store.key(b"", id.as_bytes())).expect("look");
            assert!(found.incarnation != successor.incarnation, "a stranger has the successor's number");
        }
        let Succession::Named(gone) = store.look(&rotation.keys[0]).expect("look").succession else {
            panic!("it names none any more")
        };
        assert!(store.look(&gone.key).expect("look").payload.is_none(), "a stranger took its place");
    })
    .expect("no panic");
}

/// A session that was used again and again is never evicted; neither is the one that is to take its place, also where the process that
/// was to write it has died.
#[test]
fn no_flood_evicts_what_takes_the_place_of_a_session_in_use() {
    let dir = temporary();
    let rotation = Rotation::new(dir.path());
    for _ in 0..3 {
        write(
            &mut rotation.store.acquire(&rotation.keys[0], &exclusive()).expect("acquire"),
            b"stored",
            Over::Anything,
        );
    }
    drop(rotation.go_to(Stage::Named));
    let store = &rotation.store;
    let Succession::Named(successor) = store.look(&rotation.keys[0]).expect("look").succession else {
        panic!("it names none")
    };
    // Requests without cookies, whose sessions are never written, and then some that write much.
    for id in ids_in_shard(store, "crawler", SHARDS[1], 4000) {
        drop(store.acquire(&store.key(b"", id.as_bytes()), &exclusive()).expect("acquire"));
    }
    let evicted = store.stats().expect("stats").evicted;
    assert!(evicted > 0, "the flood was too small");
    for id in ids_in_shard(store, "large", SHARDS[1], 1000) {
        put(store, &id, &[7; 30_000]).expect("put");
    }
    assert!(store.stats().expect("stats").evicted > evicted + 4000 / 2, "the flood was too small");
    let next = store.look(&successor.key).expect("look");
    assert!(next.incarnation == successor.incarnation && !next.is_written, "the successor is gone");
    go_on(store, &rotation.keys, Stage::Named);
}
