//! The sessions of a store file that the version before the present format left: each is there afterwards, as it was.

#[path = "format_2/fixture.rs"]
#[allow(dead_code, reason = "shared with tests that use another part of it")]
mod fixture;
mod harness;
#[path = "../src/file/layout.rs"]
#[allow(dead_code, unreachable_pub, reason = "the store's own module, of which a part is used")]
mod layout;
#[path = "format_2/scene.rs"]
mod scene;

use std::fs::File;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cloakroom_seam::{Committed, Effort, Entry, Key, Over, Restore, Restored};
use cloakroom_store::{Options, Store};
use fixture::Expected;
use harness::image::Image;
use harness::{LIFE, Random, attach, in_thread, sound, store_file, temporary, waiting};
use layout::{flag, node};
use scene::{Fate, SESSIONS, Session, YEAR, content};

/// What became of the sessions that count as tombstones.
const ENDED: [Fate; 3] = [Fate::Ended, Fate::Retired, Fate::GraceOver];

fn key(store: &Store, session: &Session) -> Key {
    store.key(session.namespace.as_bytes(), session.id.as_bytes())
}

fn get(store: &Arc<Store>, session: &Session) -> Option<Vec<u8>> {
    store.snapshot(&key(store, session)).expect("snapshot").0
}

fn entry_of(store: &Arc<Store>, session: &Session) -> Option<Entry> {
    let key = key(store, session);
    let mut found = None;
    store
        .walk(|entry| {
            if entry.key == key {
                found = Some(entry);
            }
            ControlFlow::Continue(())
        })
        .expect("walk");
    found
}

/// Files in `dir`, in order.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        dir.read_dir().expect("the directory").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// All that a session is, as far as readers can tell.
fn assert_is_whole(store: &Arc<Store>, session: &Session) {
    let name = format!("{}/{}", session.namespace, session.id).replace(' ', "_");
    let present = !matches!(session.fate, Fate::Ended | Fate::GraceOver | Fate::Expired | Fate::Hidden);
    // A look first: a snapshot counts as a use.
    let entry = entry_of(store, session);
    assert_eq!(entry.is_some(), present, "{name}");
    assert_eq!(store.exists(&key(store, session)).expect("exists"), present, "{name}");
    if session.fate == Fate::Retired {
        // Which session took its place is not known, and so not what may be shown of it.
        assert_eq!(get(store, session).unwrap_or_default(), b"", "{name}");
    } else {
        assert_eq!(get(store, session), present.then(|| content(session)), "{name}");
    }
    let Some(entry) = entry else { return };
    let (incarnation, version) = (entry.incarnation, entry.version);
    let found = Expected { incarnation, version, created: entry.created, used: entry.used, expires: entry.expires };
    assert_eq!(Some(&found), fixture::expected().get(&name), "{name}");
    assert_eq!(entry.size as usize, if entry.retired { 0 } else { session.size }, "{name}");
    let came_back = matches!(session.fate, Fate::Returned | Fate::ReturnedAgain | Fate::Emptied | Fate::Held);
    assert_eq!(entry.returned, came_back, "{name}");
    assert_eq!(entry.retired, session.fate == Fate::Retired, "{name}");
    assert!(!entry.locked, "{name}: its holder is dead");
}

#[test]
fn every_session_is_brought_over_as_it_was() {
    let dir = temporary();
    let image = fixture::image();
    image.write_copy(dir.path());
    let store = attach(dir.path(), 8);
    SESSIONS.iter().for_each(|session| assert_is_whole(&store, session));
    let there = |fates: &[Fate]| SESSIONS.iter().filter(|session| fates.contains(&session.fate)).count() as u64;
    let live = SESSIONS.len() as u64 - there(&ENDED) - there(&[Fate::Expired]);
    // After a reboot the store clock is known only when all have been seen.
    assert_eq!(sound(&store).expect("sound").sessions, live + there(&[Fate::Expired]));
    store.collect(Effort::All).expect("collect");
    assert_eq!(sound(&store).expect("sound").sessions, live, "what had expired by all clocks is gone");
    assert_eq!(store.stats().expect("stats").tombstones, there(&ENDED));

    let old = store_file(dir.path()).with_extension("store.format-2-e6ef42b0");
    assert_eq!(files(dir.path()), [store_file(dir.path()), old.clone()]);
    assert!(Image::of(&old) == image, "the old file was written to");
    let note = store.take_note().expect("it is told");
    assert!(note.contains(&format!("its {} sessions", live + 1)) && note.contains(&*old.to_string_lossy()), "{note}");
    assert_eq!(store.take_note(), None);
}

