//! What the tests of sources on servers share: PHP with the old handler, a source that reads its sessions, and what must
//! hold between the two whichever handler it is.

pub(crate) mod old_handler;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom_migration::{Error, Held, Source, parse};

use crate::servers::wait_for;
use old_handler::OldHandler;

pub(crate) const LIFETIME: Duration = Duration::from_secs(1440);
/// Longer than anything here waits.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A source with the parameters `patience` where the path names no timeout: on a busy machine a server may be kept waiting
/// longer than visitors should be.
pub(crate) fn source(kind: &str, path: &str, patience: &str) -> Arc<dyn Source> {
    let patience = match (path.contains("timeout="), path.contains('?')) {
        (true, _) => String::new(),
        (false, true) => format!("&{patience}"),
        (false, false) => format!("?{patience}"),
    };
    parse(format!("{kind}:{path}{patience}").as_bytes(), None).expect("a path")
}

/// The session under its lock, for which this waits long.
pub(crate) fn hold(source: &dyn Source, id: &str) -> Option<Box<dyn Held>> {
    source.hold(id.as_bytes(), LONG, LIFETIME).unwrap_or_else(|error| panic!("{error}"))
}

/// What a session holds that exists.
pub(crate) fn payload(source: &dyn Source, id: &str) -> Vec<u8> {
    hold(source, id).expect("a session").payload().to_vec()
}

pub(crate) fn has(source: &dyn Source, id: &str) -> bool {
    source.has(id.as_bytes(), LIFETIME).expect("asked")
}

/// Ends a session and answers whether it existed.
pub(crate) fn destroy(source: &dyn Source, id: &str) -> bool {
    source.destroy(id.as_bytes()).expect("ended")
}

/// The error of what has to fail.
pub(crate) fn refused<T>(outcome: Result<T, Error>) -> Error {
    match outcome {
        Ok(_) => panic!("it did not fail"),
        Err(error) => error,
    }
}

/// That the session is busy for a source that does not wait.
pub(crate) fn assert_busy(source: &dyn Source, id: &str) {
    assert!(matches!(refused(source.hold(id.as_bytes(), Duration::ZERO, LIFETIME)), Error::Busy { .. }));
}

/// The source waits for a request of the old handler as long as it is told to, and reads without its lock meanwhile.
pub(crate) fn check_waiting(handler: &OldHandler, source: &dyn Source) {
    handler.request("id", 0);
    let request = handler.open("id");
    assert_busy(source, "id");
    let start = Instant::now();
    let busy = refused(source.hold(b"id", Duration::from_millis(200), LIFETIME));
    assert!(matches!(busy, Error::Busy { waited, .. } if waited >= Duration::from_millis(200)), "{busy}");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(source.peek(b"id", LIFETIME).expect("read"), Some(b"n|i:1;".to_vec()));
    assert!(has(source, "id"));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| payload(source, "id"));
        request.end();
        assert_eq!(waiter.join().expect("it waited"), b"n|i:2;");
    });
    // A session that the old handler is about to write for the first time.
    let request = handler.open("new");
    assert!(!has(source, "new"));
    assert_busy(source, "new");
    request.end();
    assert_eq!(payload(source, "new"), b"n|i:1;");
}

/// What the source holds keeps the old handler waiting, and changes nothing. `asked_often` answers once the old handler has
/// asked for the lock several times; `check_lock` looks at the lock on the server.
pub(crate) fn check_keeping_off(
    handler: &OldHandler,
    source: &dyn Source,
    check_lock: impl FnOnce(),
    asked_often: impl FnMut() -> Option<()>,
) {
    handler.request("id", 0);
    let held = hold(source, "id").expect("a session");
    check_lock();
    let mut request = handler.begin("id");
    wait_for("the old handler asks for the lock again and again", LONG, asked_often).expect("it waits");
    assert!(request.runs());
    assert_eq!(source.peek(b"id", LIFETIME).expect("read"), Some(b"n|i:1;".to_vec()));
    drop(held);
    request.wait_until_open();
    request.end();
    assert_eq!(payload(source, "id"), b"n|i:2;");
}

/// Eight threads that want one session hold it one after the other.
pub(crate) fn check_exclusion(handler: &OldHandler, source: &dyn Source) {
    handler.request("id", 0);
    let holding = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let held = hold(source, "id").expect("a session");
                    assert_eq!(holding.fetch_add(1, Ordering::SeqCst), 0, "two hold it");
                    assert_eq!(held.payload(), b"n|i:1;");
                    // Time for another to get in, if it could.
                    thread::sleep(Duration::from_millis(1));
                    holding.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
}
