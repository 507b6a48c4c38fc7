//! Stray words come into a store file while a process has it attached. What an input means, and what must hold, is told in
//! `input`.
#![no_main]

#[path = "../../crates/store/tests/harness/mod.rs"]
mod harness;
#[path = "../../crates/store/tests/stray_words/input.rs"]
mod input;
#[path = "../../crates/store/src/file/layout.rs"]
#[allow(dead_code, unreachable_pub, reason = "the store's own module, of which a part is used")]
mod layout;
#[path = "../../crates/store/tests/stray_words/scene.rs"]
#[allow(dead_code, reason = "shared with tests that use another part of it")]
mod scene;
#[path = "../../crates/store/src/file/words.rs"]
#[allow(dead_code, unreachable_pub, reason = "the store's own module, of which a part is used")]
mod words;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static BASE: OnceLock<(tempfile::TempDir, scene::Base)> = OnceLock::new();

fuzz_target!(|input: &[u8]| {
    let (dir, base) = BASE.get_or_init(|| (harness::temporary(), scene::Base::new().expect("a store")));
    if let Err(what) = input::play(base, dir.path(), input) {
        panic!("{what}");
    }
});
