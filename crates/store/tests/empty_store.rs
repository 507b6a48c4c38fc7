//! An empty store goes where nobody needs it. In a process of its own: what is tried looks at all stores of the process.

mod harness;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use cloakroom_seam::{End, Over};
use cloakroom_store::{Store, remove_empty_stores};
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
    remove_empty_stores();
    store.path().exists()
}

/// Whether the store stays while somebody holds a session in it that another request has ended.
fn keep_lease_or_not(store: &Arc<Store>) -> bool {
    let unlocked = unlocked();
    let mut slow = store.acquire(&store.key(b"", b"other"), &unlocked).expect("acquire");
    store.destroy(&store.key(b"", b"other"), End::at_once(LIFE)).expect("destroy");
    remove_empty_stores();
    let stays = store.path().exists();
    slow.release();
    stays
}

#[test]
fn an_empty_store_is_removed_by_the_process_that_made_it_where_no_neighbour_can_take_its_name() {
    assert!(!stays(0o700, false), "an empty one in a private directory");
    assert!(!stays(0o755, false), "an empty one where others may look");
    assert!(stays(0o700, true), "one with a session");
    assert!(stays(0o1777, false), "an empty one where others may make files");
}
