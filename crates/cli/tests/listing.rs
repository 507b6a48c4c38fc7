//! `list`, `show` and `destroy`: what they print, and which sessions they mean.

mod support;

use std::time::Duration;

use cloakroom_session::seam::Restored;
use cloakroom_store::Store;
use support::{HOW, Stage, failed, on_a_terminal};

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    since.as_secs()
}

/// Sessions of known age, all with days to live so that a second more or less does not show.
fn stage() -> Stage {
    let stage = Stage::new();
    let day = 86_400;
    let add = |id: &str, size: usize, age: u64, returned: bool| {
        let payload = vec![b'x'; size];
        let lifetime = Duration::from_secs(5 * day + 1800);
        let session = Restored { payload: &payload, created: now() - age, lifetime, returned };
        stage.store.restore(&stage.store.key(b"", id.as_bytes()), &session).expect("there is room");
    };
    add("small", 100, day + 30, true);
    add("large", 150_000, 3 * day + 2 * 3600 + 30, true);
    add("fresh", 1536, 2 * day + 30, false);
    add("reserved", 0, day + 3600 + 30, false);
    stage
}

#[test]
fn the_table_is_this() {
    let stage = stage();
    let arguments = ["list", stage.path(), "--sort", "size", "--color", "never"];
    // A busy machine may take some seconds to get here.
    let table = (1..=9).fold(on_a_terminal(&arguments, &[], ""), |table, n| table.replace(&format!(" {n}s "), " 0s "));
    assert_eq!(
        table.lines().collect::<Vec<_>>(),
        [
            " session     age  idle  expires in     size  flags",
            " 091a75e5  3d 2h    0s          5d  146 KiB",
            " 01fbcc9d     2d    0s          5d  1.5 KiB  new",
            " 7d8e4a23     1d    0s          5d    100 B",
            " d767636e  1d 1h    0s          5d      0 B  reserved",
        ],
    );
}

#[test]
fn elsewhere_it_is_plain_columns() {
    let stage = stage();
    let text = stage.text("list", &["--sort", "size"]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "session\tage\tidle\texpires in\tsize\tflags");
    let fields: Vec<Vec<_>> = lines[1..].iter().map(|line| line.split('\t').collect()).collect();
    assert_eq!(fields.iter().map(|fields| fields[4]).collect::<Vec<_>>(), ["146 KiB", "1.5 KiB", "100 B", "0 B"]);
    assert_eq!(fields.iter().map(|fields| fields[5]).collect::<Vec<_>>(), ["", "new", "", "reserved"]);
    assert!(fields.iter().all(|fields| fields[0].len() == 8));
}

#[test]
fn json_has_whole_names_and_times() {
    let stage = stage();
    let listed = stage.json("list", &["--sort", "size", "--reverse", "--limit", "1"]);
    let session = &listed[0];
    assert_eq!((session["size"].as_u64(), session["reserved"].as_bool()), (Some(0), Some(true)));
    assert_eq!(session["session"].as_str().map(str::len), Some(32));
    assert!(session["expires"].as_u64() > session["used"].as_u64());
}

#[test]
fn filters_choose() {
    let stage = stage();
    let count = |options: &[&str]| stage.json("list", options).as_array().map(Vec::len);
    assert_eq!(count(&[]), Some(4));
    assert_eq!(count(&["--larger", "1K"]), Some(2));
    assert_eq!(count(&["--reserved"]), Some(1));
    assert_eq!(count(&["--idle", "1h"]), Some(0));
    assert_eq!(count(&["--locked"]), Some(0));
    assert_eq!(count(&["--limit", "3"]), Some(3));
    let held = stage.store.acquire(&stage.store.key(b"", b"small"), &HOW).expect("acquire");
    assert_eq!(count(&["--locked"]), Some(1));
    drop(held);
}

#[test]
fn ids_are_nowhere() {
    let stage = Stage::new();
    let id = "0123456789abcdefghijklmnopqrstuv";
    stage.put(id, b"a|s:6:\"hidden\";");
    let name = stage.only_name();
    let outputs = [
        stage.text("list", &[]),
        stage.text("list", &["--json"]),
        stage.text("show", &[&name]),
        stage.text("status", &[]),
        stage.text("check", &[]),
    ];
    assert!(outputs.iter().all(|text| !text.contains(id)));
    // The key, which is in the file, is not the name either.
    let key = stage.store.key(b"", id.as_bytes()).to_bytes();
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(outputs.iter().all(|text| !text.contains(&digits[..8])));
    assert!(
        outputs.iter().enumerate().all(|(i, text)| text.contains("hidden") == (i == 2)),
        "only show tells payloads"
    );
}

