//! A store file is untrusted input: files damaged on purpose are attached, worked on, verified and recovered. Each case
//! that once broke a promise is here by name; the inputs that the fuzz targets `operate`, `recover` and `upgrade` keep, and a
//! sample of random ones, are played as well.

#[path = "../src/file/byte_lock.rs"]
#[allow(dead_code, reason = "the store's own module, of which a part is used")]
mod byte_lock;
#[path = "hostile/edits.rs"]
mod edits;
#[path = "format_2/fixture.rs"]
#[allow(dead_code, reason = "shared with tests that use another part of it")]
mod fixture;
#[path = "hostile/format_2.rs"]
mod format_2;
mod harness;
#[path = "../src/file/layout.rs"]
#[allow(dead_code, unreachable_pub, reason = "the store's own module, of which a part is used")]
mod layout;
#[path = "format_2/scene.rs"]
#[allow(dead_code, reason = "shared with tests that use another part of it")]
mod scene;
#[path = "hostile/stage.rs"]
mod stage;
#[path = "../src/file/words.rs"]
#[allow(dead_code, unreachable_pub, reason = "the store's own module, of which a part is used")]
mod words;

use cloakroom_seam::{Acquire, Committed, Over};
use harness::image::Image;
use layout::{Ref, SLOT_SIZE, SLOTS_AT, TABLE_AT, header, node, offset, shard, shard_at, slot};
use stage::{Base, play};
use words::{ChunkState, Owner};

fn sample(make: impl FnOnce(&std::path::Path) -> Base, rebooted: bool) {
    let dir = harness::temporary();
    let base = make(dir.path());
    let mut random = harness::Random::new(77);
    for number in 0..60 {
        let input: Vec<u8> = (0..40 + random.below(260)).map(|_| random.next() as u8).collect();
        if let Err(what) = play(&base, dir.path(), &input, rebooted) {
            panic!("input {number} of CLOAKROOM_SEED={}: {what}\n{input:?}", harness::seed());
        }
    }
}

#[test]
fn random_damage_is_survived() {
    sample(Base::build, false);
}

#[test]
fn random_damage_is_recovered_from() {
    sample(Base::build, true);
}

#[test]
fn random_damage_to_an_earlier_format_is_survived() {
    sample(|_| format_2::base(), true);
}

/// Damages the base by hand and plays `operations`, pairs of operation and session, on it.
fn staged(name: &str, choices: u8, operations: &[u8], damage: impl FnOnce(&Base, &mut Image)) {
    let dir = harness::temporary();
    let base = Base::build(dir.path());
    let mut image = base.image.clone();
    damage(&base, &mut image);
    let damaged = edits::Damaged { image, forged: false };
    for rebooted in [false, true] {
        if let Err(what) = stage::show(&base, dir.path(), &damaged, choices, operations, rebooted) {
            panic!("{name}, {}: {what}", if rebooted { "rebooted" } else { "as it was left" });
        }
    }
}

/// Every kind of operation on the first sessions, with a full collection in between.
fn everything() -> Vec<u8> {
    (0..20u8).flat_map(|step| [step % 16, step / 4]).collect()
}

fn set32(image: &mut Image, at: u64, value: u32) {
    image.set(at, &value.to_le_bytes());
}

fn word32(image: &Image, at: u64) -> u32 {
    let page = image.page(at / 4096 * 4096);
    page[at as usize % 4096..][..4].iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// Every node that is in use.
fn nodes(base: &Base) -> impl Iterator<Item = u64> + '_ {
    base.atlas.nodes.iter().map(|place| offset(*place)).filter(|at| word32(&base.image, at + node::HEAD) & 3 != 0)
}

fn is_free(base: &Base, place: Ref) -> bool {
    word32(&base.image, offset(place) + node::HEAD) & 3 == 0
}

#[test]
fn payloads_that_lie_nowhere() {
    for block in [1, 0xffff_fff0, 0x60_0000] {
        staged("payloads that lie nowhere", 0, &everything(), |base, image| {
            nodes(base).for_each(|at| set32(image, at + node::HEAD + 4, block));
        });
    }
}

#[test]
fn an_index_that_leads_to_free_nodes() {
    staged("an index that leads to free nodes", 0, &everything(), |base, image| {
        nodes(base).for_each(|at| set32(image, at + node::HEAD, 0));
    });
}

