//! The doctor on directories that are well, and on broken ones.

#[path = "redis_server/mod.rs"]
mod redis_server;

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use cloakroom_session::AnyStore;
use cloakroom_session::any_store::Options;
use cloakroom_session::doctor::place::{self, Place};
use cloakroom_session::doctor::{self, Finding, Level, limits, store};
use redis_server::Server;

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn look(directory: &Path, size: u64) -> Vec<Finding> {
    place::examine(&Place { directory, user: user(), size: Some(size) })
}

/// The worst level, and what the finding on `subject` says.
fn of<'a>(findings: &'a [Finding], subject: &str) -> (Level, &'a Finding) {
    let worst = findings.iter().map(|finding| finding.level).max().expect("there are findings");
    let about = findings.iter().filter(|finding| finding.subject == subject);
    (worst, about.max_by_key(|finding| finding.level).unwrap_or_else(|| panic!("nothing on {subject}: {findings:?}")))
}

#[test]
fn a_good_directory_is_good_before_and_after_there_is_a_store() {
    let directory = tempfile::tempdir().expect("a directory");
    set_permissions(directory.path(), Permissions::from_mode(0o700)).expect("own directory");
    let findings = look(directory.path(), 8 << 20);
    assert_eq!(of(&findings, "directory").1.level, Level::Ok, "{findings:?}");
    assert!(findings.iter().any(|finding| finding.subject == "file system"));
    assert_eq!(of(&findings, "room").1.level, Level::Ok);
    assert!(
        std::fs::read_dir(directory.path()).expect("readable").next().is_none(),
        "the doctor has created something"
    );

    let place = Place { directory: directory.path(), user: user(), size: Some(8 << 20) };
    let open = |create| move || AnyStore::in_directory(place.directory, &Options { size: 8 << 20, create });
    let findings = doctor::local(&place, open(false));
    assert_eq!(of(&findings, "store").1.level, Level::Ok, "no store yet is no trouble: {findings:?}");
    assert!(!place.has_file(), "the doctor has created a store");

    let opened = open(true)().expect("a store");
    let findings = doctor::local(&place, open(false));
    assert!(of(&findings, "store").1.found.contains(" 0 sessions"), "{findings:?}");
    assert_eq!(of(&findings, "fill").1.level, Level::Ok);
    let findings = store::examine(Ok(&*opened), Some(16 << 20));
    assert_eq!(of(&findings, "store").1.level, Level::Warn, "another size than the store's is told");
}

#[test]
fn broken_directories_are_bad_and_the_advice_says_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let findings = look(&directory.path().join("absent"), 8 << 20);
    assert!(of(&findings, "directory").1.advice.contains("install -d"), "{findings:?}");
    assert_eq!(findings.len(), 1);

    let file = directory.path().join("file");
    std::fs::write(&file, "x").expect("own directory");
    assert!(of(&look(&file, 8 << 20), "directory").1.found.contains("not a directory"));

    set_permissions(directory.path(), Permissions::from_mode(0o777)).expect("own directory");
    let findings = look(directory.path(), 8 << 20);
    assert!(of(&findings, "directory").1.advice.contains("chmod +t"), "{findings:?}");
    set_permissions(directory.path(), Permissions::from_mode(0o1777)).expect("own directory");
    assert_eq!(of(&look(directory.path(), 8 << 20), "directory").1.level, Level::Ok);

    if user() == 0 {
        chown(directory.path(), Some(12345), None).expect("root may");
        let findings = look(directory.path(), 8 << 20);
        assert!(of(&findings, "directory").1.found.contains("12345"), "{findings:?}");
    } else {
        set_permissions(directory.path(), Permissions::from_mode(0o500)).expect("own directory");
        let findings = look(directory.path(), 8 << 20);
        assert!(of(&findings, "directory").1.found.contains("may not create"), "{findings:?}");
        set_permissions(directory.path(), Permissions::from_mode(0o700)).expect("own directory");
    }
}

#[test]
fn what_a_store_needs_and_does_not_have_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let findings = look(directory.path(), 1 << 60);
    assert_eq!(of(&findings, "room").1.level, Level::Warn, "{findings:?}");

    let findings = limits::examine(&Place { directory: directory.path(), user: user(), size: Some(1 << 60) });
    assert!(findings.iter().all(|finding| finding.subject == "limits") && !findings.is_empty());
}

#[test]
fn a_file_that_is_no_store_says_why_it_is_none() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join(format!("cloakroom-{}.store", user()));
    std::fs::write(&file, vec![7; 8192]).expect("own directory");
    set_permissions(&file, Permissions::from_mode(0o600)).expect("own file");
    let error =
        AnyStore::in_directory(directory.path(), &Options { size: 8 << 20, create: false }).err().expect("refused");
    let findings = store::examine(Err(&error), None);
    assert_eq!(of(&findings, "store").0, Level::Bad);
    assert!(!findings[0].advice.is_empty(), "{findings:?}");
}

#[test]
fn servers_are_asked_what_they_are() {
    let server = Server::start();
    let findings = doctor::remote(|| AnyStore::at_address(server.url().as_bytes()));
    let (worst, about) = of(&findings, "server");
    assert_eq!(worst, Level::Ok, "{findings:?}");
    assert!(about.found.starts_with("redis ") && about.found.ends_with(", master"), "{findings:?}");
    assert!(of(&findings, "persistence").1.found.contains("no append-only file"), "{findings:?}");
    assert!(of(&findings, "latency").1.found.contains(" ms"));

    let small = Server::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let findings = doctor::remote(|| AnyStore::at_address(small.url().as_bytes()));
    assert_eq!(of(&findings, "maxmemory-policy").1.level, Level::Warn, "{findings:?}");
    assert!(of(&findings, "maxmemory-policy").1.found.contains("100.0 MiB"), "{findings:?}");
}

#[test]
fn servers_that_do_not_answer_are_told_without_their_password() {
    let findings = doctor::remote(|| AnyStore::at_address(b"redis://user:hunter2@127.0.0.1:1"));
    assert_eq!(of(&findings, "session servers").0, Level::Bad, "{findings:?}");
    assert!(!format!("{findings:?}").contains("hunter2"));
}
