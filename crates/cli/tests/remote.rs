//! The command on a Redis server of its own.

mod support;

#[path = "../../session/tests/redis_server/mod.rs"]
mod redis_server;

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use cloakroom_session::seam::Over;
use cloakroom_session::{Acquire, AnyStore, LockMode, Namespace, SessionId};
use redis_server::Server;
use support::{Stage, cloakroom, failed, succeeded};

const LIFE: Duration = Duration::from_secs(1440);

struct Remote {
    url: String,
    store: AnyStore,
    _server: Server,
}

impl Remote {
    fn new() -> Remote {
        let server = Server::start();
        let url = format!("{}&prefix=app*:", server.url());
        Remote { store: AnyStore::at_address(url.as_bytes()).expect("an address"), url, _server: server }
    }

    fn key(&self, id: &str) -> cloakroom_session::Key {
        let namespace = Namespace::parse(b"").expect("a namespace");
        self.store.key(&namespace, &SessionId::parse(id.as_bytes()).expect("an id"))
    }

    fn put(&self, id: &str, payload: &[u8]) {
        let how = Acquire {
            mode: LockMode::Exclusive,
            wait: LIFE,
            max_waiters: 0,
            lifetime: LIFE,
            lock_ttl: Duration::from_secs(10),
            script: b"test",
            since: None,
            drawn: false,
        };
        let mut lease = self.store.acquire(&self.key(id), &how).expect("free");
        lease.commit(payload, LIFE, Over::Anything).expect("there is room");
    }

    fn read(&self, id: &str) -> Option<Vec<u8>> {
        self.store.snapshot(&self.key(id)).expect("the server answers").0
    }

    fn run(&self, command: &str, rest: &[&str]) -> std::process::Output {
        cloakroom(&[&[command, self.url.as_str()], rest].concat())
    }

    fn json(&self, command: &str, rest: &[&str]) -> serde_json::Value {
        let text = succeeded(&self.run(command, &[rest, &["--json"]].concat()));
        serde_json::from_str(&text).expect("JSON")
    }
}

#[test]
fn sessions_on_a_server_are_listed_shown_and_destroyed() {
    let remote = Remote::new();
    for i in 0..2500 {
        remote.put(&format!("id{i}"), format!("n|i:{i};").as_bytes());
    }
    let listed = remote.json("list", &["--sort", "name"]);
    let names: std::collections::HashSet<_> =
        listed.as_array().expect("a list").iter().map(|session| session["session"].as_str().expect("a name")).collect();
    assert_eq!((names.len(), listed.as_array().map(Vec::len)), (2500, Some(2500)), "each once");
    assert_eq!(remote.json("list", &["--limit", "7"]).as_array().map(Vec::len), Some(7));
    assert_eq!(remote.json("status", &[])["sessions"].as_u64(), Some(2500));

    let name = listed[0]["session"].as_str().expect("a name");
    let number = remote.json("show", &[name])["payload"]["n"].as_u64().expect("a number");
    assert!(number < 2500);
    assert_eq!(remote.json("destroy", &[name, "--yes"])["destroyed"].as_u64(), Some(1));
    assert_eq!(remote.read(&format!("id{number}")), None);
    assert_eq!(remote.json("destroy", &["--all", "--yes"])["destroyed"].as_u64(), Some(2499));
    assert_eq!(remote.json("list", &[]).as_array().map(Vec::len), Some(0));
    assert_eq!(remote.json("gc", &[])["removed"].as_u64(), Some(0));
    assert_eq!(failed(&remote.run("check", &[])).0, 2);
}

#[test]
fn sessions_move_between_servers() {
    let (one, other) = (Remote::new(), Remote::new());
    for i in 0..50 {
        one.put(&format!("id{i}"), &vec![b'x'; i * 100]);
    }
    other.put("id7", b"mine");
    let directory = tempfile::tempdir().expect("temporary directory");
    let file = directory.path().join("sessions.export");
    let file = file.to_str().expect("a plain path");
    succeeded(&one.run("export", &[file]));
    let figures = other.json("import", &[file]);
    assert_eq!(figures, serde_json::json!({"imported": 49, "present": 1, "ended": 0, "expired": 0}));
    assert_eq!(other.read("id7").as_deref(), Some(&b"mine"[..]));
    for i in (0..50).filter(|i| *i != 7) {
        assert_eq!(other.read(&format!("id{i}")), Some(vec![b'x'; i * 100]));
    }
}

#[test]
fn sessions_do_not_move_between_directories_and_servers() {
    let (remote, stage) = (Remote::new(), Stage::new());
    remote.put("id", b"payload");
    stage.put("id", b"payload");
    let directory = tempfile::tempdir().expect("temporary directory");
    let file = |name: &str| directory.path().join(name).to_str().expect("a plain path").to_owned();
    succeeded(&remote.run("export", &[&file("remote")]));
    succeeded(&stage.run("export", &[&file("local")]));
    for refused in [remote.run("import", &[&file("local")]), stage.run("import", &[&file("remote")])] {
        let (code, said) = failed(&refused);
        assert_eq!((code, said.contains("between a directory and servers")), (2, true), "{said}");
    }
}

#[test]
fn doctor_examines_a_server() {
    let remote = Remote::new();
    let output = remote.run("doctor", &["--php", "/nowhere/php", "--json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = found.as_array().expect("a list");
    let server = findings.iter().find(|finding| finding["subject"] == "session servers").expect("it is examined");
    assert_eq!(server["level"], "ok");
}

#[test]
fn root_says_whose_session_files_go_to_a_server_and_come_back() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give files away, and need say whose are meant.
        return;
    }
    let (remote, old) = (Remote::new(), tempfile::tempdir().expect("temporary directory"));
    let file = |id: &str| old.path().join(format!("sess_{id}"));
    for (id, user) in [("his", 4711), ("others", 4712)] {
        std::fs::write(file(id), "n|i:1;").expect("write");
        std::os::unix::fs::chown(file(id), Some(user), None).expect("given away");
    }
    std::os::unix::fs::chown(old.path(), Some(4711), None).expect("given away");
    let address = format!("files:{}", old.path().display());
    for arguments in [&["import", "--from"][..], &["import", "--dry-run", "--from"], &["export", "--to"]] {
        let rest = [arguments.get(1..).expect("options"), &[&address]].concat();
        let (code, said) = failed(&remote.run(arguments[0], &rest));
        assert!(code == 2 && said.contains("with --user"), "{arguments:?}: {code} {said}");
    }
    let output = remote.run("import", &["--from", &address, "--user", "4711", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((told["taken"].as_u64(), told["skipped"]["other_users"].as_u64()), (Some(1), Some(1)), "{told}");
    assert_eq!((remote.read("his").as_deref(), remote.read("others")), (Some(&b"n|i:1;"[..]), None));

    remote.put("others", b"n|i:2;");
    remote.put("listed", b"n|i:3;");
    let list = old.path().join("ids");
    std::fs::write(&list, "listed\n").expect("write");
    let list = list.to_str().expect("a plain path");
    let output = remote.run("export", &["--to", &address, "--user", "4711", "--ids", list, "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((told["written"].as_u64(), told["skipped"]["other_users"].as_u64()), (Some(1), Some(1)), "{told}");
    assert_eq!(file("listed").metadata().expect("made").uid(), 4711);
    assert_eq!(std::fs::read(file("others")).expect("there"), b"n|i:1;");
}
