//! One server process: its configuration, its life and a way to ask it that goes past whatever is under test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use redis::IntoConnectionInfo as _;
use rustix::process::{Pid, Signal, kill_process};

use super::{Engine, free_port, wait_for};

/// A bound that only a server that will never answer reaches.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server with a Unix socket, on which the tests ask it, and a port of loopback. Dropping it kills it.
pub(crate) struct Server {
    pub(crate) engine: Engine,
    /// The port of loopback, with TLS where the settings say so.
    pub(crate) port: u16,
    dir: PathBuf,
    arguments: Vec<String>,
    admin: Option<(String, String)>,
    child: Option<Child>,
    paused: AtomicBool,
}

/// How to start a server, beyond what all servers of the tests have in common.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    /// Lines of its configuration.
    pub(crate) lines: Vec<String>,
    /// User and password for the tests' own questions.
    pub(crate) admin: Option<(String, String)>,
    /// Let the port speak TLS only.
    pub(crate) tls: bool,
    /// Be a Sentinel, whose configuration is `lines`.
    pub(crate) sentinel: bool,
}

impl Settings {
    /// Settings of these lines.
    pub(crate) fn of(lines: &[&str]) -> Settings {
        Settings { lines: lines.iter().map(|line| (*line).to_owned()).collect(), ..Settings::default() }
    }
}

impl Server {
    /// Starts a server that works in the new directory `dir` and returns when it answers.
    pub(crate) fn start(engine: Engine, dir: &Path, settings: &Settings) -> Result<Server, String> {
        std::fs::create_dir_all(dir).map_err(|error| error.to_string())?;
        let port = free_port();
        let (plain, tls) = if settings.tls { (0, port) } else { (port, 0) };
        let mut lines = vec![
            "bind 127.0.0.1".to_owned(),
            format!("port {plain}"),
            format!("dir {}", dir.display()),
            format!("unixsocket {}", dir.join("s").display()),
            "unixsocketperm 777".to_owned(),
            "daemonize no".to_owned(),
            format!("logfile {}", dir.join("log").display()),
        ];
        if settings.tls {
            lines.push(format!("tls-port {tls}"));
        }
        if !settings.sentinel {
            lines.extend(["save \"\"", "appendonly no", "repl-diskless-sync-delay 0"].map(str::to_owned));
        }
        lines.extend(settings.lines.iter().cloned());
        let config = dir.join("conf");
        std::fs::write(&config, lines.join("\n") + "\n").map_err(|error| error.to_string())?;
        let mut arguments = vec![config.display().to_string()];
        if settings.sentinel {
            arguments.push("--sentinel".to_owned());
        }
        let admin = settings.admin.clone();
        let mut server =
            Server { engine, port, dir: dir.to_owned(), arguments, admin, child: None, paused: AtomicBool::new(false) };
        server.run()?;
        Ok(server)
    }

    /// Starts the server again with what its configuration says, and an empty memory.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        let _ = std::fs::remove_file(self.dir.join("s"));
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(self.engine.program("server")).args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = spawn_for_life(command).map_err(|error| format!("setpriv or the server: {error}"))?;
        let answers = wait_for("the server answers", PATIENCE, || {
            if let Ok(Some(status)) = child.try_wait() {
                return Some(Err(format!("the server ended with {status}")));
            }
            self.ask::<String>(&["PING"]).ok().map(|_| Ok(()))
        });
        self.child = Some(child);
        self.paused.store(false, Ordering::Relaxed);
        answers.and_then(|answer| answer).map_err(|error| {
            self.kill();
            let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            format!("{error}: {}", log.lines().last().unwrap_or("it logged nothing"))
        })
    }

    /// Kills the server with SIGKILL and waits for its end.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // An error means that it ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Whether it was started and not killed.
    pub(crate) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Stops the server: it keeps its connections and answers nobody.
    pub(crate) fn pause(&self) {
        self.paused.store(true, Ordering::Relaxed);
        self.signal(Signal::STOP);
    }

    /// Lets a stopped server go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
        self.paused.store(false, Ordering::Relaxed);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().and_then(|child| Pid::from_raw(child.id().cast_signed()));
        // The child was not reaped, so the number is still its own.
        kill_process(pid.expect("a server that runs"), signal).expect("a signal to a child");
    }

    /// The path of the Unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("s")
    }

    /// The address of the Unix socket as a `save_path`.
    pub(crate) fn socket_url(&self) -> String {
        format!("{}+unix://{}", self.engine.name(), self.socket().display())
    }

    /// The address of the port as a `save_path`.
    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.engine.name(), self.port)
    }

    /// A connection of the tests' own, over the socket.
    pub(crate) fn connection(&self) -> redis::RedisResult<redis::Connection> {
        if self.paused.load(Ordering::Relaxed) {
            return Err((redis::ErrorKind::Io, "the server is stopped").into());
        }
        let mut settings = redis::RedisConnectionInfo::default();
        if let Some((user, password)) = &self.admin {
            settings = settings.set_username(user).set_password(password);
        }
        let address = redis::ConnectionAddr::Unix(self.socket());
        let info = address.into_connection_info()?.set_redis_settings(settings);
        let connection = redis::Client::open(info)?.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        Ok(connection)
    }

    /// The answer to one command.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> Result<T, String> {
        let mut command = redis::Cmd::new();
        words.iter().for_each(|word| {
            command.arg(*word);
        });
        let mut connection = self.connection().map_err(|error| error.to_string())?;
        command.query(&mut connection).map_err(|error| format!("{}: {error}", words.join(" ")))
    }

    /// Waits until so many replicas have all that this server was told so far. `key` is one that it serves and that may be
    /// written.
    pub(crate) fn wait_for_copies(&self, key: &str, replicas: u64) -> Result<(), String> {
        let text = |error: redis::RedisError| error.to_string();
        let mut connection = self.connection().map_err(text)?;
        // WAIT looks at what its own connection wrote, and so at all before that.
        redis::cmd("SET").arg(key).arg(1).arg("PX").arg(1).exec(&mut connection).map_err(text)?;
        let limit = PATIENCE.as_millis() as u64 / 2;
        let copies: u64 = redis::cmd("WAIT").arg(replicas).arg(limit).query(&mut connection).map_err(text)?;
        if copies >= replicas {
            Ok(())
        } else {
            Err(format!("{copies} replicas have everything instead of {replicas}"))
        }
    }

    /// One field of `INFO`.
    pub(crate) fn info(&self, field: &str) -> Result<String, String> {
        let info: String = self.ask(&["INFO", "everything"])?;
        let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.map(str::to_owned).ok_or_else(|| format!("INFO has no {field}"))
    }

    /// Runs the engine's command line on this project's servers; its output.
    pub(crate) fn cli(engine: Engine, arguments: &[String]) -> Result<String, String> {
        // It waits for ever for members that cannot join.
        let limit = (3 * PATIENCE).as_secs().to_string();
        let output =
            Command::new("timeout").arg(limit).arg(engine.program("cli")).args(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        Err(format!("{}: {text}{}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a process that dies with this one. The kernel goes by the thread that started it, so that must be one that
/// lives as long as the process.
pub(crate) fn spawn_for_life(command: Command) -> std::io::Result<Child> {
    type Order = (Command, Sender<std::io::Result<Child>>);
    static SPAWNER: OnceLock<Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, ordered) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in ordered {
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, answered) = channel();
    spawner.send((command, answer)).expect("the spawner never ends");
    answered.recv().expect("the spawner answers")
}