#[test]
fn an_index_that_is_being_changed_by_nobody() {
    let absent = [1, 0xff, 0, 0xff];
    staged("an index that is being changed by nobody", 0, &absent, |_, image| {
        (0..4).for_each(|id| set32(image, shard_at(id) + shard::INDEX_SEQ, 1));
    });
    let dir = harness::temporary();
    let mut image = Base::build(dir.path()).image;
    (0..4).for_each(|id| set32(&mut image, shard_at(id) + shard::INDEX_SEQ, 7));
    image.write(dir.path());
    harness::in_thread(|| {
        let store = harness::attach_existing(dir.path()).expect("attach");
        assert_eq!(harness::get(&store, "nobody"), Ok(None), "absence is proven once the index was made anew");
        let note = store.take_note().expect("damage is told");
        assert!(note.contains("is damaged"), "{note}");
        assert_eq!(store.take_note(), None, "once");
    })
    .expect("no panic");
}

#[test]
fn slots_that_list_what_is_no_node() {
    staged("slots that list what is no node", 0, &everything(), |base, image| {
        for slot in 0..8 {
            let at = SLOTS_AT + slot * SLOT_SIZE;
            let place = base.atlas.nodes[slot as usize];
            set32(image, at + slot::STATE, 1);
            set32(image, at + slot::WAITING, place + 1);
            set32(image, at + slot::LEASES, place + 1);
            set32(image, at + slot::LEASES + 4, 0xffff_0000);
            set32(image, at + slot::LEASES + 8, place);
            set32(image, at + slot::LEASES + 12, base.atlas.blocks[slot as usize]);
        }
    });
}

#[test]
fn a_slot_of_the_dead_can_be_taken() {
    let dir = harness::temporary();
    let base = Base::build(dir.path());
    let place =
        *base.atlas.nodes.iter().find(|at| word32(&base.image, offset(**at) + node::HEAD) & 3 == 1).expect("a session");
    for listed in [place, place + 1] {
        let mut image = base.image.clone();
        // No other owner slot is to be had than those of dead owners.
        set32(&mut image, header::SLOTS, 4096);
        (0..4096).for_each(|slot| set32(&mut image, SLOTS_AT + slot * SLOT_SIZE + slot::STATE, 1));
        set32(&mut image, SLOTS_AT + slot::WAITING, listed);
        set32(&mut image, SLOTS_AT + slot::LEASES, listed);
        // The lock was handed to the owner slot when its next owner had taken it and not yet left the queue.
        let generation = word32(&image, SLOTS_AT + slot::GENERATION);
        set32(&mut image, offset(place) + node::LOCK, Owner::new(0, generation + 1).0);
        image.write(dir.path());
        harness::in_thread(|| {
            let store = harness::attach_existing(dir.path()).expect("attach");
            assert_eq!(harness::get(&store, "nobody"), Ok(None), "a slot is taken");
            let report = store.check().expect("check");
            if listed == place {
                assert_eq!(report.problems, Vec::<String>::new());
                assert_eq!(report.locked, 0, "the lock is nobody's");
            }
        })
        .expect("no panic");
    }
}

/// Lock words that name the very owner slot that the next process takes, in the generation in which it takes it.
#[test]
fn locks_held_by_whoever_comes_next() {
    for choices in [0, edits::choice::NOT_ALONE] {
        staged("locks held by whoever comes next", choices, &everything(), |base, image| {
            let generation = word32(image, SLOTS_AT + slot::GENERATION);
            for word in [Owner::new(0, generation + 1).0, Owner::new(0, generation + 1).0 | Owner::WAITERS] {
                nodes(base).for_each(|at| set32(image, at + node::LOCK, word));
                nodes(base).step_by(2).for_each(|at| set32(image, at + node::QUEUE, 2 | 3 << 16));
                (0..4).for_each(|id| set32(image, shard_at(id) + shard::LOCK, word));
            }
        });
    }
}

#[test]
fn a_store_at_its_path_that_says_it_was_left() {
    for state in 1..4 {
        staged("a store at its path that says it was left", 0, &everything(), |_, image| {
            set32(image, header::RELOCATION, state);
        });
    }
}

