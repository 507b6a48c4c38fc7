//! Migrating sessions from a storage that fails, is busy, or changes at the wrong moment. Real storages are in the
//! `.phpt` tests.

mod memory_store;
mod shared_store;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom_migration::{Error, Held, Source};
use cloakroom_session::error::RequestError;
use cloakroom_session::merge::Format;
use cloakroom_session::seam::{End, Room};
use cloakroom_session::{Acquire, LockMode, Migration, Namespace, Request, SessionId, Standalone};
use memory_store::MemoryStore;
use shared_store::{Shared, any};

const ID: &[u8] = b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const HOUR: Duration = Duration::from_secs(3600);
const END: End = End::at_once(HOUR);
const HOW: Acquire<'static> = Acquire {
    mode: LockMode::Exclusive,
    wait: Duration::ZERO,
    lock_ttl: HOUR,
    max_waiters: 0,
    lifetime: HOUR,
    script: b"test",
    since: None,
    drawn: false,
};

/// A storage in memory.
#[derive(Default)]
struct Old {
    sessions: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    unreachable: AtomicBool,
    /// A request of the old handler is at work on every session.
    busy: AtomicBool,
    keeps: AtomicBool,
    held: AtomicU32,
    /// What another request does while the next one waits for the lock here.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

struct HeldOld(Vec<u8>);

impl Held for HeldOld {
    fn payload(&self) -> &[u8] {
        &self.0
    }
}

impl Old {
    fn with(payload: &[u8]) -> Arc<Old> {
        let old = Old::default();
        old.sessions.lock().expect("whole").insert(ID.to_vec(), payload.to_vec());
        Arc::new(old)
    }

    fn find(&self, id: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if self.unreachable.load(Ordering::Relaxed) {
            return Err(Error::Unavailable { location: self.location(), reason: "out of reach".to_owned() });
        }
        Ok(self.sessions.lock().expect("whole").get(id).cloned())
    }
}

impl Source for Old {
    fn has(&self, id: &[u8], _: Duration) -> Result<bool, Error> {
        Ok(self.find(id)?.is_some())
    }

    fn hold(&self, id: &[u8], waited: Duration, _: Duration) -> Result<Option<Box<dyn Held>>, Error> {
        self.held.fetch_add(1, Ordering::Relaxed);
        let meanwhile = self.meanwhile.lock().expect("whole").take();
        if let Some(others) = meanwhile {
            std::thread::spawn(others).join().expect("no panic");
        }
        if self.busy.load(Ordering::Relaxed) {
            return Err(Error::Busy { location: self.location(), waited });
        }
        Ok(self.find(id)?.map(|payload| Box::new(HeldOld(payload)) as Box<dyn Held>))
    }

    fn peek(&self, id: &[u8], _: Duration) -> Result<Option<Vec<u8>>, Error> {
        self.find(id)
    }

    fn destroy(&self, id: &[u8]) -> Result<bool, Error> {
        let there = self.find(id)?.is_some();
        if self.keeps.load(Ordering::Relaxed) {
            return Err(Error::Unavailable { location: self.location(), reason: "read only".to_owned() });
        }
        self.sessions.lock().expect("whole").remove(id);
        Ok(there)
    }

    fn each(&self, found: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), Error> {
        let _ = self.sessions.lock().expect("whole").keys().try_for_each(|id| found(id));
        Ok(())
    }

