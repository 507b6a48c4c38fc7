//! Store files whose header is damaged: what could be read is in a new store, the damaged file is kept as it was under
//! another name, and whoever may not do that leaves it alone.

#[path = "../src/file/byte_lock.rs"]
#[allow(dead_code, reason = "the store's own module, of which a part is used")]
mod byte_lock;
mod harness;
#[path = "../src/file/layout.rs"]
#[allow(dead_code, unreachable_pub, reason = "the store's own module, of which a part is used")]
mod layout;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use byte_lock::Byte;
use cloakroom_store::{AttachError, Options, Store};
use harness::image::Image;
use harness::{attach, get, in_thread, put, store_file, temporary, value};
use layout::header;

const SESSIONS: u64 = 60;

/// A small store with known sessions, by nobody in use.
fn made(dir: &Path) -> Image {
    in_thread(|| {
        let store = attach(dir, 16);
        for i in 0..SESSIONS {
            put(&store, &format!("session {i}"), &value(i, 50 + 400 * i as usize)).expect("put");
        }
    })
    .expect("a store");
    let image = Image::take(dir);
    fs::remove_file(store_file(dir)).expect("the file");
    image
}

fn try_attach(dir: &Path, capacity: Option<u64>) -> Result<Arc<Store>, AttachError> {
    Store::attach(dir, Options { capacity, user: None })
}

fn quarantined(dir: &Path, number: u32) -> PathBuf {
    let mut name = store_file(dir).into_os_string();
    name.push(format!(".damaged-{number}"));
    PathBuf::from(name)
}

/// Attaches a file with `bytes` at `at`: how many sessions are there, and what was told. The damaged file must be kept.
fn repaired(image: &Image, at: u64, bytes: &[u8]) -> (u64, String) {
    let dir = temporary();
    let mut image = image.clone();
    image.set(at, bytes);
    let (path, _) = image.write_copy(dir.path());
    let before = fs::read(&path).expect("the damaged file");
    let found = in_thread(|| {
        let store = attach(dir.path(), 16);
        let note = store.take_note().expect("a note");
        let there = (0..SESSIONS)
            .filter(|i| match get(&store, &format!("session {i}")).expect("snapshot") {
                Some(found) => {
                    assert!(found == value(*i, 50 + 400 * *i as usize), "session {i} is another");
                    true
                }
                None => false,
            })
            .count();
        put(&store, "new", b"it works").expect("put");
        let report = store.check().expect("check");
        assert_eq!(report.problems, Vec::<String>::new());
        (there as u64, note)
    })
    .expect("no panic");
    assert!(
        fs::read(quarantined(dir.path(), 1)).expect("the file that is kept") == before,
        "the damaged file was changed"
    );
    assert!(found.1.contains(".damaged-1"), "the note names it: {}", found.1);
    assert_eq!(fs::read_dir(dir.path()).expect("the directory").count(), 2, "nothing else is left");
    found
}

#[test]
fn sessions_are_carried_over_where_the_secret_is_whole() {
    let dir = temporary();
    let image = made(dir.path());
    let cases: [(&str, u64, &[u8]); 7] = [
        ("the magic number", header::MAGIC, b"garbage!"),
        ("a format that cannot be", header::FORMAT, &0xffff_0000u32.to_le_bytes()),
        ("an earlier format", header::FORMAT, &1u32.to_le_bytes()),
        ("the layout", header::FINGERPRINT, &7u32.to_le_bytes()),
        ("the number of shards", header::SHARDS, &64u32.to_le_bytes()),
        ("no number of shards", header::SHARDS, &u32::MAX.to_le_bytes()),
        ("all but the secret", 0, &[0xa5; 128]),
    ];
    for (what, at, bytes) in cases {
        let (there, note) = repaired(&image, at, bytes);
        assert_eq!(there, SESSIONS, "{what}: {note}");
        assert!(note.contains("carried over"), "{what}: {note}");
    }
}

#[test]
fn nothing_can_be_read_without_the_secret() {
    let dir = temporary();
    let image = made(dir.path());
    for (at, bytes) in [(header::SECRET + 2, &[1u8, 2, 3][..]), (0, &[0x5a; 4096])] {
        let (there, note) = repaired(&image, at, bytes);
        assert_eq!(there, 0, "{note}");
        assert!(note.contains("without the secret"), "{note}");
    }
}

