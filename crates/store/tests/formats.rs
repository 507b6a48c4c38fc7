//! Store files that another version of the program made: nobody's sessions are destroyed, nobody is locked out for good.

mod harness;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cloakroom_store::{Options, Store};
use harness::process::Child;
use harness::{Checked, Finding, Suite, attach, attach_existing, get, in_thread, put, sound, store_file, temporary};
use twox_hash::XxHash3_64;

/// Where the header has format, layout, checksum and secret.
const FORMAT: u64 = 8;
const LAYOUT: u64 = 12;
const CHECK: u64 = 24;
const SECRET: u64 = 128;

fn main() -> ExitCode {
    let mut suite = Suite::new("formats");
    suite.case("a store of an older format is set aside", || set_aside(make_older));
    suite.case("a store of another layout is set aside", || set_aside(make_other_layout));
    suite.case("who may not make a store sets none aside", reader_leaves_it);
    suite.case("workers of another version are waited for", waits_for_old_workers);
    suite.case("workers of another version that stay are told of", old_workers_stay);
    suite.finish()
}

/// Makes the store in `dir` one of an older format.
fn make_older(dir: &Path) {
    let file = File::options().write(true).open(store_file(dir)).expect("the store file");
    file.write_all_at(&0u32.to_le_bytes(), FORMAT).expect("its header");
}

/// Makes the store in `dir` one of this format with another layout, as a build with other offsets leaves it.
fn make_other_layout(dir: &Path) {
    let file = File::options().read(true).write(true).open(store_file(dir)).expect("the store file");
    let mut layout = [0; 4];
    file.read_exact_at(&mut layout, LAYOUT).expect("its header");
    file.write_all_at(&(u32::from_le_bytes(layout) ^ 1).to_le_bytes(), LAYOUT).expect("its header");
    let mut constants = [0; 56];
    file.read_exact_at(&mut constants[..24], 0).expect("its header");
    file.read_exact_at(&mut constants[24..], SECRET).expect("its secret");
    file.write_all_at(&XxHash3_64::oneshot(&constants).to_le_bytes(), CHECK).expect("its header");
}

/// The files in `dir` that were set aside, in order.
fn aside(dir: &Path) -> Vec<PathBuf> {
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
            let kept = aside(dir.path());
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
    if !aside(dir.path()).is_empty() || !refusal.contains("another version") {
        return Err(format!("set aside, or told badly: {refusal}"));
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

fn waits_for_old_workers() -> Checked {
    let dir = temporary();
    let mut worker = old_worker(dir.path())?;
    make_other_layout(dir.path());
    let start = Instant::now();
    let path = dir.path().to_owned();
    let waiting = std::thread::spawn(move || {
        let store =
            Store::attach(&path, Options { capacity: Some(16 << 20), user: None }).map_err(|e| e.to_string())?;
        put(&store, "new", b"content")
    });
    // Long enough for the new worker to have met the old one; it must not have done anything to the file.
    while start.elapsed() < Duration::from_millis(300) {
        if waiting.is_finished() || !aside(dir.path()).is_empty() {
            return Err("an old worker's store was taken away".to_owned());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    worker.kill();
    worker.join();
    waiting.join().map_err(|_| "the new worker panicked")??;
    let kept = aside(dir.path()).len();
    if kept != 1 {
        return Err(format!("{kept} files were set aside"));
    }
    Ok(Finding::Passed(format!("set aside when the last one had gone, after {:.1} s", start.elapsed().as_secs_f64())))
}

fn old_workers_stay() -> Checked {
    let dir = temporary();
    let mut worker = old_worker(dir.path())?;
    make_other_layout(dir.path());
    let start = Instant::now();
    let refusal = Store::attach(dir.path(), Options { capacity: Some(16 << 20), user: None });
    let waited = start.elapsed();
    worker.kill();
    worker.join();
    let Err(refusal) = refusal else { return Err("attached".to_owned()) };
    let text = refusal.to_string();
    if !text.contains("still use it") || !aside(dir.path()).is_empty() || waited > Duration::from_secs(15) {
        return Err(format!("after {:.1} s: {text}", waited.as_secs_f64()));
    }
    Ok(Finding::Passed(format!("refused after {:.1} s, file untouched", waited.as_secs_f64())))
}
