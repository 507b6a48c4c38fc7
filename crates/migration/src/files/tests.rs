//! What `files` itself does with such files is shown by the `.phpt` tests; here is what they cannot reach.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{FlockOperation, flock};

use super::*;
use crate::Foreign;
use crate::source::MAX_PAYLOAD;

const HOUR: Duration = Duration::from_secs(3600);
const NO_WAIT: Duration = Duration::ZERO;

fn at(directory: &Path) -> Files {
    Files::parse(directory.as_os_str().as_bytes(), None).expect("an absolute path")
}

fn deep(directory: &Path, depth: &str) -> Files {
    let save_path = [depth.as_bytes(), b";", directory.as_os_str().as_bytes()].concat();
    Files::parse(&save_path, None).expect("a depth and an absolute path")
}

fn put(directory: &Path, id: &str, payload: &[u8]) -> std::path::PathBuf {
    let path = directory.join(format!("sess_{id}"));
    std::fs::write(&path, payload).expect("written");
    path
}

fn age(path: &Path, age: Duration) {
    let file = OpenOptions::new().write(true).open(path).expect("opened");
    file.set_modified(SystemTime::now() - age).expect("aged");
}

fn held(files: &Files, id: &str) -> Option<Vec<u8>> {
    files.hold(id.as_bytes(), NO_WAIT, HOUR).expect("read").map(|held| held.payload().to_vec())
}

fn ids(files: &Files) -> Vec<String> {
    let mut ids = Vec::new();
    files
        .each(&mut |id| {
            ids.push(String::from_utf8_lossy(id).into_owned());
            ControlFlow::Continue(())
        })
        .expect("listed");
    ids.sort();
    ids
}

#[test]
fn save_paths_are_those_of_files() {
    for (save_path, directory, depth) in
        [("/a", "/a", 0), ("2;/a", "/a", 2), ("0;/a", "/a", 0), ("1;0600;/a", "/a", 1), ("1;600;/a;b", "/a;b", 1)]
    {
        let files = Files::parse(save_path.as_bytes(), None).expect(save_path);
        assert_eq!((files.directory.to_str(), files.depth), (Some(directory), depth), "{save_path}");
    }
    for save_path in ["", "a", "2;a", "x;/a", "-1;/a", "33;/a", ";/a", "1;9;/a", "1;;/a", "1;0600;a", "/a\0b"] {
        assert!(Files::parse(save_path.as_bytes(), None).is_err(), "{save_path:?}");
    }
}

#[test]
fn a_session_is_found_read_and_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = at(dir.path());
    let path = put(dir.path(), "abc", b"n|i:1;");
    assert!(files.has(b"abc", HOUR).expect("looked"));
    assert_eq!(held(&files, "abc").as_deref(), Some(&b"n|i:1;"[..]));
    assert_eq!(files.peek(b"abc", HOUR).expect("read").as_deref(), Some(&b"n|i:1;"[..]));
    assert_eq!(std::fs::read(&path).expect("still there"), b"n|i:1;");
    assert!(files.destroy(b"abc").expect("removed"));
    assert!(!files.destroy(b"abc").expect("nothing to remove"));
    assert!(!files.has(b"abc", HOUR).expect("looked"));
    assert_eq!((held(&files, "abc"), files.peek(b"abc", HOUR).expect("read")), (None, None));
}

#[test]
fn when_it_was_used_is_told_and_an_expired_one_is_absent() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = at(dir.path());
    let path = put(dir.path(), "abc", b"n|i:1;");
    age(&path, Duration::from_secs(1800));
    let used = files.hold(b"abc", NO_WAIT, HOUR).expect("read").expect("there").used().expect("known");
    let ago = SystemTime::now().duration_since(used).expect("in the past");
    assert!((1800..1810).contains(&ago.as_secs()), "{ago:?}");
    age(&path, Duration::from_secs(3700));
    assert!(!files.has(b"abc", HOUR).expect("looked"));
    assert_eq!((held(&files, "abc"), files.peek(b"abc", HOUR).expect("read")), (None, None));
    assert!(files.has(b"abc", 2 * HOUR).expect("looked"));
    assert_eq!(ids(&files), ["abc"], "an import counts the expired ones");
}

