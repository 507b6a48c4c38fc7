//! No call takes longer than its address allows, whatever kind of server, Sentinel, cluster or name server says nothing,
//! and wherever in the conversation it stops.

mod servers;

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cloakroom_redis_store::Store;
use servers::calls::{CALLS, Call, LEASE_CALLS, acquired};
use servers::certificates::Certificates;
use servers::fake::{Answer, Fake, says, texts};
use servers::sessions::{SLOW, acquire, exclusive, open, refused, within};
use servers::suite::{Case, Checked, run, timed};
use servers::{Engine, temporary};

/// `connect_timeout` and `timeout`, in seconds: which of the two is the longer must not matter.
const TIMES: [(f64, f64); 2] = [(0.2, 0.5), (0.5, 0.2)];

const CASES: &[Case] = &[
    timed("one server", one_server),
    timed("a Unix socket", unix_socket),
    timed("TLS", tls),
    timed("Sentinels", sentinels),
    timed("a cluster", cluster),
    timed("what a request does with its session", leases),
    timed("a name server", name_server),
];

/// For the process whose name server is silent: the kind of server.
const CHILD: &str = "CLOAKROOM_TEST_NAMES";
/// Where that name server is.
const NAME_SERVER: &str = "127.77.53.1";

fn main() -> ExitCode {
    match std::env::var(CHILD) {
        Ok(scheme) => without_names(&scheme),
        Err(_) => run(CASES),
    }
}

/// Every call of the store at this address, each on a store of its own, all at once: which of them took too long, or did not fail.
fn all_in_time(what: &str, address: &str) -> Result<(), String> {
    for (connect_timeout, timeout) in TIMES {
        let and = if address.contains('?') { '&' } else { '?' };
        let url = format!("{address}{and}connect_timeout={connect_timeout}&timeout={timeout}");
        let limit = Duration::from_secs_f64(connect_timeout + timeout);
        let check = |(name, call): &Call| -> Result<(), String> {
            let store: Arc<Store> = open(&url)?;
            let what = format!("{what}, {name}");
            refused(&what, within(&what, limit, || call(&store))?).map(drop)
        };
        std::thread::scope(|scope| {
            let calls: Vec<_> = CALLS.iter().map(|call| scope.spawn(move || check(call))).collect();
            calls.into_iter().try_for_each(|call| call.join().expect("no panic"))
        })?;
    }
    Ok(())
}

/// A port that connections are made to, but nobody reads what is said.
fn deaf() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

/// A port whose queue is full, so that no connection is made.
fn full() -> (TcpListener, Vec<TcpStream>, u16) {
    let (listener, port) = deaf();
    rustix::net::listen(&listener, 0).expect("a short queue");
    let address = listener.local_addr().expect("an address");
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queued.push(stream);
    }
    (listener, queued, port)
}

fn mute() -> Fake {
    Fake::tcp(|_| Answer::Silence)
}

fn one_server(engine: Engine) -> Checked {
    let scheme = engine.name();
    let (_deaf, port) = deaf();
    all_in_time("nobody reads", &format!("{scheme}://:secret@127.0.0.1:{port}/3"))?;
    let (_full, _queued, port) = full();
    all_in_time("no connection", &format!("{scheme}://127.0.0.1:{port}"))?;
    all_in_time("no answer", &format!("{scheme}://user:secret@127.0.0.1:{}/3?prefix=a:", mute().port))?;
    Ok("that says nothing".to_owned())
}

fn unix_socket(engine: Engine) -> Checked {
    let dir = temporary();
    let url = |name: &str| format!("{}+unix://{}", engine.name(), dir.path().join(name).display());
    let _deaf = UnixListener::bind(dir.path().join("deaf")).map_err(|error| error.to_string())?;
    all_in_time("nobody reads", &format!("{}?db=3", url("deaf")))?;
    let full = UnixListener::bind(dir.path().join("full")).map_err(|error| error.to_string())?;
    rustix::net::listen(&full, 0).map_err(|error| error.to_string())?;
    let queued = UnixStream::connect(dir.path().join("full")).map_err(|error| error.to_string())?;
    all_in_time("no connection", &url("full"))?;
    drop(queued);
    let _mute = Fake::unix(&dir.path().join("mute"), |_| Answer::Silence);
    all_in_time("no answer", &url("mute"))?;
    Ok("that says nothing".to_owned())
}

