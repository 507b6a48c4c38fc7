//! A crash of the machine while the sessions of an earlier format are brought over, and after that.
//!
//! The new file is on the disk before it gets the store's name. So after a crash on the way the old file is at the path,
//! and beside it the new one in any state; after a crash later on the new file is there, in which only pages that were
//! written since may be old or torn.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use cloakroom_store::{Options, Store};
use sha2::{Digest, Sha256};

use crate::harness::image::Image;
use crate::harness::{Checked, Finding, Random, attach, get, in_thread, soak, sound, store_file, temporary};
use crate::{Committed, SECTOR, SECTORS, batch, history, judge, random_mix};

/// The header's format, layout fingerprint and checksum, as format 2 has them.
fn make_format_2(image: &mut Image) {
    image.set(8, &2u32.to_le_bytes());
    image.set(12, &0xe6ef_42b0u32.to_le_bytes());
    let header = image.page(0);
    let constants: Vec<u8> = header.iter().take(24).chain(header.iter().skip(128).take(32)).copied().collect();
    image.set(24, &twox_hash::XxHash3_64::oneshot(&constants).to_le_bytes());
}

fn upgrade(dir: &Path) -> Result<std::sync::Arc<Store>, String> {
    Store::attach(dir, Options { capacity: Some(16 << 20), user: None }).map_err(|e| format!("cannot attach: {e}"))
}

/// What the sessions of `committed` hold in the store in `dir`.
fn contents(dir: &Path, committed: &Committed) -> Result<BTreeMap<String, Option<Vec<u8>>>, String> {
    in_thread(|| {
        let store = upgrade(dir)?;
        sound(&store)?;
        committed.keys().map(|id| Ok((id.clone(), get(&store, id)?))).collect()
    })?
}

/// The new file as far as a disk may have got with it: some pages, some of them torn, and perhaps not the whole length.
fn half_made(whole: &Image, random: &mut Random) -> Image {
    let mut image = Image { len: whole.len, pages: Vec::new() };
    let portion = random.below(11);
    for (at, page) in &whole.pages {
        if random.below(10) < portion {
            let sectors = if random.below(4) == 0 { random.below(SECTORS as u64 + 1) as usize } else { SECTORS };
            image.set(*at, &page[..sectors * SECTOR]);
        }
    }
    if random.below(2) == 0 {
        image.cut(random.below(whole.len / 4096 + 1) * 4096);
    }
    image
}

/// Writes `image` to the new file's own name beside the store file in `dir`.
fn write_beside(image: &Image, dir: &Path) {
    let store = store_file(dir);
    let inode = std::fs::metadata(&store).expect("the store file").ino();
    // As attach/beside.rs names it, who alone knows the secret.
    let mut secret = [0; 32];
    File::open(&store).and_then(|file| file.read_exact_at(&mut secret, 128)).expect("the secret");
    secret.iter_mut().zip(inode.to_le_bytes()).for_each(|(byte, part)| *byte ^= part);
    let hash = Sha256::new().chain_update(secret).chain_update([0]).chain_update(b"replacement").finalize();
    let ending: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let path = store.with_extension(format!("store.{ending}.new"));
    let file = File::options().write(true).create_new(true).mode(0o600).open(path).expect("a new file");
    file.set_len(image.len).expect("its length");
    for (at, page) in &image.pages {
        file.write_all_at(&page[..], *at).expect("a page");
    }
}

/// Crashes on the way.
pub(crate) fn on_the_way() -> Checked {
    let history = history(21, 3, 150)?;
    let mut old = history.images.last().cloned().ok_or("no image")?;
    old.wipe_boot_id();
    let before = {
        let dir = temporary();
        old.write_copy(dir.path());
        contents(dir.path(), &history.committed)?
    };
    make_format_2(&mut old);
    let dir = temporary();
    old.write_copy(dir.path());
    if contents(dir.path(), &history.committed)? != before {
        return Err("a session changed on the way from one format to the other".to_owned());
    }
    let new = Image::take(dir.path());
    let mut random = Random::new(22);
    let files = if soak() { 2000 } else { 100 };
    for number in 0..files {
        let dir = temporary();
        old.write_copy(dir.path());
        write_beside(&half_made(&new, &mut random), dir.path());
        if random.below(2) == 0 {
            // The old file had got its second name already.
            let kept = store_file(dir.path()).with_extension("store.format-2-e6ef42b0");
            std::fs::hard_link(store_file(dir.path()), kept).map_err(|e| e.to_string())?;
        }
        if contents(dir.path(), &history.committed)? != before {
            return Err(format!("file {number}: a session changed"));
        }
        let left = std::fs::read_dir(dir.path()).map_err(|e| e.to_string())?.count();
        if left != 2 {
            return Err(format!("file {number}: {left} files are left instead of the new one and the old one"));
        }
    }
    let there = before.values().flatten().count();
    Ok(Finding::Passed(format!("{files} files, {there} sessions in each")))
}

/// Crashes after it.
pub(crate) fn afterwards() -> Checked {
    let mut history = history(23, 3, 150)?;
    let mut old = history.images.pop().ok_or("no image")?;
    make_format_2(&mut old);
    let dir = temporary();
    old.write_copy(dir.path());
    in_thread(|| drop(attach(dir.path(), 16)))?;
    let mut images = vec![Image::take(dir.path())];
    let mut random = Random::new(24);
    for _ in 0..3 {
        in_thread(|| batch(&attach(dir.path(), 16), &mut random, &mut history.committed, 40))??;
        images.push(Image::take(dir.path()));
    }
    let files = if soak() { 2000 } else { 100 };
    let mut there = 0;
    for number in 0..files {
        let dir = temporary();
        let image = random_mix(&images, &mut random);
        there += judge(&image, &history.committed, dir.path()).map_err(|e| format!("mixture {number}: {e}"))?;
    }
    if there < files {
        return Err(format!("hardly a session survived: {there} in {files} files"));
    }
    Ok(Finding::Passed(format!("{files} files, {there} sessions survived in them")))
}
