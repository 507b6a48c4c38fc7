//! `import --from` and `export --to`: sessions of PHP's handler `files`, migrated in and out.

mod support;

use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom_session::seam::End;
use rustix::fs::{FlockOperation, flock};
use serde_json::json;
use support::{HOW, Stage, cloakroom, failed, on_a_terminal, succeeded};

/// A directory of session files.
struct Old {
    directory: tempfile::TempDir,
}

impl Old {
    fn new() -> Old {
        Old { directory: tempfile::tempdir().expect("temporary directory") }
    }

    fn address(&self) -> String {
        format!("files:{}", self.directory.path().display())
    }

    fn file(&self, id: &str) -> PathBuf {
        self.directory.path().join(format!("sess_{id}"))
    }

    fn put(&self, id: &str, payload: &[u8]) {
        std::fs::write(self.file(id), payload).expect("write");
    }

    fn read(&self, id: &str) -> Option<Vec<u8>> {
        std::fs::read(self.file(id)).ok()
    }
}

fn age(file: &Path, age: Duration) {
    let file = OpenOptions::new().write(true).open(file).expect("open");
    file.set_modified(SystemTime::now() - age).expect("aged");
}

fn used(file: &Path) -> u64 {
    let modified = file.metadata().expect("it is there").modified().expect("known");
    modified.duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

#[test]
fn all_sessions_of_files_are_migrated_and_once() {
    let (stage, old) = (Stage::new(), Old::new());
    for i in 0..200 {
        old.put(&format!("id{i}"), format!("n|i:{i};").as_bytes());
    }
    old.put("expired", b"n|i:1;");
    age(&old.file("expired"), Duration::from_secs(1500));
    old.put("empty", b"");
    old.put("here", b"n|i:1;");
    stage.put("here", b"n|i:2;");
    std::fs::write(old.directory.path().join("other"), "no session").expect("write");

    let none = json!({"no_files": 0, "other_users": 0});
    let told = stage.json("import", &["--from", &old.address(), "--dry-run"]);
    assert_eq!(told, json!({"sessions": 203, "skipped": none}));
    assert_eq!(stage.store.stats().expect("stats").sessions, 1, "a dry run changes nothing");
    let taken = stage.json("import", &["--from", &old.address()]);
    assert_eq!(taken, json!({"taken": 200, "present": 1, "expired": 2, "refused": 0, "reason": null, "skipped": none}));
    for i in 0..200 {
        assert_eq!(stage.read(&format!("id{i}")), Some(format!("n|i:{i};").into_bytes()));
        assert!(old.read(&format!("id{i}")).is_some(), "what is there stays");
    }
    assert_eq!(stage.read("here").as_deref(), Some(&b"n|i:2;"[..]));
    assert_eq!((stage.read("expired"), stage.read("empty")), (None, None));
    assert_eq!(stage.store.stats().expect("stats").migrated, 200);

    stage.put("id0", b"n|i:99;");
    let key = stage.store.key(b"", b"id1");
    stage.store.destroy(&key, End::at_once(Duration::from_secs(60))).expect("destroy");
    let said = stage.text("import", &["--from", &old.address()]);
    let expected = "0 sessions were migrated\n201 were here already, or were destroyed here, and stay so\n\
                    2 have expired there, or hold nothing\n";
    assert_eq!(said, expected);
    assert_eq!((stage.read("id0"), stage.read("id1")), (Some(b"n|i:99;".to_vec()), None));
    let later = stage.json("import", &["--from", &old.address(), "--lifetime", "1h"]);
    assert_eq!((&later["taken"], &later["expired"]), (&json!(1), &json!(1)));
}

#[test]
fn what_cannot_be_migrated_is_told_and_the_rest_is() {
    let (stage, old) = (Stage::new(), Old::new());
    old.put("good", b"n|i:1;");
    old.put("bad_id", b"n|i:1;");
    old.put("compressed", b"\x28\xb5\x2f\xfd\0\0\0");
    symlink(old.file("good"), old.file("link")).expect("link");
    old.put("busy", b"n|i:1;");
    let holder = OpenOptions::new().read(true).open(old.file("busy")).expect("open");
    flock(&holder, FlockOperation::LockExclusive).expect("lock");
    let output = stage.run("import", &["--from", &old.address(), "--wait", "0s", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&told["taken"], &told["refused"]), (&json!(1), &json!(3)), "{told}");
    assert_eq!(told["skipped"], json!({"no_files": 1, "other_users": 0}), "{told}");
    assert!(told["reason"].as_str().is_some_and(|reason| !reason.contains("bad_id")));
    drop(holder);
    let output = stage.run("import", &["--from", &old.address(), "--encoding", "other"]);
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(said.starts_with("2 sessions were migrated\n1 were here already"), "{said}");
    assert!(
        said.contains("1 were refused and stay there\n1 entries were skipped, as they are no plain files"),
        "{said}"
    );
}

#[test]
fn what_is_no_file_is_skipped_and_stops_nothing() {
    let (stage, old) = (Stage::new(), Old::new());
    old.put("good", b"n|i:1;");
    let _socket = std::os::unix::net::UnixListener::bind(old.file("0")).expect("made");
    rustix::fs::mkfifoat(rustix::fs::CWD, old.file("pipe"), 0o666.into()).expect("made");
    std::fs::create_dir(old.file("directory")).expect("made");
    symlink("/dev/zero", old.file("endless")).expect("link");
    let told = stage.json("import", &["--from", &old.address(), "--dry-run"]);
    assert_eq!(told, json!({"sessions": 1, "skipped": {"no_files": 4, "other_users": 0}}));
    let told = stage.json("import", &["--from", &old.address()]);
    assert_eq!((&told["taken"], &told["refused"], &told["skipped"]["no_files"]), (&json!(1), &json!(0), &json!(4)));
    stage.put("pipe", b"n|i:2;");
    let told = stage.json("export", &["--to", &old.address()]);
    assert_eq!((&told["unchanged"], &told["refused"], &told["skipped"]["no_files"]), (&json!(1), &json!(0), &json!(1)));
}

#[test]
fn other_places_are_refused_with_what_to_do() {
    let stage = Stage::new();
    for (arguments, code, words) in [
        (&["--from", "files:relative"][..], 2, "--from: files: write the directory with its whole path"),
        (&["--from", "unknown:/x?auth=hunter2"], 2, "--from: write the old session.save_handler"),
        (&["--from", "files:/nowhere"], 1, "the directory cannot be reached: /nowhere: No such file"),
        (&["--from", "memcached:127.0.0.1:1"], 1, "cannot say which sessions it holds"),
        (&["--from", "files:/tmp", "--namespace", &"x".repeat(1000)], 2, "--namespace: "),
        (&[], 2, "<FILE>"),
    ] {
        let (found, said) = failed(&stage.run("import", arguments));
        assert!(found == code && said.contains(words) && !said.contains("hunter2"), "{arguments:?}: {found} {said}");
    }
    let (code, said) = failed(&stage.run("export", &["--to", "redis:tcp://h"]));
    assert!(code == 2 && said.contains("--to: write \"files:\""), "{said}");
}

#[test]
fn a_store_is_made_for_what_is_migrated() {
    let (elsewhere, old) = (tempfile::tempdir().expect("temporary directory"), Old::new());
    old.put("id", b"n|i:1;");
    let store = elsewhere.path().to_str().expect("a plain path");
    let from = old.address();
    assert_eq!(
        succeeded(&cloakroom(&["import", store, "--from", &from, "--size", "16M"])),
        "1 sessions were migrated\n"
    );
    assert!(succeeded(&cloakroom(&["status", store])).contains("migrated"));
}

#[test]
fn root_migrates_for_another_user_only_what_is_his() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give files away.
        return;
    }
    let (elsewhere, old) = (tempfile::tempdir().expect("temporary directory"), Old::new());
    let owner = |path: &Path, user: u32| std::os::unix::fs::chown(path, Some(user), None).expect("given away");
    for (id, user) in [("his", 4711), ("roots", 0), ("others", 4712)] {
        old.put(id, b"n|i:1;");
        owner(&old.file(id), user);
    }
    owner(elsewhere.path(), 4711);
    owner(old.directory.path(), 4711);
    let store = elsewhere.path().to_str().expect("a plain path");
    let output = cloakroom(&["import", store, "--user", "4711", "--from", &old.address()]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.starts_with("2 sessions were migrated\n1 files were skipped"), "{said}");
    assert_eq!(elsewhere.path().join("cloakroom-4711.store").metadata().expect("made").uid(), 4711);

    let list = old.directory.path().join("ids");
    std::fs::write(&list, "his\n").expect("write");
    std::fs::remove_file(old.file("his")).expect("removed");
    let list = list.to_str().expect("plain");
    let to = old.address();
    cloakroom(&["export", store, "--user", "4711", "--to", &to, "--ids", list]);
    let made = old.file("his").metadata().expect("made");
    assert_eq!((made.uid(), made.mode() & 0o777), (4711, 0o600));
}

