//! What is still the same in payloads against what is in values, by PHP itself: PHP makes sessions, encodes them with its own
//! serialize handler, decodes what is left of them and compares. See `still_same_reference.php`.

mod php_process;

use cloakroom_session::merge::{Format, still_same};
use php_process::Reference;

/// Random sessions for each format, without shared values and with them; each makes two pairs.
const CASES: u32 = 3000;

const SEED: u32 = 23;

fn check(handler: &str) {
    let mut reference = Reference::start("still_same_reference.php", handler, SEED, CASES);
    let format = Format::of_handler(handler);
    let (mut partial, mut empty) = (0_u32, 0_u32);
    loop {
        let name = String::from_utf8(reference.receive()).expect("a name is text");
        if name.is_empty() {
            break;
        }
        let (old, new) = (reference.receive(), reference.receive());
        let answer = still_same(format, &old, &new);
        reference.send(&answer);
        let verdict = String::from_utf8_lossy(&reference.receive()).into_owned();
        let shown = [&old, &new, &answer].map(|bytes| bytes.escape_ascii().to_string());
        let [old_shown, new_shown, answer_shown] = &shown;
        assert_eq!(verdict, "ok", "{handler}, {name}:\nold    {old_shown}\nnew    {new_shown}\nresult {answer_shown}");
        partial += u32::from(!answer.is_empty() && answer != old);
        empty += u32::from(answer.is_empty() && !old.is_empty());
    }
    reference.end();
    eprintln!("{handler}: of {partial} something was the same, of {empty} nothing");
    assert!(partial > CASES, "of few sessions something was the same");
    assert!(empty > 50, "of few sessions nothing was the same");
}

#[test]
fn php_agrees_on_php() {
    check("php");
}

#[test]
fn php_agrees_on_php_serialize() {
    check("php_serialize");
}

#[test]
fn php_agrees_on_php_binary() {
    check("php_binary");
}
