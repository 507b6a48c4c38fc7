//! Makes `format-2.txt`, a store file of format 2 as the last version that wrote that format leaves it. It belongs to that
//! version, commit 64ff382, and cannot be built with this one:
//!
//!     git worktree add /tmp/format-2 64ff382
//!     mkdir -p /tmp/format-2/crates/store/examples/make
//!     cp make.rs /tmp/format-2/crates/store/examples/make/main.rs
//!     cp scene.rs /tmp/format-2/crates/store/examples/make/
//!     cd /tmp/format-2 && cargo run --example make -p cloakroom-store > format-2.txt
//!
//! Only times, the boot id, the file's number and process ids differ from one run to the next.

mod scene;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cloakroom_seam::{Acquire, End, LockMode, Over};
use cloakroom_store::{Options, Store};
use scene::{Fate, SECRET, SESSIONS, Session, YEAR, content};

const LATER: i64 = 100;
const LONG: Duration = Duration::from_secs(50 * YEAR as u64);
const OPTIONS: Options = Options { capacity: Some(8 << 20), user: None };

fn how(lifetime: Duration) -> Acquire<'static> {
    Acquire {
        mode: LockMode::Exclusive,
        wait: Duration::from_secs(5),
        lock_ttl: Duration::ZERO,
        max_waiters: 0,
        lifetime,
        script: b"/srv/app/index.php",
        since: None,
        drawn: false,
    }
}

fn make(store: &Arc<Store>, session: &Session) {
    let key = store.key(session.namespace.as_bytes(), session.id.as_bytes());
    let ten_years = i64::from(10 * YEAR);
    // The store clock begins with the store: a hundred seconds have passed when all but the expired one are made.
    let (lifetime, wall, boot) = match session.fate {
        Fate::Expired => (Duration::from_secs(1), -100, 0),
        Fate::Hidden => (Duration::from_secs(u64::from(5 * YEAR)), -ten_years, LATER),
        Fate::Returned | Fate::ReturnedAgain | Fate::GraceOver => (LONG, -1000, LATER),
        _ => (LONG, 0, LATER),
    };
    let write = |payload: &[u8]| {
        let mut lease = store.acquire(&key, &how(lifetime)).expect("acquire");
        lease.commit(payload, lifetime, Over::Anything).expect("commit");
    };
    let come_back = || {
        let mut lease = store.acquire(&key, &how(lifetime)).expect("acquire");
        lease.touch(&content(session), lifetime).expect("touch");
    };
    let end = |grace| store.destroy(&key, End { tombstone: LONG, grace }).expect("destroy");
    store.clock().skew(wall, boot);
    match session.fate {
        Fate::Reserved => drop(store.acquire(&key, &how(lifetime)).expect("acquire")),
        Fate::Emptied => {
            write(b"what is taken away again");
            write(b"");
        }
        Fate::BegunAgain => {
            write(b"what was ended");
            assert!(end(Duration::ZERO));
            write(&content(session));
        }
        _ => write(&content(session)),
    }
    if session.fate != Fate::GraceOver {
        store.clock().skew(0, LATER);
    }
    match session.fate {
        Fate::Returned => come_back(),
        Fate::ReturnedAgain => (0..2).for_each(|_| come_back()),
        Fate::Ended => assert!(end(Duration::ZERO)),
        Fate::Retired => assert!(end(LONG)),
        Fate::GraceOver => assert!(end(Duration::from_secs(1))),
        _ => {}
    }
    store.clock().skew(0, 0);
}

/// Takes the session lock and dies with it.
fn hold(dir: &Path) {
    let store = Store::attach(dir, OPTIONS).expect("attach");
    let session = SESSIONS.iter().find(|session| session.fate == Fate::Held).expect("one is held");
    let _lease = store.acquire(&store.key(b"", session.id.as_bytes()), &how(LONG)).expect("acquire");
    println!("held");
    std::io::stdout().flush().expect("written");
    loop {
        std::thread::park();
    }
}

/// Prints the file as lines of an offset and 16 bytes in hexadecimal. Lines of zeros are left out; a `*` stands for lines
/// like the one before it, up to the next that is printed.
fn print(path: &Path) {
    let file = File::open(path).expect("the file");
    let len = file.metadata().expect("its length").len();
    println!("length {len:x}");
    let (mut line, mut last, mut starred) = ([0u8; 16], [0u8; 16], false);
    for at in (0..len).step_by(16) {
        file.read_exact_at(&mut line, at).expect("a line");
        if line == last && line != [0; 16] {
            if !starred {
                println!("*");
            }
            starred = true;
        } else if line != [0; 16] || starred {
            // The end of a repetition is printed even where zeros follow.
            let hex: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
            println!("{at:x} {hex}");
            starred = false;
        }
        last = line;
    }
}

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    if let Some(dir) = arguments.next() {
        return hold(Path::new(&dir));
    }
    let dir = std::env::temp_dir().join(format!("cloakroom-format-2-{}", std::process::id()));
    std::fs::create_dir(&dir).expect("a new directory");
    let store = Store::attach_with_secret(&dir, OPTIONS, &SECRET).expect("attach");
    SESSIONS.iter().for_each(|session| make(&store, session));
    let program = std::env::current_exe().expect("this program");
    let mut holder = Command::new(program).arg(&dir).stdout(Stdio::piped()).spawn().expect("a second process");
    let mut line = String::new();
    BufReader::new(holder.stdout.take().expect("its output")).read_line(&mut line).expect("it holds the session");
    holder.kill().expect("killed");
    holder.wait().expect("ended");
    println!("# A store file of format 2, made by make.rs from the sessions in scene.rs.");
    println!("# entry: namespace/id, incarnation, version, created, used, expires");
    for session in SESSIONS {
        let key = store.key(session.namespace.as_bytes(), session.id.as_bytes());
        store
            .walk(|entry| {
                if entry.key == key {
                    let name = format!("{}/{}", session.namespace, session.id).replace(' ', "_");
                    let times = (entry.created, entry.used, entry.expires);
                    println!("entry {name} {} {} {} {} {}", entry.incarnation, entry.version, times.0, times.1, times.2);
                }
                ControlFlow::Continue(())
            })
            .expect("walk");
    }
    print(store.path());
    std::fs::remove_dir_all(&dir).expect("removed");
}
