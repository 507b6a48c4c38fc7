//! A crash of the machine: the file holds some pages as they are and others as they were, whole or torn.
//!
//! A store is written to, with an image of its file kept after each batch. Then files are made in which pages are
//! taken from the newest image or from an older one, each whole or cut at a multiple of 512 bytes, and attached as
//! after a reboot. Whatever reads must be whole and a value that was committed; all invariants must hold, and the
//! store must work. So much for long histories; crashes in and after each kind of operation are in [`kinds`].

mod harness;
#[cfg(target_arch = "x86_64")]
#[path = "machine_crash/kinds.rs"]
mod kinds;
#[cfg(target_arch = "x86_64")]
mod stepping;
#[path = "machine_crash/upgrade.rs"]
mod upgrade;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_seam::{Effort, End, Over};
use cloakroom_store::{Error, Store};
use harness::image::{Image, PAGE};
use harness::{
    Checked, Finding, LIFE, Random, Suite, attach, attach_existing, exclusive, in_thread, put, read, soak, sound,
    temporary, value,
};

/// What a disk writes at once.
const SECTOR: usize = 512;
const SECTORS: usize = PAGE / SECTOR;
const SESSIONS: u64 = 120;

/// Every value that was ever committed, by session, empty ones aside.
type Committed = BTreeMap<String, BTreeSet<Vec<u8>>>;

/// A store that has been worked on, and its file after each batch of work.
struct History {
    images: Vec<Image>,
    committed: Committed,
}

fn name(session: u64) -> String {
    format!("session{session}")
}

/// One batch of random operations.
fn batch(store: &Arc<Store>, random: &mut Random, committed: &mut Committed, operations: u64) -> Result<(), String> {
    for _ in 0..operations {
        let id = name(random.below(SESSIONS));
        let key = store.key(b"", id.as_bytes());
        if random.below(8) == 0 {
            store.destroy(&key, End::at_once(Duration::from_secs(60))).map_err(|e| e.to_string())?;
            continue;
        }
        let len = match random.below(12) {
            0 => 0,
            1 => 20_000 + random.below(150_000),
            2..=4 => 2000 + random.below(8000),
            _ => 10 + random.below(1500),
        };
        let content = value(random.next(), len as usize);
        put(store, &id, &content)?;
        committed.entry(id).or_default().insert(content);
    }
    Ok(())
}

/// Works in batches on a new store; each batch ends with its processes gone, or in the middle of things.
fn history(stream: u64, batches: usize, operations: u64) -> Result<History, String> {
    let dir = temporary();
    let mut random = Random::new(stream);
    let mut history = History { images: Vec::new(), committed: Committed::new() };
    for number in 0..batches {
        in_thread(|| {
            let store = attach(dir.path(), 16);
            // The store removes itself when its last session ends; this one stays.
            put(&store, "anchor", b"here")?;
            batch(&store, &mut random, &mut history.committed, operations)?;
            // Half of the images are taken while a lease is held and another session is being created.
            let held = (number % 2 == 0)
                .then(|| store.acquire(&store.key(b"", b"held"), &exclusive()))
                .transpose()
                .map_err(|e| e.to_string())?;
            history.images.push(Image::take(dir.path()));
            drop(held);
            Ok::<_, String>(())
        })??;
    }
    Ok(history)
}

/// Attaches the file as after a reboot and judges it. How many sessions were there.
fn judge(image: &Image, committed: &Committed, dir: &Path) -> Result<u64, String> {
    image.write_copy(dir);
    in_thread(|| {
        let store = attach_existing(dir)?;
        let report = sound(&store)?;
        if report.locked > 0 {
            return Err("a session is locked by nobody".to_owned());
        }
        let mut there = 0;
        for (id, values) in committed {
            let found = match store.snapshot(&store.key(b"", id.as_bytes())).map(|found| found.0) {
                Ok(found) => found,
                Err(e) => return Err(format!("snapshot: {e}")),
            };
            let Some(found) = found else { continue };
            there += 1;
            if !found.is_empty() && !values.contains(&found) {
                return Err(format!("a session holds {} bytes that were never committed to it", found.len()));
            }
        }
        works(&store, committed)?;
        Ok(there)
    })?
}

/// New sessions, old ones, the end of all.
fn works(store: &Arc<Store>, committed: &Committed) -> Result<(), String> {
    for (i, id) in committed.keys().take(20).map(String::as_str).chain(["new 1", "new 2", "new 3"]).enumerate() {
        let content = value(i as u64, 300 + i * 700);
        let mut lease = match store.acquire(&store.key(b"", id.as_bytes()), &exclusive()) {
            Ok(lease) => lease,
            Err(e) => return Err(format!("acquire after the recovery: {e}")),
        };
        match read(&mut lease) {
            Ok(_) => {}
            Err(e) => return Err(format!("read after the recovery: {e}")),
        }
        lease.commit(&content, LIFE, Over::Anything).map_err(|e: Error| format!("commit after the recovery: {e}"))?;
        if store.snapshot(&store.key(b"", id.as_bytes())).map(|found| found.0).map_err(|e| e.to_string())?
            != Some(content)
        {
            return Err("what was committed after the recovery does not read".to_owned());
        }
    }
    // As much again as there is, so that chunks whose state was lost are used.
    for i in 0..40 {
        put(store, &format!("more {i}"), &value(i, 60_000))?;
        for j in 0..30 {
            put(store, &format!("more {i} {j}"), b"small")?;
        }
    }
    sound(store)?;
    store.clock().skew(1_000_000, 1_000_000);
    store.collect(Effort::All).map_err(|e| e.to_string())?;
    store.clock().skew(0, 0);
    let report = sound(store)?;
    if (report.sessions, report.payload_bytes) != (0, 0) {
        return Err(format!("{} sessions outlive their end after the recovery", report.sessions));
    }
    Ok(())
}

