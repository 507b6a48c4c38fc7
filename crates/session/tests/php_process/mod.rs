//! A script of PHP that makes cases and judges what became of them, one frame after the other.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Reference {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Reference {
    pub(crate) fn start(script: &str, handler: &str, seed: u32, cases: u32) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
        // PHP's decoder recurses, so the deepest case needs more stack than usual.
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -s 1000000 && exec php \"$@\"", "php", "-n"])
            .args(["-d", "session.use_cookies=0", "-d", "session.cache_limiter="])
            .args(["-d", "display_errors=stderr", "-d", "unserialize_max_depth=0", "-d", "memory_limit=1G"])
            .args(["-d", &format!("session.serialize_handler={handler}")])
            .arg(script)
            .args([handler, &seed.to_string(), &cases.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("php starts");
        let input = child.stdin.take().expect("a pipe");
        let output = child.stdout.take().expect("a pipe");
        Self { child, input, output }
    }

    pub(crate) fn receive(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        self.output.read_exact(&mut length).expect("PHP sends a frame");
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        self.output.read_exact(&mut bytes).expect("PHP sends a whole frame");
        bytes
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("a frame is small");
        self.input.write_all(&length.to_le_bytes()).expect("PHP reads");
        self.input.write_all(bytes).expect("PHP reads");
    }

    /// Waits until PHP has ended, which is to be without an error.
    pub(crate) fn end(mut self) {
        assert!(self.child.wait().expect("PHP ends").success());
    }
}
