//! A redis-server of a test's own: on a Unix socket in a temporary directory, without a port, keeping nothing on disk.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The longest a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server, which ends with this value.
pub(crate) struct Server {
    process: Child,
    directory: TempDir,
}

impl Server {
    /// Starts a server and waits until it answers.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// [`Server::start`] with further arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        let socket = directory.path().join("socket");
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(directory.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed; \"make deps\" does that");
        let mut server = Self { process, directory };
        let began = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            assert!(server.process.try_wait().expect("it is our child").is_none(), "redis-server ended at once");
            assert!(began.elapsed() < PATIENCE, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(2));
        }
        server
    }

    /// The address of the server, as `session.save_path` names it, with times that a busy machine keeps.
    pub(crate) fn url(&self) -> String {
        let seconds = PATIENCE.as_secs();
        format!("redis+unix://{}?connect_timeout={seconds}&timeout={seconds}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It keeps nothing, so there is nothing to end in order.
        self.process.kill().expect("it is our child");
        self.process.wait().expect("it is our child");
    }
}
