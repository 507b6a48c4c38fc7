//! A store file of the format before this one that was damaged on purpose: its sessions are brought over to a new file.
//! What an input means is told in `edits`, what must hold in `stage`.
#![no_main]

#[path = "../../crates/store/src/file/byte_lock.rs"]
#[allow(dead_code, reason = "the store's own module, of which a part is used")]
mod byte_lock;
#[path = "../../crates/store/tests/hostile/edits.rs"]
#[allow(dead_code, reason = "shared with tests that use another part of it")]
mod edits;
#[path = "../../crates/store/tests/format_2/fixture.rs"]
#[allow(dead_code, reason = "shared with tests that use another part of it")]
mod fixture;
#[path = "../../crates/store/tests/hostile/format_2.rs"]
mod format_2;
#[path = "../../crates/store/tests/harness/mod.rs"]
mod harness;
#[path = "../../crates/store/src/file/layout.rs"]
#[allow(dead_code, unreachable_pub, reason = "the store's own module, of which a part is used")]
mod layout;
#[path = "../../crates/store/tests/format_2/scene.rs"]
#[allow(dead_code, reason = "shared with tests that use another part of it")]
mod scene;
#[path = "../../crates/store/tests/hostile/stage.rs"]
#[allow(dead_code, reason = "shared with tests that use another part of it")]
mod stage;
#[path = "../../crates/store/src/file/words.rs"]
#[allow(dead_code, unreachable_pub, reason = "the store's own module, of which a part is used")]
mod words;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static BASE: OnceLock<(tempfile::TempDir, stage::Base)> = OnceLock::new();

fuzz_target!(|input: &[u8]| {
    let (dir, base) = BASE.get_or_init(|| (harness::temporary(), format_2::base()));
    if let Err(what) = stage::play(base, dir.path(), input, true) {
        panic!("{what}");
    }
});