#[test]
fn a_depth_leads_through_directories() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = deep(dir.path(), "2");
    let below = dir.path().join("a/b");
    std::fs::create_dir_all(&below).expect("made");
    std::fs::create_dir_all(dir.path().join("a/not one letter")).expect("made");
    put(&below, "abc", b"n|i:1;");
    // None of these lies where `files` would look for it.
    put(&below, "xbc", b"n|i:2;");
    put(dir.path(), "abd", b"n|i:3;");
    put(&dir.path().join("a/not one letter"), "abe", b"n|i:4;");
    assert_eq!(held(&files, "abc").as_deref(), Some(&b"n|i:1;"[..]));
    assert_eq!((held(&files, "xbc"), held(&files, "abd"), held(&files, "ab")), (None, None, None));
    assert_eq!(ids(&files), ["abc"]);
    assert!(files.location().starts_with("files:2;/"));
}

#[test]
fn a_lock_is_waited_for_with_a_bound_and_what_its_holder_wrote_is_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = put(dir.path(), "abc", b"before");
    let holder = OpenOptions::new().read(true).write(true).open(&path).expect("opened");
    flock(&holder, FlockOperation::LockExclusive).expect("locked");
    let files = at(dir.path());
    assert!(files.has(b"abc", HOUR).expect("looking does not wait"));
    assert!(matches!(files.hold(b"abc", NO_WAIT, HOUR), Err(Error::Busy { .. })));
    let began = Instant::now();
    assert!(matches!(files.hold(b"abc", Duration::from_millis(50), HOUR), Err(Error::Busy { .. })));
    assert!((50..5000).contains(&began.elapsed().as_millis()));
    let (waiting, waits) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        waiting.send(()).expect("heard");
        files.hold(b"abc", Duration::from_secs(20), HOUR).map(|held| held.map(|held| held.payload().to_vec()))
    });
    waits.recv().expect("started");
    std::fs::write(&path, b"after").expect("written");
    drop(holder);
    assert_eq!(reader.join().expect("no panic").expect("read").as_deref(), Some(&b"after"[..]));
}

/// How many descriptors this process has of `path`.
fn descriptors(path: &Path) -> usize {
    let entries = std::fs::read_dir("/proc/self/fd").expect("listed");
    let targets = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target == path).count()
}

#[test]
fn a_session_that_ends_during_the_wait_is_absent() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = put(dir.path(), "abc", b"before").canonicalize().expect("there");
    let holder = File::open(&path).expect("opened");
    flock(&holder, FlockOperation::LockExclusive).expect("locked");
    let files = at(dir.path());
    let reader = std::thread::spawn(move || {
        files.hold(b"abc", Duration::from_secs(20), HOUR).map(|held| held.map(|held| held.payload().to_vec()))
    });
    let began = Instant::now();
    while descriptors(&path) < 2 {
        assert!(began.elapsed() < Duration::from_secs(20), "the reader never opened the file");
        std::thread::yield_now();
    }
    std::fs::remove_file(&path).expect("removed");
    drop(holder);
    assert_eq!(reader.join().expect("no panic").expect("no failure"), None);
}

#[test]
fn what_is_held_is_locked_for_files_and_free_afterwards() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = put(dir.path(), "abc", b"payload");
    let files = at(dir.path());
    let held = files.hold(b"abc", NO_WAIT, HOUR).expect("read").expect("there");
    let other = File::open(&path).expect("opened");
    assert!(flock(&other, FlockOperation::NonBlockingLockExclusive).is_err());
    drop(held);
    flock(&other, FlockOperation::NonBlockingLockExclusive).expect("free");
}

#[test]
fn a_locked_session_is_read_without_its_lock_once_it_is_quiet() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = put(dir.path(), "abc", b"whole");
    let holder = OpenOptions::new().write(true).open(&path).expect("opened");
    flock(&holder, FlockOperation::LockExclusive).expect("locked");
    let files = at(dir.path());
    age(&path, Duration::from_secs(60));
    assert_eq!(files.peek(b"abc", HOUR).expect("read").as_deref(), Some(&b"whole"[..]));
    // As between the two steps of a write by `files`.
    holder.set_len(0).expect("emptied");
    let began = Instant::now();
    let reader = std::thread::spawn(move || files.peek(b"abc", HOUR));
    std::os::unix::fs::FileExt::write_all_at(&holder, b"whole again", 0).expect("written");
    assert_eq!(reader.join().expect("no panic").expect("read").as_deref(), Some(&b"whole again"[..]));
    assert!(began.elapsed() >= Duration::from_millis(900), "it was read right after a write");
}