#[test]
fn a_header_that_claims_more_than_there_is() {
    staged("a header that claims more than there is", 0, &everything(), |_, image| {
        set32(image, header::CHUNKS, u32::MAX);
        set32(image, header::SLOTS, u32::MAX);
    });
    let dir = harness::temporary();
    let mut image = Base::build(dir.path()).image;
    set32(&mut image, header::CHUNKS, 512 << 10);
    image.write(dir.path());
    let len = harness::in_thread(|| {
        let store = harness::attach_existing(dir.path()).expect("attach");
        std::fs::metadata(store.path()).expect("the file").len()
    });
    assert_eq!(len, Ok(image.len), "no space is taken for what nobody has used");
}

#[test]
fn counts_that_cannot_be() {
    let everything: Vec<u8> = [12, 0].into_iter().chain(everything()).collect();
    staged("counts that cannot be", 0, &everything, |_, image| {
        for i in 0..28 {
            image.set(header::TOTALS + 8 * i, &[0xff; 8]);
            image.set(SLOTS_AT + slot::COUNTERS + 8 * i, &[0xff; 8]);
        }
        image.set(SLOTS_AT + slot::STATE, &[1]);
        image.set(header::RECOVERIES, &[0xff; 8]);
        for id in 0..4 {
            let at = shard_at(id);
            for field in [shard::LIVE, shard::TOMBSTONES, shard::FREE_UNITS, shard::RESERVED + 8, shard::EMPTY_CHUNKS] {
                set32(image, at + field, u32::MAX);
            }
            image.set(at + shard::PAYLOAD_BYTES, &[0xff; 8]);
        }
    });
}

#[test]
fn a_search_for_space_that_begins_beyond_the_end() {
    let dir = harness::temporary();
    let mut image = Base::build(dir.path()).image;
    set32(&mut image, header::CHUNK_HINT, 1 << 30);
    image.write(dir.path());
    harness::in_thread(|| {
        let store = harness::attach(dir.path(), 8);
        let before = store.stats().expect("stats").file_bytes;
        for i in 0..40 {
            harness::put(&store, &format!("new {i}"), &harness::value(i, 10_000)).expect("there is room");
        }
        let after = store.stats().expect("stats").file_bytes;
        assert!(after - before < 2 << 20, "{before} bytes grew to {after} for 400 KB");
    })
    .expect("no panic");
}

#[test]
fn the_number_of_a_forgotten_end_that_nobody_drew() {
    staged("the number of a forgotten end that nobody drew", 0, &everything(), |_, image| {
        image.set(header::FORGOTTEN, &[0xff; 8]);
    });
    let dir = harness::temporary();
    let mut image = Base::build(dir.path()).image;
    image.set(header::FORGOTTEN, &u64::MAX.to_le_bytes());
    image.write(dir.path());
    harness::in_thread(|| {
        let store = harness::attach(dir.path(), 8);
        for id in ["first", "second"] {
            let key = store.key(b"", id.as_bytes());
            let since = Some(store.snapshot(&key).expect("snapshot").1);
            let how = Acquire { since, ..harness::exclusive() };
            let mut lease = store.acquire(&key, &how).expect("acquire");
            let written = lease.commit(b"payload", harness::LIFE, Over::Anything).expect("commit");
            assert_eq!(written, Committed::Stored, "a stray word is no reason to refuse");
        }
    })
    .expect("no panic");
}

/// Lists that an earlier version of this format did not keep are made by whoever attaches alone.
#[test]
fn shards_without_the_lists_of_today() {
    let dir = harness::temporary();
    let mut image = Base::build(dir.path()).image;
    image.set(header::DERIVED, &[0; 4]);
    for id in 0..4 {
        image.set(shard_at(id) + shard::TOMBSTONE_LIST, &[0; 64]);
    }
    image.write(dir.path());
    harness::in_thread(|| {
        let store = harness::attach(dir.path(), 8);
        let report = store.check().expect("check");
        assert!(report.problems.is_empty() && report.tombstones > 0, "{:?}", report.problems);
    })
    .expect("no panic");
}

