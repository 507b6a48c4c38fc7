//! The three-way merge of payloads: whatever the bytes, it ends, within a small stack, in what its contract says.
//!
//! Input: a byte that chooses the format, then base, mine and theirs with a byte 0xff between them.
#![no_main]

use cloakroom_session::merge::{Format, Merged, Reason, merge};
use libfuzzer_sys::fuzz_target;

/// Far less than one frame for each level of what the input can nest.
const STACK: usize = 64 * 1024;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, payloads)) = input.split_first() else { return };
    let format = [Format::Php, Format::PhpSerialize, Format::PhpBinary][usize::from(choice) % 3];
    let mut payloads = payloads.splitn(3, |&byte| byte == 0xff);
    let [base, mine, theirs] = [(); 3].map(|()| payloads.next().unwrap_or_default());
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        thread.spawn_scoped(scope, || check(format, base, mine, theirs)).expect("a thread starts");
    });
});

fn check(format: Format, base: &[u8], mine: &[u8], theirs: &[u8]) {
    let whole = |payload: &[u8]| Merged::Merged { payload: payload.to_vec(), conflicts: 0 };
    assert_eq!(merge(format, base, mine, base), whole(mine), "only mine differs from base");
    assert_eq!(merge(format, base, base, theirs), whole(theirs), "only theirs differs from base");
    let Merged::Merged { conflicts: 0, .. } = merge(format, base, mine, mine) else { panic!("both are the same") };

    let Merged::Merged { payload, .. } = merge(format, base, mine, theirs) else { return };
    // An array that both added to has both in it; a number may become longer.
    let numbers = payload.iter().filter(|&&byte| byte == b':').count() * 10;
    assert!(payload.len() <= mine.len() + theirs.len() + numbers + 64, "the result is longer than both");
    // Whoever merges the same once more finds nothing left to be merged, except in lists, which grow.
    match merge(format, base, mine, &payload) {
        Merged::Fallback(reason) => assert_ne!(reason, Reason::Malformed, "the result is not a payload"),
        Merged::Merged { conflicts, .. } => {
            let is_growing = |payload: &&[u8]| may_have_references(payload) || may_have_lists(payload);
            let grows = [base, mine, theirs].iter().any(is_growing);
            assert!(grows || conflicts == 0, "merged again, the same is a conflict");
        }
    }
}

fn may_have_lists(payload: &[u8]) -> bool {
    payload.windows(5).any(|window| matches!(window, b"{i:0;"))
}

fn may_have_references(payload: &[u8]) -> bool {
    payload.windows(2).any(|window| matches!(window, b"R:" | b"r:"))
}
