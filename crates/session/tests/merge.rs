//! The merge of payloads against the merge of values, by PHP itself: PHP makes sessions, encodes them with its own
//! serialize handler, decodes what became of them and compares. See `merge_reference.php`.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use cloakroom_session::merge::{Format, Merged, merge};

/// Random cases for each format, without shared values and with them.
const CASES: u32 = 4000;

const SEED: u32 = 20;

struct Reference {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Reference {
    fn start(handler: &str, seed: u32) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/merge_reference.php");
        // PHP's decoder recurses, so the deepest case needs more stack than usual.
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -s 1000000 && exec php \"$@\"", "php", "-n"])
            .args(["-d", "session.use_cookies=0", "-d", "session.cache_limiter="])
            .args(["-d", "display_errors=stderr", "-d", "unserialize_max_depth=0", "-d", "memory_limit=1G"])
            .args(["-d", &format!("session.serialize_handler={handler}")])
            .arg(script)
            .args([handler, &seed.to_string(), &CASES.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("php starts");
        let input = child.stdin.take().expect("a pipe");
        let output = child.stdout.take().expect("a pipe");
        Self { child, input, output }
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        self.output.read_exact(&mut length).expect("PHP sends a frame");
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        self.output.read_exact(&mut bytes).expect("PHP sends a whole frame");
        bytes
    }

    fn send(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("a frame is small");
        self.input.write_all(&length.to_le_bytes()).expect("PHP reads");
        self.input.write_all(bytes).expect("PHP reads");
    }
}

fn check(handler: &str) {
    let mut reference = Reference::start(handler, SEED);
    let format = Format::of_handler(handler);
    let (mut merged, mut fallen_back) = (0_u32, 0_u32);
    loop {
        let name = String::from_utf8(reference.receive()).expect("a name is text");
        if name.is_empty() {
            break;
        }
        let (base, mine, theirs) = (reference.receive(), reference.receive(), reference.receive());
        let answer = match merge(format, &base, &mine, &theirs) {
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
    assert!(reference.child.wait().expect("PHP ends").success());
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