#[test]
fn what_had_ended_stays_ended() {
    let dir = temporary();
    fixture::image().write_copy(dir.path());
    let store = attach(dir.path(), 8);
    for session in SESSIONS {
        let key = key(&store, session);
        let late = Restored { payload: b"late", created: 1, lifetime: LIFE, returned: true };
        let expected = match session.fate {
            Fate::Expired => Restore::Stored,
            // It is no more than hidden, but a new session may take its place.
            Fate::Hidden => continue,
            Fate::Ended | Fate::GraceOver => Restore::Ended,
            _ => Restore::Exists,
        };
        assert_eq!(store.restore(&key, &late).expect("restore"), expected, "{}", session.id);
        if session.fate == Fate::Retired {
            let mut lease = store.acquire(&key, &waiting(Duration::ZERO)).expect("acquire");
            assert_eq!(lease.commit(b"late", LIFE, Over::Anything).expect("commit"), Committed::Ended);
        }
    }
}

#[test]
fn a_session_that_a_clock_hides_comes_back_with_it() {
    let dir = temporary();
    fixture::image().write_copy(dir.path());
    let store = attach(dir.path(), 8);
    let hidden = SESSIONS.iter().find(|session| session.fate == Fate::Hidden).expect("one is hidden");
    let newest = fixture::expected().values().map(|session| session.used).max().expect("a session");
    assert_eq!(get(&store, hidden), None);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    store.clock().skew(newest as i64 - i64::from(8 * YEAR) - now as i64, 0);
    assert_eq!(get(&store, hidden), Some(content(hidden)));
}

#[test]
fn all_of_them_can_be_worked_with() {
    let dir = temporary();
    fixture::image().write_copy(dir.path());
    in_thread(|| {
        let store = attach(dir.path(), 8);
        for session in SESSIONS.iter().filter(|session| !ENDED.contains(&session.fate)) {
            let mut lease = store.acquire(&key(&store, session), &waiting(Duration::ZERO)).expect("the lock is free");
            lease.commit(session.id.as_bytes(), LIFE, Over::Anything).expect("commit");
        }
        sound(&store).expect("sound");
    })
    .expect("no panic");
    // The next process finds a store as any other.
    let store = attach(dir.path(), 8);
    assert_eq!(store.take_note(), None);
    assert_eq!(get(&store, &SESSIONS[8]), Some(SESSIONS[8].id.as_bytes().to_vec()));
}

#[test]
fn the_store_clock_goes_on() {
    let dir = temporary();
    let store = attach(dir.path(), 8);
    let here: Vec<u8> = Image::take(dir.path()).page(0)[160..176].to_vec();
    std::fs::remove_file(store.path()).expect("removed");
    drop(store);
    let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec as u64;
    // 50 seconds ago in this boot, and in another one.
    for (boot_id, base) in [(here, 1050), (vec![7; 16], 1000)] {
        let dir = temporary();
        let mut image = fixture::image();
        image.set(160, &boot_id);
        image.set(192, &1000u64.to_le_bytes());
        image.set(200, &boot.saturating_sub(50).to_le_bytes());
        // No session was used later than that.
        let newest = image.write(dir.path());
        assert_eq!(newest, store_file(dir.path()));
        let there = in_thread(|| sound(&attach(dir.path(), 8))).expect("no panic").expect("sound").sessions;
        let expected =
            SESSIONS.iter().filter(|session| !ENDED.contains(&session.fate) && session.fate != Fate::Expired);
        assert_eq!(there, expected.count() as u64, "what had expired by this clock is not brought over");
        let mut header = [0; 16];
        File::open(newest).expect("the store").read_exact_at(&mut header, 192).expect("its header");
        let found = u64::from_le_bytes(header[..8].try_into().expect("eight bytes"));
        let most = if base == 1050 { base + 5 } else { u64::from(u32::MAX) };
        assert!((base..=most).contains(&found), "{found} instead of {base}");
    }
}

/// A header whose checksum does not hold is none to be believed; its sessions are saved as those of any damaged file are.
#[test]
fn a_damaged_header_of_that_format_is_mended() {
    let dir = temporary();
    let mut image = fixture::image();
    image.set(24, &[0x55; 8]);
    image.write_copy(dir.path());
    let store = attach(dir.path(), 8);
    // The copy has the payloads of retired sessions as well.
    let others = SESSIONS.iter().filter(|session| session.fate != Fate::Retired);
    others.for_each(|session| assert_is_whole(&store, session));
    sound(&store).expect("sound");
    assert!(store_file(dir.path()).with_extension("store.damaged-1").exists());
}

/// Where `bytes` lie in the image.
fn find(image: &Image, bytes: &[u8]) -> u64 {
    let found = image.pages.iter().find_map(|(at, page)| {
        let within = page.windows(bytes.len()).position(|window| window == bytes)?;
        Some(at + within as u64)
    });
    found.expect("it is in the file")
}

