//! Operations that change the file as a whole, to be killed like all others: another size, a file of an earlier format, of
//! another layout or with a damaged header, and the relocation after the store's file was deleted in use.

use std::path::Path;

use cloakroom_store::{Inheritance, Options, Store};

use super::operations::{self, Case, SHARD, enter};
use super::witness::Scene;
use super::{FRINGE, SAMPLE, Stage, Trial, budget, fresh, tell_again, template};
use crate::harness::{Checked, Finding, Random, ids_in_shard, put, soak, value};

/// Offsets of the header's format, layout fingerprint and checksum.
const FORMAT: u64 = 8;
const LAYOUT: u64 = 12;
const CHECK: u64 = 24;
/// Bytes that the stores of this module may take.
const CAPACITY: u64 = 16 << 20;

/// All of them but the relocation, which [`explore_relocation`] kills.
pub(crate) fn all() -> Vec<Case> {
    let alone = |name, setup, run, kept| Case { alone: true, kept: Some(kept), ..Case::new(name, setup, run) };
    let sized: fn(&Path) -> Result<Scene, String> = |dir| operations::scene(dir, Some(1000), 1000);
    let larger: fn(&Stage<'_>) = |stage| attach_with(stage, 4 * CAPACITY);
    let smaller: fn(&Stage<'_>) = |stage| attach_with(stage, CAPACITY / 2);
    vec![
        Case { alone: true, ..Case::new("resize: to a larger store", sized, larger) },
        Case { alone: true, ..Case::new("resize: to a smaller store", sized, smaller) },
        Case { in_company: true, ..Case::new("resize: to a larger store that others use", sized, larger) },
        Case { in_company: true, ..Case::new("resize: to a smaller store that others use", sized, smaller) },
        alone("upgrade: sessions of an earlier format", format_2, attach_alone, ".format-2-e6ef42b0"),
        alone("upgrade: a file of another layout is set aside", other_layout, attach_alone, ".format-"),
        alone("quarantine: a damaged header, sessions carried over", damaged_header, attach_alone, ".damaged-1"),
    ]
}

fn attach_with(stage: &Stage<'_>, capacity: u64) {
    (stage.mark)();
    let store = Store::attach(stage.dir, Options { capacity: Some(capacity), user: None }).expect("attach");
    (stage.mark)();
    drop(store);
}

fn attach_alone(stage: &Stage<'_>) {
    attach_with(stage, CAPACITY);
}

/// Few sessions in one shard, so that their recovery takes few steps; those who attach may make stores.
fn small_scene(dir: &Path) -> Result<Scene, String> {
    let store = fresh(dir, CAPACITY >> 20);
    let mut others = Vec::new();
    for (i, id) in ids_in_shard(&store, "other", SHARD, 4).into_iter().enumerate() {
        let content = value(100 + i as u64, [500, 20_000, 0, 150_000][i % 4]);
        put(&store, &id, &content)?;
        others.push((id, content));
    }
    let victim = ids_in_shard(&store, "victim", SHARD, 1).swap_remove(0);
    put(&store, &victim, &value(1, 1000))?;
    let allowed = vec![Some(value(1, 1000))];
    let makes = Some(CAPACITY);
    Ok(Scene { victim, allowed, next: Vec::new(), others, losable: Vec::new(), retires: false, replaced: None, makes })
}

/// A store whose header says another layout, and means it. Its sessions are kept in the file that is set aside.
fn other_layout(dir: &Path) -> Result<Scene, String> {
    let mut scene = small_scene(dir)?;
    change_header(dir, LAYOUT, |layout| layout.iter_mut().for_each(|byte| *byte ^= 0x11));
    seal_header(dir);
    scene.allowed = vec![None];
    scene.others.clear();
    Ok(scene)
}

/// A store whose header says the format before this one, in which its sessions would lie no differently.
fn format_2(dir: &Path) -> Result<Scene, String> {
    let scene = small_scene(dir)?;
    change_header(dir, FORMAT, |format| format.copy_from_slice(&2u32.to_le_bytes()));
    change_header(dir, LAYOUT, |layout| layout.copy_from_slice(&0xe6ef_42b0u32.to_le_bytes()));
    seal_header(dir);
    Ok(scene)
}

/// Makes the header's checksum match.
fn seal_header(dir: &Path) {
    let image = crate::harness::image::Image::take(dir);
    let header = image.page(0);
    let constants: Vec<u8> = header.iter().take(24).chain(header.iter().skip(128).take(32)).copied().collect();
    let check = twox_hash::XxHash3_64::oneshot(&constants);
    change_header(dir, CHECK, |bytes| bytes.copy_from_slice(&check.to_le_bytes()));
}

fn damaged_header(dir: &Path) -> Result<Scene, String> {
    let scene = small_scene(dir)?;
    change_header(dir, CHECK, |check| check.iter_mut().for_each(|byte| *byte ^= 0x11));
    Ok(scene)
}

/// Changes the 4 or 8 bytes at `at` of the store's header.
fn change_header(dir: &Path, at: u64, change: impl FnOnce(&mut [u8])) {
    use std::os::unix::fs::FileExt;
    let options = std::fs::File::options().read(true).write(true).open(crate::harness::store_file(dir));
    let file = options.expect("the store file");
    let mut bytes = [0; 8];
    let field = &mut bytes[..if at == CHECK { 8 } else { 4 }];
    file.read_exact_at(field, at).expect("its header");
    change(field);
    file.write_all_at(field, at).expect("its header");
}

/// The relocation of a deleted store, by a process that has worked before.
pub(crate) fn relocation() -> Case {
    Case { deleted: true, in_company: true, ..Case::new("relocate: a deleted store", small_scene, succeed) }
}

fn succeed(stage: &Stage<'_>) {
    let store = enter(stage);
    (stage.mark)();
    let (fresh, inheritance) = store.attach_relocated().expect("the relocated store");
    (stage.mark)();
    assert_eq!(inheritance, Inheritance::Kept);
    drop(fresh);
}

/// Kills the process that relocates a deleted store and recovers the copy; then the one that comes second, after another
/// has died in the relocation or in that recovery.
pub(crate) fn explore_relocation() -> Checked {
    let case = relocation();
    let (image, scene) = template(&case)?;
    let mut random = Random::new(41);
    let first = Trial::new(&case, image.clone(), scene.clone())?;
    let points = first.trace.points(budget(SAMPLE, first.trace.steps()), &mut random);
    for point in &points {
        first.kill_at(*point, random.next())?;
    }
    let what = format!("{} of {} points", points.len(), first.trace.steps() + 1);

    let (mut tested, mut possible) = (0, 0);
    let deaths = if soak() { 12 } else { 1 };
    for _ in 0..deaths {
        let inside: Vec<usize> = points.iter().copied().filter(|point| point + FRINGE < first.trace.steps()).collect();
        let point = inside[random.below(inside.len() as u64) as usize];
        let failed = |e| format!("first death after {point} instructions: {e}");
        let earlier_death = Some((first.trace.clone(), point));
        let second = Trial::after(&case, image.clone(), scene.clone(), earlier_death).map_err(failed)?;
        let points = second.trace.points(budget(SAMPLE / 2, second.trace.steps()).or(Some(5000)), &mut random);
        for point in &points {
            second.kill_at(*point, random.next()).map_err(failed)?;
        }
        tested += points.len();
        possible += second.trace.steps() + 1;
    }
    let second = format!("{tested} of {possible} points after {deaths} deaths{}", tell_again());
    Ok(Finding::Passed(format!("{what}; who comes second: {second}")))
}
