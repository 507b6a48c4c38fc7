//! What a server may answer that is no server of ours, or in other hands: more than an answer can be, without end, in each
//! other, drop by drop, of another kind, in circles. Whatever it is, every call ends in time, with words that say what is
//! wrong, and the process does not grow.

mod servers;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_redis_store::Store;
use servers::calls::{CALLS, LEASE_CALLS, acquired};
use servers::fake::{Answer, Fake, says, texts};
use servers::sessions::{SLOW, acquire, exclusive, open, refused, within};
use servers::suite::{Case, Checked, case, run, timed};
use servers::{Engine, sessions};

/// Long enough for any answer that comes, on any machine.
const PATIENT: &str = "connect_timeout=20&timeout=20";
/// For what ends by time alone.
const HASTY: &str = "connect_timeout=2&timeout=0.3";
const LIMIT: Duration = Duration::from_millis(2300);

/// What the process may grow by while it reads what it refuses.
const GROWTH: u64 = 4 << 20;

const CASES: &[Case] = &[
    timed("more is announced than an answer can be", huge),
    timed("an answer trickles in", trickle),
    case("answers of the wrong kind", wrong_kinds),
    timed("servers of a cluster send on in circles", circles),
    timed("a cluster names what is none", lying_cluster),
    timed("a Sentinel lies", lying_sentinel),
];

fn main() -> ExitCode {
    run(CASES)
}

fn at(engine: Engine, fake: &Fake, options: &str) -> Result<Arc<Store>, String> {
    open(&format!("{}://127.0.0.1:{}?{options}", engine.name(), fake.port))
}

/// A figure of this process in bytes, as the system gives it.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("what the system says of this process");
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':')).expect("the figure");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// Does something; an error where the process grew by more than [`GROWTH`] meanwhile, if only for a moment.
fn without_growth<T>(what: &str, work: impl FnOnce() -> T) -> Result<(T, u64), String> {
    // The peak begins anew.
    std::fs::write("/proc/self/clear_refs", "5").map_err(|error| format!("the peak cannot be reset: {error}"))?;
    let before = memory("VmRSS");
    let outcome = work();
    let grown = memory("VmHWM").saturating_sub(before);
    if grown <= GROWTH { Ok((outcome, grown)) } else { Err(format!("{what}: the process grew by {grown} bytes")) }
}

