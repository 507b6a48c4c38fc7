//! An empty store goes where nobody needs it. In a process of its own: what is tried looks at all stores of the process.

mod harness;

use std::fs::File;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::sync::Arc;

use cloakroom_seam::{Acquire, Committed, End, Key, Namespace, Over, SessionId, Store as _};
use cloakroom_store::{LocalStore, Store, remove_empty_stores};
use harness::{LIFE, attach, exclusive, unlocked};

/// Makes a store in a directory of this mode, with a session in it or none. Whether the file is there afterwards.
fn stays(mode: u32, keeps_session: bool) -> bool {
    let dir = tempfile::tempdir().expect("temporary directory");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).expect("a mode");
    let store = attach(dir.path(), 64);
    let mut lease = store.acquire(&store.key(b"", b"only"), &exclusive()).expect("acquire");
    if keeps_session {
        lease.commit(b"x", LIFE, Over::Anything).expect("commit");
    } else {
        lease.destroy(End::at_once(LIFE)).expect("destroy");
    }
    assert!(keep_lease_or_not(&store), "with a lease it stays");
    drop(lease);
    remove_empty_stores(true);
    store.path().exists()
}

/// Whether the store stays while somebody holds a session in it that another request has ended.
fn keep_lease_or_not(store: &Arc<Store>) -> bool {
    let unlocked = unlocked();
    let mut slow = store.acquire(&store.key(b"", b"other"), &unlocked).expect("acquire");
    store.destroy(&store.key(b"", b"other"), End::at_once(LIFE)).expect("destroy");
    remove_empty_stores(true);
    let stays = store.path().exists();
    slow.release();
    stays
}

/// The key of a session in whatever file the handle is at.
fn key_of(handle: &LocalStore, id: &[u8]) -> Key {
    handle.key(&Namespace::parse(b"").expect("a namespace"), &SessionId::parse(id).expect("an id"))
}

/// Begins the session of a key and ends it in the same request.
fn begin_and_end(handle: &LocalStore, key: &Key) {
    let mut lease = handle.lease(key, &exclusive()).expect("acquire");
    lease.commit(b"x", LIFE, Over::Anything).expect("commit");
    assert!(handle.destroy(key, End::at_once(LIFE)).expect("destroy"));
}

/// A handle that goes on after its store was removed makes a store with the same keys, in which ends are remembered as well.
fn goes_on_where_it_was_removed() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let handle = LocalStore::of(attach(dir.path(), 64));
    let path = handle.location();
    let is_there = || std::path::Path::new(&path).exists();
    let (key, other) = (key_of(&handle, b"first"), key_of(&handle, b"other"));
    let (_, before) = handle.snapshot(&key).expect("a mark");
    begin_and_end(&handle, &key);
    remove_empty_stores(false);
    assert!(!is_there(), "it is removed");

    // With keys and marks that were taken before.
    let mut lease = handle.lease(&other, &exclusive()).expect("acquire");
    lease.commit(b"stays", LIFE, Over::Anything).expect("commit");
    drop(lease);
    let mut late = handle.lease(&key, &Acquire { since: Some(before), ..unlocked() }).expect("acquire");
    let written = late.commit(b"late", LIFE, Over::Anything).expect("commit");
    assert_eq!(written, Committed::Ended, "what was ended stays ended");
    drop(late);
    assert!(handle.notice().is_none(), "nobody hears of a file that nobody missed");
    assert!(is_there());
    drop(handle);
    let handle = LocalStore::of(attach(dir.path(), 64));
    assert!(key_of(&handle, b"other") == other);
    assert!(handle.exists(&other).expect("a look"), "who attaches the store finds the session");
}

/// A store that was removed once is removed again when the process ends only: to make one takes long.
fn is_removed_once() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let handle = LocalStore::of(attach(dir.path(), 64));
    let path = handle.location();
    let is_there = || std::path::Path::new(&path).exists();
    begin_and_end(&handle, &key_of(&handle, b"first"));
    remove_empty_stores(false);
    assert!(!is_there());
    begin_and_end(&handle, &key_of(&handle, b"first"));
    remove_empty_stores(false);
    assert!(is_there());
    remove_empty_stores(true);
    assert!(!is_there());
}

/// Counts are derived: what they say is believed only where the nodes say the same, and no process has died at work in a
/// shard.
fn stays_where_counts_are_wrong(dirty: u32, is_empty: bool) {
    const SHARDS_AT: u64 = 0x21_0000;
    const NUMBER_OF_SHARDS: u64 = 16;
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = attach(dir.path(), 64);
    let mut lease = store.acquire(&store.key(b"", b"kept"), &exclusive()).expect("acquire");
    if is_empty {
        lease.release();
    } else {
        lease.commit(b"x", LIFE, Over::Anything).expect("commit");
    }
    drop(lease);
    let file = File::options().read(true).write(true).open(store.path()).expect("the store file");
    let mut number = [0; 4];
    file.read_exact_at(&mut number, NUMBER_OF_SHARDS).expect("a header");
    for shard in 0..u64::from(u32::from_le_bytes(number)) {
        let line = 3 * shard % 32 + (shard & 16);
        let at = SHARDS_AT + shard * 4096 + line * 64;
        file.write_all_at(&dirty.to_le_bytes(), at + 4).expect("a shard");
        file.write_all_at(&[0; 8], at + 8).expect("its payload bytes");
        file.write_all_at(&[0; 4], at + 144).expect("its sessions");
    }
    remove_empty_stores(true);
    assert!(store.path().exists());
    if !is_empty {
        assert!(store.exists(&store.key(b"", b"kept")).expect("a look"));
    }
}

#[test]
fn an_empty_store_is_removed_by_the_process_that_made_it_where_no_neighbour_can_take_its_name() {
    assert!(!stays(0o700, false), "an empty one in a private directory");
    assert!(!stays(0o755, false), "an empty one where others may look");
    assert!(stays(0o700, true), "one with a session");
    assert!(stays(0o1777, false), "an empty one where others may make files");
    goes_on_where_it_was_removed();
    is_removed_once();
    stays_where_counts_are_wrong(0, false);
    stays_where_counts_are_wrong(1, false);
    stays_where_counts_are_wrong(1, true);
}
