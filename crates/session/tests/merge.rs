//! The merge of payloads against the merge of values, by PHP itself: PHP makes sessions, encodes them with its own
//! serialize handler, decodes what became of them and compares. See `merge_reference.php`.

mod php_process;

use cloakroom_session::UserPath;
use cloakroom_session::merge::{Format, Merged, merge_with_user};
use php_process::Reference;

/// Random cases for each format, without shared values and with them.
const CASES: u32 = 4000;

const SEED: u32 = 20;

fn check(handler: &str) {
    let mut reference = Reference::start("merge_reference.php", handler, SEED, CASES);
    let format = Format::of_handler(handler);
    let (mut merged, mut fallen_back) = (0_u32, 0_u32);
    loop {
        let name = String::from_utf8(reference.receive()).expect("a name is text");
        if name.is_empty() {
            break;
        }
        let user = UserPath::parse(&reference.receive()).expect("is valid");
        let (base, mine, theirs) = (reference.receive(), reference.receive(), reference.receive());
        let answer = match merge_with_user(format, &user, &base, &mine, &theirs) {
            Merged::Merged { payload, conflicts } => {
                merged += 1;
                [b"M", &conflicts.to_le_bytes()[..], &payload].concat()
            }
            Merged::Fallback(reason) => {
                fallen_back += 1;
                format!("F{reason:?}").into_bytes()
            }
        };
        reference.send(&answer);
        let verdict = String::from_utf8_lossy(&reference.receive()).into_owned();
        let shown = [&base, &mine, &theirs, &answer].map(|bytes| bytes.escape_ascii().to_string());
        let [base, mine, theirs, answer] = &shown;
        assert_eq!(verdict, "ok", "{handler}, {name}:\nbase   {base}\nmine   {mine}\ntheirs {theirs}\nmerge  {answer}");
    }
    reference.end();
    eprintln!("{handler}: {merged} merged, {fallen_back} fell back");
    assert!(merged > CASES, "few cases were merged");
    assert!(fallen_back > 50, "few cases fell back");
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