fn tls(engine: Engine) -> Checked {
    let dir = temporary();
    let certificates = Certificates::make(&dir.path().join("tls"))?;
    let ca = format!("ca={}", certificates.path("ca.pem"));
    let and_own = format!("{ca}&cert={}&key={}", certificates.path("client.pem"), certificates.path("client.key"));
    let (_deaf, port) = deaf();
    let name = engine.name();
    for options in [&ca, &and_own] {
        all_in_time("a server", &format!("{name}s://127.0.0.1:{port}?{options}"))?;
    }
    all_in_time("a Sentinel", &format!("{name}-sentinels://127.0.0.1:{port}/sessions?{ca}"))?;
    all_in_time("a cluster", &format!("{name}-clusters://127.0.0.1:{port}?{ca}"))?;
    Ok("no handshake".to_owned())
}

fn sentinels(engine: Engine) -> Checked {
    let scheme = format!("{}-sentinel", engine.name());
    let (_deaf, deaf) = deaf();
    let (_full, _queued, full) = full();
    let mute = mute();
    let secrets = "sentinel_user=u&sentinel_password=secret";
    all_in_time("nobody reads", &format!("{scheme}://127.0.0.1:{deaf}/sessions?{secrets}"))?;
    all_in_time(
        "three that say nothing",
        &format!("{scheme}://127.0.0.1:{deaf},127.0.0.1:{full},127.0.0.1:{}/sessions", mute.port),
    )?;
    for (what, port) in [("a deaf master", deaf), ("an unreachable master", full), ("a mute master", mute.port)] {
        let names = Fake::tcp(move |_| says(texts(&[b"127.0.0.1", port.to_string().as_bytes()])));
        all_in_time(what, &format!("{scheme}://:secret@127.0.0.1:{}/sessions/2", names.port))?;
    }
    let master = Fake::tcp(|command| match command.first().map(Vec::as_slice) {
        Some(b"ROLE") => says("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"),
        _ => Answer::Silence,
    });
    let port = master.port;
    let names = Fake::tcp(move |_| says(texts(&[b"127.0.0.1", port.to_string().as_bytes()])));
    all_in_time("a master that says who it is", &format!("{scheme}://127.0.0.1:{}/sessions", names.port))?;
    Ok("and masters that say nothing".to_owned())
}

fn cluster(engine: Engine) -> Checked {
    let scheme = format!("{}-cluster", engine.name());
    let (_deaf, deaf) = deaf();
    let (_full, _queued, full) = full();
    let mute = mute();
    let seeds = format!("127.0.0.1:{deaf},127.0.0.1:{full},127.0.0.1:{}", mute.port);
    all_in_time("three that say nothing", &format!("{scheme}://:secret@{seeds}"))?;
    for (what, port) in [("a deaf server", deaf), ("an unreachable server", full), ("a mute server", mute.port)] {
        let map = format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n");
        let knows = Fake::tcp(move |command| match command.first().map(Vec::as_slice) {
            Some(b"CLUSTER") => says(map.clone()),
            _ => says(format!("-ASK 1 127.0.0.1:{port}\r\n")),
        });
        all_in_time(what, &format!("{scheme}://127.0.0.1:{}", knows.port))?;
    }
    Ok("and servers that say nothing".to_owned())
}

