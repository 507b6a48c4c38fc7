//! Stores to look at, and the command as a user runs it.

#![allow(dead_code, reason = "each test uses some of it")]

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use cloakroom_session::seam::{Acquire, LockMode, Over};
use cloakroom_store::{Options, Store};

pub(crate) const LIFE: Duration = Duration::from_secs(1440);
pub(crate) const HOW: Acquire<'static> = Acquire {
    mode: LockMode::Exclusive,
    wait: LIFE,
    lock_ttl: Duration::ZERO,
    max_waiters: 0,
    lifetime: LIFE,
    script: b"test",
    since: None,
    drawn: false,
};
/// With it, names are the same in every run.
pub(crate) const SECRET: [u8; 32] = [42; 32];

/// A directory with a store, and the store.
pub(crate) struct Stage {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) store: Arc<Store>,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        let directory = tempfile::tempdir().expect("temporary directory");
        let options = Options { capacity: Some(64 << 20), user: None };
        let store = Store::attach_with_secret(directory.path(), options, &SECRET).expect("attach");
        Stage { directory, store }
    }

    pub(crate) fn path(&self) -> &str {
        self.directory.path().to_str().expect("a plain path")
    }

    pub(crate) fn put(&self, id: &str, payload: &[u8]) {
        put(&self.store, id, payload);
    }

    pub(crate) fn read(&self, id: &str) -> Option<Vec<u8>> {
        self.store.inspect(&self.store.key(b"", id.as_bytes())).expect("inspect").map(|found| found.1)
    }

    /// Runs `cloakroom COMMAND STORE REST...`.
    pub(crate) fn run(&self, command: &str, rest: &[&str]) -> Output {
        cloakroom(&[&[command, self.path()], rest].concat())
    }

    /// What such a run prints, which must succeed.
    pub(crate) fn text(&self, command: &str, rest: &[&str]) -> String {
        succeeded(&self.run(command, rest))
    }

    /// What such a run prints with `--json`.
    pub(crate) fn json(&self, command: &str, rest: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.text(command, &[rest, &["--json"]].concat())).expect("JSON")
    }

    /// The name of the only session.
    pub(crate) fn only_name(&self) -> String {
        let listed = self.json("list", &[]);
        assert_eq!(listed.as_array().expect("a list").len(), 1);
        listed[0]["session"].as_str().expect("a name").to_owned()
    }
}

pub(crate) fn put(store: &Arc<Store>, id: &str, payload: &[u8]) {
    let mut lease = store.acquire(&store.key(b"", id.as_bytes()), &HOW).expect("acquire");
    lease.commit(payload, LIFE, Over::Anything).expect("commit");
}

pub(crate) fn cloakroom(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cloakroom")).args(arguments).output().expect("the command runs")
}

pub(crate) fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{} {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// The exit code, and what was said.
pub(crate) fn failed(output: &Output) -> (i32, String) {
    (output.status.code().expect("it ended by itself"), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What the command prints on a terminal of 100 columns.
pub(crate) fn on_a_terminal(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> String {
    let quoted = |word: &&str| format!("'{word}'");
    let words: Vec<_> = std::iter::once(&env!("CARGO_BIN_EXE_cloakroom")).chain(arguments).map(quoted).collect();
    let directory = tempfile::tempdir().expect("temporary directory");
    let answers = directory.path().join("answers");
    std::fs::write(&answers, input).expect("write");
    let output = Command::new("script")
        .args(["--quiet", "--echo", "never", "--return", "--command", &words.join(" "), "/dev/null"])
        .stdin(std::fs::File::open(&answers).expect("open"))
        .envs(environment.iter().copied())
        .env("TERM", "xterm")
        .output()
        .expect("script runs");
    String::from_utf8(output.stdout).expect("UTF-8").replace("\r\n", "\n")
}

/// Damages the sessions in a store file: flips a bit of each place where `payload` stands.
pub(crate) fn damage(store: &Path, payload: &[u8]) {
    use std::os::unix::fs::FileExt;
    let bytes = std::fs::read(store).expect("read");
    let file = std::fs::File::options().write(true).open(store).expect("open");
    for (at, _) in bytes.windows(payload.len()).enumerate().filter(|(_, window)| *window == payload) {
        file.write_all_at(&[payload[0] ^ 1], at as u64).expect("write");
    }
}
