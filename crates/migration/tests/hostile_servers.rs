//! Servers of the old handler that are none, or in other hands: what they announce is not believed, and they keep nobody
//! waiting for longer than their path says.

#[path = "../../redis-store/tests/servers/mod.rs"]
mod servers;

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cloakroom_migration::{Error, Source, parse};
use servers::fake::{Answer, Fake, says};

const LIFETIME: Duration = Duration::from_secs(1440);

type Call = (&'static str, fn(&dyn Source) -> Result<(), Error>);

const CALLS: &[Call] = &[
    ("has", |source| source.has(b"id", LIFETIME).map(drop)),
    ("hold", |source| source.hold(b"id", Duration::ZERO, LIFETIME).map(drop)),
    ("peek", |source| source.peek(b"id", LIFETIME).map(drop)),
    ("destroy", |source| source.destroy(b"id").map(drop)),
    ("each", |source| source.each(&mut |_| ControlFlow::Continue(()))),
];

fn source(path: &str) -> Arc<dyn Source> {
    parse(path.as_bytes(), None).expect("a path")
}

fn phpredis(fake: &Fake, options: &str) -> Arc<dyn Source> {
    source(&format!("redis:tcp://127.0.0.1:{}?{options}", fake.port))
}

fn told(source: &dyn Source, name: &str, call: fn(&dyn Source) -> Result<(), Error>) -> String {
    call(source).expect_err(name).to_string()
}

#[test]
fn what_phpredis_servers_announce_is_not_believed() {
    let endless = |first: &[u8], again: &[u8]| Answer::Endless(first.to_vec(), again.repeat(1000));
    for (answer, words) in [
        (endless(b"$2000000000\r\n", b"x"), "bytes were announced"),
        (endless(b"*2000000000\r\n", b":1\r\n"), "elements were announced"),
        (endless(b"", b"*1\r\n"), "lists stand in each other"),
        (endless(b"+", b"x"), "a line does not end"),
        (says("HTTP/1.1 400 Bad Request\r\n\r\n"), "does not speak the protocol"),
    ] {
        let fake = Fake::tcp(move |_| answer.clone());
        let source = phpredis(&fake, "timeout=20&read_timeout=20");
        for (name, call) in CALLS {
            let text = told(&*source, name, *call);
            assert!(text.contains(words), "{name}: {text}");
        }
    }
    // The length that it says first is not the one that it sends.
    let fake = Fake::tcp(|command| match command.first().map(Vec::as_slice) {
        Some(b"GET") => says("$17000000\r\n"),
        _ => says(":5\r\n"),
    });
    let text =
        told(&*phpredis(&fake, "timeout=20&read_timeout=20"), "peek", |source| source.peek(b"id", LIFETIME).map(drop));
    assert!(text.contains("17000010 bytes were announced, and 16793600 at most"), "{text}");
}

#[test]
fn what_memcached_servers_announce_is_not_believed() {
    for (line, words) in [
        ("VALUE memc.sess.key.id 0 2000000000\r\n", "it holds 2000000000 bytes"),
        ("VALUE memc.sess.key.id 0 -5\r\n", "something unexpected"),
        ("$2000000000\r\n", "something unexpected"),
    ] {
        let text = told(&*memcached(line.as_bytes(), b""), "peek", |source| source.peek(b"id", LIFETIME).map(drop));
        assert!(text.contains(words), "{text}");
    }
    let text = told(&*memcached(b"", b"xxxxxxxx"), "peek", |source| source.peek(b"id", LIFETIME).map(drop));
    assert!(text.contains("something unexpected"), "{text}");
}

/// php-memcached's handler with a server that says this to every line, and then that without end.
fn memcached(first: &'static [u8], again: &'static [u8]) -> Arc<dyn Source> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || -> io::Result<()> {
                let (mut stream, mut line) = (BufReader::new(stream), String::new());
                while stream.read_line(&mut line)? > 0 {
                    stream.get_mut().write_all(first)?;
                    while !again.is_empty() {
                        stream.get_mut().write_all(again)?;
                    }
                }
                Ok(())
            });
        }
    });
    source(&format!("memcached:127.0.0.1:{port}?timeout=20"))
}

/// One byte after the other would keep a wait alive that begins anew with each.
#[test]
fn servers_that_trickle_are_given_up() {
    let pause = Duration::from_millis(100);
    let redis = Fake::tcp(move |_| Answer::Drip(b"$16000\r\nx".to_vec(), pause));
    let redis = phpredis(&redis, "timeout=5&read_timeout=0.3");
    for (name, call) in CALLS {
        let text = told(&*redis, name, *call);
        assert!(text.contains("did not answer within 0.3 s"), "{name}: {text}");
    }
}

/// A server that breaks off late is asked once more, and not for as long again.
#[test]
fn a_repetition_takes_no_longer_than_the_first_attempt_may() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for (nth, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            if nth == 0 {
                thread::sleep(Duration::from_millis(4500));
                drop(stream);
            } else {
                kept.push(stream);
            }
        }
    });
    let source = source(&format!("memcached:127.0.0.1:{port}?timeout=5"));
    let began = Instant::now();
    source.has(b"id", LIFETIME).expect_err("no answer");
    // Twice the time would be 9.5 s. Between that and the right 5 s there is room for a busy machine.
    assert!(began.elapsed() < Duration::from_millis(9000), "{:?}", began.elapsed());
}
