//! Figures, verification, collection, completions and manuals; and the exit codes.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use cloakroom_session::seam::Over;
use support::{HOW, Stage, cloakroom, damage, failed, on_a_terminal, succeeded};

#[test]
fn status_and_check_describe_a_store_in_use() {
    let stage = Stage::new();
    stage.put("id", b"payload");
    let text = stage.text("status", &[]);
    assert!(text.lines().any(|line| line.split_whitespace().eq(["sessions", "1"])), "{text}");
    let status = stage.json("status", &[]);
    assert_eq!((status["sessions"].as_u64(), status["bytes"].as_u64()), (Some(1), Some(7)));
    assert!(status["store"].as_str().is_some_and(|path| path.starts_with(stage.path())));

    assert!(stage.text("check", &[]).ends_with("the store is whole\n"));
    let check = stage.json("check", &[]);
    assert_eq!((check["whole"].as_bool(), check["sessions"].as_u64()), (Some(true), Some(1)));
}

#[test]
fn check_tells_damage() {
    let stage = Stage::new();
    stage.put("id", b"a payload to be damaged");
    stage.put("other", b"whole");
    damage(stage.store.path(), b"a payload to be damaged");
    let check = stage.run("check", &[]);
    assert_eq!(check.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&check.stdout).contains("the store is damaged"));
    let check = stage.run("check", &["--json"]);
    let report: serde_json::Value = serde_json::from_slice(&check.stdout).expect("JSON");
    assert_eq!((check.status.code(), report["whole"].as_bool()), (Some(5), Some(false)));
    let problems = report["problems"].as_array().expect("a list");
    assert!(problems.iter().any(|problem| problem.as_str().is_some_and(|text| text.contains("a payload is broken"))));
}

#[test]
fn gc_removes_what_has_expired() {
    let stage = Stage::new();
    stage.put("lives", b"payload");
    let short = stage.store.key(b"", b"short");
    let mut lease = stage.store.acquire(&short, &HOW).expect("acquire");
    lease.commit(b"payload", Duration::ZERO, Over::Anything).expect("commit");
    let began = std::time::Instant::now();
    // The second in which it expires must have passed on both clocks.
    loop {
        let removed = stage.json("gc", &[])["removed"].as_u64().expect("a number");
        if removed == 1 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "nothing is removed");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(stage.text("gc", &[]), "0 expired sessions removed\n");
    assert_eq!(stage.json("list", &[]).as_array().map(Vec::len), Some(1));
}

#[test]
fn a_missing_store_is_said_to_be_missing_and_not_made() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().to_str().expect("a plain path");
    for command in
        [&["status"][..], &["list"], &["gc"], &["check"], &["show", "abcd1234"], &["destroy", "--all", "--yes"]]
    {
        let mut arguments = command.to_vec();
        arguments.insert(1, path);
        let (code, said) = failed(&cloakroom(&arguments));
        assert_eq!(code, 3, "{command:?}");
        assert!(said.contains("there is no store"), "{said}");
    }
    assert_eq!(dir.path().read_dir().expect("readable").count(), 0);
    assert_eq!(failed(&cloakroom(&["status", &format!("{path}/nowhere")])).0, 3);
}

#[test]
fn what_is_not_allowed_is_told_from_what_is_missing() {
    let stage = Stage::new();
    std::fs::set_permissions(stage.store.path(), PermissionsExt::from_mode(0o644)).expect("chmod");
    assert_eq!(failed(&stage.run("status", &[])).0, 4, "readable by others");
    std::fs::set_permissions(stage.store.path(), PermissionsExt::from_mode(0o600)).expect("chmod");
    std::fs::set_permissions(stage.path(), PermissionsExt::from_mode(0o777)).expect("chmod");
    assert_eq!(failed(&stage.run("status", &[])).0, 4, "a directory that others can write to");
    std::fs::set_permissions(stage.path(), PermissionsExt::from_mode(0o700)).expect("chmod");
    succeeded(&stage.run("status", &[]));
    assert_eq!(failed(&cloakroom(&["status", "/proc"])).0, 3);
}

