//! PHP with one of the old handlers, as a server that still runs it: one request at a time, in a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What a request does: counts up, adds the bytes that it is told to, and stays open until a line comes.
const SCRIPT: &str = r#"
session_id($argv[1]);
if (!session_start()) { exit(1); }
$_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
if ($argv[2] !== '0') { $_SESSION['text'] = str_repeat('a', (int) $argv[2]); }
if ($argv[3] === 'hold') { echo "open\n"; fgets(STDIN); }
session_write_close();
echo "done\n";
"#;

/// PHP with an old handler and its settings.
pub(crate) struct OldHandler {
    settings: Vec<String>,
    extensions: &'static [&'static str],
}

/// A request that is open until it is told to end. Dropping it kills it.
pub(crate) struct Request {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl OldHandler {
    /// A handler with a save path; `extensions` are loaded in this order.
    pub(crate) fn new(handler: &str, save_path: &str, extensions: &'static [&'static str], settings: &[&str]) -> Self {
        let mut all = vec![
            format!("session.save_handler={handler}"),
            format!("session.save_path=\"{save_path}\""),
            "session.use_cookies=0".to_owned(),
            "session.cache_limiter=".to_owned(),
            "session.gc_maxlifetime=1440".to_owned(),
        ];
        all.extend(settings.iter().map(|setting| (*setting).to_owned()));
        Self { settings: all, extensions }
    }

    fn php(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("php");
        command.arg("-n");
        for extension in self.extensions {
            command.args(["-d", &format!("extension={extension}")]);
        }
        for setting in &self.settings {
            command.args(["-d", setting]);
        }
        command.args(["-r", SCRIPT, "--"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A whole request that adds `bytes` bytes to the session.
    pub(crate) fn request(&self, id: &str, bytes: usize) {
        let output = self.php(&[id, &bytes.to_string(), "run"]).output().expect("php runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(said, "done\n", "a request of the old handler");
    }

    /// Begins a request, without waiting for its session to be open.
    pub(crate) fn begin(&self, id: &str) -> Request {
        let mut child = self.php(&[id, "0", "hold"]).spawn().expect("php runs");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("its output"));
        Request { child, input, output: BufReader::new(output) }
    }

    /// A request whose session is open.
    pub(crate) fn open(&self, id: &str) -> Request {
        let mut request = self.begin(id);
        request.wait_until_open();
        request
    }
}

impl Request {
    /// Waits until its session is open.
    pub(crate) fn wait_until_open(&mut self) {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("its output");
        assert_eq!(line, "open\n", "a request of the old handler opens its session");
    }

    /// Lets it go on, and waits for its end.
    pub(crate) fn end(mut self) {
        let mut input = self.input.take().expect("a request that is open");
        input.write_all(b"\n").expect("it reads");
        drop(input);
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("its output");
        assert_eq!(rest, "done\n", "a request of the old handler ends");
    }

    /// Whether its process is still there.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
