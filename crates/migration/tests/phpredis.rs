//! Sessions that phpredis itself wrote on a real server: found, held under its own lock, read, listed, ended; and what
//! happens where they cannot be.

mod rig;
#[path = "../../redis-store/tests/servers/mod.rs"]
mod servers;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cloakroom_migration::{Error, Source};
use rig::old_handler::OldHandler;
use rig::{LIFETIME, LONG, check_exclusion, check_keeping_off, check_waiting, destroy, has, hold, payload, refused};
use servers::process::{Server, Settings};
use servers::{Engine, temporary};

/// Locking as a site should have it; phpredis by itself gives up after 20 ms.
const LOCKING: &[&str] =
    &["redis.session.locking_enabled=1", "redis.session.lock_retries=-1", "redis.session.lock_expire=60"];

struct Site {
    server: Server,
    _dir: tempfile::TempDir,
}

fn site() -> Site {
    site_of(&Settings::default())
}

fn site_of(settings: &Settings) -> Site {
    let dir = temporary();
    let server = Server::start(Engine::Redis, &dir.path().join("server"), settings).expect("a server");
    Site { server, _dir: dir }
}

/// A site whose server asks for a password.
fn guarded(password: &str, lines: &[&str]) -> Site {
    let mut settings = Settings::of(lines);
    settings.lines.push(format!("requirepass {password}"));
    settings.admin = Some(("default".to_owned(), password.to_owned()));
    site_of(&settings)
}

impl Site {
    /// The path of its port, with parameters.
    fn path(&self, parameters: &str) -> String {
        format!("tcp://127.0.0.1:{}{parameters}", self.server.port)
    }

    fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        self.server.ask(words).expect("an answer")
    }
}

fn phpredis(path: &str, settings: &[&str]) -> OldHandler {
    OldHandler::new("redis", path, &["igbinary", "redis"], settings)
}

fn source(path: &str) -> Arc<dyn Source> {
    rig::source("redis", path, "timeout=20&read_timeout=20")
}

fn listed(source: &dyn Source) -> Vec<String> {
    let mut ids = Vec::new();
    let each = source.each(&mut |id| {
        ids.push(String::from_utf8_lossy(id).into_owned());
        ControlFlow::Continue(())
    });
    each.unwrap_or_else(|error| panic!("{error}"));
    ids.sort();
    ids
}

#[test]
fn sessions_are_found_read_listed_and_ended() {
    let site = guarded("word&1", &[]);
    let socket = format!("unix://{}", site.server.socket().display());
    let with = |parameters: &str| [site.path(parameters), format!("{socket}{parameters}")];
    let secret = "auth=word%261";
    for (number, parameters) in [
        format!("?{secret}"),
        format!("?{secret}&database=3"),
        "?auth[]=default&auth[]=word%261&prefix=a%20*[b]:&weight=2".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        for (path, settings) in with(parameters).iter().zip([LOCKING, &["redis.session.locking_enabled=0"]]) {
            let (handler, source) = (phpredis(path, settings), source(path));
            assert!(!has(&*source, "first"), "{number}");
            assert!(hold(&*source, "first").is_none());
            handler.request("first", 0);
            handler.request("first", 0);
            handler.request("second", 0);
            assert!(has(&*source, "first"));
            assert!(!has(&*source, "firs"));
            let held = hold(&*source, "first").expect("a session");
            assert_eq!(held.payload(), b"n|i:2;");
            let age = SystemTime::now().duration_since(held.used().expect("a time")).expect("a time in the past");
            assert!(age < LONG, "used {age:?} ago");
            drop(held);
            assert_eq!(source.peek(b"second", LIFETIME).expect("read"), Some(b"n|i:1;".to_vec()));
            assert_eq!(listed(&*source), ["first", "second"]);
            // It is left as it is, and free.
            handler.request("first", 0);
            assert_eq!(payload(&*source, "first"), b"n|i:3;");
            assert!(destroy(&*source, "first"));
            assert!(!destroy(&*source, "first"));
            assert!(hold(&*source, "first").is_none());
            assert!(destroy(&*source, "second"));
        }
    }
    // Nothing is left behind, of the locks neither.
    let admin = source(&site.path(&format!("?{secret}&prefix=")));
    assert_eq!(listed(&*admin), Vec::<String>::new());
}

#[test]
fn an_empty_session_is_there() {
    let site = site();
    site.ask::<()>(&["SETEX", "PHPREDIS_SESSION:empty", "100", ""]);
    let source = source(&site.path(""));
    assert!(has(&*source, "empty"));
    assert_eq!(payload(&*source, "empty"), b"");
}