    fn location(&self) -> String {
        "old".to_owned()
    }
}

fn migration(old: &Arc<Old>, format: Format) -> Option<Migration> {
    let from = Arc::clone(old) as Arc<dyn Source>;
    Some(Migration { from: Some(from), to: None, format, lifetime: HOUR })
}

fn open(store: &Shared, old: &Arc<Old>) -> Request {
    let mut request = Request::new();
    request.open(&any(store), &Namespace::EMPTY);
    request.set_migration(migration(old, Format::Php));
    request
}

/// An object that nobody opened.
fn object(store: &Shared, old: &Arc<Old>) -> Standalone {
    let mut object = Standalone::new();
    object.attach(&any(store), &Namespace::EMPTY);
    object.set_migration(migration(old, Format::Opaque));
    object
}

fn store() -> Shared {
    Arc::new(MemoryStore::default())
}

/// Reads as PHP does.
fn read(request: &mut Request) -> Result<Vec<u8>, RequestError> {
    let mut payload = vec![0; request.begin_read(ID, &HOW)?];
    request.finish_read(&mut Room::over(&mut payload), true)?;
    Ok(payload)
}

/// Reads as a framework does.
fn read_by(object: &mut Standalone) -> Vec<u8> {
    let mut payload = vec![0; object.begin_read(ID, Duration::ZERO).expect("free")];
    object.finish_read(&mut Room::over(&mut payload)).expect("whole");
    payload
}

fn here(store: &Shared) -> Option<Vec<u8>> {
    let id = SessionId::parse(ID).expect("an id");
    store.snapshot(&store.key(&Namespace::EMPTY, &id)).expect("no failure").0
}

#[test]
fn what_fails_there_changes_nothing_here() {
    for break_it in [
        |old: &Old| old.unreachable.store(true, Ordering::Relaxed),
        |old: &Old| {
            old.busy.store(true, Ordering::Relaxed);
        },
    ] {
        let (store, old) = (store(), Old::with(b"n|i:1;"));
        break_it(&old);
        let mut request = open(&store, &old);
        assert!(request.may_exist(ID, Some(&HOW)), "nobody's cookie is replaced");
        assert!(matches!(read(&mut request), Err(RequestError::Migration(_))));
        assert!(matches!(request.write(ID, b"", &HOW, || unreachable!()), Err(RequestError::ReadIncomplete)));
        request.close();
        assert_eq!(here(&store), None);
    }
}

#[test]
fn a_session_that_is_here_asks_for_nothing_there() {
    let (store, old) = (store(), Old::with(b"n|i:1;"));
    let mut request = open(&store, &old);
    assert_eq!(read(&mut request).expect("migrated"), b"n|i:1;");
    request.close();
    old.unreachable.store(true, Ordering::Relaxed);
    let asked = old.held.load(Ordering::Relaxed);
    let mut request = open(&store, &old);
    assert!(request.may_exist(ID, Some(&HOW)));
    assert_eq!(read(&mut request).expect("it is here"), b"n|i:1;");
    // As session_reset() does, and with nothing left in it.
    assert_eq!(read(&mut request).expect("it is held"), b"n|i:1;");
    request.write(ID, b"", &HOW, || unreachable!()).expect("its lock is held");
    assert_eq!(read(&mut request).expect("it is here, and empty"), b"");
    request.close();
    let mut reader = open(&store, &old);
    assert_eq!(reader.begin_snapshot(ID, &HOW).expect("it is here, and empty"), 0);
    assert_eq!(old.held.load(Ordering::Relaxed), asked);
}

#[test]
fn a_reader_peeks_where_somebody_is_at_work() {
    let (store, old) = (store(), Old::with(b"n|i:1;"));
    old.busy.store(true, Ordering::Relaxed);
    let mut request = open(&store, &old);
    let mut payload = vec![0; request.begin_snapshot(ID, &HOW).expect("no wait")];
    request.finish_read(&mut Room::over(&mut payload), false).expect("whole");
    assert_eq!(payload, b"n|i:1;");
    request.close();
    assert_eq!(here(&store), None, "not migrated, and not reserved");
    old.busy.store(false, Ordering::Relaxed);
    let mut request = open(&store, &old);
    request.begin_snapshot(ID, &HOW).expect("free");
    assert_eq!(here(&store).as_deref(), Some(&b"n|i:1;"[..]));
}

#[test]
fn what_ended_here_is_remembered_where_it_cannot_be_ended_there() {
    let (store, old) = (store(), Old::with(b"n|i:1;"));
    old.keeps.store(true, Ordering::Relaxed);
    let mut object = object(&store, &old);
    assert!(!object.destroy(ID, END).expect("no failure of the store"));
    let notice = object.take_notice().expect("it is told");
    assert!(notice.to_string().contains("read only"), "{notice}");
    assert!(object.take_notice().is_none(), "once");
    assert!(!object.may_exist(ID));
    let mut request = open(&store, &old);
    assert!(!request.may_exist(ID, Some(&HOW)));
    assert_eq!(read(&mut request).expect("a fresh session"), b"");
}

#[test]
fn a_payload_that_php_could_not_decode_is_not_given_to_it() {
    let (store, old) = (store(), Old::with(b"\x28\xb5\x2f\xfd compressed"));
    let mut request = open(&store, &old);
    let error = read(&mut request).expect_err("refused");
    assert!(
        error.to_string().contains("a session of old is not in the format of session.serialize_handler"),
        "{error}"
    );
    assert!(request.begin_snapshot(ID, &HOW).is_err());
    request.close();
    assert_eq!(here(&store), None);
    assert!(old.sessions.lock().expect("whole").contains_key(ID));
}

#[test]
fn an_object_waits_and_then_stands_on_what_it_read() {
    let (store, old) = (store(), Old::with(b"n|i:1;"));
    let mut object = object(&store, &old);
    assert_eq!(read_by(&mut object), b"n|i:1;");
    object.write(ID, b"n|i:2;", &HOW, Format::Php).expect("nobody wrote since");
    assert_eq!(here(&store).as_deref(), Some(&b"n|i:2;"[..]));
    assert!(object.destroy(ID, END).expect("no failure"));
    assert!(!old.has(ID, HOUR).expect("within reach"));
}

#[test]
fn an_object_reads_what_another_request_migrated_meanwhile() {
    for mode in [LockMode::Exclusive, LockMode::Merge, LockMode::None] {
        let (store, old) = (store(), Old::with(b"n|i:1;"));
        let (its, there) = (Arc::clone(&store), Arc::clone(&old));
        *old.meanwhile.lock().expect("whole") = Some(Box::new(move || {
            assert_eq!(read(&mut open(&its, &there)).expect("migrated"), b"n|i:1;");
        }));
        let mut object = object(&store, &old);
        assert_eq!(read_by(&mut object), b"n|i:1;");
        assert_eq!(old.held.load(Ordering::Relaxed), 2, "both have asked there");
        object.write(ID, b"n|i:2;", &Acquire { mode, ..HOW }, Format::Php).expect("it was read");
        assert_eq!(here(&store).as_deref(), Some(&b"n|i:2;"[..]));
    }
}

#[test]
fn an_object_reads_what_another_request_began_meanwhile() {
    let (store, old) = (store(), Old::with(b"n|i:1;"));
    let its = Arc::clone(&store);
    *old.meanwhile.lock().expect("whole") = Some(Box::new(move || {
        let mut other = Request::new();
        other.open(&any(&its), &Namespace::EMPTY);
        assert_eq!(read(&mut other).expect("a fresh session"), b"");
        other.write(ID, b"n|i:3;", &HOW, || unreachable!()).expect("its lock is held");
        other.close();
    }));
    let mut object = object(&store, &old);
    assert_eq!(read_by(&mut object), b"n|i:3;");
}
