//! The store and its file system: no room, files that are no stores, directories that are not safe, copies.
//!
//! Each case runs in a child process, so that a SIGBUS is a failed case and not the end of the test.

mod actors;
mod harness;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use cloakroom_seam::Over;
use cloakroom_store::{AttachError, Error, Options, Store};
use harness::image::Image;
use harness::process::{Child, Worker, become_user};
use harness::small_disk::Disk;
use harness::{
    Checked, Finding, LIFE, Random, Suite, attach, attach_existing, exclusive, get, in_thread, put, soak, sound,
    store_file, temporary, value,
};

fn main() -> std::process::ExitCode {
    let mut suite = Suite::new("disk");
    suite.case("the disk is full while the store grows", || apart(full_while_growing));
    suite.case("the disk is full while a store is made", || apart(full_at_creation));
    suite.case("directories that are not safe", || apart(unsafe_directories));
    suite.case("names that are taken by something else", || apart(names_taken));
    suite.case("files of another owner or mode", || apart(owner_and_mode));
    suite.case("a directory that cannot be written", || apart(read_only_directory));
    suite.case("an empty file", || apart(empty_file));
    suite.case("a newer format", || apart(newer_format));
    suite.case("files that were cut short", || apart(cut_short));
    suite.case("a file deleted while attached", || apart(deleted));
    suite.case("a copy of a store with locks held", copied);
    suite.finish()
}