#[test]
fn a_request_of_phpredis_is_waited_for_and_what_it_wrote_is_read() {
    let site = site();
    check_waiting(&phpredis(&site.path(""), LOCKING), &*source(&site.path("")));
}

#[test]
fn what_is_held_keeps_phpredis_off() {
    let site = site();
    let check_lock = || {
        let expiry: i64 = site.ask(&["PTTL", "PHPREDIS_SESSION:id_LOCK"]);
        assert!((1..=30_000).contains(&expiry), "the lock expires in {expiry} ms");
    };
    // It has asked for the lock several times when the server has refused it that often.
    let asked_often = || {
        let info = site.server.info("cmdstat_set").expect("counted");
        let calls = info.strip_prefix("calls=").and_then(|rest| rest.split(',').next()?.parse::<u64>().ok());
        (calls? > 20).then_some(())
    };
    let (handler, source) = (phpredis(&site.path(""), LOCKING), source(&site.path("")));
    check_keeping_off(&handler, &*source, check_lock, asked_often);
}

#[test]
fn the_lock_of_somebody_else_is_left_alone() {
    let site = site();
    let source = source(&site.path(""));
    site.ask::<()>(&["SET", "PHPREDIS_SESSION:id", "n|i:1;"]);
    let held = hold(&*source, "id").expect("a session");
    // It expired, and phpredis has it now.
    site.ask::<()>(&["SET", "PHPREDIS_SESSION:id_LOCK", "host|1"]);
    drop(held);
    assert_eq!(site.ask::<Option<String>>(&["GET", "PHPREDIS_SESSION:id_LOCK"]).as_deref(), Some("host|1"));
    // Without an expiry nothing is known about the last use.
    site.ask::<()>(&["DEL", "PHPREDIS_SESSION:id_LOCK"]);
    assert_eq!(hold(&*source, "id").expect("a session").used(), None);
}

#[test]
fn eight_at_once_hold_it_one_after_the_other() {
    let site = site();
    check_exclusion(&phpredis(&site.path(""), LOCKING), &*source(&site.path("")));
    assert_eq!(site.ask::<u64>(&["EXISTS", "PHPREDIS_SESSION:id_LOCK"]), 0);
}

#[test]
fn compressed_sessions_are_refused_and_left() {
    let site = site();
    let source = source(&site.path(""));
    let compress = r#"
        $redis = new Redis();
        $redis->connect('127.0.0.1', (int) $argv[1]);
        $session = 'text|s:200:"' . str_repeat('a', 200) . '";';
        foreach (['zstd' => Redis::COMPRESSION_ZSTD, 'lz4' => Redis::COMPRESSION_LZ4, 'lzf' => Redis::COMPRESSION_LZF] as $name => $how) {
            $redis->setOption(Redis::OPT_COMPRESSION, $how);
            $redis->setex("PHPREDIS_SESSION:$name", 100, $session);
        }
    "#;
    let port = site.server.port.to_string();
    let extensions = ["-d", "extension=igbinary", "-d", "extension=redis"];
    let status =
        std::process::Command::new("php").arg("-n").args(extensions).args(["-r", compress, "--", &port]).status();
    assert!(status.expect("php runs").success());
    for id in ["zstd", "lz4"] {
        let stored: Vec<u8> = site.ask(&["GET", &format!("PHPREDIS_SESSION:{id}")]);
        assert!(has(&*source, id), "it is there");
        for refusal in
            [refused(source.hold(id.as_bytes(), LONG, LIFETIME)), refused(source.peek(id.as_bytes(), LIFETIME))]
        {
            assert!(matches!(refusal, Error::Unusable { .. }));
            let text = refusal.to_string();
            assert!(text.contains(id) && text.contains("redis.session.compression = none"), "{text}");
        }
        assert_eq!(site.ask::<Vec<u8>>(&["GET", &format!("PHPREDIS_SESSION:{id}")]), stored);
        assert_eq!(site.ask::<u64>(&["EXISTS", &format!("PHPREDIS_SESSION:{id}_LOCK")]), 0);
    }
    // That one cannot be told here; whoever migrates it finds that it is no session.
    let payload = source.peek(b"lzf", LIFETIME).expect("read").expect("a value");
    assert!(payload.len() < 60, "{} bytes", payload.len());
}

