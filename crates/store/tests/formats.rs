//! Store files that another version of the program made: nobody's sessions are destroyed, nobody is locked out for good.

#[path = "format_2/fixture.rs"]
#[allow(dead_code, reason = "shared with tests that use another part of it")]
mod fixture;
mod harness;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cloakroom_store::{Options, Store};
use harness::process::Child;
use harness::small_disk::Disk;
use harness::{
    Checked, Finding, Suite, attach, attach_existing, get, in_thread, put, sound, store_file, temporary, value,
};

/// Where the header has the layout fingerprint, and the first shard its payload bytes; bytes from one shard of four to the next.
const LAYOUT: u64 = 12;
const SHARD_BYTES: u64 = 0x21_0000 + 8;
const SHARD_STRIDE: u64 = 4096 + 3 * 64;

fn main() -> ExitCode {
    let mut suite = Suite::new("formats");
    suite.case("a store of an unknown older format is set aside", || set_aside(make_older));
    suite.case("a store of the format before the last is set aside", || set_aside(make_format_1));
    suite.case("a development build's store of an earlier format is set aside", || set_aside(make_unknown_layout));
    suite.case("a store of another layout is set aside", || set_aside(make_other_layout));
    suite.case("who may not make a store sets none aside", reader_leaves_it);
    suite.case("who may not make a store brings nothing over", reader_brings_nothing_over);
    suite.case("workers of another version are waited for", || waits_for_old_workers(make_other_layout, false));
    suite.case("workers of an earlier format are waited for", || waits_for_old_workers(fixture::make_format_2, true));
    suite.case("workers of another version that stay are told of", || old_workers_stay(make_other_layout));
    suite.case("workers of an earlier format that stay are told of", || old_workers_stay(fixture::make_format_2));
    suite.case("sessions beyond cloakroom.size are brought over", more_than_allowed);
    suite.case("no room for a second file", no_room);
    suite.case("a file system without a limit has room", no_limit);
    suite.case("the disk fills up while sessions are brought over", disk_fills_up);
    suite.finish()
}

/// Makes the store in `dir` one of a format that nobody knows.
fn make_older(dir: &Path) {
    fixture::change_format(dir, 0, 0);
}

/// Makes the store in `dir` one of format 1, as no release left one.
fn make_format_1(dir: &Path) {
    fixture::change_format(dir, 1, 0x2ee9_5071);
}

/// Makes the store in `dir` one of format 2 with a layout that no release had.
fn make_unknown_layout(dir: &Path) {
    fixture::change_format(dir, 2, 0x1234_5678);
}

/// Makes the store in `dir` one of this format with another layout, as a build with other offsets leaves it.
fn make_other_layout(dir: &Path) {
    let mut layout = [0; 4];
    File::open(store_file(dir)).and_then(|file| file.read_exact_at(&mut layout, LAYOUT)).expect("its header");
    fixture::change_format(dir, cloakroom_store::FORMAT, u32::from_le_bytes(layout) ^ 1);
}

/// The files in `dir` that were set aside, in order.
fn quarantined(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir)
        .expect("the directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().contains(".store.format-"))
        .collect();
    found.sort();
    found
}

fn set_aside(change: fn(&Path)) -> Checked {
    let dir = temporary();
    for round in 1..=2 {
        in_thread(|| put(&attach(dir.path(), 16), "s", format!("content {round}").as_bytes()))??;
        change(dir.path());
        let before = fs::read(store_file(dir.path())).expect("the file");
        in_thread(|| {
            let store = attach(dir.path(), 16);
            let note = store.take_note().ok_or("nobody was told")?;
            let kept = quarantined(dir.path());
            let newest = kept.last().ok_or("nothing was set aside")?;
            if kept.len() != round || !note.contains(&*newest.to_string_lossy()) {
                return Err(format!("{} files set aside after {round} rounds; told: {note}", kept.len()));
            }
            if fs::read(newest).expect("the file") != before {
                return Err("the file was changed".to_owned());
            }
            if get(&store, "s")?.is_some() {
                return Err("the new store has the old one's session".to_owned());
            }
            put(&store, "s", b"fresh")?;
            sound(&store).map(drop)
        })??;
    }
    Ok(Finding::Passed("twice, under two names, byte for byte; the new store works".to_owned()))
}