/// What a node itself says of its session: the flags that are not about lists, and nothing where later formats have more.
#[test]
fn how_often_they_came_back_is_known() {
    let dir = temporary();
    fixture::image().write_copy(dir.path());
    let store = attach(dir.path(), 8);
    let image = Image::take(dir.path());
    for session in SESSIONS {
        let place = find(&image, &key(&store, session).to_bytes()) - node::KEY;
        let page = image.page(place / 4096 * 4096);
        let bytes = &page[place as usize % 4096..][..node::SIZE as usize];
        let came_back = match session.fate {
            Fate::Returned | Fate::Held | Fate::Emptied => flag::RETURNED,
            Fate::ReturnedAgain => flag::RETURNED | flag::RETURNED_AGAIN,
            _ => 0,
        };
        let was_emptied = session.size == 0 && session.fate != Fate::Reserved;
        let flags = came_back | if was_emptied { flag::EMPTIED } else { 0 };
        let found = u32::from_le_bytes(bytes[node::FLAGS as usize..][..4].try_into().expect("four bytes"));
        // A tombstone may have what was said of the session before.
        if !ENDED.contains(&session.fate) {
            assert_eq!(found & flag::KEPT, flags, "{}", session.id);
        }
        for (from, to) in [(node::SUCCESSOR, 72), (node::LOGIN, 88), (node::SUCCESSOR_INCARNATION, node::SIZE)] {
            let room = &bytes[from as usize..to as usize];
            assert!(room.iter().all(|byte| *byte == 0), "{}: {room:?} from {from} on", session.id);
        }
    }
}

/// A node whose checksum does not hold and a payload that was changed are left out, and reported; the rest is there.
#[test]
fn what_is_damaged_is_left_out_and_told() {
    let image = fixture::image();
    let of = |id: &str| *SESSIONS.iter().find(|session| session.id == id).expect("a session");
    let (reserved, small) = (of("reserved"), of("small"));
    let dir = temporary();
    image.write_copy(dir.path());
    let place = in_thread(|| find(&image, &key(&attach(dir.path(), 8), &reserved).to_bytes())).expect("no panic");
    let mut damaged = image.clone();
    // When the session began, which lies 48 bytes behind its key.
    damaged.set(place + 48, &[1, 2, 3, 4]);
    damaged.set(find(&image, &content(&small)), b"another content");
    let dir = temporary();
    damaged.write_copy(dir.path());
    let store = attach(dir.path(), 8);
    for session in SESSIONS {
        if [reserved.id, small.id].contains(&session.id) {
            assert!(entry_of(&store, session).is_none(), "{}", session.id);
        } else {
            assert_is_whole(&store, session);
        }
    }
    let note = store.take_note().expect("it is told");
    assert!(note.contains("2 more were damaged"), "{note}");
}

/// Whatever the file holds, a session that reads is one that was in it.
#[test]
fn random_damage_makes_up_no_session() {
    let image = fixture::image();
    let mut random = Random::new(5);
    let (mut there, rounds) = (0, 300);
    for round in 0..rounds {
        let mut damaged = image.clone();
        for _ in 0..1 + random.below(40) {
            let (at, _) = damaged.pages[random.below(damaged.pages.len() as u64) as usize];
            // The header's constant part is another matter.
            let at = at + if at == 0 { 192 + random.below(3000) } else { random.below(4096) } / 8 * 8;
            let bytes = match random.below(4) {
                0 => [0; 8],
                1 => [0xff; 8],
                2 => random.below(1 << 20).to_le_bytes(),
                _ => random.next().to_le_bytes(),
            };
            damaged.set(at, &bytes);
        }
        if random.below(4) == 0 {
            damaged.cut(damaged.len - random.below(damaged.len / 2) / 4096 * 4096);
        }
        let dir = temporary();
        damaged.write_copy(dir.path());
        let seed = harness::seed();
        let store = Store::attach(dir.path(), Options { capacity: Some(8 << 20), user: None })
            .unwrap_or_else(|e| panic!("round {round} of seed {seed}: {e}"));
        for session in SESSIONS {
            let found = get(&store, session);
            there += u64::from(found.is_some());
            let made_up = found.is_some_and(|found| !found.is_empty() && found != content(session));
            assert!(!made_up, "round {round} of seed {seed}: {}", session.id);
        }
        sound(&store).unwrap_or_else(|e| panic!("round {round} of seed {seed}: {e}"));
        assert!(std::fs::metadata(store.path()).expect("the store").blocks() * 512 < 8 << 20);
        drop(store);
    }
    assert!(there > rounds * 5, "{there} sessions were there in {rounds} files");
}