#[test]
fn a_file_of_a_time_to_come_is_read_and_one_that_goes_on_changing_is_busy() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = put(dir.path(), "abc", b"whole");
    let holder = OpenOptions::new().write(true).open(&path).expect("opened");
    flock(&holder, FlockOperation::LockExclusive).expect("locked");
    holder.set_modified(SystemTime::now() + HOUR).expect("as by a clock that was set back since");
    let peek = || {
        let (files, (told, tells)) = (at(dir.path()), mpsc::channel());
        std::thread::spawn(move || told.send(files.peek(b"abc", HOUR)));
        tells
    };
    let answer = peek().recv_timeout(Duration::from_secs(20)).expect("a reader does not wait for ever");
    assert_eq!(answer.expect("read").as_deref(), Some(&b"whole"[..]));

    let tells = peek();
    let began = Instant::now();
    let answer = loop {
        // An old request that writes again and again, each time something else.
        let text = format!("{:05}", began.elapsed().as_millis());
        std::os::unix::fs::FileExt::write_all_at(&holder, text.as_bytes(), 0).expect("written");
        match tells.recv_timeout(Duration::from_millis(5)) {
            Err(mpsc::RecvTimeoutError::Timeout) => {
                assert!(began.elapsed() < Duration::from_secs(20), "it still waits")
            }
            answer => break answer.expect("no panic"),
        }
    };
    assert!(matches!(&answer, Err(Error::Busy { waited, .. }) if waited.as_secs() >= 2), "{answer:?}");
}

/// Runs `body` on a thread without root's right to open everything.
fn without_rights(body: impl FnOnce() + Send) {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut sets = capabilities(None).expect("known");
            sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
            set_capabilities(None, sets).expect("given up");
            body();
        });
    });
}

#[test]
fn a_closed_file_is_of_no_use_and_a_closed_directory_is_a_failure() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = at(dir.path());
    let allow = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("allowed");
    let path = put(dir.path(), "abc", b"payload");
    allow(&path, 0);
    without_rights(|| {
        assert!(matches!(files.hold(b"abc", NO_WAIT, HOUR), Err(Error::Unusable { .. })));
        assert!(matches!(files.fill(b"abc", b"x", SystemTime::now(), NO_WAIT), Err(Error::Unusable { .. })));
        allow(&path, 0o400);
        assert!(files.hold(b"abc", NO_WAIT, HOUR).expect("read").is_some());
        assert!(matches!(files.fill(b"abc", b"x", SystemTime::now(), NO_WAIT), Err(Error::Unusable { .. })));
        allow(dir.path(), 0);
        let answer = files.hold(b"abc", NO_WAIT, HOUR).map(|held| held.is_some());
        allow(dir.path(), 0o700);
        assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
    });
}

#[test]
fn no_link_below_the_directory_is_followed() {
    let (dir, elsewhere) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    std::fs::create_dir(elsewhere.path().join("b")).expect("made");
    let target = put(&elsewhere.path().join("b"), "abc", b"secret");
    symlink(elsewhere.path(), dir.path().join("a")).expect("linked");
    // A way that has no end.
    symlink(".", dir.path().join("c")).expect("linked");
    let files = deep(dir.path(), "2");
    let foreign = |answer: Result<(), Error>| {
        assert!(matches!(answer, Err(Error::Foreign { found: Foreign::OnTheWay, .. })), "{answer:?}");
    };
    foreign(files.has(b"abc", HOUR).map(drop));
    foreign(files.hold(b"abc", NO_WAIT, HOUR).map(drop));
    foreign(files.peek(b"abc", HOUR).map(drop));
    foreign(files.destroy(b"abc").map(drop));
    foreign(files.migrate_out(b"abd"));
    foreign(files.fill(b"abc", b"other", SystemTime::now(), NO_WAIT).map(drop));
    assert_eq!(std::fs::read(&target).expect("there"), b"secret");
    assert!(!target.with_file_name("sess_abd").exists(), "made behind a link");
    let told = ids(&files);
    assert_eq!(told.len(), 2, "each link is told once: {told:?}");
    told.iter().for_each(|id| foreign(files.hold(id.as_bytes(), NO_WAIT, HOUR).map(drop)));
}