fn reader_leaves_it() -> Checked {
    let dir = temporary();
    in_thread(|| put(&attach(dir.path(), 16), "s", b"content"))??;
    make_other_layout(dir.path());
    let Err(refusal) = in_thread(|| attach_existing(dir.path()).map(drop))? else {
        return Err("attached".to_owned());
    };
    if !quarantined(dir.path()).is_empty() || !refusal.contains("another version") {
        return Err(format!("set aside, or told badly: {refusal}"));
    }
    Ok(Finding::Passed("refused, file untouched".to_owned()))
}

fn reader_brings_nothing_over() -> Checked {
    let dir = temporary();
    in_thread(|| put(&attach(dir.path(), 16), "s", b"content"))??;
    fixture::make_format_2(dir.path());
    let before = fs::read(store_file(dir.path())).expect("the file");
    let Err(refusal) = in_thread(|| attach_existing(dir.path()).map(drop))? else {
        return Err("attached".to_owned());
    };
    let untouched = fs::read(store_file(dir.path())).expect("the file") == before;
    if !untouched
        || !quarantined(dir.path()).is_empty()
        || !refusal.contains("the next PHP process that starts a session")
    {
        return Err(format!("changed, or told badly: {refusal}"));
    }
    Ok(Finding::Passed("refused, file untouched".to_owned()))
}

/// A process that has the store in `dir` attached and keeps it.
fn old_worker(dir: &Path) -> Result<Child, String> {
    let ready = dir.join("ready");
    let at = dir.to_owned();
    let child = Child::fork(move || {
        let store = attach(&at, 16);
        put(&store, "s", b"content").expect("a session");
        fs::write(at.join("ready"), b"").expect("a file");
        loop {
            std::thread::park();
        }
    });
    harness::wait_until("the old worker attaches", Duration::from_secs(10), || ready.exists())?;
    Ok(child)
}

