//! Killing those who recover: a process dies at a point after which recovery has something to do, then the one that
//! recovers is stepped and killed as well, and again everything must be there.

use cloakroom_store::Options;

use super::operations::{Case, Peer, SHARD, acquire, acquire_and_commit, commit, scene};
use super::witness::Scene;
use super::{Stage, Trial, tell_again, template};
use crate::harness::image::{Image, SLOT_COUNT, slot_at};
use crate::harness::tracer::{Progress, Trace};
use crate::harness::{Checked, Finding, Random, attach_existing, in_thread, put, soak, sound, temporary};

/// Points of one recovery in the short form.
const SAMPLE: usize = 150;
/// Points of one recovery that is not traced itself.
const PASSED: usize = 40;
/// Points of one recovery in the long form: it takes hundreds of thousands of steps, nearly all of which look at free
/// nodes.
const LONG: usize = 5000;

/// Which death precedes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Death {
    /// Anywhere the file had just changed.
    Anywhere,
    /// There, inside a shard's lock.
    InShard,
    /// With the session lock, and with space that is allocated and not published.
    Pending,
    /// As [`Death::Pending`], and no other owner slot is to be had but the dead one's.
    LastSlot,
}

/// A recovery to be killed.
pub(crate) struct Recovery {
    pub(crate) name: &'static str,
    first: Case,
    death: Death,
    second: Case,
}

/// The recoveries from a death in each kind of operation, by a process that writes.
pub(crate) fn of_each_kind() -> Vec<Recovery> {
    let wanted = [
        ("update: larger", Death::InShard),
        ("update: smaller", Death::InShard),
        ("create: again after a logout", Death::InShard),
        ("create: one that splits an index bucket", Death::InShard),
        ("update: 100 KB to 140 KB in two blocks", Death::InShard),
        ("update: of several megabytes to more", Death::InShard),
        ("touch: with a step of the sweep", Death::InShard),
        ("destroy", Death::InShard),
        ("retire", Death::InShard),
        ("collect: an expired session", Death::InShard),
        ("create: in a full store, by eviction", Death::InShard),
        ("grow", Death::Anywhere),
        ("update: into a chunk that another shard empties", Death::InShard),
    ];
    let mut cases: Vec<Case> = super::large::all().into_iter().chain(super::operations::all()).collect();
    let mut take = |name| cases.swap_remove(cases.iter().position(|case| case.name == name).expect("a case"));
    let recovery = |(name, death)| Recovery { name, first: take(name), death, second: writes_again() };
    wanted.into_iter().map(recovery).collect()
}

fn writes_again() -> Case {
    Case::new("acquire", |_| Err("a recovery begins where another died".to_owned()), acquire_and_commit)
}

/// All recoveries that take another way than those [`of_each_kind`].
pub(crate) fn all() -> Vec<Recovery> {
    let large = |name| Case::new(name, |dir| scene(dir, Some(500), 9000), commit);
    let again = |name, run| Case::new(name, |_| Err("a recovery begins where another died".to_owned()), run);
    vec![
        Recovery {
            name: "recovery: of a session lock with unpublished space",
            first: large("large update"),
            death: Death::Pending,
            second: again("acquire", acquire),
        },
        Recovery {
            name: "recovery: of a dead process's slot",
            first: large("large update, then the last slot"),
            death: Death::LastSlot,
            second: Case { alone: true, ..again("sit down", take_slot) },
        },
        Recovery {
            name: "recovery: of everything, after a crash of the machine",
            first: large("large update, then a crash"),
            death: Death::InShard,
            second: Case { alone: true, foreign: true, peer: Peer::None, ..again("attach", attach_alone) },
        },
    ]
}

/// Claims an owner slot: the dead one's, where no other is free.
fn take_slot(stage: &Stage<'_>) {
    let store = attach_existing(stage.dir).expect("attach");
    let key = store.key(b"", b"nobody");
    (stage.mark)();
    assert!(!store.exists(&key).expect("exists"));
    (stage.mark)();
}

fn attach_alone(stage: &Stage<'_>) {
    (stage.mark)();
    let store = cloakroom_store::Store::attach(stage.dir, Options { capacity: None, user: None }).expect("attach");
    (stage.mark)();
    drop(store);
}

/// Kills the first process at some points of its operation, and its recovery at the points of each.
pub(crate) fn explore(recovery: &Recovery) -> Checked {
    let mut random = Random::new(recovery.name.len() as u64);
    let first = first_trial(recovery)?;
    let deaths = deaths(&first, recovery.death, if soak() { 8 } else { 1 }, &mut random)?;
    let (mut tested, mut possible) = (0, 0);
    for death in &deaths {
        let (image, scene) = left_by(&first, recovery, death);
        let failed = |e| format!("first death after {} instructions: {e}", death.point);
        let second = Trial::new(&recovery.second, image, scene).map_err(failed)?;
        let budget = if soak() { LONG } else { SAMPLE };
        let points = second.trace.points(Some(budget), &mut random);
        for point in &points {
            second.kill_at(*point, random.next()).map_err(failed)?;
        }
        tested += points.len();
        possible += second.trace.steps() + 1;
    }
    Ok(Finding::Passed(format!("{tested} of {possible} points after {} deaths{}", deaths.len(), tell_again())))
}

