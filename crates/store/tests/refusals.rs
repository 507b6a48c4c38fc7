//! What the system refuses to the process that has a store: longer files (RLIMIT_FSIZE), address space (RLIMIT_AS), and
//! single system calls, as where a disk fails.
//!
//! Each case runs in a child process, so that a signal is a failed case and not the end of the test.

mod harness;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cloakroom_seam::Over;
use cloakroom_store::{AttachError, Error, Options, Store};
use harness::process::Child;
use harness::refusing::{Refused, refuse};
use harness::{
    Checked, Finding, LIFE, Suite, attach, attach_existing, exclusive, get, put, sound, store_file, temporary, value,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const SESSIONS: u64 = 50;

fn main() -> std::process::ExitCode {
    let mut suite = Suite::new("refusals");
    suite.case("a limit of file sizes while the store grows", limited_while_growing);
    suite.case("a limit of file sizes while a store is made", limited_at_creation);
    suite.case("a limit of file sizes while a store is relocated", limited_while_relocating);
    suite.case("a limit of address space", limited_address_space);
    suite.case("a call that fails while a store is relocated", || failing_calls(relocates));
    suite.case("a call that fails while a damaged store is saved", || failing_calls(saves));
    suite.finish()
}

/// Runs `case` in a child process.
fn apart(case: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let said = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
    let mut child = Child::fork(|| match case() {
        Ok(()) => 0,
        Err(what) => {
            // In a child without a limit of its own any more.
            lift(Resource::Fsize);
            let _ = fs::write(said.path(), what);
            1
        }
    });
    match child.join() {
        0 => Ok(()),
        1 => Err(fs::read_to_string(said.path()).unwrap_or_default()),
        code => Err(format!("the process ended with {code}")),
    }
}

fn limit(resource: Resource, bytes: u64) {
    let Rlimit { maximum, .. } = getrlimit(resource);
    setrlimit(resource, Rlimit { current: Some(bytes), maximum }).expect("a lower limit");
}

fn lift(resource: Resource) {
    let Rlimit { maximum, .. } = getrlimit(resource);
    setrlimit(resource, Rlimit { current: maximum, maximum }).expect("a limit");
}

fn commit(store: &Arc<Store>, id: &str, payload: &[u8]) -> Result<(), Error> {
    store.acquire(&store.key(b"", id.as_bytes()), &exclusive())?.commit(payload, LIFE, Over::Anything).map(drop)
}

fn limited_while_growing() -> Checked {
    let dir = temporary();
    let path = store_file(dir.path());
    apart(|| {
        put(&attach(dir.path(), 64), "s", b"start")?;
        let length = fs::metadata(&path).map_err(|e| e.to_string())?.len();
        limit(Resource::Fsize, length + (1 << 20));
        let store = attach_existing(dir.path())?;
        let mut stored = 0;
        let refused = loop {
            let id = format!("k{stored}");
            let tried = commit(&store, &id, &value(stored, 20_000));
            // What is used again and again is not evicted.
            let used = || (0..2).try_for_each(|_| store.snapshot(&store.key(b"", id.as_bytes())).map(drop));
            match tried.and_then(|()| used()) {
                Ok(_) => stored += 1,
                Err(error) => break error,
            }
            if stored > 1000 {
                return Err("the limit was never met".to_owned());
            }
        };
        if !matches!(refused, Error::FileLimit { .. }) || !refused.to_string().contains("LimitFSIZE=") {
            return Err(format!("after {stored} sessions: {refused}"));
        }
        if stored < 20 {
            return Err(format!("{stored} sessions in a mebibyte"));
        }
        for i in 0..stored {
            if get(&store, &format!("k{i}"))? != Some(value(i, 20_000)) {
                return Err(format!("session {i} of {stored} is lost"));
            }
        }
        commit(&store, "s", b"an update goes on").map_err(|e| e.to_string())?;
        // What never came back makes way for what is new, as in a store that is full.
        lift(Resource::Fsize);
        commit(&store, "once", &value(1, 20_000)).map_err(|e| format!("with the limit lifted: {e}"))?;
        let length = fs::metadata(&path).map_err(|e| e.to_string())?.len();
        limit(Resource::Fsize, length);
        let mut served = 0;
        for i in 0..200 {
            match commit(&store, &format!("flood {i}"), &value(i, 20_000)) {
                Ok(()) => served += 1,
                // A shard of which every session came back.
                Err(Error::FileLimit { .. }) => {}
                Err(e) => return Err(format!("flood {i}: {e}")),
            }
        }
        sound(&store)?;
        if served > 0 { Ok(()) } else { Err("nothing made way for what is new".to_owned()) }
    })?;
    Ok(Finding::Passed("refused in words, nothing lost, what may be evicted is".to_owned()))
}

fn limited_at_creation() -> Checked {
    let (mut refused, mut made) = (0, 0);
    for kilobytes in [0, 1, 4, 100, 1 << 10, 20 << 10, 22 << 10, 22 << 10 | 64, 23 << 10, 26 << 10, 64 << 10] {
        let dir = temporary();
        let attached = temporary();
        apart(|| {
            limit(Resource::Fsize, kilobytes << 10);
            match Store::attach(dir.path(), Options { capacity: Some(64 << 20), user: None }) {
                Ok(store) => match commit(&store, "s", b"content") {
                    Ok(()) | Err(Error::FileLimit { .. }) => {
                        lift(Resource::Fsize);
                        fs::write(attached.path().join("made"), b"").map_err(|e| e.to_string())
                    }
                    Err(e) => Err(format!("the first session: {e}")),
                },
                Err(error @ AttachError::NoSpace { .. }) if error.to_string().contains("LimitFSIZE=") => Ok(()),
                Err(e) => Err(format!("attach: {e}")),
            }
        })
        .map_err(|e| format!("{kilobytes} KiB: {e}"))?;
        if attached.path().join("made").exists() {
            made += 1
        } else {
            refused += 1
        }
        // What a refused attempt left must not be in the way.
        apart(|| put(&attach(dir.path(), 64), "s", b"content")).map_err(|e| format!("after {kilobytes} KiB: {e}"))?;
    }
    if refused < 5 || made < 2 {
        return Err(format!("{refused} attempts refused, {made} made"));
    }
    Ok(Finding::Passed(format!("{refused} attempts refused, {made} made, each went on without the limit")))
}

/// A store with [`SESSIONS`] sessions, attached.
fn filled(dir: &Path) -> Result<Arc<Store>, String> {
    let store = attach(dir, 64);
    (0..SESSIONS).try_for_each(|i| put(&store, &format!("s{i}"), &value(i, 500 + 300 * i as usize)))?;
    Ok(store)
}

/// How many of the sessions are there; an error for a wrong one.
fn kept(store: &Arc<Store>) -> Result<u64, String> {
    let mut kept = 0;
    for i in 0..SESSIONS {
        match get(store, &format!("s{i}"))? {
            Some(found) if found == value(i, 500 + 300 * i as usize) => kept += 1,
            Some(_) => return Err(format!("session {i} is another")),
            None => {}
        }
    }
    Ok(kept)
}

fn limited_while_relocating() -> Checked {
    let dir = temporary();
    apart(|| {
        let store = filled(dir.path())?;
        limit(Resource::Fsize, 1 << 20);
        relocates_once_lifted(&store)
    })?;
    // What is to be copied is within the limit, what is to be allocated for it is not.
    apart(|| {
        let store = filled(dir.path())?;
        let file = fs::File::options().write(true).open(store.path()).map_err(|e| e.to_string())?;
        let length = file.metadata().map_err(|e| e.to_string())?.len() - (128 << 10);
        file.set_len(length).map_err(|e| e.to_string())?;
        limit(Resource::Fsize, length);
        relocates_once_lifted(&store)
    })?;
    Ok(Finding::Passed("refused in words, moved without the limit".to_owned()))
}

/// Deletes the file of a store as [`filled`] makes it: under the limit that there is, it is not relocated, and
/// without it, it is.
fn relocates_once_lifted(store: &Arc<Store>) -> Result<(), String> {
    fs::remove_file(store.path()).map_err(|e| e.to_string())?;
    match store.attach_relocated() {
        Ok(_) => return Err("a store was moved to a file beyond the limit".to_owned()),
        Err(e) if e.to_string().contains("LimitFSIZE=") => {}
        Err(e) => return Err(e.to_string()),
    }
    lift(Resource::Fsize);
    let (new, _) = store.attach_relocated().map_err(|e| e.to_string())?;
    match kept(&new)? {
        SESSIONS => sound(&new).map(drop),
        kept => Err(format!("{kept} sessions were kept")),
    }
}

fn limited_address_space() -> Checked {
    let dir = temporary();
    apart(|| put(&attach(dir.path(), 64), "s", b"content"))?;
    apart(|| {
        limit(Resource::As, 512 << 20);
        let error = match Store::attach(dir.path(), Options { capacity: Some(2 << 30), user: None }) {
            Ok(_) => return Err("2 GiB were mapped within 512 MiB".to_owned()),
            Err(error) => error.to_string(),
        };
        for said in ["map", "2070 MiB", "512 MiB", "LimitAS=", "ulimit -v", "cloakroom.size"] {
            if !error.contains(said) {
                return Err(format!("{said:?} is not said in: {error}"));
            }
        }
        let store = Store::attach(dir.path(), Options { capacity: Some(64 << 20), user: None });
        match get(&store.map_err(|e| e.to_string())?, "s")?.as_deref() {
            Some(b"content") => Ok(()),
            found => Err(format!("{found:?} with a smaller size")),
        }
    })?;
    Ok(Finding::Passed("the warning says what to do".to_owned()))
}

/// Every call that relocating a store makes of the file system, with what of it is to fail.
fn calls() -> Vec<(&'static str, Refused)> {
    let eio = |call, argument| Refused { call, argument, errno: libc::EIO };
    let whence = |whence: i32| Some((2, whence as u32));
    vec![
        ("lseek to data", eio(libc::SYS_lseek, whence(libc::SEEK_DATA))),
        ("lseek to a hole", eio(libc::SYS_lseek, whence(libc::SEEK_HOLE))),
        ("pread", eio(libc::SYS_pread64, None)),
        ("pwrite", eio(libc::SYS_pwrite64, None)),
        ("fallocate", eio(libc::SYS_fallocate, None)),
        ("ftruncate", eio(libc::SYS_ftruncate, None)),
        ("fsync", eio(libc::SYS_fsync, None)),
        ("fstat", eio(libc::SYS_fstat, None)),
        ("fstatat", eio(libc::SYS_newfstatat, None)),
        ("renameat2", eio(libc::SYS_renameat2, None)),
        ("openat", eio(libc::SYS_openat, None)),
        ("fcntl", eio(libc::SYS_fcntl, None)),
        ("mmap", eio(libc::SYS_mmap, None)),
    ]
}

/// Runs `scene` once for each call of [`calls`], which it is to have refused when it is about to do what may fail.
fn failing_calls(scene: fn(&Path, Refused) -> Result<(), String>) -> Checked {
    let probe = Refused { call: libc::SYS_sethostname, argument: None, errno: libc::EIO };
    if let Err(why) = apart(|| refuse(probe).map_err(|e| e.to_string())) {
        return Ok(Finding::Skipped(format!("system calls cannot be refused here: {why}")));
    }
    for (name, refused) in calls() {
        let dir = temporary();
        scene(dir.path(), refused).map_err(|e| format!("{name}: {e}"))?;
    }
    Ok(Finding::Passed(format!("{} calls failed in turn, no session was lost", calls().len())))
}

/// The file is deleted while a process has it. Whatever fails while that relocates it: what comes to lie at the path has all
/// sessions, or nothing does.
fn relocates(dir: &Path, refused: Refused) -> Result<(), String> {
    apart(|| {
        let store = filled(dir)?;
        fs::remove_file(store.path()).map_err(|e| e.to_string())?;
        let mut child = None;
        std::thread::scope(|scope| {
            let moved = scope.spawn(|| {
                refuse(refused).map_err(|e| e.to_string())?;
                let _ = store.attach_relocated();
                Ok::<_, String>(())
            });
            child = Some(moved.join());
        });
        child.ok_or("no thread")?.map_err(|_| "it panicked")??;
        // In this thread nothing fails.
        let (new, _) = store.attach_relocated().map_err(|e| format!("once it works again: {e}"))?;
        match kept(&new)? {
            SESSIONS => sound(&new).map(drop),
            kept => Err(format!("{kept} of {SESSIONS} sessions are there")),
        }
    })
}

/// The header is damaged. Whatever fails while the sessions are saved: they are when it works again.
fn saves(dir: &Path, refused: Refused) -> Result<(), String> {
    apart(|| filled(dir).map(drop))?;
    let file = fs::File::options().write(true).open(store_file(dir)).map_err(|e| e.to_string())?;
    std::os::unix::fs::FileExt::write_all_at(&file, b"?", 0).map_err(|e| e.to_string())?;
    apart(|| {
        refuse(refused).map_err(|e| e.to_string())?;
        let _ = Store::attach(dir, Options { capacity: Some(64 << 20), user: None });
        Ok(())
    })?;
    apart(|| {
        let store = Store::attach(dir, Options { capacity: Some(64 << 20), user: None }).map_err(|e| e.to_string())?;
        match kept(&store)? {
            SESSIONS => sound(&store).map(drop),
            kept => Err(format!("{kept} of {SESSIONS} sessions are there")),
        }
    })
}