#[test]
fn a_server_that_is_down_is_an_error_and_not_an_absence() {
    let (mut down, up) = (site(), site());
    down.server.kill();
    let dead = source(&down.path("?auth=secret&timeout=0.5"));
    for error in [
        refused(dead.has(b"id", LIFETIME)),
        refused(dead.hold(b"id", LONG, LIFETIME)),
        refused(dead.peek(b"id", LIFETIME)),
        refused(dead.destroy(b"id")),
        refused(dead.each(&mut |_| ControlFlow::Continue(()))),
    ] {
        let text = error.to_string();
        assert!(matches!(error, Error::Unavailable { .. }), "{text}");
        assert!(text.contains("cannot be reached") && text.contains(&down.server.port.to_string()), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
    // Of two servers one is enough for a session that is there, and not for one that might be on the other.
    phpredis(&up.path(""), LOCKING).request("id", 0);
    let both = source(&format!("{}, {}", down.path(""), up.path("")));
    assert!(has(&*both, "id"));
    assert_eq!(payload(&*both, "id"), b"n|i:1;");
    assert!(matches!(refused(both.has(b"other", LIFETIME)), Error::Unavailable { .. }));
    assert!(matches!(refused(both.hold(b"other", LONG, LIFETIME)), Error::Unavailable { .. }));
    // What can be ended is ended.
    assert!(matches!(refused(both.destroy(b"id")), Error::Unavailable { .. }));
    assert!(!source(&up.path("")).has(b"id", LIFETIME).expect("asked"));
}

#[test]
fn a_server_that_is_silent_is_given_up_in_time() {
    let site = site();
    let source = source(&site.path("?timeout=0.3&read_timeout=0.3"));
    assert!(!has(&*source, "id"));
    site.server.pause();
    let start = Instant::now();
    let text = refused(source.hold(b"id", LONG, LIFETIME)).to_string();
    let took = start.elapsed();
    site.server.resume();
    assert!(text.contains("did not answer within 0.3 s"), "{text}");
    assert!(took < Duration::from_secs(5), "it took {took:?}");
    assert!(!has(&*source, "id"), "a new connection is used");
}

#[test]
fn a_connection_that_was_closed_is_replaced() {
    let mut site = site();
    let source = source(&site.path(""));
    assert!(!has(&*source, "id"));
    site.ask::<()>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    assert!(!has(&*source, "id"));
    site.server.kill();
    site.server.run().expect("it starts again");
    assert!(!has(&*source, "id"));
}

#[test]
fn what_is_no_session_is_refused() {
    let site = site();
    let source = source(&site.path(""));
    site.ask::<()>(&["RPUSH", "PHPREDIS_SESSION:list", "x"]);
    let text = refused(source.hold(b"list", LONG, LIFETIME)).to_string();
    assert!(text.contains("something else is stored"), "{text}");
    site.ask::<()>(&["SETRANGE", "PHPREDIS_SESSION:huge", "16777216", "x"]);
    let huge = refused(source.hold(b"huge", LONG, LIFETIME));
    assert!(matches!(huge, Error::TooLarge { found: 16_777_217, .. }), "{huge}");
    site.ask::<()>(&["SETRANGE", "PHPREDIS_SESSION:large", "16777215", "x"]);
    assert_eq!(payload(&*source, "large").len(), 16 << 20);
}

#[test]
fn refusals_of_the_server_say_what_to_do() {
    let site = guarded("right", &["user reader on >pass ~* +get +exists"]);
    for (parameters, part) in [
        ("", "asks for a password; add auth="),
        ("?auth=wrong-secret", "user or password is wrong"),
        ("?auth=right&database=99", "no such database"),
        ("?auth[user]=reader&auth[pass]=pass", "strlen pttl del eval"),
    ] {
        let source = source(&site.path(parameters));
        let text = refused(source.peek(b"id", LIFETIME)).to_string();
        assert!(text.contains(part), "{parameters}: {text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn thousands_are_listed_once_each_and_the_walk_can_be_broken_off() {
    let site = site();
    let fill = "for i = 1, 3000 do redis.call('SET', 'x*:' .. i, '') redis.call('SET', 'x*:' .. i .. '_LOCK', '') \
                redis.call('SET', 'xy:' .. i, '') end";
    site.ask::<()>(&["EVAL", fill, "0"]);
    site.ask::<()>(&["SET", "x*:not an id", ""]);
    let source = source(&site.path("?prefix=x*:"));
    let mut expected: Vec<String> = (1..=3000).map(|number| number.to_string()).collect();
    expected.push("not an id".to_owned());
    expected.sort();
    assert_eq!(listed(&*source), expected);
    let mut seen = 0;
    let stop = source.each(&mut |_| {
        seen += 1;
        if seen == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    stop.expect("listed");
    assert_eq!(seen, 10);
}
