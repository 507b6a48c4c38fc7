//! Killing one operation at chosen steps, and judging what is left.
//!
//! A point of an operation is found again in another run of it because both take the same way: from the same file, with
//! the same holes in it, by a process that is in the same state. What remains (a clock that is looked at in another
//! second, the order of a hash map) makes a run stray now and then: it is at its end before the point. Nothing is shown by
//! that, so the point is tried again, as often as [`TRIES`].
#![allow(dead_code, reason = "each test binary uses another part of it")]

mod arena;
pub(crate) mod large;
pub(crate) mod operations;
pub(crate) mod recovery;
pub(crate) mod rotations;
mod succession;
pub(crate) mod whole_file;
mod witness;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::harness::image::Image;
use crate::harness::process::Worker;
use crate::harness::tracer::{Progress, Trace, Traced, Watch};
use crate::harness::{Checked, Finding, Random, attach, get, in_thread, shard_of, soak, store_file, temporary};
use operations::{Case, Peer};
use tempfile::TempDir;
use witness::{Marker, Scene};

/// Points of an operation in the short form.
const SAMPLE: usize = 150;
/// Bytes that may be in use more than after an undisturbed run: bitmaps of chunks that are kept empty.
const SLACK: u64 = 8 << 10;

/// Rounds of a copy of bytes before which or in which a kill falls.
const COPIED: u64 = 300;

/// How often a point is tried that a run passed by, or where somebody had to wait for a busy machine.
const TRIES: u32 = 6;
/// Steps before the end of an operation that a run which is a little shorter does not reach.
pub(crate) const FRINGE: usize = 100;
/// Longest time in which a waiter must have the lock of one who died, and have written.
const PROMPT: Duration = Duration::from_secs(5);
/// Longest time in which a process gets to wait for a lock.
const QUEUED: Duration = Duration::from_secs(60);

/// Operations of up to so many steps are killed at every one in the long form: a night's work on two processors for all of
/// them. Longer ones go through the whole of a store once and again, at [`MANY`] points that differ with the seed.
const EVERY: usize = 200_000;
/// See [`EVERY`].
const MANY: usize = 20_000;

/// How many points of an operation of `steps` steps to test, by form; `None` is every one.
fn budget(sample: usize, steps: usize) -> Option<usize> {
    match (soak(), steps > EVERY) {
        (true, true) => Some(MANY),
        (true, false) => None,
        (false, _) => Some(sample),
    }
}

/// What the traced process works with.
pub(crate) struct Stage<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) scene: &'a Scene,
    /// To be called right before and right after the operation.
    pub(crate) mark: &'a dyn Fn(),
}

/// Builds the store in which the operation is to be killed.
pub(crate) fn template(case: &Case) -> Result<(Image, Scene), String> {
    let dir = temporary();
    let scene = in_thread(|| (case.setup)(dir.path()))??;
    Ok((Image::take(dir.path()), scene))
}

/// Kills `case` at its points.
pub(crate) fn explore(case: &Case) -> Checked {
    let (image, scene) = template(case)?;
    let mut random = Random::new(case.name.len() as u64);
    let trial = Trial::new(case, image, scene)?;
    let points = trial.trace.points(budget(SAMPLE, trial.trace.steps()), &mut random);
    for point in &points {
        trial.kill_at(*point, random.next())?;
    }
    Ok(Finding::Passed(format!("{} of {} points{}", points.len(), trial.trace.steps() + 1, tell_again())))
}

/// An operation on a template, traced once.
pub(crate) struct Trial<'a> {
    case: &'a Case,
    pub(crate) image: Image,
    pub(crate) scene: Scene,
    pub(crate) trace: Trace,
    /// Where a process died in the same operation on the same deleted file before.
    earlier_death: Option<(Trace, usize)>,
    /// Whether the trace is that of another operation, which this one leaves somewhere.
    borrowed: bool,
    /// Bytes in use after an undisturbed run and the end of all sessions.
    used: u64,
}

/// Nothing was shown: the process was past the point, or waited before it, or was waited for too long. The last is an
/// error if it stays so.
const STRAYED: &str = "the operation took another way than when it was traced";

fn strayed<T>(result: &Result<T, String>) -> bool {
    matches!(result, Err(e) if e.contains(STRAYED) || e.contains(witness::LATE))
}

/// How often something was done again in this process since it was last told.
static AGAIN: AtomicU32 = AtomicU32::new(0);

