//! The command beside writers: it disturbs nobody, and what it says is true.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cloakroom_session::seam::Room;
use cloakroom_session::seam::{Committed, End, Over};
use cloakroom_store::Error;
use support::{HOW, LIFE, Stage, cloakroom, succeeded};

/// Ends the writers, also where an assertion fails beside them.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn commands_beside_writers_say_what_is_so_and_lose_nothing() {
    let stage = Stage::new();
    let stays = 100u64;
    for i in 0..stays {
        stage.put(&format!("stays{i}"), &0u64.to_le_bytes());
    }
    let done = AtomicBool::new(false);
    let written: Vec<AtomicU64> = (0..stays).map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (stage, done, written) = (&stage, &done, &written);
            scope.spawn(move || {
                let mut i = writer;
                while !done.load(Ordering::Relaxed) {
                    i = (i * 31 + 7) % stays;
                    let key = stage.store.key(b"", format!("stays{i}").as_bytes());
                    let mut lease = stage.store.acquire(&key, &HOW).expect("acquire");
                    let mut payload = vec![0; lease.len()];
                    lease.read(&mut Room::over(&mut payload)).expect("read");
                    let (count, _) = payload.split_first_chunk::<8>().expect("a counter");
                    let next = u64::from_le_bytes(*count) + 1;
                    let mut payload = next.to_le_bytes().to_vec();
                    payload.resize(8 + (next as usize * 997) % 20_000, 7);
                    assert_eq!(lease.commit(&payload, LIFE, Over::WhatWasRead).expect("commit"), Committed::Stored);
                    written[i as usize].fetch_add(1, Ordering::Relaxed);
                    stage.put(&format!("goes{writer}"), b"x");
                    let gone = stage.store.key(b"", format!("goes{writer}").as_bytes());
                    stage.store.destroy(&gone, End::at_once(Duration::ZERO)).expect("destroy");
                }
            });
        }
        let _stop = Stop(&done);
        let directory = tempfile::tempdir().expect("temporary directory");
        let began = Instant::now();
        let mut rounds = 0;
        while rounds < 3 || began.elapsed() < Duration::from_secs(2) {
            let listed = stage.json("list", &["--larger", "7"]);
            let listed = listed.as_array().expect("a list").len() as u64;
            assert_eq!(listed, stays, "round {rounds}");
            assert_eq!(stage.json("check", &[])["whole"].as_bool(), Some(true));
            stage.text("gc", &[]);
            let file = directory.path().join(format!("{rounds}"));
            let file = file.to_str().expect("a plain path");
            stage.text("export", &[file]);
            let sessions = succeeded(&cloakroom(&["import", "/nowhere", file, "--dry-run", "--json"]));
            let sessions: serde_json::Value = serde_json::from_str(&sessions).expect("JSON");
            assert!((stays..=stays + 2).contains(&sessions["sessions"].as_u64().expect("a number")));
            rounds += 1;
        }
    });
    for (i, written) in written.iter().enumerate() {
        let payload = stage.read(&format!("stays{i}")).expect("it stays");
        let (count, _) = payload.split_first_chunk::<8>().expect("a counter");
        assert_eq!(u64::from_le_bytes(*count), written.load(Ordering::Relaxed), "no write was lost");
    }
    assert_eq!(stage.store.check().expect("check").problems, Vec::<String>::new());
}

#[test]
fn commands_wait_for_no_session() {
    let stage = Stage::new();
    stage.put("id", b"a|i:1;");
    let name = stage.only_name();
    let mut lease = stage.store.acquire(&stage.store.key(b"", b"id"), &HOW).expect("acquire");
    assert_eq!(stage.json("list", &["--locked"]).as_array().map(Vec::len), Some(1));
    assert!(stage.text("show", &[&name]).contains("locked"));
    stage.text("check", &[]);
    stage.text("gc", &[]);
    // Destroyed while somebody works on it: that one's write is dropped.
    assert_eq!(stage.json("destroy", &[&name, "--yes"])["destroyed"].as_u64(), Some(1));
    assert_eq!(lease.commit(b"late", LIFE, Over::Anything).expect("no failure"), Committed::Ended);
    assert_eq!(stage.read("id"), None);
}

#[test]
fn looking_keeps_no_session_from_being_evicted() {
    let stage = Stage::new();
    stage.put("id", b"a|i:1;");
    let name = stage.only_name();
    let before = stage.json("list", &[]);
    for _ in 0..3 {
        stage.text("show", &[&name]);
        assert!(stage.run("export", &["-"]).status.success());
    }
    assert_eq!(stage.json("list", &[]), before);
    let reads = stage.json("status", &[])["reads"].as_u64();
    assert_eq!(reads, Some(0));
    let held: Result<_, Error> = stage.store.acquire(&stage.store.key(b"", b"id"), &HOW);
    assert!(!held.expect("free").is_new());
}
