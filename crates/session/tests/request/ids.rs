//! Ids: which are refused, how new ones are drawn, and the keys that they lead to.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cloakroom_session::id::MAX_ID;
use cloakroom_session::request::RequestError;
use cloakroom_session::{IdShape, Namespace, Request};

use crate::faulty_store::Faulty;
use crate::shared_store::{Shared, any};
use crate::{EXCLUSIVE, ID, OTHER, opened, opened_on, put, read, stored};

#[test]
fn only_proven_absence_refuses_an_id() {
    let (store, mut request) = opened();
    assert!(!request.may_exist(ID, None));
    put(&store, ID, b"");
    assert!(request.may_exist(ID, None));
    for impossible in [&b""[..], b"a b", b"a\0b", &[b'a'; 10_000]] {
        assert!(!request.may_exist(impossible, None));
    }
    read(&mut request, OTHER, &EXCLUSIVE);
    assert!(request.may_exist(OTHER, None), "what is held exists");

    let faulty = Arc::new(Faulty::default());
    let (_, mut request) = opened_on(Arc::<Faulty>::clone(&faulty));
    assert!(!request.may_exist(ID, None));
    faulty.unreachable.store(true, Ordering::Relaxed);
    assert!(request.may_exist(ID, None), "who cannot ask does not know");
    request.close();
    assert!(request.may_exist(ID, None));
}

#[test]
fn new_ids_are_valid_and_unused() {
    let (store, mut request) = opened();
    let mut buffer = [0; MAX_ID];
    let shape = IdShape::new(26, 5).expect("in bounds");
    let id = request.draw_id(shape, &mut buffer).expect("random bytes").as_bytes().to_vec();
    assert_eq!(id.len(), 26);
    assert!(!request.may_exist(&id, None), "drawing reserves nothing");
    assert_eq!(stored(&store, &id), None);
    assert!(Request::new().draw_id(shape, &mut buffer).is_ok(), "without a store there is nothing to collide with");

    let crowded: Shared = Arc::new(Faulty { everything_exists: true, ..Faulty::default() });
    let (_, mut request) = opened_on(crowded);
    assert!(matches!(request.draw_id(shape, &mut buffer), Err(RequestError::Collision)));
}

#[test]
fn the_store_hears_whether_an_id_was_drawn() {
    let faulty = Arc::new(Faulty::default());
    let (_, mut request) = opened_on(Arc::<Faulty>::clone(&faulty));
    let told = || std::mem::take(&mut *faulty.drawn.lock().expect("no panic"));
    let mut buffer = [0; MAX_ID];
    let id = request.draw_id(IdShape::default(), &mut buffer).expect("random bytes").as_bytes().to_vec();
    request.begin_read(ID, &EXCLUSIVE).expect("free");
    request.begin_read(&id, &EXCLUSIVE).expect("free");
    assert_eq!(told(), [false, true]);
    // Whoever has heard of it since may use it too.
    request.close();
    request.open(&any(&(Arc::<Faulty>::clone(&faulty) as Shared)), &Namespace::EMPTY);
    request.begin_read(&id, &EXCLUSIVE).expect("free");
    assert_eq!(told(), [false]);
}

#[test]
fn the_key_follows_the_id() {
    let (store, mut request) = opened();
    put(&store, b"aaaa", b"short");
    put(&store, b"aaaab", b"long");
    for _ in 0..2 {
        assert_eq!(read(&mut request, b"aaaa", &EXCLUSIVE), b"short");
        assert_eq!(read(&mut request, b"aaaab", &EXCLUSIVE), b"long");
    }
}