/// Pages in which two images differ.
fn differing(old: &Image, new: &Image) -> Vec<u64> {
    let places: BTreeSet<u64> = old.pages.iter().chain(&new.pages).map(|(at, _)| *at).collect();
    places.into_iter().filter(|at| old.page(*at) != new.page(*at)).collect()
}

fn replace(image: &mut Image, at: u64, page: &[u8; PAGE]) {
    image.set(at, page);
}

/// Every page that differs is old in turn, all others new; and the reverse.
fn each_page(old: &Image, new: &Image, committed: &Committed) -> Result<usize, String> {
    let pages = differing(old, new);
    let mut tested = 0;
    for at in &pages {
        for (base, other, name) in [(new, old, "old among new"), (old, new, "new among old")] {
            // The length is that of the newer file: growing it is on the disk before anything uses it.
            let mut image = Image { len: new.len, ..base.clone() };
            replace(&mut image, *at, &other.page(*at));
            image.wipe_boot_id();
            let dir = temporary();
            judge(&image, committed, dir.path()).map_err(|e| format!("page at {at:#x} {name}: {e}"))?;
            tested += 1;
        }
    }
    Ok(tested)
}

/// A file whose pages are of random age, some of them torn.
fn random_mix(images: &[Image], random: &mut Random) -> Image {
    let newest = 1 + random.below(images.len() as u64 - 1) as usize;
    let oldest = newest.saturating_sub(1 + random.below(3) as usize);
    let mut image = images[newest].clone();
    let portion = 1 + random.below(9);
    for at in differing(&images[oldest], &images[newest]) {
        if random.below(10) >= portion {
            continue;
        }
        let age = oldest + random.below((newest - oldest) as u64) as usize;
        let (old, mut page) = (images[age].page(at), image.page(at));
        if random.below(3) == 0 {
            for sector in 0..SECTORS {
                if random.below(2) == 0 {
                    let range = sector * SECTOR..(sector + 1) * SECTOR;
                    page[range.clone()].copy_from_slice(&old[range]);
                }
            }
        } else {
            page = old;
        }
        replace(&mut image, at, &page);
    }
    image.wipe_boot_id();
    image
}

fn single_pages() -> Checked {
    let mut tested = 0;
    for (stream, operations) in [(1, 8), (2, 60)] {
        let history = history(stream, 2, operations)?;
        if let [old, new] = history.images.as_slice() {
            tested += each_page(old, new, &history.committed)?;
        }
    }
    Ok(Finding::Passed(format!("{tested} files")))
}

fn mixtures(count: u64) -> Checked {
    let mut tested = 0;
    let mut there = 0;
    let mut stream = 10;
    while tested < count {
        stream += 1;
        let mut random = Random::new(stream);
        let operations = 20 + random.below(200);
        let history = history(stream, 6, operations)?;
        for _ in 0..60.min(count - tested) {
            let image = random_mix(&history.images, &mut random);
            let dir = temporary();
            there += judge(&image, &history.committed, dir.path())
                .map_err(|e| format!("mixture {tested} of history {stream}: {e}"))?;
            tested += 1;
        }
    }
    if there < count {
        return Err(format!("hardly a session survived: {there} in {count} files"));
    }
    Ok(Finding::Passed(format!("{tested} files, {there} sessions survived in them")))
}

/// A whole machine went down, and nothing was lost: then nothing may be missing.
fn nothing_missing() -> Checked {
    let history = history(3, 3, 150)?;
    let mut image = history.images.last().cloned().ok_or("no image")?;
    let dir = temporary();
    image.write(dir.path());
    let before = in_thread(|| Ok::<_, String>(sound(&attach_existing(dir.path())?)?.sessions))??;
    image.wipe_boot_id();
    let other = temporary();
    image.write_copy(other.path());
    let after = in_thread(|| Ok::<_, String>(sound(&attach_existing(other.path())?)?.sessions))??;
    if before != after || before == 0 {
        return Err(format!("of {before} sessions {after} are left though every page was there"));
    }
    Ok(Finding::Passed(format!("all {after} sessions are there")))
}

fn main() -> std::process::ExitCode {
    let mut suite = Suite::new("machine_crash");
    suite.case("every page was written", nothing_missing);
    suite.case("each page in turn is of another age", single_pages);
    suite.case("pages of random age, some torn", || mixtures(if soak() { 10_000 } else { 400 }));
    suite.case("while sessions of an earlier format are brought over", upgrade::on_the_way);
    suite.case("after sessions of an earlier format were brought over", upgrade::afterwards);
    #[cfg(target_arch = "x86_64")]
    {
        let names = kinds::KINDS.map(|kind| (kind, format!("in each way: {kind}")));
        let cases: Vec<harness::Named> = names
            .iter()
            .map(|(kind, name)| {
                let case: Box<dyn Fn() -> Checked> = Box::new(|| kinds::explore(kind));
                (name.as_str(), case)
            })
            .collect();
        suite.side_by_side(&cases, harness::tracer::stay_on_one_processor);
    }
    #[cfg(not(target_arch = "x86_64"))]
    suite.case("each kind of operation", || {
        Ok(Finding::Skipped("breakpoints and registers are known for x86-64 only".to_owned()))
    });
    suite.finish()
}
