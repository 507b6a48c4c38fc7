//! Sessions that php-memcached itself wrote on real servers: found, held under its own lock, read, ended; and what happens
//! where they cannot be.

mod rig;
#[path = "../../redis-store/tests/servers/mod.rs"]
mod servers;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use cloakroom_migration::{Error, Source};
use rig::old_handler::OldHandler;
use rig::{
    LIFETIME, LONG, assert_busy, check_exclusion, check_keeping_off, check_waiting, destroy, has, hold, payload,
    refused,
};
use rustix::process::{Pid, Signal, kill_process};
use servers::process::spawn_for_life;
use servers::{free_port, wait_for};

/// Locking with patience: php-memcached by itself gives up after 750 ms.
const LOCKING: &[&str] =
    &["memcached.sess_lock_retries=1000", "memcached.sess_lock_wait_min=10", "memcached.sess_lock_wait_max=10"];
const WITHOUT: &[&str] = &["memcached.sess_locking=0", "memcached.sess_binary_protocol=0"];

/// A memcached on a port of loopback. Dropping it kills it.
struct Server {
    port: u16,
    child: Child,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let port = free_port();
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "--",
            "memcached",
            "-u",
            "nobody",
            "-l",
            "127.0.0.1",
            "-p",
            &port.to_string(),
        ]);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = spawn_for_life(command).expect("setpriv and memcached run");
        wait_for("memcached accepts", LONG, || TcpStream::connect(("127.0.0.1", port)).ok())
            .expect("memcached accepts");
        Self { port, child }
    }

    fn path(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The first line of what it answers to a command of the tests' own.
    fn ask(&self, command: &str) -> String {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        connection.write_all(command.as_bytes()).expect("it reads");
        let mut line = String::new();
        BufReader::new(connection).read_line(&mut line).expect("it answers");
        line.trim_end().to_owned()
    }

    /// One of the figures that it counts.
    fn figure(&self, name: &str) -> u64 {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        connection.write_all(b"stats\r\nquit\r\n").expect("it reads");
        let mut stats = String::new();
        connection.read_to_string(&mut stats).expect("it answers");
        let figure = stats.lines().find_map(|line| line.strip_prefix("STAT ")?.strip_prefix(name)?.trim().parse().ok());
        figure.expect("it counts this")
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process");
        kill_process(pid, signal).expect("a signal to a child");
    }

    /// Stops it: it keeps its connections and answers nobody.
    fn pause(&self) {
        self.signal(Signal::STOP);
        // Each of its threads stops when it gets to it.
        let is_stopped = |task: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        };
        let all_are = || {
            let mut tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
            tasks.all(|task| task.is_ok_and(is_stopped)).then_some(())
        };
        wait_for("the server is stopped", LONG, all_are).expect("it stops");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn php_memcached(path: &str, settings: &[&str]) -> OldHandler {
    OldHandler::new("memcached", path, &["igbinary", "msgpack", "memcached"], settings)
}

fn source(path: &str) -> Arc<dyn Source> {
    rig::source("memcached", path, "timeout=20")
}

/// Writes sessions as `handler` does, reads and ends them.
fn check(handler: &OldHandler, source: &dyn Source) {
    let long = "a".repeat(200);
    for id in ["first", &long] {
        assert!(!has(source, id));
        assert!(hold(source, id).is_none());
        handler.request(id, 0);
        handler.request(id, 0);
        assert!(has(source, id));
        let held = hold(source, id).expect("a session");
        assert_eq!(held.payload(), b"n|i:2;");
        let age = SystemTime::now().duration_since(held.used().expect("a time")).expect("a time in the past");
        assert!(age < LONG, "used {age:?} ago");
        drop(held);
        // It is left as it is, and free. A long one is not compressed.
        handler.request(id, 100_000);
        let payload = payload(source, id);
        assert!(payload.starts_with(b"n|i:3;text|s:100000:\"aaaa") && payload.len() > 100_000);
        assert_eq!(source.peek(id.as_bytes(), LIFETIME).expect("read"), Some(payload));
        assert!(destroy(source, id));
        assert!(!destroy(source, id));
        assert!(hold(source, id).is_none());
    }
}

#[test]
fn sessions_are_found_read_and_ended() {
    let server = Server::start(&[]);
    for settings in [LOCKING, WITHOUT] {
        check(&php_memcached(&server.path(), settings), &*source(&server.path()));
    }
    let prefixed = source(&format!("{}?prefix=app.", server.path()));
    check(&php_memcached(&server.path(), &["memcached.sess_prefix=app."]), &*prefixed);
    assert_eq!(server.ask("get memc.sess.key.lock.first app.lock.first\r\n"), "END", "no lock is left");
}

#[test]
fn sessions_are_found_through_a_socket() {
    let dir = servers::temporary();
    let socket = dir.path().join("m");
    // Its own port is not opened then.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "memcached", "-u", "root", "-a", "0777", "-s"]).arg(&socket);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = spawn_for_life(command).expect("setpriv and memcached run");
    let server = Server { port: 0, child };
    let path = format!("{}:0", socket.display());
    let source = source(&path);
    wait_for("memcached accepts", LONG, || source.has(b"id", LIFETIME).ok()).expect("memcached accepts");
    check(&php_memcached(&path, LOCKING), &*source);
    drop(server);
}

#[test]
fn sessions_and_their_locks_are_found_on_any_of_several_servers() {
    let servers = [Server::start(&[]), Server::start(&[]), Server::start(&[])];
    let path = servers.each_ref().map(Server::path).join(",");
    let (handler, source) = (php_memcached(&path, LOCKING), source(&path));
    let ids: Vec<String> = (0..12).map(|number| format!("id{number}")).collect();
    for id in &ids {
        handler.request(id, 0);
    }
    let on =
        |server: &Server| ids.iter().filter(|id| server.ask(&format!("get memc.sess.key.{id}\r\n")) != "END").count();
    let counts = servers.each_ref().map(on);
    assert_eq!(counts.iter().sum::<usize>(), ids.len());
    assert!(counts.iter().all(|count| *count < ids.len()), "{counts:?}");
    for id in &ids {
        assert_eq!(payload(&*source, id), b"n|i:1;");
    }
    // Wherever php-memcached has the lock, it is met.
    for id in ids.iter().take(5) {
        let request = handler.open(id);
        assert_busy(&*source, id);
        request.end();
        assert_eq!(payload(&*source, id), b"n|i:2;");
    }
    for id in &ids {
        assert!(destroy(&*source, id));
    }
    assert_eq!(servers.each_ref().map(on), [0; 3]);
}

#[test]
fn a_request_of_php_memcached_is_waited_for_and_what_it_wrote_is_read() {
    let server = Server::start(&[]);
    check_waiting(&php_memcached(&server.path(), LOCKING), &*source(&server.path()));
}

#[test]
fn what_is_held_keeps_php_memcached_off() {
    let server = Server::start(&[]);
    let check_lock = || {
        let left = server.ask("mg memc.sess.key.lock.id t\r\n");
        let seconds = left.strip_prefix("HD t").and_then(|left| left.parse::<i64>().ok());
        assert!(seconds.is_some_and(|seconds| (1..=30).contains(&seconds)), "the lock expires: {left}");
    };
    // It has asked for the lock several times when it has written that often in vain since it was first looked at.
    let mut before = None;
    let asked_often = || {
        let writes = server.figure("cmd_set");
        (writes > *before.get_or_insert(writes) + 5).then_some(())
    };
    let (handler, source) = (php_memcached(&server.path(), LOCKING), source(&server.path()));
    check_keeping_off(&handler, &*source, check_lock, asked_often);
}

#[test]
fn the_lock_of_somebody_else_is_left_alone() {
    let server = Server::start(&[]);
    let source = source(&server.path());
    assert_eq!(server.ask("set memc.sess.key.id 0 0 6\r\nn|i:1;\r\n"), "STORED");
    let held = hold(&*source, "id").expect("a session");
    assert_eq!(held.used(), None, "without an expiry nothing is known about the last use");
    // It expired, and php-memcached has it now.
    assert_eq!(server.ask("set memc.sess.key.lock.id 0 0 1\r\n1\r\n"), "STORED");
    drop(held);
    assert_eq!(server.ask("get memc.sess.key.lock.id\r\n"), "VALUE memc.sess.key.lock.id 0 1");
}

#[test]
fn eight_at_once_hold_it_one_after_the_other() {
    let server = Server::start(&[]);
    check_exclusion(&php_memcached(&server.path(), LOCKING), &*source(&server.path()));
    assert_eq!(server.ask("get memc.sess.key.lock.id\r\n"), "END");
}

#[test]
fn what_is_no_plain_session_is_refused() {
    let server = Server::start(&["-I", "32m", "-m", "128"]);
    let source = source(&server.path());
    assert_eq!(server.ask("set memc.sess.key.flags 48 0 1\r\nx\r\n"), "STORED");
    assert!(has(&*source, "flags"), "it is there");
    let error = refused(source.hold(b"flags", LONG, LIFETIME));
    assert!(matches!(error, Error::Unusable { .. }) && error.to_string().contains("compress"), "{error}");
    let (large, huge) = ("a".repeat(16 << 20), "a".repeat((16 << 20) + 1));
    assert_eq!(server.ask(&format!("set memc.sess.key.large 0 0 {}\r\n{large}\r\n", large.len())), "STORED");
    assert_eq!(server.ask(&format!("set memc.sess.key.huge 0 0 {}\r\n{huge}\r\n", huge.len())), "STORED");
    assert_eq!(payload(&*source, "large").len(), large.len());
    assert!(has(&*source, "huge"), "it is there");
    let error = refused(source.hold(b"huge", LONG, LIFETIME));
    assert!(matches!(error, Error::TooLarge { found: 16_777_217, .. }), "{error}");
    assert_eq!(server.ask("get memc.sess.key.lock.huge\r\n"), "END", "no lock is left");
    assert!(!has(&*source, "other"), "the next answer is the next answer");
}

#[test]
fn a_server_that_is_down_is_an_error_and_not_an_absence() {
    let (down, up) = (Server::start(&[]), Server::start(&[]));
    let (dead, port) = (source(&down.path()), down.port.to_string());
    let both = source(&format!("{},{}", down.path(), up.path()));
    php_memcached(&up.path(), LOCKING).request("id", 0);
    drop(down);
    for error in [
        refused(dead.has(b"id", LIFETIME)),
        refused(dead.hold(b"id", LONG, LIFETIME)),
        refused(dead.peek(b"id", LIFETIME)),
        refused(dead.destroy(b"id")),
    ] {
        let text = error.to_string();
        assert!(matches!(error, Error::Unavailable { .. }), "{text}");
        assert!(text.contains("cannot be reached") && text.contains(&port), "{text}");
    }
    // Reading needs one server, the lock all: nobody knows where php-memcached would have it.
    assert!(has(&*both, "id"));
    assert_eq!(both.peek(b"id", LIFETIME).expect("read"), Some(b"n|i:1;".to_vec()));
    assert!(matches!(refused(both.hold(b"id", LONG, LIFETIME)), Error::Unavailable { .. }));
    assert!(matches!(refused(both.has(b"other", LIFETIME)), Error::Unavailable { .. }));
}

#[test]
fn a_server_that_is_silent_or_speaks_otherwise_is_given_up_in_time() {
    let silent = Server::start(&[]);
    let source = source(&format!("{}?timeout=0.3", silent.path()));
    assert!(!has(&*source, "id"));
    silent.pause();
    let start = Instant::now();
    let text = refused(source.hold(b"id", LONG, LIFETIME)).to_string();
    let took = start.elapsed();
    silent.signal(Signal::CONT);
    assert!(text.contains("did not answer within 0.3 s"), "{text}");
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    assert!(!has(&*source, "id"), "a new connection is used");

    let binary = Server::start(&["-B", "binary"]);
    let text = refused(self::source(&format!("{}?timeout=0.5", binary.path())).has(b"id", LIFETIME)).to_string();
    assert!(text.contains("text protocol"), "{text}");

    let dir = servers::temporary();
    let users = dir.path().join("users");
    std::fs::write(&users, "user:word\n").expect("a file");
    let guarded = Server::start(&["-Y", &users.display().to_string()]);
    let text = refused(self::source(&guarded.path()).has(b"id", LIFETIME)).to_string();
    assert!(text.contains("asks for a user and a password"), "{text}");
}

#[test]
fn a_connection_that_was_closed_is_replaced() {
    let server = Server::start(&["-o", "idle_timeout=1"]);
    let source = source(&server.path());
    assert!(!has(&*source, "id"));
    wait_for("the server closes the connection", LONG, || (server.figure("idle_kicks") > 0).then_some(()))
        .expect("closed");
    assert!(!has(&*source, "id"));
}

/// A server that answers on each connection to one request, in this order, and closes it; then no more.
fn answering(answers: &'static [&'static [u8]]) -> (Arc<dyn Source>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let path = listener.local_addr().expect("its address").to_string();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    thread::spawn(move || {
        for answer in answers {
            let (mut connection, _) = listener.accept().expect("a connection");
            count.fetch_add(1, Ordering::SeqCst);
            let mut line = String::new();
            BufReader::new(&connection).read_line(&mut line).expect("a request");
            connection.write_all(answer).expect("it reads");
        }
    });
    (source(&path), connections)
}

#[test]
fn a_request_whose_connection_breaks_is_sent_once_more() {
    let (source, connections) = answering(&[b"", b"END\r\n"]);
    assert!(!has(&*source, "id"));
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    let (source, connections) = answering(&[b"", b"VALUE memc", b"END\r\n"]);
    let text = refused(source.has(b"id", LIFETIME)).to_string();
    assert!(text.contains("it closed the connection"), "{text}");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[test]
fn sessions_cannot_be_listed() {
    let error = refused(source("127.0.0.1:1").each(&mut |_| ControlFlow::Continue(())));
    assert!(matches!(error, Error::CannotList { .. }), "{error}");
    assert!(error.to_string().contains("memcached:127.0.0.1:1"), "{error}");
}