#[test]
fn what_is_no_store_is_kept_and_a_store_is_begun() {
    let dir = temporary();
    let path = store_file(dir.path());
    for len in [1usize, 7, 8, 100, 4095, 4096, 5000, 1 << 20, 23 << 20] {
        let bytes = value(len as u64, len);
        write_private(&path, &bytes);
        in_thread(|| {
            let store = attach(dir.path(), 16);
            assert!(store.take_note().is_some_and(|note| note.contains("is kept as")), "{len} bytes");
            put(&store, "new", b"it works").expect("put");
        })
        .expect("no panic");
        let kept = (1..=3).any(|number| fs::read(quarantined(dir.path(), number)).is_ok_and(|found| found == bytes));
        assert!(kept, "{len} bytes are not kept as they were");
        fs::remove_file(&path).expect("the store");
    }
    let left = fs::read_dir(dir.path()).expect("the directory").count();
    assert_eq!(left, 3, "more damaged files are kept than the newest three");
}

fn write_private(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, bytes).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
}

/// Attaching fails and the file stays as it is.
fn refused(what: &str, dir: &Path, capacity: Option<u64>) -> AttachError {
    let before = fs::read(store_file(dir)).expect("the file");
    let error = in_thread(|| try_attach(dir, capacity).map(drop)).expect("no panic").expect_err(what);
    assert!(fs::read(store_file(dir)).expect("the file") == before, "{what}: the file was changed");
    assert!(!quarantined(dir, 1).exists(), "{what}: it was set aside");
    error
}

#[test]
fn stores_of_other_versions_are_left_alone() {
    let dir = temporary();
    let image = made(dir.path());
    for format in [cloakroom_store::FORMAT + 1, 1000] {
        let mut newer = image.clone();
        newer.set(header::FORMAT, &format.to_le_bytes());
        newer.write_copy(dir.path());
        let error = refused("a newer format", dir.path(), Some(16 << 20));
        assert!(matches!(error, AttachError::LaterFormat { found, .. } if found == format), "{error}");
    }
}

#[test]
fn only_who_is_alone_and_may_make_stores_sets_a_file_aside() {
    let dir = temporary();
    let mut image = made(dir.path());
    image.set(header::CHECK, &[1; 8]);
    image.write_copy(dir.path());
    let error = refused("by somebody who makes no stores", dir.path(), None);
    assert!(matches!(error, AttachError::Foreign { .. }), "{error}");

    // A header that is damaged while others have the store attached: they have what it said.
    let file = fs::File::options().read(true).write(true).open(store_file(dir.path())).expect("the file");
    assert!(byte_lock::try_shared(&file, Byte::Present).expect("a lock"), "somebody has it attached");
    let error = refused("while others use it", dir.path(), Some(16 << 20));
    assert!(matches!(error, AttachError::Foreign { .. }), "{error}");
    byte_lock::unlock(&file, Byte::Present);
    in_thread(|| {
        let store = attach(dir.path(), 16);
        assert_eq!(get(&store, "session 1"), Ok(Some(value(1, 450))), "once they are gone it is carried over");
    })
    .expect("no panic");
}

/// Where few sessions are left, several numbers of shards fit them, and a damaged header may name one that leaves a small
/// store no chunks.
#[test]
fn few_sessions_get_no_more_shards_than_they_need() {
    let dir = temporary();
    in_thread(|| {
        let store = attach(dir.path(), 8);
        // One that 64 shards would put where the present four have it.
        let fits = |id: &String| store.key(b"", id.as_bytes()).to_bytes()[5] & 63 < 4;
        let id = (0..10_000).map(|i| format!("session {i}")).find(fits).expect("one in sixteen is so");
        put(&store, &id, b"content").expect("put");
    })
    .expect("a store");
    let mut image = Image::take(dir.path());
    fs::remove_file(store_file(dir.path())).expect("the file");
    image.set(header::SHARDS, &64u32.to_le_bytes());
    image.write_copy(dir.path());
    in_thread(|| {
        let store = attach(dir.path(), 8);
        assert!(store.take_note().expect("a note").contains("of 1 sessions"));
        (0..200).try_for_each(|i| put(&store, &format!("new {i}"), &value(i, 5000))).expect("room for a megabyte");
    })
    .expect("a thread");
}
