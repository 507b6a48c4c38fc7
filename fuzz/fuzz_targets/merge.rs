//! The three-way merge of payloads, and what is still the same in two of them: whatever the bytes, both end, within a small
//! stack, in what their contracts say.
//!
//! Input: a byte that chooses the format, then base, mine and theirs with a byte 0xff between them.
#![no_main]

use cloakroom_session::UserPath;
use cloakroom_session::merge::{Format, Merged, Reason, is_of, merge, merge_with_user, still_same};
use cloakroom_session::serialized::{Reader, Token};
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
        thread
            .spawn_scoped(scope, || {
                check(format, base, mine, theirs);
                check_users(format, base, mine, theirs);
                check_same(format, base, mine);
                check_same(format, mine, base);
            })
            .expect("a thread starts");
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

/// Where it is known whose a session is, the result is that of the merge or mine as a whole.
fn check_users(format: Format, base: &[u8], mine: &[u8], theirs: &[u8]) {
    let user = UserPath::parse(b"a, b.c, user*, *.*").expect("is valid");
    let found = merge_with_user(format, &user, base, mine, theirs);
    let is_mine = matches!(&found, Merged::Merged { payload, conflicts: 0 | 1 } if payload == mine);
    assert!(is_mine || found == merge(format, base, mine, theirs), "neither merged nor mine");
}

/// What is still the same in `old` and `new` is a payload, has nothing that one of them has not, and loses nothing when it is
/// asked for again.
fn check_same(format: Format, old: &[u8], new: &[u8]) {
    let same = still_same(format, old, new);
    if old == new {
        assert_eq!(same, old, "equal bytes are not the same");
        return;
    }
    assert!(is_of(format, &same), "what is the same is not a payload");
    assert!(same.len() <= old.len(), "what is the same is longer than what it was taken from");
    for (one, other) in [(&same[..], new), (&same, old), (old, &same)] {
        assert_eq!(still_same(format, one, other), same, "what is the same is not when it is asked for again");
    }
    if same.is_empty() || [old, new].iter().any(|payload| may_have_references(payload)) {
        return;
    }
    let read = |payload| variables(format, payload).expect("is a payload");
    let (old, new) = (read(old), read(new));
    for (name, value) in read(&same) {
        let find = |variables: &[(&[u8], &[u8])]| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| value.to_vec()).expect("is in both")
        };
        let (in_old, in_new) = (find(&old), find(&new));
        if in_old == value && in_new == value {
            continue;
        }
        // A bag, of which some keys are left out, or none but in another order; or a count that is written otherwise.
        let keys = |value: &[u8]| {
            variables(Format::PhpSerialize, value).expect("an array").into_iter().map(owned).collect::<Vec<_>>()
        };
        let (in_old, in_new) = (keys(&in_old), keys(&in_new));
        assert!(
            keys(value).iter().all(|key| in_old.contains(key) && in_new.contains(key)),
            "shows what is not in both"
        );
    }
}

fn owned((name, value): (&[u8], &[u8])) -> (Vec<u8>, Vec<u8>) {
    (name.to_vec(), value.to_vec())
}

/// The names and values of a payload, as they are written.
fn variables(format: Format, payload: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut reader = Reader::new(payload);
    let mut left = u64::MAX;
    if format == Format::PhpSerialize {
        let Token::Array(count) = reader.token()? else { return None };
        left = count;
    }
    let mut found = Vec::new();
    while left > 0 && reader.left() > 0 {
        left -= 1;
        let start = reader.at();
        match format {
            Format::Php => drop(reader.delimited_name()?),
            Format::PhpBinary => drop(reader.counted_name()?),
            _ => drop(reader.key()?),
        }
        let behind = reader.at();
        skip_value(&mut reader)?;
        found.push((&payload[start..behind], &payload[behind..reader.at()]));
    }
    Some(found)
}

fn skip_value(reader: &mut Reader<'_>) -> Option<()> {
    // How many members of each container are still to come.
    let mut around: Vec<u64> = Vec::new();
    loop {
        if let Token::Array(count) | Token::Object(_, count) = reader.token()? {
            around.push(count);
        }
        while around.pop_if(|left| *left == 0).is_some() {
            reader.end()?;
        }
        let Some(left) = around.last_mut() else { return Some(()) };
        *left -= 1;
        reader.key()?;
    }
}

fn may_have_lists(payload: &[u8]) -> bool {
    payload.windows(5).any(|window| matches!(window, b"{i:0;"))
}

fn may_have_references(payload: &[u8]) -> bool {
    payload.windows(2).any(|window| matches!(window, b"R:" | b"r:"))
}