#[test]
fn who_fills_for_a_user_fills_nothing_but_his_own_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = put(dir.path(), "abc", b"before");
    let me = rustix::process::geteuid();
    let for_user = |user| Files { user: Some(user), ..at(dir.path()) };
    let fill = |files: Files| files.fill(b"abc", b"after", SystemTime::now(), NO_WAIT);
    // Where this is root's file, another user may read it.
    assert!(matches!(fill(for_user(me.as_raw() + 1)), Err(Error::Foreign { .. })));
    let second = dir.path().join("second");
    std::fs::hard_link(&path, &second).expect("linked");
    assert!(matches!(fill(for_user(me.as_raw())), Err(Error::Unusable { .. })));
    assert_eq!(std::fs::read(&path).expect("read"), b"before");
    std::fs::remove_file(&second).expect("removed");
    assert_eq!(fill(for_user(me.as_raw())).expect("filled"), Filled::Written);
}

#[test]
fn what_files_would_not_accept_is_an_error_and_not_absent() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = at(dir.path());
    let target = put(dir.path(), "target", b"secret");
    symlink(&target, dir.path().join("sess_link")).expect("linked");
    std::fs::create_dir(dir.path().join("sess_dir")).expect("made");
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("sess_fifo"), 0o600.into()).expect("made");
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("sess_socket")).expect("made");
    for (id, kind) in [("link", "a link"), ("dir", "a directory"), ("fifo", "a pipe"), ("socket", "a socket")] {
        let foreign = |answer: Result<(), Error>| {
            assert!(
                matches!(&answer, Err(Error::Foreign { found: Foreign::NotAFile(found), .. }) if *found == kind),
                "{answer:?}"
            );
        };
        let bytes = id.as_bytes();
        foreign(files.has(bytes, HOUR).map(drop));
        foreign(files.hold(bytes, NO_WAIT, HOUR).map(drop));
        foreign(files.peek(bytes, HOUR).map(drop));
        foreign(files.fill(bytes, b"other", SystemTime::now(), NO_WAIT).map(drop));
        foreign(files.destroy(bytes).map(drop));
        assert!(dir.path().join(format!("sess_{id}")).symlink_metadata().is_ok(), "{id} was removed");
    }
}

#[test]
fn what_stands_where_a_directory_should_does_not_end_the_listing() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("a")).expect("made");
    put(&dir.path().join("a"), "abc", b"n|i:1;");
    std::fs::write(dir.path().join("b"), "no directory").expect("written");
    std::fs::create_dir(dir.path().join("c")).expect("made");
    std::fs::set_permissions(dir.path().join("c"), PermissionsExt::from_mode(0o000)).expect("closed");
    without_rights(|| {
        let files = deep(dir.path(), "1");
        let told = ids(&files);
        assert_eq!(told.len(), 3, "each is told once: {told:?}");
        let of = |letter: &str| {
            let id = told.iter().find(|id| id.starts_with(letter)).expect("told");
            files.hold(id.as_bytes(), NO_WAIT, HOUR).map(|held| held.is_some())
        };
        assert!(matches!(of("a"), Ok(true)));
        assert!(matches!(of("b"), Err(Error::Foreign { .. })), "{:?}", of("b"));
        assert!(matches!(of("c"), Err(Error::Unusable { .. })), "{:?}", of("c"));
    });
}

#[test]
fn the_files_of_other_users_are_refused_and_those_of_root_are_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = put(dir.path(), "abc", b"payload");
    let me = rustix::process::geteuid();
    let for_user = |user| Files { user: Some(user), ..at(dir.path()) };
    assert!(for_user(me.as_raw()).has(b"abc", HOUR).expect("mine"));
    // Root's files belong to everybody.
    let others = for_user(me.as_raw() + 1).has(b"abc", HOUR);
    assert_eq!(others.is_err(), !me.is_root());
    if me.is_root() {
        rustix::fs::chown(&path, Some(rustix::fs::Uid::from_raw(4711)), None).expect("given away");
        let error = for_user(4712).hold(b"abc", NO_WAIT, HOUR).err().expect("another user's");
        assert!(error.to_string().contains("belongs to another user"), "{error}");
        assert!(for_user(4711).has(b"abc", HOUR).expect("its user's"));
        assert!(at(dir.path()).has(b"abc", HOUR).expect("root reads everybody's, as it does with files"));
    }
}

#[test]
fn a_session_that_is_too_long_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = put(dir.path(), "abc", b"");
    let file = OpenOptions::new().write(true).open(&path).expect("opened");
    let files = at(dir.path());
    file.set_len(MAX_PAYLOAD).expect("grown");
    assert_eq!(held(&files, "abc").map(|payload| payload.len() as u64), Some(MAX_PAYLOAD));
    file.set_len(MAX_PAYLOAD + 1).expect("grown");
    let error = files.hold(b"abc", NO_WAIT, HOUR).err().expect("refused");
    assert!(matches!(error, Error::TooLarge { found, .. } if found == MAX_PAYLOAD + 1), "{error}");
}