/// What is said to everything, and with what words that is refused.
fn moods() -> Vec<(&'static str, Answer, &'static [&'static str])> {
    let endless = |first: &[u8], again: &[u8]| Answer::Endless(first.to_vec(), again.repeat(4096 / again.len()));
    vec![
        ("a huge text", endless(b"$2000000000\r\n", b"x"), &["2000000", " bytes were announced, and ", " at most"]),
        ("a huge array", endless(b"*2000000000\r\n", b":1\r\n"), &["2000000", " elements were announced, and "]),
        ("arrays in each other", endless(b"", b"*1\r\n"), &["in each other", " at most"]),
        ("a status without an end", endless(b"+", b"x"), &["a line does not end within 4096 bytes"]),
        ("an error without an end", endless(b"-", b"x"), &["a line does not end within 4096 bytes"]),
        ("a number without an end", endless(b":", b"1"), &["a line does not end within 20 bytes"]),
        ("a negative length", says("$-2\r\n"), &["does not speak the protocol"]),
        ("a negative number of elements", says("*-7\r\n"), &["does not speak the protocol"]),
        ("a length that is none", says("$12abc\r\n"), &["does not speak the protocol"]),
        ("another protocol", says("HTTP/1.1 400 Bad Request\r\n\r\n"), &["does not speak the protocol"]),
        ("noise", endless(b"", b"\xff\0\x1b[2J"), &["does not speak the protocol"]),
    ]
}

fn huge(engine: Engine) -> Checked {
    let mut most = 0;
    for (mood, answer, words) in moods() {
        let fake = Fake::tcp(move |_| answer.clone());
        let store = at(engine, &fake, PATIENT)?;
        for (name, call) in CALLS {
            let what = format!("{mood}, {name}");
            let (outcome, grown) = without_growth(&what, || call(&store))?;
            most = most.max(grown);
            let text = refused(&what, outcome)?;
            if text.contains(|c: char| c.is_control()) {
                return Err(format!("{what}: a message has control characters: {text:?}"));
            }
            for word in words.iter().chain(&[format!(":{}", fake.port).as_str()]) {
                if !text.contains(word) {
                    return Err(format!("{what}: it should say \"{word}\": {text}"));
                }
            }
        }
    }
    // A session may be large; the room for it comes with its bytes.
    let half = [b"*5\r\n:0\r\n$16000000\r\n".to_vec(), vec![7; 10_000]].concat();
    let fake = Fake::tcp(move |_| says(half.clone()));
    let store = at(engine, &fake, HASTY)?;
    let (outcome, grown) =
        without_growth("a text that does not come", || acquire(&store, "s", &exclusive()).map(drop))?;
    sessions::says(&refused("acquire", outcome)?, &["did not answer within"])?;
    leases(engine, "a huge text", || Answer::Bytes(b"$2000000000\r\n".to_vec()))?;
    leases(engine, "arrays in each other", || Answer::Bytes(b"*1\r\n".repeat(10_000)))?;
    Ok(format!("the process grew by {} KiB at most", most.max(grown) >> 10))
}

/// Every call of a lease, which was acquired before the server is `what`.
fn leases(engine: Engine, what: &str, answer: fn() -> Answer) -> Result<(), String> {
    for (name, call) in LEASE_CALLS {
        let fake = Fake::tcp(|_| says(acquired()));
        let store = at(engine, &fake, PATIENT)?;
        let mut lease = acquire(&store, "s", &exclusive()).map_err(|error| format!("{name}: {error}"))?;
        fake.set(move |_| answer());
        let what = format!("{what}, {name}");
        let (outcome, _) = without_growth(&what, || call(&mut lease))?;
        drop(lease);
        if *name != "release" {
            refused(&what, outcome)?;
        }
    }
    Ok(())
}

/// A byte every 100 ms would keep a wait alive that begins anew with each byte.
fn trickle(engine: Engine) -> Checked {
    let pause = Duration::from_millis(100);
    for (nth, bytes) in [&b"$16000\r\nx"[..], b"*5\r\n:0", b"+x", b"-x", b"$0"].into_iter().enumerate() {
        let fake = Fake::tcp(move |_| Answer::Drip(bytes.to_vec(), pause));
        let store = at(engine, &fake, HASTY)?;
        let calls = if nth == 0 { CALLS } else { &CALLS[..1] };
        for (name, call) in calls {
            let text = refused(name, within(name, LIMIT, || call(&store))?)?;
            in_time(&text, &["did not answer within 0.3 s"]).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    Ok("ends when the time is over".to_owned())
}

/// [`sessions::says`], where a machine that is too busy to answer is told from one that answers wrongly.
fn in_time(text: &str, parts: &[&str]) -> Result<(), String> {
    sessions::says(text, parts)
        .map_err(|wrong| if text.contains("not answer in time") { format!("{SLOW}{wrong}") } else { wrong })
}

/// Each call meets each kind of answer, and does what it says or fails.
fn wrong_kinds(engine: Engine) -> Checked {
    let kinds: [&[u8]; 16] = [
        b"+OK\r\n",
        b":0\r\n",
        b":-1\r\n",
        b":9223372036854775807\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$3\r\nabc\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*1\r\n:0\r\n",
        b"*1\r\n:99\r\n",
        b"*1\r\n$-1\r\n",
        b"*2\r\n:0\r\n:0\r\n",
        b"*5\r\n:0\r\n:0\r\n:0\r\n:0\r\n:0\r\n",
        b"-ERR \x1b[31mred\r\n",
        b"-MOVED x y\r\n",
    ];
    let mut met = 0;
    for kind in kinds {
        let fake = Fake::tcp(move |_| says(kind));
        let store = at(engine, &fake, PATIENT)?;
        for (name, call) in CALLS {
            let told = call(&store).err().map_or_else(String::new, |error| error.to_string());
            if told.contains(|c: char| c.is_control()) {
                return Err(format!("{name}: a message has control characters: {told:?}"));
            }
            met += 1;
        }
        for (name, call) in LEASE_CALLS {
            let fake = Fake::tcp(|_| says(acquired()));
            let store = at(engine, &fake, PATIENT)?;
            let mut lease = acquire(&store, "s", &exclusive()).map_err(|error| format!("{name}: {error}"))?;
            fake.set(move |_| says(kind));
            let _any = call(&mut lease);
            met += 1;
        }
    }
    // What was not asked for is not taken for the next answer.
    let fake = Fake::tcp(|command| match command.first().map(Vec::as_slice) {
        Some(b"EXISTS") => says(":1\r\n:0\r\n:0\r\n"),
        _ => says(":0\r\n"),
    });
    let store = at(engine, &fake, PATIENT)?;
    for _ in 0..3 {
        if !store.exists(&sessions::key("s")).map_err(|error| error.to_string())? {
            return Err("an answer that nobody asked for was taken for the next one".to_owned());
        }
    }
    Ok(format!("{met} of them"))
}

/// The answer to CLUSTER SLOTS of a cluster that has all slots at these places.
fn slots(places: &[(&str, u16)]) -> Vec<u8> {
    let mut answer = format!("*{}\r\n", places.len()).into_bytes();
    for (host, port) in places {
        let place = format!("*3\r\n:0\r\n:16383\r\n*2\r\n${}\r\n{host}\r\n:{port}\r\n", host.len());
        answer.extend(place.as_bytes());
    }
    answer
}

fn cluster(engine: Engine, fake: &Fake, options: &str) -> Result<Arc<Store>, String> {
    open(&format!("{}-cluster://127.0.0.1:{}?{options}", engine.name(), fake.port))
}

fn circles(engine: Engine) -> Checked {
    let some = |name: &str| matches!(name, "acquire" | "walk");
    let mut most = 0;
    for word in ["MOVED", "ASK"] {
        let fake = Fake::tcp(|_| Answer::Silence);
        let port = fake.port;
        fake.set(move |command| match command.first().map(Vec::as_slice) {
            Some(b"CLUSTER") => says(slots(&[("127.0.0.1", port)])),
            _ => says(format!("-{word} 1 127.0.0.1:{port}\r\n")),
        });
        for (name, call) in CALLS.iter().filter(|(name, _)| some(name)) {
            let store = cluster(engine, &fake, HASTY)?;
            let before = fake.asked();
            let text = refused(name, within(name, LIMIT, || call(&store))?)?;
            in_time(&text, &["from one to the other"]).map_err(|error| format!("{word}, {name}: {error}"))?;
            most = most.max(fake.asked() - before);
        }
    }
    if most > 60 {
        return Err(format!("{most} questions were asked for one answer"));
    }
    // To a place of another name each time, where nobody is.
    let fake = Fake::tcp(|_| Answer::Silence);
    let port = fake.port;
    let next = std::sync::atomic::AtomicU64::new(0);
    fake.set(move |command| match command.first().map(Vec::as_slice) {
        Some(b"CLUSTER") => says(slots(&[("127.0.0.1", port)])),
        _ => {
            let next = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            says(format!("-MOVED 1 127.{}.{}.1:1\r\n", next / 250 % 250 + 1, next % 250))
        }
    });
    let store = cluster(engine, &fake, HASTY)?;
    let outcome = within("acquire", LIMIT, || acquire(&store, "s", &exclusive()).map(drop))?;
    Ok(format!("{most} questions at most; {}", refused("acquire", outcome)?))
}

fn told(store: &Arc<Store>, parts: &[&str]) -> Result<String, String> {
    let (outcome, _) =
        within("acquire", LIMIT, || without_growth("acquire", || acquire(store, "s", &exclusive()).map(drop)))??;
    let text = refused("acquire", outcome)?;
    if text.contains(|c: char| c.is_control()) || text.len() > 1000 {
        return Err(format!("a message is too long or has control characters: {text:?}"));
    }
    in_time(&text, parts)?;
    Ok(text)
}

fn lying_cluster(engine: Engine) -> Checked {
    let answered = |answer: Vec<u8>| -> Result<Arc<Store>, String> {
        cluster(engine, &Fake::tcp(move |_| says(answer.clone())), PATIENT)
    };
    let hosts: Vec<String> = (0..3000).map(|number| format!("10.1.{}.{}", number / 250, number % 250)).collect();
    let many: Vec<(&str, u16)> = hosts.iter().map(|host| (host.as_str(), 1)).collect();
    told(&answered(slots(&many))?, &["servers were named, and 1024 at most"])?;
    told(&answered(slots(&[("a\r\nPHP Fatal error: b", 1)]))?, &["something unexpected"])?;
    told(&answered(slots(&[("h".repeat(254).as_str(), 1)]))?, &["something unexpected"])?;
    told(&answered(slots(&[("h", 0)]))?, &["something unexpected"])?;
    told(&answered(b"*600000\r\n".to_vec())?, &["600000 elements were announced, and 524288 at most"])?;
    told(&answered(b"*1\r\n*3\r\n:0\r\n:1\r\n$9000000\r\n".to_vec())?, &["bytes were announced, and 8388608 at most"])?;
    told(&answered(b"*1\r\n".repeat(10_000))?, &["in each other 5 deep, and 4 at most"])
}

fn lying_sentinel(engine: Engine) -> Checked {
    let watched = |fake: &Fake, options: &str| {
        open(&format!("{}-sentinel://127.0.0.1:{}/sessions?{options}", engine.name(), fake.port))
    };
    let named = |bytes: Vec<u8>| watched(&Fake::tcp(move |_| says(bytes.clone())), PATIENT);
    // It names itself.
    let fake = Fake::tcp(|_| Answer::Silence);
    let port = fake.port.to_string();
    fake.set(move |command| match command.first().map(Vec::as_slice) {
        Some(b"SENTINEL") => says(texts(&[b"127.0.0.1", port.as_bytes()])),
        Some(b"ROLE") => says("*2\r\n$8\r\nsentinel\r\n*1\r\n$8\r\nsessions\r\n"),
        _ => says("-ERR unknown command\r\n"),
    });
    let store = watched(&fake, HASTY)?;
    told(&store, &["what the Sentinels name as master is none"])?;
    if fake.asked() > 120 {
        return Err(format!("{} questions were asked for one answer", fake.asked()));
    }
    // It names ten thousand, or what cannot be a name.
    told(&named(texts(&vec![&b"127.0.0.1"[..]; 20_000]))?, &["20000 elements were announced, and 64 at most"])?;
    told(&named(texts(&[&[b'h'; 20_000], b"1"]))?, &["bytes were announced, and 16384 at most"])?;
    told(&named(texts(&[&[b'h'; 300], b"1"]))?, &["something unexpected"])?;
    told(&named(texts(&[b"a\r\nPHP Fatal error: b", b"1"]))?, &["something unexpected"])?;
    told(&named(texts(&[b"127.0.0.1", b"70000"]))?, &["something unexpected"])?;
    told(&named(texts(&[b"127.0.0.1", b"0"]))?, &["something unexpected"])?;
    told(&named(b"*1\r\n".repeat(10_000))?, &["in each other 2 deep, and 1 at most"])?;
    told(&watched(&Fake::tcp(|_| Answer::Silence), HASTY)?, &["did not answer in time"])
}
