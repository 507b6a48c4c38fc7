//! A crash of the machine in or after each kind of operation.
//!
//! The operation is run once, step by step, and images of the file are taken before it, at some of the points at which
//! it had just changed the file, and after it. Then files are made of them: with every single page that changed missing,
//! or alone there, or torn at a sector boundary, in turn; and with random subsets of the pages from any of the images,
//! whole or torn, in some of them the file not yet as long. Whatever a disk had written when the machine went down is one
//! of these.
//!
//! Each is attached as after a reboot. The session that the operation is about is absent or holds what was committed to
//! it, before or after; all sessions that the operation did not touch, copy or move are there, whole; every lock is free, every
//! invariant holds, and once all sessions have ended no space is in use.

use std::collections::BTreeSet;

use crate::harness::image::Image;
use crate::harness::{Checked, Finding, Random, soak, temporary};
use crate::stepping::operations::Case;
use crate::stepping::{FRINGE, Trial, large, operations, recovery, rotations, template, whole_file};
use crate::{SECTOR, SECTORS};
use tempfile::TempDir;

/// Images that are taken within an operation.
const WITHIN: usize = 6;
/// Random subsets for each kind in the short form.
const SUBSETS: u64 = 2_000;
/// The same in the long form.
const MANY_SUBSETS: u64 = 20_000;
/// Pages above which, in the short form, each is torn at one boundary only, and only after the operation.
const FEW: usize = 100;

/// The kinds of operations, by the names of their cases; those with megabytes in the file first, as they take longest.
pub(crate) const KINDS: [&str; 16] = [
    "create: in a full store, by eviction",
    "update: of several megabytes to fewer",
    "update: into a chunk that another shard empties",
    "quarantine: a damaged header, sessions carried over",
    "upgrade: a file of another layout is set aside",
    "relocate: a deleted store",
    RECOVERY,
    "create: one more session",
    "update: same size",
    "update: larger",
    "update: smaller",
    "touch: with a step of the sweep",
    "destroy",
    "rotate: a second time, before the first was written",
    "collect: an expired session",
    "grow",
];
const RECOVERY: &str = "recovery of a shard";

/// Crashes in and after one kind of operation.
pub(crate) fn explore(kind: &str) -> Checked {
    let mut random = Random::new(700 + kind.len() as u64);
    let recovery = recovery::of_each_kind().swap_remove(0);
    let whole_file = whole_file::all().into_iter().chain([whole_file::relocation()]);
    let operations = operations::all().into_iter().chain(rotations::all());
    let cases: Vec<Case> = operations.chain(large::all()).chain(whole_file).collect();
    let trial = if kind == RECOVERY {
        recovery::trial(&recovery, &mut random)?
    } else {
        let case = cases.iter().find(|case| case.name == kind).ok_or("no such case")?;
        let (image, scene) = template(case)?;
        Trial::new(case, image, scene)?
    };
    let images = images(&trial, &mut random)?;
    let pages = changed_pages(&images);
    let dir = temporary();
    let mut crash = Crash { trial, images, pages, random, dir, files: 0, there: 0 };
    crash.each_page()?;
    let single = crash.files;
    crash.subsets(if soak() { MANY_SUBSETS } else { SUBSETS })?;
    Ok(Finding::Passed(format!(
        "{single} files with one page of {} missing, early or torn, {} random subsets of {} images; the session was there in {}",
        crash.pages.len(),
        crash.files - single,
        crash.images.len(),
        crash.there
    )))
}

/// The file before the operation, at points within it, and after it. An operation that makes a new file begins with
/// none: the points are those at which that file is at its path.
fn images(trial: &Trial<'_>, random: &mut Random) -> Result<Vec<Image>, String> {
    let (steps, changes) = (trial.trace.steps(), &trial.trace.changes);
    let mut within: BTreeSet<usize> = BTreeSet::new();
    for _ in 0..WITHIN {
        if trial.makes_file() {
            within.insert(steps / 2 + random.below(steps as u64 / 2 - FRINGE as u64) as usize);
        } else {
            within.extend(changes.get(random.below(changes.len().max(1) as u64) as usize));
        }
    }
    let mut images = trial.images(&within)?;
    if trial.makes_file() {
        images.insert(0, Image { len: 0, pages: Vec::new() });
    } else {
        images.insert(0, trial.image.clone());
    }
    Ok(images)
}

