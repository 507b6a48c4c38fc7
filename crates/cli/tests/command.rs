//! The command as a user runs it: what it prints and how it exits.

use std::process::{Command, Output};
use std::time::Duration;

use cloakroom_store::{Acquire, Options, Over, Store};

fn cloakroom(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cloakroom")).args(arguments).output().expect("the command runs")
}

#[test]
fn status_and_check_describe_a_store_in_use() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().to_str().expect("a plain path");
    let store = Store::attach(dir.path(), Options { capacity: Some(8 << 20), user: None }).expect("attach");
    let life = Duration::from_secs(60);
    let how = Acquire { exclusive: true, wait: life, max_waiters: 0, lifetime: life, script: b"", since: None };
    let mut lease = store.acquire(&store.key(b"", b"id"), &how).expect("acquire");
    lease.commit(b"payload", life, Over::Anything).expect("commit");

    let status = cloakroom(&["status", path]);
    assert!(status.status.success());
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(text.lines().any(|line| line.split_whitespace().eq(["sessions", "1"])), "{text}");

    let check = cloakroom(&["check", path]);
    assert!(check.status.success());
    assert!(String::from_utf8_lossy(&check.stdout).ends_with("the store is whole\n"));
}

#[test]
fn a_missing_store_is_said_to_be_missing_and_not_made() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().to_str().expect("a plain path");
    let check = cloakroom(&["check", path]);
    assert_eq!(check.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&check.stderr).contains("there is no store"));
    assert_eq!(dir.path().read_dir().expect("readable").count(), 0);
}
