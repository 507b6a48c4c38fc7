//! Killing one operation at chosen steps, and judging what is left.
#![allow(dead_code, reason = "each test binary uses another part of it")]

pub(crate) mod large;
pub(crate) mod moving;
pub(crate) mod operations;
pub(crate) mod recovery;
mod witness;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::image::Image;
use crate::harness::process::Worker;
use crate::harness::tracer::{Place, Trace, Traced, Watch};
use crate::harness::{Checked, Finding, Random, attach, attach_existing, get, in_thread, soak, store_file, temporary};
use operations::{Case, Peer};
use witness::{Marker, Scene};

/// Points of an operation in the short form.
const SAMPLE: usize = 150;
/// Bytes that may be in use more than after an undisturbed run: bitmaps of chunks that are kept empty.
const SLACK: u64 = 8 << 10;

/// Rounds of a copy of bytes before which or in which a kill falls.
const COPIED: u64 = 300;

/// The points of an operation to test, by form.
fn budget(sample: usize) -> Option<usize> {
    if soak() { None } else { Some(sample) }
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
    let points = trial.trace.points(budget(SAMPLE), &mut random);
    for point in &points {
        trial.kill_at(*point, random.next())?;
    }
    Ok(Finding::Passed(format!("{} of {} points", points.len(), trial.trace.steps() + 1)))
}

/// An operation on a template, traced once.
pub(crate) struct Trial<'a> {
    case: &'a Case,
    pub(crate) image: Image,
    pub(crate) scene: Scene,
    pub(crate) trace: Trace,
    /// One who died in the same operation on the same deleted file before, and where.
    predecessor: Option<(Trace, usize)>,
    /// Bytes in use after an undisturbed run and the end of all sessions.
    used: u64,
}

/// The child came to its wait in fewer instructions than when it was traced, so the holder was not told to let go and
/// the child waited until its own time was up, as it should. Nothing was killed: the point is tried again.
const STRAYED: &str = "the operation waited before the point at which it waited when it was traced";

impl<'a> Trial<'a> {
    /// Traces the operation, and runs it undisturbed to see that it works and what it leaves.
    pub(crate) fn new(case: &'a Case, image: Image, scene: Scene) -> Result<Trial<'a>, String> {
        Trial::after(case, image, scene, None)
    }

    /// [`Trial::new`] where `predecessor` has died before.
    fn after(
        case: &'a Case,
        image: Image,
        scene: Scene,
        predecessor: Option<(Trace, usize)>,
    ) -> Result<Trial<'a>, String> {
        let mut trial = Trial { case, image, scene, trace: Trace::default(), predecessor, used: u64::MAX };
        trial.watch_undisturbed(true)?;
        Ok(trial)
    }