#[test]
fn a_session_is_named_by_the_beginning_of_its_name() {
    let stage = Stage::new();
    for i in 0..600 {
        stage.put(&format!("id{i}"), b"a|i:1;");
    }
    let listed = stage.json("list", &["--sort", "name"]);
    let names: Vec<_> = listed.as_array().expect("a list").iter().filter_map(|s| s["session"].as_str()).collect();
    assert_eq!(names.len(), 600);
    let shown = stage.json("show", &[&names[17][..12]]);
    assert_eq!(shown["session"].as_str(), Some(names[17]));
    assert_eq!(stage.json("show", &[&names[17].to_uppercase()])["session"].as_str(), Some(names[17]));

    let (code, said) = failed(&stage.run("show", &["00000000000000000000000000000000"]));
    assert_eq!((code, said.contains("there is no session")), (7, true), "{said}");
    assert_eq!(failed(&stage.run("show", &["abc"])).0, 2, "too short");
    assert_eq!(failed(&stage.run("show", &["xyzw"])).0, 2, "no hexadecimal digits");
    // Among 600 names two nearly always share four digits; where none do, there is nothing to be ambiguous about.
    let twice = names.windows(2).find(|pair| pair[0][..4] == pair[1][..4]).expect("two names that begin alike");
    let (code, said) = failed(&stage.run("destroy", &[&twice[0][..4], "--yes"]));
    assert_eq!((code, said.contains("give more digits")), (7, true), "{said}");
}

#[test]
fn destroy_ends_what_was_named() {
    let stage = Stage::new();
    stage.put("one", b"payload");
    let name = stage.only_name();
    stage.put("two", b"payload");
    assert_eq!(stage.text("destroy", &[&name[..8], "--yes"]), "1 session destroyed\n");
    assert_eq!((stage.read("one"), stage.read("two").is_some()), (None, true));
    // Remembered: a slower request cannot write it back.
    assert_eq!(stage.json("status", &[])["tombstones"].as_u64(), Some(1));
    for i in 0..20 {
        stage.put(&format!("id{i}"), b"payload");
    }
    assert_eq!(stage.json("destroy", &["--idle-longer", "1h", "--yes"])["destroyed"].as_u64(), Some(0));
    assert_eq!(stage.json("destroy", &["--all", "--yes"])["destroyed"].as_u64(), Some(21));
    assert_eq!(stage.json("list", &[]).as_array().map(Vec::len), Some(0));
}

#[test]
fn destroy_asks() {
    let stage = Stage::new();
    stage.put("one", b"payload");
    let (code, said) = failed(&stage.run("destroy", &["--all"]));
    assert_eq!((code, said.contains("--yes")), (2, true), "no terminal, no question: {said}");
    let asked = on_a_terminal(&["destroy", stage.path(), "--all"], &[], "no\n");
    assert!(asked.contains("Destroy all 1 sessions?") && asked.contains("nothing was destroyed"), "{asked}");
    assert!(stage.read("one").is_some());
    let asked = on_a_terminal(&["destroy", stage.path(), "--all"], &[], "yes\n");
    assert!(asked.contains("1 session destroyed"), "{asked}");
    assert_eq!(stage.read("one"), None);
}

#[test]
fn idle_sessions_alone_are_destroyed() {
    let stage = Stage::new();
    stage.put("idle", b"payload");
    stage.put("busy", b"payload");
    let began = std::time::Instant::now();
    while stage.json("list", &["--idle", "1s"]).as_array().map(Vec::len) != Some(1) {
        stage.put("busy", b"payload");
        assert!(began.elapsed() < Duration::from_secs(20), "no session gets idle");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(stage.json("destroy", &["--idle-longer", "1s", "--yes"])["destroyed"].as_u64(), Some(1));
    assert_eq!((stage.read("idle"), stage.read("busy").is_some()), (None, true));
}

/// A store that another user of the machine has: only root can look, and only where told to or where it is the only one.
#[test]
fn stores_of_others_are_named() {
    let stage = Stage::new();
    let other = Stage::new();
    drop(stage.store);
    let from = std::fs::read_dir(other.path()).expect("readable").next().expect("a store").expect("readable").path();
    let there = stage.directory.path().join("cloakroom-4242.store");
    let mine =
        std::fs::read_dir(stage.directory.path()).expect("readable").next().expect("a store").expect("readable").path();
    std::fs::remove_file(mine).expect("remove");
    std::fs::copy(from, &there).expect("copy");
    let path = stage.directory.path().to_str().expect("a plain path");
    if std::os::unix::fs::chown(&there, Some(4242), None).is_ok() {
        // As root: the only one there is meant.
        let status = support::cloakroom(&["status", path, "--json"]);
        assert!(support::succeeded(&status).contains("cloakroom-4242.store"));
        support::succeeded(&support::cloakroom(&["status", path, "--user", "4242"]));
    } else {
        let (code, said) = failed(&support::cloakroom(&["status", path]));
        assert_eq!((code, said.contains("--user 4242")), (3, true), "{said}");
        assert_eq!(failed(&support::cloakroom(&["status", path, "--user", "4242"])).0, 4);
    }
    assert_eq!(failed(&support::cloakroom(&["status", path, "--user", "nobody-has-this-name"])).0, 2);
    let _: &Store = &other.store;
}