/// The short form of the recoveries [`of_each_kind`]: that of one is traced, as it takes half a million steps, and the
/// others are killed where they pass a point of that trace.
pub(crate) fn explore_each_kind() -> Checked {
    let mut random = Random::new(53);
    let mut trace: Option<Trace> = None;
    let (mut inside, mut after) = (0, 0);
    let recoveries = of_each_kind();
    for recovery in &recoveries {
        let first = first_trial(recovery).map_err(|e| format!("{}: {e}", recovery.name))?;
        let drawn = deaths(&first, recovery.death, 1, &mut random).map_err(|e| format!("{}: {e}", recovery.name))?;
        let death = drawn.first().ok_or("no death was drawn")?;
        let failed = |e| format!("{}: first death after {} instructions: {e}", recovery.name, death.point);
        let (image, scene) = left_by(&first, recovery, death);
        let second = match &trace {
            Some(trace) => Trial::along(&recovery.second, image, scene, trace.clone()),
            None => Trial::new(&recovery.second, image, scene),
        };
        let second = second.map_err(failed)?;
        for point in second.trace.points(Some(PASSED), &mut random) {
            match second.kill_at(point, random.next()).map_err(failed)? {
                Progress::Inside => inside += 1,
                Progress::Done => after += 1,
            }
        }
        trace.get_or_insert(second.trace);
    }
    let what = format!("{inside} deaths inside and {after} after the end, {} kinds{}", recoveries.len(), tell_again());
    if inside < after { Err(format!("too few: {what}")) } else { Ok(Finding::Passed(what)) }
}

/// The first write in a shard after its rebuild may need a larger file.
pub(crate) fn write_that_grows() -> Checked {
    let cases = super::operations::all();
    let grows = cases.iter().find(|case| case.name == "grow").ok_or("no such case")?;
    let (mut image, scene) = template(grows)?;
    image.lock_shard(SHARD);
    let dir = temporary();
    image.write(dir.path());
    in_thread(|| {
        let store = attach_existing(dir.path())?;
        let stats = || store.stats().map_err(|e| e.to_string());
        let before = stats()?;
        put(&store, &scene.victim, &scene.next)?;
        let after = stats()?;
        sound(&store)?;
        if after.recoveries == 0 || after.file_bytes <= before.file_bytes || after.evicted > 0 {
            let (recoveries, evicted) = (after.recoveries, after.evicted);
            return Err(format!("{recoveries} recoveries, {evicted} sessions evicted, and the file has not grown"));
        }
        Ok(Finding::Passed(format!("from {} to {} bytes", before.file_bytes, after.file_bytes)))
    })?
}

fn first_trial(recovery: &Recovery) -> Result<Trial<'_>, String> {
    let (image, scene) = template(&recovery.first)?;
    Trial::new(&recovery.first, image, scene)
}

/// A recovery, traced once, after one death.
pub(crate) fn trial<'a>(recovery: &'a Recovery, random: &mut Random) -> Result<Trial<'a>, String> {
    let first = first_trial(recovery)?;
    let drawn = deaths(&first, recovery.death, 1, random)?;
    let (image, scene) = left_by(&first, recovery, drawn.first().ok_or("no death was drawn")?);
    Trial::new(&recovery.second, image, scene)
}

/// What the first process leaves where it dies: the file, and what may be in it once another has written, or died while
/// it tried to.
fn left_by(first: &Trial<'_>, recovery: &Recovery, death: &Drawn) -> (Image, Scene) {
    let mut image = death.image.clone();
    // Slots that say they are in use and hold nothing: all others, so that the dead one's must be taken, or as many
    // as a newcomer clears in passing, so that the dead one's is found through what its owner held.
    let slots: std::ops::Range<u64> = if recovery.death == Death::LastSlot { 1..4096 } else { 2..12 };
    image.set(SLOT_COUNT, &(slots.end as u32).next_multiple_of(8).to_le_bytes());
    slots.for_each(|slot| image.set(slot_at(slot), &1u32.to_le_bytes()));
    let mut scene = first.scene.clone();
    if scene.allowed.contains(&None) {
        // Reserved by one who acquired it.
        scene.allowed.push(Some(Vec::new()));
    }
    scene.allowed.push(Some(scene.next.clone()));
    (image, scene)
}

/// A death of the first process: after how many instructions, and the file that it left.
struct Drawn {
    point: usize,
    image: Image,
}

/// The deaths of the first process: where the file had just changed, and is as `death` asks.
fn deaths(first: &Trial<'_>, death: Death, count: usize, random: &mut Random) -> Result<Vec<Drawn>, String> {
    let changes = &first.trace.changes;
    let mut chosen = Vec::new();
    for _ in 0..count {
        let mut found = None;
        for _ in 0..1000 {
            let drawn = changes.get(random.below(changes.len() as u64) as usize).copied().unwrap_or(0);
            let image = first.killed(drawn)?;
            let fits = match death {
                Death::Anywhere => true,
                Death::InShard => (0..4).any(|shard| image.shard_locked(shard)),
                Death::Pending | Death::LastSlot => !image.shard_locked(SHARD) && image.has_pending(0),
            };
            if fits {
                found = Some(Drawn { point: drawn, image });
                break;
            }
        }
        chosen.push(found.ok_or("no death leaves the store as it must be")?);
    }
    Ok(chosen)
}