fn waits_for_old_workers(change: fn(&Path), kept: bool) -> Checked {
    let dir = temporary();
    let mut worker = old_worker(dir.path())?;
    change(dir.path());
    let start = Instant::now();
    let path = dir.path().to_owned();
    let waiting = std::thread::spawn(move || {
        let store =
            Store::attach(&path, Options { capacity: Some(16 << 20), user: None }).map_err(|e| e.to_string())?;
        put(&store, "new", b"content")?;
        get(&store, "s")
    });
    // Long enough for the new worker to have met the old one; it must not have done anything to the file.
    while start.elapsed() < Duration::from_millis(300) {
        if waiting.is_finished() || !quarantined(dir.path()).is_empty() {
            return Err("an old worker's store was taken away".to_owned());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    worker.kill();
    worker.join();
    let found = waiting.join().map_err(|_| "the new worker panicked")??;
    if found.is_some_and(|found| found == b"content") != kept {
        return Err(format!("the old worker's session was {}brought over", if kept { "not " } else { "" }));
    }
    let files = quarantined(dir.path()).len();
    if files != 1 {
        return Err(format!("{files} files were set aside"));
    }
    Ok(Finding::Passed(format!("set aside when the last one had gone, after {:.1} s", start.elapsed().as_secs_f64())))
}

fn old_workers_stay(change: fn(&Path)) -> Checked {
    let dir = temporary();
    let mut worker = old_worker(dir.path())?;
    change(dir.path());
    let start = Instant::now();
    let refusal = Store::attach(dir.path(), Options { capacity: Some(16 << 20), user: None });
    let waited = start.elapsed();
    worker.kill();
    worker.join();
    let Err(refusal) = refusal else { return Err("attached".to_owned()) };
    let text = refusal.to_string();
    if !text.contains("still use it") || !quarantined(dir.path()).is_empty() || waited > Duration::from_secs(15) {
        return Err(format!("after {:.1} s: {text}", waited.as_secs_f64()));
    }
    Ok(Finding::Passed(format!("refused after {:.1} s, file untouched", waited.as_secs_f64())))
}

/// `cloakroom.size` was lowered together with the upgrade: what the old file holds stays, though it is more than the new
/// size and nobody ever came back for it.
fn more_than_allowed() -> Checked {
    let dir = temporary();
    let sessions = 400;
    in_thread(|| {
        let store = attach(dir.path(), 64);
        (0..sessions).try_for_each(|i| put(&store, &format!("s{i}"), &value(i, 50_000)))
    })??;
    fixture::make_format_2(dir.path());
    in_thread(|| {
        let store = attach(dir.path(), 8);
        for i in 0..sessions {
            if get(&store, &format!("s{i}"))? != Some(value(i, 50_000)) {
                return Err(format!("session {i} of {sessions} is not there"));
            }
        }
        let stats = store.stats().map_err(|e| e.to_string())?;
        if stats.capacity != 8 << 20 {
            return Err(format!("the store may take {} bytes", stats.capacity));
        }
        sound(&store)?;
        Ok(Finding::Passed(format!("{sessions} sessions in {} MiB", stats.file_bytes >> 20)))
    })?
}

/// A store of format 2 with 4 MB of sessions on a disk of 20 MB.
fn on_a_small_disk() -> Result<Result<Disk, String>, String> {
    let disk = match Disk::mount(20 << 10) {
        Ok(disk) => disk,
        Err(why) => return Ok(Err(why)),
    };
    in_thread(|| {
        let store = attach(disk.path(), 8);
        (0..80).try_for_each(|i| put(&store, &format!("s{i}"), &value(i, 50_000)))
    })??;
    fixture::make_format_2(disk.path());
    Ok(Ok(disk))
}

/// Attaching fails for want of room, leaves the file as it was and nothing beside it; with room it works.
fn refused_for_want_of_room(disk: &Disk, reason: &str) -> Checked {
    let before = fs::read(store_file(disk.path())).expect("the file");
    for _ in 0..2 {
        let refusal = Store::attach(disk.path(), Options { capacity: Some(8 << 20), user: None });
        let Err(refusal) = refusal.map(drop) else { return Err("attached".to_owned()) };
        let text = refusal.to_string();
        if !text.contains("could not be brought over") || !text.contains(reason) {
            return Err(format!("told badly: {text}"));
        }
        let names: Vec<PathBuf> =
            fs::read_dir(disk.path()).expect("the disk").map(|entry| entry.expect("an entry").path()).collect();
        if names.iter().any(|path| *path != store_file(disk.path()) && *path != disk.ballast()) {
            return Err(format!("something is left: {names:?}"));
        }
        if fs::read(store_file(disk.path())).expect("the file") != before {
            return Err("the file was changed".to_owned());
        }
    }
    disk.empty();
    in_thread(|| {
        let store = attach(disk.path(), 8);
        for i in 0..80 {
            if get(&store, &format!("s{i}"))? != Some(value(i, 50_000)) {
                return Err(format!("session {i} is not there once there is room"));
            }
        }
        sound(&store)
    })??;
    Ok(Finding::Passed("told, file untouched; brought over when there was room".to_owned()))
}

fn no_room() -> Checked {
    let disk = match on_a_small_disk()? {
        Ok(disk) => disk,
        Err(why) => return Ok(Finding::Skipped(format!("no disk to fill: {why}"))),
    };
    disk.fill(200);
    refused_for_want_of_room(&disk, "MiB are needed beside it")
}

/// A tmpfs that is mounted without a limit says that it has no blocks, and that none is free.
fn no_limit() -> Checked {
    let disk = match Disk::mount(0) {
        Ok(disk) => disk,
        Err(why) => return Ok(Finding::Skipped(format!("no disk without a limit: {why}"))),
    };
    in_thread(|| put(&attach(disk.path(), 16), "s", b"content"))??;
    fixture::make_format_2(disk.path());
    in_thread(|| match get(&attach(disk.path(), 16), "s")? {
        Some(content) if content == b"content" => Ok(Finding::Passed("brought over".to_owned())),
        other => Err(format!("it reads {:?}", other.map(|content| content.len()))),
    })?
}

fn disk_fills_up() -> Checked {
    let disk = match on_a_small_disk()? {
        Ok(disk) => disk,
        Err(why) => return Ok(Finding::Skipped(format!("no disk to fill: {why}"))),
    };
    // The estimate of the room that is needed is wrong by all payloads.
    let file = File::options().write(true).open(store_file(disk.path())).expect("the store file");
    (0..4).for_each(|id| file.write_all_at(&[0; 8], SHARD_BYTES + SHARD_STRIDE * id).expect("a shard header"));
    disk.fill(600);
    refused_for_want_of_room(&disk, "no room")
}