/// The places at which the images are not all the same.
fn changed_pages(images: &[Image]) -> Vec<u64> {
    let Some((first, others)) = images.split_first() else { return Vec::new() };
    let places: BTreeSet<u64> = images.iter().flat_map(|image| image.pages.iter().map(|(at, _)| *at)).collect();
    places.into_iter().filter(|at| others.iter().any(|image| image.page(*at) != first.page(*at))).collect()
}

struct Crash<'a> {
    trial: Trial<'a>,
    /// The file over time.
    images: Vec<Image>,
    /// The places at which it changed.
    pages: Vec<u64>,
    random: Random,
    /// Where the files are judged, one after the other.
    dir: TempDir,
    files: u64,
    there: u64,
}

impl Crash<'_> {
    fn judge(&mut self, mut image: Image, what: impl FnOnce() -> String) -> Result<(), String> {
        image.wipe_boot_id();
        if self.trial.makes_file() {
            // The last one may have been set aside there.
            self.dir = temporary();
        }
        let dice = self.random.next();
        let there = self.trial.judge_crash(self.dir.path(), &image, dice).map_err(|e| format!("{}: {e}", what()))?;
        self.files += 1;
        self.there += u64::from(there);
        Ok(())
    }

    /// Every page that changed, in turn, on the way from the first image to one within the operation and to the last.
    fn each_page(&mut self) -> Result<(), String> {
        let last = self.images.len() - 1;
        let few = soak() || self.pages.len() <= FEW;
        let within = if few { 1 + self.random.below(last as u64) as usize } else { last };
        let newer = BTreeSet::from([within, last]);
        for newer in newer {
            let (old, new) = (self.images[0].clone(), self.images[newer].clone());
            for at in self.pages.clone().into_iter().filter(|at| old.page(*at) != new.page(*at)) {
                let boundaries: Vec<usize> =
                    if few { (1..SECTORS).collect() } else { vec![1 + self.random.below(SECTORS as u64 - 1) as usize] };
                // The old page among new ones, and the new one among old ones; cut off before sector 0, not torn.
                for (base, other, name) in [(&new, &old, "missing"), (&old, &new, "early")] {
                    for cut in std::iter::once(0).chain(boundaries.iter().copied()) {
                        let mut page = base.page(at);
                        page[cut * SECTOR..].copy_from_slice(&other.page(at)[cut * SECTOR..]);
                        let mut image = Image { len: new.len, ..base.clone() };
                        image.set(at, &page);
                        self.judge(image, || format!("page at {at:#x} {name} from sector {cut} on, image {newer}"))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Pages of random age, some of them torn.
    fn subsets(&mut self, count: u64) -> Result<(), String> {
        for number in 0..count {
            let image = self.subset();
            self.judge(image, || format!("subset {number}"))?;
        }
        Ok(())
    }

    fn subset(&mut self) -> Image {
        let (images, random) = (&self.images, &mut self.random);
        let newest = 1 + random.below(images.len() as u64 - 1) as usize;
        let mut image = images[newest].clone();
        let portion = 1 + random.below(9);
        for at in &self.pages {
            if random.below(10) >= portion {
                continue;
            }
            let old = images[random.below(newest as u64) as usize].page(*at);
            let mut page = image.page(*at);
            let torn = random.below(3) == 0;
            for sector in 0..SECTORS {
                if !torn || random.below(2) == 0 {
                    let range = sector * SECTOR..(sector + 1) * SECTOR;
                    page[range.clone()].copy_from_slice(&old[range]);
                }
            }
            image.set(*at, &page);
        }
        if random.below(4) == 0 {
            image.cut(images[random.below(newest as u64) as usize].len);
        }
        image
    }
}
