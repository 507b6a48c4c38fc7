//! `export` and `import`: what arrives, what is left alone, and what is refused.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloakroom_session::seam::{End, Over};
use cloakroom_store::{Options, Store};
use support::{HOW, Stage, cloakroom, damage, failed, succeeded};

/// A directory for the file and for a store elsewhere.
struct Elsewhere {
    directory: tempfile::TempDir,
}

impl Elsewhere {
    fn new() -> Elsewhere {
        Elsewhere { directory: tempfile::tempdir().expect("temporary directory") }
    }

    fn file(&self) -> PathBuf {
        // Not beside the store, whose directory is its own.
        let parent = self.directory.path().join("file");
        std::fs::create_dir_all(&parent).expect("mkdir");
        parent.join("sessions.export")
    }

    fn store(&self) -> PathBuf {
        let parent = self.directory.path().join("store");
        std::fs::create_dir_all(&parent).expect("mkdir");
        parent
    }

    fn attach(&self) -> std::sync::Arc<Store> {
        Store::attach(&self.store(), Options { capacity: None, user: None }).expect("attach")
    }

    fn import(&self, options: &[&str]) -> std::process::Output {
        let (store, file) = (self.store(), self.file());
        cloakroom(&[&["import", text(&store), text(&file)], options].concat())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn export(stage: &Stage, to: &Path) -> String {
    stage.text("export", &[text(to)])
}

fn payload(i: usize) -> Vec<u8> {
    (0..i * 37).map(|at| (at * i) as u8).collect()
}

#[test]
fn sessions_move_to_another_host() {
    let (stage, there) = (Stage::new(), Elsewhere::new());
    for i in 0..300 {
        stage.put(&format!("id{i}"), &payload(i));
    }
    let held = stage.store.acquire(&stage.store.key(b"", b"held"), &HOW).expect("acquire");
    let said = export(&stage, &there.file());
    assert!(said.starts_with("301 sessions with "), "{said}");
    drop(held);
    assert_eq!(std::fs::metadata(there.file()).expect("made").permissions().mode() & 0o777, 0o600);

    assert_eq!(succeeded(&there.import(&["--dry-run"])), "301 sessions, all whole\n");
    assert_eq!(there.store().read_dir().expect("readable").count(), 0, "a dry run changes nothing");
    assert_eq!(succeeded(&there.import(&[])), "301 of 301 sessions were imported\n");
    let arrived = there.attach();
    for i in 0..300 {
        let id = format!("id{i}");
        // The same id leads to the session, with the times that it had.
        let (entry, found) = arrived.inspect(&arrived.key(b"", id.as_bytes())).expect("inspect").expect("it arrived");
        let (before, _) =
            stage.store.inspect(&stage.store.key(b"", id.as_bytes())).expect("inspect").expect("it is there");
        assert!(found == payload(i));
        assert_eq!((entry.created, entry.returned), (before.created, before.returned));
        assert!(entry.expires.abs_diff(before.expires) <= 2, "{} {}", entry.expires, before.expires);
    }
    assert_eq!(arrived.check().expect("check").problems, Vec::<String>::new());
    assert_eq!(arrived.stats().expect("stats").capacity, 1 << 30);
}

#[test]
fn importing_again_changes_nothing_and_revives_nothing() {
    let (stage, there) = (Stage::new(), Elsewhere::new());
    for id in ["a", "b", "c"] {
        stage.put(id, b"old");
    }
    export(&stage, &there.file());
    succeeded(&there.import(&["--size", "16M"]));
    let arrived = there.attach();
    assert_eq!(arrived.stats().expect("stats").capacity, 16 << 20);
    support::put(&arrived, "a", b"new");
    arrived.destroy(&arrived.key(b"", b"b"), End::at_once(Duration::from_secs(60))).expect("destroy");
    let again: serde_json::Value = serde_json::from_str(&succeeded(&there.import(&["--json"]))).expect("JSON");
    assert_eq!(again, serde_json::json!({"imported": 0, "present": 2, "ended": 1, "expired": 0}));
    let read = |id: &str| arrived.inspect(&arrived.key(b"", id.as_bytes())).expect("inspect").map(|found| found.1);
    assert_eq!((read("a"), read("b"), read("c")), (Some(b"new".to_vec()), None, Some(b"old".to_vec())));
}

#[test]
fn what_has_expired_meanwhile_stays_behind() {
    let (stage, there) = (Stage::new(), Elsewhere::new());
    stage.put("lives", b"payload");
    let mut lease = stage.store.acquire(&stage.store.key(b"", b"short"), &HOW).expect("acquire");
    lease.commit(b"payload", Duration::from_secs(1), Over::Anything).expect("commit");
    export(&stage, &there.file());
    let began = std::time::Instant::now();
    while stage.read("short").is_some() {
        assert!(began.elapsed() < Duration::from_secs(10), "the session outlives its lifetime");
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = succeeded(&there.import(&[]));
    assert_eq!(said, "1 of 2 sessions were imported\n1 have expired since they were exported\n");
}

#[test]
fn a_store_with_other_sessions_is_left_as_it_is() {
    let (stage, there) = (Stage::new(), Elsewhere::new());
    stage.put("id", b"payload");
    export(&stage, &there.file());
    let other = Store::attach(&there.store(), Options { capacity: Some(16 << 20), user: None }).expect("attach");
    support::put(&other, "other", b"payload");
    let (code, said) = failed(&there.import(&[]));
    assert_eq!((code, said.contains("kept under another secret")), (1, true), "{said}");
    assert_eq!(other.stats().expect("stats").sessions, 1);
}

#[test]
fn damaged_files_and_other_versions_change_nothing() {
    let (stage, there) = (Stage::new(), Elsewhere::new());
    for i in 0..50 {
        stage.put(&format!("id{i}"), &payload(i));
    }
    export(&stage, &there.file());
    let whole = std::fs::read(there.file()).expect("read");
    let mut cases =
        vec![(5, whole[..whole.len() - 5].to_vec()), (5, whole[..40].to_vec()), (5, b"nothing of ours".to_vec())];
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    cases.push((5, flipped));
    let mut later = whole;
    later[8] = 3;
    cases.push((6, later));
    for (expected, bytes) in cases {
        std::fs::write(there.file(), bytes).expect("write");
        let (code, said) = failed(&there.import(&[]));
        assert_eq!(code, expected, "{said}");
        assert_eq!(there.store().read_dir().expect("readable").count(), 0);
    }
    std::fs::remove_file(there.file()).expect("remove");
    assert_eq!(failed(&there.import(&[])).0, 3);
}

#[test]
fn an_export_replaces_only_what_it_is_told_to() {
    let (stage, there) = (Stage::new(), Elsewhere::new());
    stage.put("id", b"payload");
    std::fs::write(there.file(), "something").expect("write");
    let refused = stage.run("export", &[text(&there.file())]);
    assert_eq!((failed(&refused).0, std::fs::read(there.file()).expect("read")), (2, b"something".to_vec()));
    stage.text("export", &[text(&there.file()), "--force"]);
    assert_eq!(succeeded(&there.import(&["--dry-run"])), "1 sessions, all whole\n");
    assert_eq!(failed(&stage.run("export", &["/nowhere/file"])).0, 3);
}

#[test]
fn an_export_can_be_piped() {
    let (stage, there) = (Stage::new(), Elsewhere::new());
    stage.put("id", b"payload");
    let output = stage.run("export", &["-"]);
    assert!(output.status.success());
    std::fs::write(there.file(), output.stdout).expect("write");
    assert_eq!(succeeded(&there.import(&[])), "1 of 1 sessions were imported\n");
}

#[test]
fn damaged_sessions_are_left_out_and_told() {
    let (stage, there) = (Stage::new(), Elsewhere::new());
    stage.put("whole", b"payload");
    stage.put("broken", b"a payload to be damaged");
    damage(stage.store.path(), b"a payload to be damaged");
    let output = stage.run("export", &[text(&there.file())]);
    let (code, said) = failed(&output);
    assert_eq!((code, said.contains("1 damaged sessions were left out")), (5, true), "{said}");
    assert_eq!(succeeded(&there.import(&[])), "1 of 1 sessions were imported\n");
}

#[test]
fn an_export_beyond_the_limit_of_file_sizes_is_refused_and_leaves_nothing() {
    let (stage, there) = (Stage::new(), Elsewhere::new());
    for i in 0..100 {
        // What does not get smaller by being packed.
        let mut random = i as u64 + 1;
        let noise = std::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 56) as u8
        });
        stage.put(&format!("id{i}"), &noise.take(2000).collect::<Vec<u8>>());
    }
    let limited = |file: &str, redirected: &Path| {
        // In blocks of 512 or of 1024 bytes.
        let script = "ulimit -f 60 && exec \"$1\" export \"$2\" \"$3\" >>\"$4\"";
        let arguments = ["-c", script, "sh", env!("CARGO_BIN_EXE_cloakroom"), stage.path(), file, text(redirected)];
        std::process::Command::new("sh").args(arguments).output().expect("it runs")
    };
    let (code, said) = failed(&limited(text(&there.file()), Path::new("/dev/null")));
    assert!(code == 1 && said.contains("LimitFSIZE="), "{code} {said}");
    assert!(!there.file().exists(), "half an export is none");
    let (code, said) = failed(&limited("-", &there.file()));
    assert!(code == 1 && said.contains("LimitFSIZE="), "{code} {said}");
    // A pipe has no length.
    let script = "ulimit -f 60 && \"$1\" export \"$2\" - | wc -c";
    let arguments = ["-c", script, "sh", env!("CARGO_BIN_EXE_cloakroom"), stage.path()];
    let said = succeeded(&std::process::Command::new("sh").args(arguments).output().expect("it runs"));
    assert!(said.trim().parse::<u64>().expect("a count") > 190_000, "{said}");
}