/// Tells how often something was tried again, if ever.
fn tell_again() -> String {
    match AGAIN.swap(0, Ordering::Relaxed) {
        0 => String::new(),
        times => format!(", {times} tries more"),
    }
}

/// Does `work` again where it [`strayed`]; it is told how often it did.
fn steadily<T>(mut work: impl FnMut(u32) -> Result<T, String>) -> Result<T, String> {
    let mut result = work(0);
    for tried in 1..TRIES {
        if !strayed(&result) {
            return result;
        }
        AGAIN.fetch_add(1, Ordering::Relaxed);
        result = work(tried);
    }
    result.map_err(|e| if strayed::<()>(&Err(e.clone())) { format!("{e}, in each of {TRIES} tries") } else { e })
}

impl<'a> Trial<'a> {
    /// Traces the operation, and runs it undisturbed to see that it works and what it leaves.
    pub(crate) fn new(case: &'a Case, image: Image, scene: Scene) -> Result<Trial<'a>, String> {
        Trial::after(case, image, scene, None)
    }

    /// [`Trial::new`] after `earlier_death`.
    fn after(
        case: &'a Case,
        image: Image,
        scene: Scene,
        earlier_death: Option<(Trace, usize)>,
    ) -> Result<Trial<'a>, String> {
        let mut trial =
            Trial { case, image, scene, trace: Trace::default(), earlier_death, borrowed: false, used: u64::MAX };
        steadily(|tried| trial.watch_undisturbed(true, tried))?;
        Ok(trial)
    }