    /// [`Trial::new`] without a trace of its own: the points of `trace` are passed by this operation, too, or its end is
    /// reached first.
    fn along(case: &'a Case, image: Image, scene: Scene, trace: Trace) -> Result<Trial<'a>, String> {
        let mut trial = Trial { case, image, scene, trace, predecessor: None, used: u64::MAX };
        trial.watch_undisturbed(false)?;
        Ok(trial)
    }

    fn watch_undisturbed(&mut self, trace: bool) -> Result<(), String> {
        let case = self.case;
        let dir = temporary();
        let path = self.image.write(dir.path());
        self.wipe_if_asked(dir.path());
        let mut cast = Cast::enter(self, dir.path(), case.peer != Peer::None || case.deleted)?;
        let mut watch = Watch::new(&path);
        let mut traced = cast.traced(self, dir.path())?;
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

    fn wipe_if_asked(&self, dir: &Path) {
        if self.case.foreign {
            let mut image = self.image.clone();
            image.wipe_boot_id();
            image.write(dir);
        }
    }

    /// Kills the operation after `point` instructions and judges what is left. Whether it was killed before its end,
    /// which it is unless the trace is that of another.
    pub(crate) fn kill_at(&self, point: usize, dice: u64) -> Result<Place, String> {
        let mut result = self.try_kill_at(point, dice);
        for _ in 0..3 {
            if !matches!(&result, Err(e) if e == STRAYED) {
                break;
            }
            result = self.try_kill_at(point, dice);
        }
        result.map_err(|e| {
            format!("killed after {point} of {} instructions (variant {}): {e}", self.trace.steps(), dice % 12)
        })
    }

    fn try_kill_at(&self, point: usize, dice: u64) -> Result<Place, String> {
        let dir = temporary();
        self.image.write(dir.path());
        self.wipe_if_asked(dir.path());
        let mut cast = Cast::enter(self, dir.path(), self.case.deleted || !self.case.alone && dice.is_multiple_of(2))?;
        let mut traced = cast.traced(self, dir.path())?;
        let place = self.drive(&mut traced, &mut cast, point)?;
        traced.begin_copy(&self.trace, dice / 64 % COPIED);
        traced.child.kill();
        cast.let_go(self.case.peer);
        let after = cast.judge(dice / 2 % 3)?;
        in_thread(|| witness::finish(dir.path(), &self.scene, after, dice / 2 % 6, self.used + SLACK))??;
        self.look_beside(dir.path())?;
        Ok(place)
    }

    /// Brings the child to `point`; the peer is told to go on where the traced child first waited.
    fn drive(&self, traced: &mut Traced, cast: &mut Cast, point: usize) -> Result<Place, String> {
        let place = match self.trace.first_wait.filter(|wait| *wait <= point) {
            Some(wait) => match traced.run_to(&self.trace, wait) {
                Place::Inside => {
                    cast.let_go(self.case.peer);
                    traced.run_to(&self.trace, point)
                }
                Place::Done => Place::Done,
            },
            None => traced.run_to(&self.trace, point),
        };
        if place == Place::Done && !traced.child.alive() {
            if cast.holding {
                return Err(STRAYED.to_owned());
            }
            return Err(format!("the operation ended with code {}", traced.child.join()));
        }
        Ok(place)
    }

    /// The file at the given points of the operation, and after it.
    pub(crate) fn images(&self, points: &BTreeSet<usize>) -> Result<Vec<Image>, String> {
        let dir = temporary();
        self.image.write(dir.path());
        let mut cast = Cast::enter(self, dir.path(), false)?;
        let mut traced = cast.traced(self, dir.path())?;
        let mut images = Vec::new();
        for point in points {
            self.drive(&mut traced, &mut cast, *point)?;
            images.push(Image::take(dir.path()));
        }
        while traced.run() == Place::Inside {}
        images.push(Image::take(dir.path()));
        Ok(images)
    }

    /// Judges what a crash of the machine left of the operation. Whether the session that it is about is there.
    pub(crate) fn judge_crash(&self, image: &Image, dice: u64) -> Result<bool, String> {
        let dir = temporary();
        image.write_copy(dir.path());
        let mut scene = self.scene.clone();
        scene.allowed.push(None);
        in_thread(|| {
            let store = attach_existing(dir.path())?;
            let there = get(&store, &scene.victim)?.is_some();
            witness::finish(dir.path(), &scene, Marker::None, dice % 3, self.used + SLACK)?;
            Ok(there)
        })?
    }

    /// The file as the operation killed at `point` leaves it.
    pub(crate) fn killed(&self, point: usize) -> Result<Image, String> {
        let dir = temporary();
        self.image.write(dir.path());
        let mut cast = Cast::enter(self, dir.path(), false)?;
        let mut traced = cast.traced(self, dir.path())?;
        self.drive(&mut traced, &mut cast, point)?;
        traced.child.kill();
        Ok(Image::take(dir.path()))
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
    /// predecessor goes and dies first.
    fn traced(&mut self, trial: &Trial<'_>, dir: &Path) -> Result<Traced, String> {
        let scene = &trial.scene;
        let start = || Traced::start(|mark| (trial.case.run)(&Stage { dir, scene, mark }));
        let predecessor = trial.predecessor.as_ref().map(|how| Ok::<_, String>((start()?, how))).transpose()?;
        let traced = start()?;
        if trial.case.deleted {
            std::fs::remove_file(store_file(dir)).map_err(|e| e.to_string())?;
        }
        if let Some((mut predecessor, (trace, point))) = predecessor {
            if predecessor.run_to(trace, *point) == Place::Done {
                return Err("the first to move the store came to its end".to_owned());
            }
            predecessor.child.kill();
        }
        if self.peer == Peer::Waiter
            && let Some(survivor) = &mut self.survivor
        {
            let mut waiter = Worker::start(|| witness::serve(dir, scene));
            waiter.ask("attach")?;
            waiter.tell("take");
            let start = Instant::now();
            while survivor.ask("queued")? != "yes" {
                if start.elapsed() > Duration::from_secs(10) {
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
            let answer = waiter.answer(Duration::from_secs(5)).map_err(|e| format!("the waiter: {e}"))?;
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