#[test]
fn ids_that_files_refuses_are_absent_and_reach_no_other_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = at(dir.path());
    std::fs::write(dir.path().join("outside"), b"secret").expect("written");
    std::fs::create_dir(dir.path().join("sess_")).expect("made");
    for id in [&b"/../outside"[..], b"../outside", b"a b", b"a\0b", b"", b"a_b", &[b'a'; 256]] {
        assert!(!files.has(id, HOUR).expect("absent"), "{}", id.escape_ascii());
        assert!(!files.destroy(id).expect("absent"), "{}", id.escape_ascii());
    }
}

#[test]
fn a_directory_that_is_not_there_or_cannot_be_searched_is_an_error() {
    let dir = tempfile::tempdir().expect("a directory");
    let missing = at(&dir.path().join("missing"));
    assert!(matches!(missing.has(b"abc", HOUR), Err(Error::Unavailable { .. })));
    assert!(matches!(missing.hold(b"abc", NO_WAIT, HOUR), Err(Error::Unavailable { .. })));
    assert!(missing.each(&mut |_| ControlFlow::Continue(())).is_err());
    // Root can search any directory.
    if !rustix::process::geteuid().is_root() {
        put(dir.path(), "abc", b"payload");
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o000)).expect("closed");
        let error = at(dir.path()).has(b"abc", HOUR);
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o700)).expect("opened");
        assert!(matches!(error, Err(Error::Unavailable { .. })));
    }
}

#[test]
fn empty_files_are_left_once_and_filled_in_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = at(dir.path());
    files.migrate_out(b"abc").expect("left");
    let path = dir.path().join("sess_abc");
    assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    let used = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    assert_eq!(files.fill(b"abc", b"n|i:1;", used, NO_WAIT).expect("filled"), Filled::Written);
    files.migrate_out(b"abc").expect("left alone");
    assert_eq!(std::fs::read(&path).expect("read"), b"n|i:1;");
    assert_eq!(path.metadata().expect("there").modified().expect("known"), used);
    assert_eq!(files.fill(b"abc", b"n|i:1;", used, NO_WAIT).expect("filled"), Filled::Unchanged);
    assert_eq!(files.fill(b"abc", b"", used, NO_WAIT).expect("filled"), Filled::Written);
    assert_eq!(std::fs::read(&path).expect("read"), b"");
    assert_eq!(files.fill(b"absent", b"x", used, NO_WAIT).expect("looked"), Filled::Absent);
    let holder = File::open(&path).expect("opened");
    flock(&holder, FlockOperation::LockExclusive).expect("locked");
    assert!(matches!(files.fill(b"abc", b"x", used, NO_WAIT), Err(Error::Busy { .. })));
}

/// The limit is the process's: the test runs itself once more in a process of its own.
#[test]
fn a_session_beyond_the_limit_of_file_sizes_is_refused_and_the_process_lives() {
    const NAME: &str = "files::tests::a_session_beyond_the_limit_of_file_sizes_is_refused_and_the_process_lives";
    const INSIDE: &str = "CLOAKROOM_TEST_FILE_LIMIT";
    let dir = tempfile::tempdir().expect("a directory");
    if std::env::var_os(INSIDE).is_none() {
        let mut again = std::process::Command::new(std::env::current_exe().expect("this test"));
        let output = again.args(["--exact", NAME, "--nocapture"]).env(INSIDE, "1").output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{} {said}", output.status);
        return;
    }
    let files = at(dir.path());
    let path = put(dir.path(), "abc", b"before");
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize);
    rustix::process::setrlimit(
        rustix::process::Resource::Fsize,
        rustix::process::Rlimit { current: Some(4096), maximum: limit.maximum },
    )
    .expect("lowered");
    let fill = |payload: &[u8]| files.fill(b"abc", payload, SystemTime::now(), NO_WAIT);
    let error = fill(&[b'x'; 5000]).expect_err("refused");
    assert!(matches!(&error, Error::Unavailable { .. }) && error.to_string().contains("too large"), "{error}");
    assert_eq!(std::fs::read(&path).expect("read"), b"before");
    assert_eq!(fill(&[b'x'; 4096]).expect("filled"), Filled::Written);
}