    /// [`Trial::new`] without a trace of its own: the points of `trace` are passed by this operation, too, or its end is
    /// reached first.
    fn along(case: &'a Case, image: Image, scene: Scene, trace: Trace) -> Result<Trial<'a>, String> {
        let mut trial = Trial { case, image, scene, trace, earlier_death: None, borrowed: true, used: u64::MAX };
        steadily(|tried| trial.watch_undisturbed(false, tried))?;
        Ok(trial)
    }

    fn watch_undisturbed(&mut self, trace: bool, tried: u32) -> Result<(), String> {
        let case = self.case;
        let (dir, mut watch) = self.stage();
        let mut cast = Cast::enter(self, dir.path(), case.peer != Peer::None || case.in_company)?;
        let mut traced = cast.traced(self, dir.path(), tried)?;
        if trace {
            self.trace = traced.trace(&mut watch, || cast.let_go(case.peer))?;
        } else {
            traced.run();
        }
        drop(watch);
        traced.run();
        let code = traced.child.join();
        if code != 0 {
            return Err(format!("the undisturbed operation failed with code {code}"));
        }
        let after = cast.leave()?;
        self.used = in_thread(|| witness::finish(dir.path(), &self.scene, after, 0, u64::MAX))?
            .map_err(|e| format!("undisturbed: {e}"))?;
        Ok(())
    }

    /// What must lie in the directory besides the store.
    fn look_beside(&self, dir: &Path) -> Result<(), String> {
        let paths = std::fs::read_dir(dir).expect("the directory").map(|entry| entry.expect("an entry").path());
        let beside: Vec<_> = paths.filter(|path| *path != store_file(dir)).collect();
        match (self.case.kept, beside.as_slice()) {
            (None, []) => Ok(()),
            (Some(name), [path]) if path.to_string_lossy().contains(name) => {
                let mut as_written = self.image.clone();
                as_written.name_file(path);
                if Image::of(path) == as_written { Ok(()) } else { Err("the file set aside was changed".to_owned()) }
            }
            (_, files) => Err(format!("beside the store there are {} files", files.len())),
        }
    }

    /// Whether the operation puts a new file in the place of the one in which it begins.
    pub(crate) fn makes_file(&self) -> bool {
        self.case.deleted || self.case.kept.is_some()
    }

    /// A directory with the file in which the operation begins. Who watches it has looked at parts of it, and a look at
    /// a hole puts a page there: so in each run alike.
    fn stage(&self) -> (TempDir, Watch) {
        let dir = temporary();
        let path = if self.case.foreign {
            let mut image = self.image.clone();
            image.wipe_boot_id();
            image.write(dir.path())
        } else {
            self.image.write(dir.path())
        };
        let watch = Watch::new(&path);
        (dir, watch)
    }

    /// Kills the operation after `point` instructions and judges what is left. Whether it was killed before its end,
    /// which it is save for the last few points, unless the trace is that of another.
    pub(crate) fn kill_at(&self, point: usize, dice: u64) -> Result<Progress, String> {
        let may_be_over = self.borrowed || point + FRINGE >= self.trace.steps();
        let kill = |tried| match self.try_kill_at(point, dice, tried) {
            Ok(Progress::Done) if !may_be_over => Err(format!("{STRAYED}: it was at its end before this point")),
            result => result,
        };
        steadily(kill).map_err(|e| {
            format!("killed after {point} of {} instructions (variant {}): {e}", self.trace.steps(), dice % 12)
        })
    }

    fn try_kill_at(&self, point: usize, dice: u64, tried: u32) -> Result<Progress, String> {
        let (dir, _watch) = self.stage();
        let mut cast =
            Cast::enter(self, dir.path(), self.case.in_company || !self.case.alone && dice.is_multiple_of(2))?;
        let mut traced = cast.traced(self, dir.path(), tried)?;
        let progress = self.drive(&mut traced, &mut cast, point)?;
        traced.begin_copy(&self.trace, dice / 64 % COPIED);
        traced.child.kill();
        cast.let_go(self.case.peer);
        let after = cast.judge(dice / 2 % 3)?;
        let (scene, limit) = (&self.scene, self.used + SLACK);
        in_thread(|| witness::finish(dir.path(), scene, after, dice / 2 % 6, limit))??;
        self.look_beside(dir.path())?;
        Ok(progress)
    }

    /// Brings the child to `point`; the peer is told to go on where the traced child first waited.
    fn drive(&self, traced: &mut Traced, cast: &mut Cast, point: usize) -> Result<Progress, String> {
        let progress = match self.trace.first_wait.filter(|wait| *wait <= point) {
            Some(wait) => match traced.run_to(&self.trace, wait) {
                Progress::Inside => {
                    cast.let_go(self.case.peer);
                    traced.run_to(&self.trace, point)
                }
                Progress::Done => Progress::Done,
            },
            None => traced.run_to(&self.trace, point),
        };
        if progress == Progress::Done && !traced.child.alive() {
            if cast.holding {
                return Err(STRAYED.to_owned());
            }
            return Err(format!("the operation ended with code {}", traced.child.join()));
        }
        Ok(progress)
    }

    /// The file at the given points of the operation, and after it; of one that makes a file only that.
    pub(crate) fn images(&self, points: &BTreeSet<usize>) -> Result<Vec<Image>, String> {
        steadily(|tried| {
            let (dir, _watch) = self.stage();
            let mut cast = Cast::enter(self, dir.path(), false)?;
            let mut traced = cast.traced(self, dir.path(), tried)?;
            let inode = || std::fs::metadata(store_file(dir.path())).ok().map(|stat| stat.ino());
            let before = inode();
            let mut images = Vec::new();
            for point in points {
                if self.drive(&mut traced, &mut cast, *point)? == Progress::Done {
                    return Err(STRAYED.to_owned());
                }
                if !self.makes_file() || inode().is_some_and(|now| Some(now) != before) {
                    images.push(Image::take(dir.path()));
                }
            }
            while traced.run() == Progress::Inside {}
            images.push(Image::take(dir.path()));
            Ok(images)
        })
    }

    /// Judges what a crash of the machine left of the operation, in a directory with nothing else or with what the last
    /// one left. Sessions that the operation copied or moved may be lost. Whether the session that it is about is there.
    pub(crate) fn judge_crash(&self, dir: &Path, image: &Image, dice: u64) -> Result<bool, String> {
        image.write_over(dir);
        let limit = self.used + SLACK;
        let mut scene = self.scene.clone();
        scene.allowed.push(None);
        scene.replaced.iter_mut().for_each(|replaced| replaced.crashed = true);
        let (copies_all, rebalances) = (self.makes_file(), self.case.rebalances);
        in_thread(|| {
            // Who makes a store removes it with its last session.
            drop(scene.attach(dir)?);
            let store = scene.attach(dir)?;
            let touched = |id: &str| copies_all || rebalances && shard_of(&store, id, 4) != operations::SHARD;
            let (lost, others) = scene.others.drain(..).partition(|(id, _)| touched(id));
            scene.others = others;
            scene.losable.extend::<Vec<_>>(lost);
            let there = get(&store, &scene.victim)?.is_some();
            witness::finish(dir, &scene, Marker::None, dice % 3, limit)?;
            Ok(there)
        })?
    }

    /// The file as the operation killed at `point` leaves it.
    pub(crate) fn killed(&self, point: usize) -> Result<Image, String> {
        steadily(|tried| {
            let (dir, _watch) = self.stage();
            let mut cast = Cast::enter(self, dir.path(), false)?;
            let mut traced = cast.traced(self, dir.path(), tried)?;
            if self.drive(&mut traced, &mut cast, point)? == Progress::Done {
                return Err(STRAYED.to_owned());
            }
            traced.child.kill();
            Ok(Image::take(dir.path()))
        })
    }
}

/// The processes around the traced one.
struct Cast {
    survivor: Option<Worker>,
    waiter: Option<Worker>,
    peer: Peer,
    holding: bool,
}

impl Cast {
    fn enter(trial: &Trial<'_>, dir: &Path, survivor: bool) -> Result<Cast, String> {
        let peer = trial.case.peer;
        let needed = survivor || peer != Peer::None;
        let mut cast = Cast { survivor: None, waiter: None, peer, holding: false };
        if needed {
            let mut worker = Worker::start(|| witness::serve(dir, &trial.scene));
            worker.ask("attach")?;
            if peer == Peer::Holder {
                worker.ask("hold")?;
                cast.holding = true;
            }
            cast.survivor = Some(worker);
        }
        Ok(cast)
    }