#[test]
fn damage_and_other_versions_are_told_apart() {
    let make = |bytes: &[u8]| {
        let stage = Stage::new();
        let path = stage.store.path().to_owned();
        let Stage { directory, store } = stage;
        drop(store);
        let mut header = std::fs::read(&path).expect("read");
        header[..bytes.len()].copy_from_slice(bytes);
        std::fs::write(&path, header).expect("write");
        let output = cloakroom(&["status", directory.path().to_str().expect("a plain path")]);
        failed(&output)
    };
    let (code, said) = make(b"something else");
    assert_eq!(code, 5, "{said}");
    let (code, said) = make(b"CLOAKRM\n\x09\0\0\0");
    assert_eq!(code, 6, "{said}");
}

#[test]
fn wrong_usage_has_a_code_of_its_own_and_addresses_are_not_repeated() {
    for arguments in [&["list"][..], &["nothing"], &["list", "/tmp", "--idle", "soon"], &["destroy", "/tmp"]] {
        assert_eq!(failed(&cloakroom(arguments)).0, 2, "{arguments:?}");
    }
    // Nobody listens there.
    let (code, said) = failed(&cloakroom(&["status", "redis://:secret@127.0.0.1:1/"]));
    assert_eq!(code, 1);
    assert!(!said.contains("secret") && said.contains("127.0.0.1"), "{said}");
}

#[test]
fn completions_and_manuals_name_every_command() {
    let commands = ["status", "list", "show", "gc", "check", "destroy", "export", "import", "doctor"];
    for shell in ["bash", "zsh", "fish"] {
        let text = succeeded(&cloakroom(&["completions", shell]));
        assert!(commands.iter().all(|command| text.contains(command)), "{shell}");
    }
    let parsed = Command::new("bash").args(["-n", "-c", &succeeded(&cloakroom(&["completions", "bash"]))]).output();
    assert!(parsed.expect("bash runs").status.success());
    let manual = succeeded(&cloakroom(&["manual"]));
    assert!(manual.contains(".TH") && manual.contains("Exit codes"));
    let dir = tempfile::tempdir().expect("temporary directory");
    succeeded(&cloakroom(&["manual", dir.path().to_str().expect("a plain path")]));
    for command in commands {
        assert!(dir.path().join(format!("cloakroom-{command}.1")).exists(), "{command}");
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let stage = Stage::new();
    let arguments = ["check", stage.path()];
    assert!(on_a_terminal(&arguments, &[], "").contains("\u{1b}["));
    assert!(!on_a_terminal(&arguments, &[("NO_COLOR", "1")], "").contains("\u{1b}[3"));
    assert!(!stage.text("check", &[]).contains('\u{1b}'));
    assert!(stage.text("check", &["--color", "always"]).contains('\u{1b}'));
}

#[test]
fn doctor_says_what_to_change() {
    let stage = Stage::new();
    stage.put("id", b"payload");
    let ini = tempfile::tempdir().expect("temporary directory");
    std::fs::write(ini.path().join("php.ini"), "session.use_strict_mode = 0\n").expect("write");
    let output = stage.run("doctor", &["--php-ini", ini.path().to_str().expect("a plain path"), "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let finding = |subject: &str| {
        let findings = found.as_array().expect("a list");
        findings.iter().find(|finding| finding["subject"] == subject).unwrap_or_else(|| panic!("{subject} in {found}"))
    };
    assert_eq!(finding("store")["level"], "ok");
    assert_eq!(finding("directory")["level"], "ok");
    assert_eq!(finding("session.use_strict_mode")["level"], "bad");
    assert!(finding("session.use_strict_mode")["advice"].as_str().is_some_and(|advice| !advice.is_empty()));
    let text = String::from_utf8(stage.run("doctor", &["--php", "/nowhere/php"]).stdout).expect("UTF-8");
    assert!(text.contains("warn  PHP: its settings are unknown"), "{text}");
}