/// Sessions that name a successor which cannot be, or one that is another session than they say.
#[test]
fn successors_that_are_none() {
    let free = |base: &Base| *base.atlas.nodes.iter().find(|at| is_free(base, **at)).expect("a free node");
    let data = |base: &Base| base.atlas.blocks[0];
    let other = |base: &Base| base.atlas.nodes[0];
    type Place<'a> = &'a dyn Fn(&Base, Ref) -> Ref;
    let cases: [(&str, Place<'_>, u64); 9] = [
        ("beyond the end", &|_, _| u32::MAX, 1),
        ("in the header page", &|_, _| 3, 1),
        ("nowhere", &|_, _| 0, 1),
        ("in a data chunk", &|base, _| data(base), 1),
        ("between two nodes", &|_, own| own + 1, 1),
        ("itself", &|_, own| own, 1),
        ("a free node", &|base, _| free(base), 1),
        ("in no incarnation", &|base, _| other(base), 0),
        ("in an incarnation that is to come", &|base, _| other(base), u64::MAX),
    ];
    for (what, place, incarnation) in cases {
        for state in [1, 2, 3] {
            staged(&format!("a successor {what}, of state {state}"), 0, &everything(), |base, image| {
                for own in base.atlas.nodes.iter().filter(|at| !is_free(base, **at)) {
                    let at = offset(*own);
                    if word32(image, at + node::HEAD) & 3 == state {
                        set32(image, at + node::SUCCESSOR, place(base, *own));
                        image.set(at + node::SUCCESSOR_INCARNATION, &incarnation.to_le_bytes());
                    }
                }
            });
        }
    }
}

/// A rebuild lets a session name the successor that can be, and forgets what cannot.
#[test]
fn successors_that_a_rebuild_keeps() {
    let dir = harness::temporary();
    let base = Base::build(dir.path());
    let all: Vec<Ref> = base.atlas.nodes.iter().copied().filter(|at| !is_free(&base, *at)).collect();
    let mut image = base.image.clone();
    let mut name = |own: Ref, flags: u32, place: Ref, incarnation: u64| {
        let at = offset(own);
        let flags = word32(&image, at + node::FLAGS) | flags;
        set32(&mut image, at + node::FLAGS, flags);
        set32(&mut image, at + node::SUCCESSOR, place);
        image.set(at + node::SUCCESSOR_INCARNATION, &incarnation.to_le_bytes());
    };
    name(all[0], 0, all[1], 7);
    name(all[1], 0, all[2], 0);
    name(all[2], 0, u32::MAX, 7);
    // As a process leaves it that dies before it says so.
    name(all[3], 0, all[4], 0);
    name(all[4], 1 << 9 | 3 << 16 | 1 << 24, 0, 0);
    image.wipe_boot_id();
    image.write_copy(dir.path());
    harness::in_thread(|| harness::sound(&harness::attach_existing(dir.path()).expect("attach")).expect("sound"))
        .expect("no panic");
    let after = Image::take(dir.path());
    let said = |own: Ref| {
        let at = offset(own);
        let incarnation = word32(&after, at + node::SUCCESSOR_INCARNATION);
        (word32(&after, at + node::FLAGS) & !0x7f, word32(&after, at + node::SUCCESSOR), incarnation)
    };
    assert_eq!(said(all[0]), (0, all[1], 7));
    all[1..5].iter().for_each(|own| assert_eq!(said(*own), (0, 0, 0)));
}

#[test]
fn what_a_rebuild_gives_up_is_free() {
    staged("what a rebuild gives up is free", 0, &everything(), |base, image| {
        // Tombstones with somebody's payload, one key in several nodes, chunks of a shard that there is not.
        let all: Vec<u64> = nodes(base).collect();
        for (i, at) in all.iter().enumerate() {
            let head = word32(image, at + node::HEAD);
            match i % 5 {
                0 => set32(image, at + node::HEAD, head & !3 | 2),
                1 => (0..24).step_by(4).for_each(|field| {
                    let word = word32(image, all[i - 1] + node::KEY + field);
                    set32(image, at + node::KEY + field, word);
                }),
                _ => {}
            }
        }
        (0..3).for_each(|chunk| set32(image, TABLE_AT + 4 * chunk, ChunkState::Data(9).encode()));
    });
}

/// The inputs that the fuzz targets keep.
#[test]
fn kept_inputs() {
    let dir = harness::temporary();
    let present = Base::build(dir.path());
    let earlier = format_2::base();
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, base, rebooted) in
        [("operate", &present, false), ("recover", &present, true), ("upgrade", &earlier, true)]
    {
        let mut played = 0;
        for entry in std::fs::read_dir(corpus.join(target)).expect("a corpus") {
            let path = entry.expect("an entry").path();
            let input = std::fs::read(&path).expect("an input");
            if let Err(what) = play(base, dir.path(), &input, rebooted) {
                panic!("{}: {what}", path.display());
            }
            played += 1;
        }
        assert!(played > 20, "{played} inputs for {target}");
    }
}