    /// Forks the traced process, and brings the waiter to wait behind it. Where the file is deleted under them all, a
    /// process that came earlier dies first.
    fn traced(&mut self, trial: &Trial<'_>, dir: &Path, tried: u32) -> Result<Traced, String> {
        let scene = &trial.scene;
        let start = || {
            Traced::start(|mark| {
                arena::begin();
                (trial.case.run)(&Stage { dir, scene, mark })
            })
        };
        let dies_first = trial.earlier_death.as_ref().map(|death| Ok::<_, String>((start()?, death))).transpose()?;
        let mut traced = start()?;
        traced.walk_further(tried);
        if trial.case.deleted {
            std::fs::remove_file(store_file(dir)).map_err(|e| e.to_string())?;
        }
        if let Some((mut dies_first, (trace, point))) = dies_first {
            dies_first.walk_further(tried);
            if dies_first.run_to(trace, *point) == Progress::Done {
                return Err(format!("{STRAYED}: the first process to relocate the store came to its end"));
            }
            dies_first.child.kill();
        }
        if self.peer == Peer::Waiter
            && let Some(survivor) = &mut self.survivor
        {
            let mut waiter = Worker::start(|| witness::serve(dir, scene));
            waiter.ask("attach")?;
            waiter.tell("take");
            let start = Instant::now();
            while survivor.ask("queued")? != "yes" {
                if start.elapsed() > QUEUED {
                    return Err("the waiter never queued".to_owned());
                }
            }
            self.waiter = Some(waiter);
        }
        Ok(traced)
    }

    /// The holder releases its lock.
    fn let_go(&mut self, peer: Peer) {
        if peer == Peer::Holder
            && self.holding
            && let Some(survivor) = &mut self.survivor
        {
            self.holding = false;
            survivor.ask("drop").expect("the holder releases");
        }
    }

    /// The waiter must have got the lock; the survivor inspects; who last wrote what.
    fn judge(&mut self, order: u64) -> Result<Marker, String> {
        let mut marker = Marker::None;
        if let Some(waiter) = &mut self.waiter {
            let answer = waiter.answer(PROMPT).map_err(|e| {
                let late = if e.starts_with("no answer") { witness::LATE } else { "had" };
                format!("the waiter, whose lock was {late}: {e}")
            })?;
            marker = if answer == "stored" { Marker::Waiter } else { Marker::None };
        }
        if let Some(survivor) = &mut self.survivor {
            survivor.ask(&format!("inspect {order} {}", marker.name())).map_err(|e| format!("survivor: {e}"))?;
            marker = Marker::Survivor;
        }
        Ok(marker)
    }

    fn leave(mut self) -> Result<Marker, String> {
        let peer = self.peer;
        self.let_go(peer);
        self.judge(0)
    }
}

/// Makes a store of 16 MiB, or `megabytes`, in a setup.
pub(crate) fn fresh(dir: &Path, megabytes: u64) -> std::sync::Arc<cloakroom_store::Store> {
    let store = attach(dir, megabytes);
    debug_assert_eq!(store.path(), store_file(dir));
    store
}