/// Runs a case in a child process.
fn apart(case: fn() -> Checked) -> Checked {
    let mut worker = Worker::start(|| {
        move |_: &str| match case()? {
            Finding::Passed(what) => Ok(format!("+{what}")),
            Finding::Skipped(why) => Ok(format!("-{why}")),
        }
    });
    let answer = worker.ask("run");
    let answer = match answer {
        Ok(answer) => answer,
        Err(what) if what == "the worker ended" => return Err(format!("it ended with code {}", worker.child.join())),
        Err(what) => return Err(what),
    };
    Ok(match answer.split_at_checked(1) {
        Some(("+", what)) => Finding::Passed(what.to_owned()),
        _ => Finding::Skipped(answer.chars().skip(1).collect()),
    })
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn try_attach(dir: &Path) -> Result<std::sync::Arc<Store>, AttachError> {
    Store::attach(dir, Options { capacity: Some(64 << 20), user: None })
}

/// Commits and comes back twice, so that the session may not be evicted.
fn keep(store: &std::sync::Arc<Store>, id: &str, content: &[u8]) -> Result<(), Error> {
    let key = store.key(b"", id.as_bytes());
    store.acquire(&key, &exclusive())?.commit(content, LIFE, Over::Anything)?;
    store.snapshot(&key)?;
    store.snapshot(&key)?;
    Ok(())
}

fn full_while_growing() -> Checked {
    if !is_root() {
        return Ok(Finding::Skipped("mounting a small disk needs root".to_owned()));
    }
    let disk = match Disk::mount(6000) {
        Ok(disk) => disk,
        Err(why) => return Ok(Finding::Skipped(format!("a small disk cannot be mounted here: {why}"))),
    };
    // Held by a process of its own, which must not fall to a SIGBUS either.
    in_thread(|| put(&attach(disk.path(), 64), "s", b"start"))??;
    // Some room is taken away now and given back in the end.
    let stat = rustix::fs::statvfs(disk.path()).map_err(|e| e.to_string())?;
    disk.fill(stat.f_bfree - 300);
    let mut other = Worker::start(|| actors::player(disk.path()));
    other.ask("write s kept")?;
    let stored = in_thread(|| {
        let store = attach_existing(disk.path())?;
        let mut stored = 0;
        loop {
            match keep(&store, &format!("k{stored}"), &value(stored, 20_000)) {
                Ok(()) => stored += 1,
                Err(Error::NoSpace { used }) if used > 1 << 20 => break,
                Err(e) => return Err(format!("after {stored} sessions: {e}")),
            }
            if stored > 1000 {
                return Err("the disk never filled".to_owned());
            }
        }
        // Not a page is left: whatever still works must work in what is allocated.
        disk.fill(0);
        for i in 0..stored {
            let fits = keep(&store, &format!("k{i}"), &value(stored + i, 20_000));
            let expected = match fits {
                Ok(()) => value(stored + i, 20_000),
                Err(Error::NoSpace { .. }) => value(i, 20_000),
                Err(e) => return Err(format!("an update on the full disk: {e}")),
            };
            if get(&store, &format!("k{i}"))? != Some(expected) {
                return Err("a session was lost on the full disk".to_owned());
            }
        }
        sound(&store)?;
        Ok(stored)
    })??;
    if other.ask("write s on the full disk")? != "Stored" || other.ask("snapshot s")? != "on the full disk" {
        return Err("another process could not update".to_owned());
    }
    // Newcomers too: owner slots for them may have to be allocated.
    let mut newcomers: Vec<Worker> = (0..12).map(|_| Worker::start(|| actors::player(disk.path()))).collect();
    let served = newcomers.iter_mut().filter_map(|worker| worker.ask("snapshot s").ok()).count();
    if served < 4 || newcomers.iter_mut().any(|worker| !worker.child.alive()) {
        return Err(format!("{served} of 12 newcomers were served on the full disk, or one died"));
    }
    disk.empty();
    in_thread(|| {
        let store = attach_existing(disk.path())?;
        for i in 0..20 {
            keep(&store, &format!("later {i}"), &value(i, 20_000)).map_err(|e| format!("with room again: {e}"))?;
        }
        sound(&store)?;
        Ok::<_, String>(())
    })??;
    Ok(Finding::Passed(format!("{stored} sessions stored, then refused, none lost, went on with room")))
}

fn full_at_creation() -> Checked {
    if !is_root() {
        return Ok(Finding::Skipped("mounting a small disk needs root".to_owned()));
    }
    let disk = match Disk::mount(2000) {
        Ok(disk) => disk,
        Err(why) => return Ok(Finding::Skipped(format!("a small disk cannot be mounted here: {why}"))),
    };
    let (mut refused, mut made) = (0, 0);
    for pages in 0..120 {
        disk.empty();
        let _ = fs::remove_file(store_file(disk.path()));
        disk.fill(pages);
        let tried = in_thread(|| match try_attach(disk.path()) {
            Ok(store) => match keep(&store, "s", b"content") {
                Ok(()) => sound(&store).map(|_| true),
                Err(Error::NoSpace { .. } | Error::Io { .. }) => Ok(true),
                Err(e) => Err(format!("the first session: {e}")),
            },
            Err(AttachError::NoSpace { .. } | AttachError::Io { .. } | AttachError::Open { .. }) => Ok(false),
            Err(e) => Err(format!("attach: {e}")),
        })?;
        if tried.map_err(|e| format!("with {pages} pages free: {e}"))? {
            made += 1;
        } else {
            refused += 1;
        }
        // What a failed attempt left must not be in the way.
        disk.empty();
        in_thread(|| {
            let store = try_attach(disk.path()).map_err(|e| format!("with room again after {pages} pages: {e}"))?;
            keep(&store, "s", b"content").map_err(|e| format!("with room again after {pages} pages: {e}"))?;
            sound(&store)
        })??;
    }
    if refused == 0 || made == 0 {
        return Err(format!("{refused} attempts refused, {made} made"));
    }
    Ok(Finding::Passed(format!("{refused} attempts refused, {made} made, each went on with room")))
}

/// Attaches in `dir` and says by which error it was refused.
fn refusal(dir: &Path) -> String {
    let attached = in_thread(|| try_attach(dir).map(drop));
    match attached {
        Ok(Ok(())) => "attached".to_owned(),
        Ok(Err(e)) => {
            let text = format!("{e:?}");
            let message = e.to_string();
            assert!(message.len() > 20, "an error without an explanation: {message}");
            text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
        }
        Err(e) => e,
    }
}

fn expect(what: &str, dir: &Path, expected: &str) -> Result<(), String> {
    let found = refusal(dir);
    if found == expected { Ok(()) } else { Err(format!("{what}: {found} instead of {expected}")) }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

fn unsafe_directories() -> Checked {
    let base = temporary();
    let sub = |name: &str, mode: u32| {
        let path = base.path().join(name);
        fs::create_dir(&path).expect("a directory");
        set_mode(&path, mode);
        path
    };
    expect("missing", &base.path().join("missing"), "Directory")?;
    fs::write(base.path().join("file"), b"x").expect("a file");
    expect("a file", &base.path().join("file"), "Directory")?;
    expect("writable by all", &sub("open", 0o777), "UnsafeDirectory")?;
    expect("writable by all, sticky", &sub("sticky", 0o1777), "attached")?;
    expect("private", &sub("private", 0o700), "attached")?;
    let mut tested = 5;
    if is_root() {
        let foreign = sub("foreign", 0o700);
        std::os::unix::fs::chown(&foreign, Some(12345), Some(12345)).expect("chown");
        expect("of another user", &foreign, "ForeignDirectory")?;
        let group = sub("group", 0o770);
        std::os::unix::fs::chown(&group, Some(0), Some(12345)).expect("chown");
        expect("writable by another group", &group, "UnsafeDirectory")?;
        tested += 2;
    }
    Ok(Finding::Passed(format!("{tested} directories")))
}

fn names_taken() -> Checked {
    let dir = temporary();
    let path = store_file(dir.path());
    let target = dir.path().join("target");
    fs::write(&target, b"").expect("a file");
    symlink(&target, &path).expect("a link");
    expect("a symbolic link", dir.path(), "NotAFile")?;
    if fs::metadata(&target).expect("the target").len() != 0 {
        return Err("the target of the link was written".to_owned());
    }
    fs::remove_file(&path).expect("remove");
    symlink(dir.path().join("nowhere"), &path).expect("a link");
    expect("a dangling link", dir.path(), "NotAFile")?;
    fs::remove_file(&path).expect("remove");
    fs::create_dir(&path).expect("a directory");
    expect("a directory", dir.path(), "NotAFile")?;
    fs::remove_dir(&path).expect("remove");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).expect("a pipe");
    set_mode(&path, 0o600);
    expect("a pipe", dir.path(), "NotAFile")?;
    fs::remove_file(&path).expect("remove");
    let socket = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    expect("a socket", dir.path(), "NotAFile")?;
    drop(socket);
    fs::remove_file(&path).expect("remove");
    expect("nothing any more", dir.path(), "attached")?;
    Ok(Finding::Passed("5 kinds refused".to_owned()))
}

fn owner_and_mode() -> Checked {
    let dir = temporary();
    let path = store_file(dir.path());
    in_thread(|| put(&attach(dir.path(), 16), "s", b"content"))??;
    for mode in [0o644, 0o660, 0o606, 0o610] {
        set_mode(&path, mode);
        expect(&format!("mode {mode:o}"), dir.path(), "Mode")?;
    }
    set_mode(&path, 0o600);
    let mut tested = 4;
    if is_root() {
        std::os::unix::fs::chown(&path, Some(12345), Some(12345)).expect("chown");
        expect("of another owner", dir.path(), "Owner")?;
        std::os::unix::fs::chown(&path, Some(0), Some(0)).expect("chown");
        tested += 1;
    }
    let content = in_thread(|| get(&attach_existing(dir.path())?, "s"))??;
    if content.as_deref() != Some(b"content") {
        return Err("the session was lost".to_owned());
    }
    Ok(Finding::Passed(format!("{tested} kinds refused, nothing lost")))
}

fn read_only_directory() -> Checked {
    let dir = temporary();
    let user = if is_root() { 54321 } else { rustix::process::geteuid().as_raw() };
    if is_root() {
        std::os::unix::fs::chown(dir.path(), Some(user), Some(user)).expect("chown");
    }
    set_mode(dir.path(), 0o500);
    let mut child = Child::fork(|| {
        if is_root() {
            become_user(user).expect("another user");
        }
        i32::from(refusal(dir.path()) != "Open")
    });
    let code = child.join();
    set_mode(dir.path(), 0o700);
    if code == 0 { Ok(Finding::Passed("refused".to_owned())) } else { Err(format!("not refused as such: {code}")) }
}

fn empty_file() -> Checked {
    let dir = temporary();
    let path = store_file(dir.path());
    fs::write(&path, b"").expect("an empty file");
    set_mode(&path, 0o600);
    expect("an empty file", dir.path(), "attached")?;
    Ok(Finding::Passed("taken as a new store".to_owned()))
}

fn newer_format() -> Checked {
    let dir = temporary();
    in_thread(|| put(&attach(dir.path(), 16), "s", b"content"))??;
    let image = Image::take(dir.path());
    let mut changed = image.clone();
    changed.set(8, &(cloakroom_store::FORMAT + 1).to_le_bytes());
    let (path, _) = changed.write_copy(dir.path());
    let before = fs::read(&path).expect("the file");
    expect("a newer format", dir.path(), "LaterFormat")?;
    if fs::read(&path).expect("the file") != before {
        return Err("the file was changed".to_owned());
    }
    image.write_copy(dir.path());
    if in_thread(|| get(&attach_existing(dir.path())?, "s"))??.as_deref() != Some(b"content") {
        return Err("the unchanged file does not read".to_owned());
    }
    Ok(Finding::Passed("refused, the file is untouched".to_owned()))
}

/// Where the parts of a session end in the file: its node, found by its key, and its payload, found by its bytes.
fn end_of(image: &[u8], key: [u8; 16], payload: &[u8]) -> Option<usize> {
    let find = |bytes: &[u8], align: usize, offset: usize| {
        (CHUNKS_AT + offset..image.len().saturating_sub(bytes.len()))
            .step_by(align)
            .find(|at| image[*at..].starts_with(bytes))
    };
    let node = find(&key, 128, 8)?;
    let block = find(payload, 64, 24)?;
    Some((node + 120).max(block + payload.len()))
}

/// Offset of the first chunk: before it lie only header, owner slots, shards, tables and directories.
const CHUNKS_AT: usize = 0x160_0000;

fn cut_short() -> Checked {
    let dir = temporary();
    let mut sessions = Vec::new();
    in_thread(|| {
        let store = attach(dir.path(), 16);
        for i in 0..60u64 {
            let content = value(i, 200 + i as usize * 600);
            put(&store, &format!("s{i}"), &content)?;
            sessions.push((format!("s{i}"), store.key(b"", format!("s{i}").as_bytes()).to_bytes(), content));
        }
        Ok::<_, String>(())
    })??;
    let bytes = fs::read(store_file(dir.path())).map_err(|e| e.to_string())?;
    let ends: Vec<usize> = sessions
        .iter()
        .map(|(_, key, content)| end_of(&bytes, *key, content).ok_or("a session is not found in the file"))
        .collect::<Result<_, _>>()?;
    let image = Image::take(dir.path());
    let mut random = Random::new(6);
    let step = if soak() { 4 << 10 } else { 64 << 10 };
    let mut lengths: Vec<usize> = (0..bytes.len()).step_by(step).collect();
    // The chunks are where it matters most.
    lengths.extend((CHUNKS_AT..bytes.len()).step_by(16 << 10));
    lengths.extend((0..60).map(|_| random.below(bytes.len() as u64) as usize));
    lengths.extend([1, 8, 100, 4095, 4096, 4097, CHUNKS_AT - 1, CHUNKS_AT, CHUNKS_AT + 1, bytes.len() - 1]);
    let mut survived = 0;
    for length in &lengths {
        let dir = temporary();
        let path = image.write(dir.path());
        File::options().write(true).open(path).and_then(|f| f.set_len(*length as u64)).map_err(|e| e.to_string())?;
        let at = |e: String| format!("cut to {length} bytes: {e}");
        if (1..4096).contains(length) {
            expect("cut in the header", dir.path(), "attached").map_err(at)?;
            let mut kept = store_file(dir.path()).into_os_string();
            kept.push(".damaged-1");
            if fs::metadata(kept).map(|kept| kept.len()).ok() != Some(*length as u64) {
                return Err(at("the damaged file was not kept".to_owned()));
            }
            continue;
        }
        survived += in_thread(|| {
            let store = Store::attach(dir.path(), Options { capacity: Some(16 << 20), user: None });
            let store = store.map_err(|e| e.to_string())?;
            sound(&store)?;
            let mut there = 0;
            for ((id, key, content), end) in sessions.iter().zip(&ends) {
                let found = store
                    .snapshot(&cloakroom_seam::Key::from_bytes(*key))
                    .map(|found| found.0)
                    .map_err(|e| e.to_string())?;
                match found {
                    Some(found) if found == *content => there += 1,
                    Some(_) => return Err(format!("session {id} is another")),
                    None if *end <= *length => return Err(format!("session {id} was lost though its bytes are there")),
                    None => {}
                }
            }
            for i in 0..30 {
                put(&store, &format!("new {i}"), &value(i, 9000))?;
            }
            sound(&store)?;
            Ok::<usize, String>(there)
        })?
        .map_err(at)?;
    }
    Ok(Finding::Passed(format!("{} lengths, {survived} sessions survived in them", lengths.len())))
}

fn deleted() -> Checked {
    let dir = temporary();
    in_thread(|| {
        let store = attach(dir.path(), 16);
        put(&store, "s", b"content")?;
        if !store.in_place() {
            return Err("a file in place is not seen as such".to_owned());
        }
        fs::rename(store_file(dir.path()), dir.path().join("aside")).map_err(|e| e.to_string())?;
        if store.in_place() {
            return Err("a file moved away is seen as in place".to_owned());
        }
        fs::write(store_file(dir.path()), b"").map_err(|e| e.to_string())?;
        if store.in_place() {
            return Err("another file is seen as in place".to_owned());
        }
        // What is attached goes on working.
        put(&store, "t", b"more")?;
        if get(&store, "s")?.as_deref() != Some(b"content") {
            return Err("the attached file does not read".to_owned());
        }
        Ok(Finding::Passed("moved away and exchanged: seen both times".to_owned()))
    })?
}

fn copied() -> Checked {
    let dir = temporary();
    let copy = temporary();
    in_thread(|| {
        let store = attach(dir.path(), 16);
        put(&store, "s", b"content")?;
        put(&store, "t", b"content")
    })??;
    let mut holder = Worker::start(|| actors::player(dir.path()));
    let mut waiter = Worker::start(|| actors::player(dir.path()));
    let mut probe = Worker::start(|| actors::player(dir.path()));
    holder.ask("hold s")?;
    holder.ask("hold t")?;
    actors::queue_up(&mut probe, &mut waiter, "take s 20000 w", 1)?;
    fs::copy(store_file(dir.path()), store_file(copy.path())).map_err(|e| e.to_string())?;
    let mut other = Worker::start(|| actors::player(copy.path()));
    for id in ["s", "t"] {
        let answer = other.ask(&format!("take {id} 0 !"))?;
        if !answer.starts_with("took") || other.ask(&format!("snapshot {id}"))? != "content!" {
            return Err(format!("in the copy: {answer}"));
        }
        if !probe.ask(&format!("take {id} 0 !"))?.starts_with("timeout") {
            return Err("the copy freed a lock of the original".to_owned());
        }
    }
    holder.ask("write s content")?;
    waiter.answer(std::time::Duration::from_secs(5))?;
    in_thread(|| sound(&attach_existing(dir.path())?))??;
    in_thread(|| sound(&attach_existing(copy.path())?))??;
    Ok(Finding::Passed("its sessions are there, its locks are free, the original's are held".to_owned()))
}