#[test]
fn sessions_are_migrated_out_to_the_files_that_name_them() {
    let (stage, old) = (Stage::new(), Old::new());
    for id in ["kept", "left", "listed", "unnamed", "emptied"] {
        stage.put(id, format!("id|s:{}:\"{id}\";", id.len()).as_bytes());
    }
    stage.put("emptied", b"");
    old.put("kept", b"n|i:1;and much more than what is there now is what it held before");
    old.put("left", b"");
    old.put("never-here", b"n|i:1;");
    old.put("emptied", b"n|i:1;");
    let inode = old.file("kept").metadata().expect("there").ino();
    age(&old.file("kept"), Duration::from_secs(900));
    let list = old.directory.path().join("ids");
    std::fs::write(&list, "listed\nkept\n\nnot an id\n").expect("write");

    let to = old.address();
    let output = stage.run("export", &["--to", &to, "--ids", list.to_str().expect("plain"), "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(1), "an id was none");
    let reason = "an id holds other characters than Cloakroom accepts";
    let expected = json!({"written": 3, "unchanged": 0, "emptied": 1, "absent": 1, "refused": 1, "reason": reason,
                          "without_id": 1, "skipped": {"no_files": 0, "other_users": 0}});
    assert_eq!(told, expected);
    for id in ["kept", "left", "listed"] {
        assert_eq!(old.read(id), stage.read(id));
        let (entry, _) = stage.store.inspect(&stage.store.key(b"", id.as_bytes())).expect("inspect").expect("there");
        assert_eq!(used(&old.file(id)), entry.used);
        assert_eq!(old.file(id).metadata().expect("there").mode() & 0o077, if id == "listed" { 0 } else { 0o044 });
    }
    assert_eq!(
        old.file("kept").metadata().expect("there").ino(),
        inode,
        "a request that waits for its lock has it open"
    );
    assert_eq!((old.read("never-here"), old.read("unnamed")), (Some(b"n|i:1;".to_vec()), None));
    assert_eq!(old.read("emptied").as_deref(), Some(&b""[..]), "its visitor was logged out");

    let said = stage.text("export", &["--to", &to]);
    assert!(
        said.starts_with("0 sessions were written to ") && said.contains("\n3 sessions were in their files already\n"),
        "{said}"
    );
    assert!(!said.contains("were emptied"), "{said}");
    // And back again: what was migrated out is here already.
    let again = stage.json("import", &["--from", &to]);
    assert_eq!((&again["taken"], &again["present"]), (&json!(1), &json!(4)));
}

#[test]
fn a_login_that_ended_here_does_not_come_back_with_the_files() {
    let (stage, old) = (Stage::new(), Old::new());
    for id in ["destroyed", "emptied", "replaced"] {
        old.put(id, b"user|i:7;");
    }
    assert_eq!(stage.json("import", &["--from", &old.address()])["taken"], 3);
    // Their copies there could not be removed.
    for (id, retire) in [("destroyed", Duration::ZERO), ("replaced", Duration::from_secs(60))] {
        let key = stage.store.key(b"", id.as_bytes());
        stage.store.destroy(&key, End { tombstone: Duration::from_secs(60), grace: retire }).expect("destroy");
    }
    stage.put("emptied", b"");
    // As after the death of a process that was migrating it.
    old.put("reserved", b"user|i:7;");
    drop(stage.store.acquire(&stage.store.key(b"", b"reserved"), &HOW).expect("acquire"));
    let list = old.directory.path().join("ids");
    std::fs::write(&list, "emptied\ndestroyed\nelsewhere\n").expect("write");
    stage.put("elsewhere", b"");
    let told = stage.json("export", &["--to", &old.address(), "--ids", list.to_str().expect("plain")]);
    assert_eq!((&told["emptied"], &told["absent"], &told["refused"]), (&json!(3), &json!(2), &json!(0)), "{told}");
    for id in ["destroyed", "emptied", "replaced"] {
        assert_eq!(old.read(id).as_deref(), Some(&b""[..]), "{id}");
    }
    assert_eq!((old.read("reserved"), old.read("elsewhere")), (Some(b"user|i:7;".to_vec()), None));
}

/// Runs the command without root's right to open everything.
fn as_a_mortal(arguments: &[&str]) -> Output {
    use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            if rustix::process::geteuid().is_root() {
                for right in [CapabilitySet::DAC_OVERRIDE, CapabilitySet::DAC_READ_SEARCH] {
                    remove_capability_from_bounding_set(right).expect("given up");
                }
            }
            cloakroom(arguments)
        });
        run.join().expect("no panic")
    })
}