/// The server, or all that there is to ask, falls silent while a request has its session.
fn leases(engine: Engine) -> Checked {
    let (name, limit) = (engine.name(), Duration::from_millis(700));
    let schemes = [("", ""), ("-cluster", ""), ("-sentinel", "/sessions")];
    let one = |scheme: &str, rest: &str, nth: usize| -> Result<(), String> {
        let (what, call) = LEASE_CALLS.get(nth).copied().ok_or("no such call")?;
        let fake = mute();
        let port = fake.port;
        fake.set(move |command| match command.first().map(Vec::as_slice) {
            Some(b"CLUSTER") => says(format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n")),
            Some(b"SENTINEL") => says(texts(&[b"127.0.0.1", port.to_string().as_bytes()])),
            Some(b"ROLE") => says("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"),
            _ => says(acquired()),
        });
        // The first answers may take longer on a busy machine than those that do not come.
        let url = format!("{name}{scheme}://127.0.0.1:{port}{rest}?connect_timeout=0.4&timeout=0.3");
        let lease = acquire(&open(&url)?, "s", &exclusive());
        let mut lease = lease.map_err(|error| format!("{SLOW}{scheme}, {what}: {error}"))?;
        fake.set(|_| Answer::Silence);
        let told = within(&format!("{scheme}, {what}"), limit, || call(&mut lease))?;
        within(&format!("{scheme}, release after {what}"), limit, move || drop(lease))?;
        if what == "release" { Ok(()) } else { refused(what, told).map(drop) }
    };
    std::thread::scope(|scope| {
        let one = &one;
        let calls =
            schemes.iter().flat_map(|(scheme, rest)| (0..LEASE_CALLS.len()).map(move |nth| (scheme, rest, nth)));
        let calls: Vec<_> = calls.map(|(scheme, rest, nth)| scope.spawn(move || one(scheme, rest, nth))).collect();
        calls.into_iter().try_for_each(|call| call.join().expect("no panic"))
    })?;
    Ok(format!("{} of them", schemes.len() * LEASE_CALLS.len()))
}

/// In a process whose name server is there and never answers. That takes a mount namespace of its own.
fn name_server(engine: Engine) -> Checked {
    let Ok(silent) = UdpSocket::bind((NAME_SERVER, 53)) else {
        return Ok("NOT TRIED: only root can be a name server".to_owned());
    };
    let may = Command::new("unshare").args(["-m", "true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) || !Path::new("/etc/resolv.conf").is_file() {
        return Ok("NOT TRIED: no mount namespace can be had here, or there is no /etc/resolv.conf".to_owned());
    }
    let dir = temporary();
    let settings = dir.path().join("resolv.conf");
    std::fs::write(&settings, format!("nameserver {NAME_SERVER}\n")).map_err(|error| error.to_string())?;
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new("unshare");
    child.args(["-m", "sh", "-c", "mount --bind \"$1\" /etc/resolv.conf && exec \"$2\"", "sh"]);
    child.arg(&settings).arg(this).env(CHILD, engine.name());
    let said = child.output().map_err(|error| error.to_string())?;
    drop(silent);
    let told = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    if said.status.success() { Ok(told.trim().to_owned()) } else { Err(told) }
}

/// The work of that process.
fn without_names(scheme: &str) -> ExitCode {
    let outcome = (|| -> Result<String, String> {
        let urls = [
            format!("{scheme}://sessions.invalid"),
            format!("{scheme}-sentinel://one.invalid,two.invalid,three.invalid/sessions"),
            format!("{scheme}-cluster://one.invalid,two.invalid,three.invalid"),
        ];
        for url in &urls {
            let mut tries = 0;
            // The process is alone with this, but not on its machine.
            while let Err(slow) = all_in_time("no names", url) {
                tries += 1;
                if !slow.starts_with(SLOW) || tries == 4 {
                    return Err(format!("{url}: {slow}"));
                }
            }
        }
        let text = refused("acquire", (CALLS[0].1)(&open(&format!("{}?connect_timeout=0.2&timeout=0.2", urls[0]))?))?;
        servers::sessions::says(&text, &["sessions.invalid:6379", "not resolved in time", "as a number"])?;
        let tasks = std::fs::read_dir("/proc/self/task").map_err(|error| error.to_string())?.count();
        if tasks > 1 + 4 {
            return Err(format!("{tasks} threads are left of {} calls", urls.len() * CALLS.len() * TIMES.len()));
        }
        Ok(text)
    })();
    match outcome {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(what) => {
            println!("{what}");
            ExitCode::FAILURE
        }
    }
}
