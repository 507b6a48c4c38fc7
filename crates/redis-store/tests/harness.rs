//! What the other tests with servers rely on: that a fault which they order does happen.

mod servers;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use redis::IntoConnectionInfo as _;
use servers::certificates::Certificates;
use servers::process::{Server, Settings};
use servers::proxy::{Proxy, Weather};
use servers::suite::{Checked, case, run};
use servers::{Engine, temporary};

fn main() -> ExitCode {
    run(&[
        case("a server lives, stops, dies and lives again", lives),
        case("a proxy counts, delays and breaks off", weather),
        case("a server that demands certificates", certificates),
    ])
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn lives(engine: Engine) -> Checked {
    let dir = temporary();
    let mut server =
        Server::start(engine, &dir.path().join("server"), &Settings::of(&["maxmemory-policy noeviction"]))?;
    let version = server.info(match engine {
        Engine::Redis => "redis_version",
        Engine::Valkey => "valkey_version",
    })?;
    let expected = match engine {
        Engine::Redis => "7.",
        Engine::Valkey => "8.",
    };
    if !version.starts_with(expected) {
        return Err(format!("the server is of version {version}"));
    }
    server.ask::<String>(&["SET", "key", "value"])?;
    let mut connection = server.connection().map_err(text)?;
    connection.set_read_timeout(Some(Duration::from_millis(100))).map_err(text)?;
    server.pause();
    if redis::cmd("PING").query::<String>(&mut connection).is_ok() {
        return Err("a server that was stopped answers".to_owned());
    }
    server.resume();
    let kept: Option<String> = server.ask(&["GET", "key"])?;
    server.kill();
    if server.connection().is_ok() {
        return Err("a server that was killed accepts connections".to_owned());
    }
    server.run()?;
    match (kept.as_deref(), server.ask::<Option<String>>(&["GET", "key"])?) {
        (Some("value"), None) => Ok(format!("version {version}")),
        other => Err(format!("before and after the restart: {other:?}")),
    }
}

fn weather(engine: Engine) -> Checked {
    let dir = temporary();
    let server = Server::start(engine, &dir.path().join("server"), &Settings::default())?;
    let proxy = Proxy::to(server.socket()).map_err(text)?;
    let connect = || -> Result<redis::Connection, String> {
        let client = redis::Client::open(("127.0.0.1", proxy.port).into_connection_info().map_err(text)?);
        let connection = client.and_then(|client| client.get_connection()).map_err(text)?;
        connection.set_read_timeout(Some(Duration::from_secs(5))).map_err(text)?;
        Ok(connection)
    };
    let increment = |connection: &mut redis::Connection| redis::cmd("INCR").arg("n").query::<u32>(connection);
    let mut connection = connect()?;
    let before = proxy.round_trips();
    for expected in 1..=5 {
        if increment(&mut connection) != Ok(expected) {
            return Err(format!("in fair weather the count is not {expected}"));
        }
    }
    let counted = proxy.round_trips() - before;

    let delay = Duration::from_millis(20);
    proxy.set(Weather::Slow(delay));
    let start = Instant::now();
    increment(&mut connection).map_err(text)?;
    let took = start.elapsed();

    // The first of these reaches the server, the second does not.
    proxy.set(Weather::Cut { after: 1, times: 1 });
    let cut = increment(&mut connection);
    proxy.set(Weather::Fair);
    let mut connection = connect()?;
    proxy.set(Weather::Lost { times: 1 });
    let lost = increment(&mut connection);
    let value: u32 = server.ask(&["GET", "n"])?;

    proxy.set(Weather::Silent);
    let silence = server_says_nothing(proxy.port);
    if counted == 5 && took >= delay && cut.is_err() && lost.is_err() && value == 7 && silence {
        return Ok(format!("{counted} round trips of 5"));
    }
    Err(format!("{counted} round trips of 5, {took:?}, cut {cut:?}, lost {lost:?}, value {value}, silent {silence}"))
}

fn server_says_nothing(port: u16) -> bool {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).expect("an address");
    client.get_connection_with_timeout(Duration::from_millis(100)).is_err()
}

fn certificates(engine: Engine) -> Checked {
    let dir = temporary();
    let certificates = Certificates::make(&dir.path().join("tls"))?;
    let server = Server::start(engine, &dir.path().join("server"), &certificates.settings(true))?;
    let ping = |rest: &[String]| {
        let mut arguments = vec!["-p".to_owned(), server.port.to_string(), "--tls".to_owned()];
        arguments.extend(["--cacert".to_owned(), certificates.path("ca.pem")]);
        arguments.extend_from_slice(rest);
        arguments.push("PING".to_owned());
        Server::cli(engine, &arguments).is_ok_and(|answer| answer.trim() == "PONG")
    };
    let with = |name: &str| {
        ["cert", "key"]
            .into_iter()
            .zip(["pem", "key"])
            .flat_map(|(option, end)| [format!("--{option}"), certificates.path(&format!("{name}.{end}"))])
            .collect::<Vec<_>>()
    };
    match (ping(&with("client")), ping(&with("intruder")), ping(&[])) {
        (true, false, false) => Ok("its own clients only".to_owned()),
        other => Err(format!("client, intruder and no certificate: {other:?}")),
    }
}