#[test]
fn one_file_that_cannot_be_opened_or_written_does_not_stop_the_rest() {
    let (stage, old) = (Stage::new(), Old::new());
    let ids = (0..20).map(|i| format!("id{i}")).collect::<Vec<_>>();
    for id in ["closed", "readable"].into_iter().chain(ids.iter().map(String::as_str)) {
        old.put(id, b"n|i:1;");
    }
    let allow = |id: &str, mode| {
        std::fs::set_permissions(old.file(id), std::fs::Permissions::from_mode(mode)).expect("allowed");
    };
    allow("closed", 0);
    allow("readable", 0o400);
    let from = old.address();
    let output = as_a_mortal(&["import", stage.path(), "--from", &from, "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&told["taken"], &told["refused"]), (&json!(21), &json!(1)), "{told}");
    assert!(told["reason"].as_str().is_some_and(|reason| reason.contains("its file cannot be opened")), "{told}");

    for id in ["closed", "readable"].into_iter().chain(ids.iter().map(String::as_str)) {
        stage.put(id, b"n|i:2;");
    }
    let output = as_a_mortal(&["export", stage.path(), "--to", &from, "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&told["written"], &told["refused"]), (&json!(20), &json!(2)), "{told}");
    allow("closed", 0o600);
    assert_eq!((old.read("closed"), old.read("readable")), (Some(b"n|i:1;".to_vec()), Some(b"n|i:1;".to_vec())));
}

#[test]
fn a_file_that_is_in_use_is_waited_for_and_not_torn() {
    let (stage, old) = (Stage::new(), Old::new());
    stage.put("busy", b"n|i:2;");
    old.put("busy", b"n|i:1;");
    let holder = OpenOptions::new().read(true).open(old.file("busy")).expect("open");
    flock(&holder, FlockOperation::LockExclusive).expect("lock");
    let to = old.address();
    let output = stage.run("export", &["--to", &to, "--wait", "0s"]);
    assert_eq!((output.status.code(), old.read("busy").as_deref()), (Some(1), Some(&b"n|i:1;"[..])));
    std::thread::scope(|scope| {
        let export = scope.spawn(|| stage.text("export", &["--to", &to, "--wait", "60s"]));
        drop(holder);
        assert!(export.join().expect("no panic").starts_with("1 sessions were written"));
    });
    assert_eq!(old.read("busy").as_deref(), Some(&b"n|i:2;"[..]));
}

#[test]
fn a_depth_is_followed() {
    let (stage, old) = (Stage::new(), Old::new());
    std::fs::create_dir_all(old.directory.path().join("a/b")).expect("mkdir");
    std::fs::write(old.directory.path().join("a/b/sess_abc"), "n|i:1;").expect("write");
    let deep = format!("files:2;{}", old.directory.path().display());
    assert_eq!(stage.json("import", &["--from", &deep])["taken"], 1);
    stage.put("abc", b"n|i:2;");
    assert_eq!(stage.json("export", &["--to", &deep])["written"], 1);
    assert_eq!(std::fs::read(old.directory.path().join("a/b/sess_abc")).expect("there"), b"n|i:2;");
    // What is behind a link is told and not used.
    std::fs::rename(old.directory.path().join("a"), old.directory.path().join("moved")).expect("renamed");
    symlink("moved", old.directory.path().join("a")).expect("link");
    let told = stage.run("import", &["--from", &deep, "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!((&told["taken"], &told["skipped"]["no_files"]), (&json!(0), &json!(1)), "{told}");
}

#[test]
fn progress_is_shown_on_a_terminal() {
    let (stage, old) = (Stage::new(), Old::new());
    for i in 0..2000 {
        old.put(&format!("id{i}"), b"n|i:1;");
    }
    let shown = on_a_terminal(&["import", stage.path(), "--from", &old.address()], &[], "");
    assert!(shown.contains("/2000 sessions") && shown.contains("2000 sessions were migrated"), "{shown}");
}
