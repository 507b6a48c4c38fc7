//! A neighbour in a sticky directory makes names that a store might want for files beside it, before the store does. Nobody can
//! take such a name from him: another one has to do.

#[path = "format_2/fixture.rs"]
#[allow(dead_code, reason = "shared with tests that use another part of it")]
mod fixture;
mod harness;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use harness::image::Image;
use harness::{attach, get, in_thread, put, store_file, temporary};

/// Takes every name that can be known without the store's secret. A directory stays whoever made it, as in a sticky directory
/// a file of somebody else.
fn take_names(dir: &Path) {
    let store = store_file(dir);
    let inode = fs::metadata(&store).expect("the store file").ino();
    let numbers = |ending: &str| (2..=16).map(|number| format!("{ending}.{number}")).collect::<Vec<_>>();
    let mut endings = vec![format!("{inode}.new"), "new".to_owned()];
    endings.extend((1..=16).map(|number| format!("damaged-{number}")));
    for kept in ["format-2-e6ef42b0", "format-2-00000007"] {
        endings.push(kept.to_owned());
        endings.extend(numbers(kept));
    }
    for ending in endings {
        let mut name = store.clone().into_os_string();
        name.push(format!(".{ending}"));
        fs::create_dir(&name).expect("a name to take");
        fs::write(Path::new(&name).join("stays"), b"").expect("what keeps it");
    }
}

/// Names beside the store that are the neighbour's, and how many others there are besides the store.
fn others(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).expect("the directory").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.is_file() && *path != store_file(dir)).count()
}

#[test]
fn a_deleted_store_is_relocated() {
    let dir = temporary();
    in_thread(|| {
        let store = attach(dir.path(), 16);
        put(&store, "id", b"here").expect("put");
        take_names(dir.path());
        fs::remove_file(store.path()).expect("delete");
        let (next, _) = store.attach_relocated().expect("the relocated store");
        assert_eq!(get(&next, "id").expect("snapshot").as_deref(), Some(&b"here"[..]));
    })
    .expect("no panic");
    assert_eq!(others(dir.path()), 0);
}

#[test]
fn a_damaged_store_is_rescued_again_and_again() {
    let dir = temporary();
    let image = {
        let made = temporary();
        in_thread(|| put(&attach(made.path(), 16), "id", b"here").expect("put")).expect("no panic");
        let mut image = Image::take(made.path());
        image.set(0, b"garbage!");
        image
    };
    for round in 1..=5 {
        if round > 1 {
            fs::remove_file(store_file(dir.path())).expect("delete");
        }
        image.write_copy(dir.path());
        if round == 1 {
            take_names(dir.path());
        }
        in_thread(|| {
            let store = attach(dir.path(), 16);
            assert!(store.take_note().is_some_and(|note| note.contains("is kept as")));
            assert_eq!(get(&store, "id").expect("snapshot").as_deref(), Some(&b"here"[..]));
        })
        .expect("no panic");
        // Names that follow from the file's inode: how many stay depends on whether the file system gives one again.
        assert!((1..=round).contains(&others(dir.path())), "round {round}");
    }
}

#[test]
fn a_store_of_an_earlier_format_is_brought_over() {
    let dir = temporary();
    in_thread(|| put(&attach(dir.path(), 16), "id", b"here").expect("put")).expect("no panic");
    fixture::make_format_2(dir.path());
    take_names(dir.path());
    in_thread(|| {
        let store = attach(dir.path(), 16);
        assert!(store.take_note().is_some_and(|note| note.contains("were brought over")));
        assert_eq!(get(&store, "id").expect("snapshot").as_deref(), Some(&b"here"[..]));
    })
    .expect("no panic");
    assert_eq!(others(dir.path()), 1, "the old file, under another name");
}

#[test]
fn a_store_of_an_unknown_layout_is_set_aside() {
    let dir = temporary();
    in_thread(|| put(&attach(dir.path(), 16), "id", b"here").expect("put")).expect("no panic");
    fixture::change_format(dir.path(), 2, 7);
    take_names(dir.path());
    in_thread(|| {
        let store = attach(dir.path(), 16);
        assert!(store.take_note().is_some_and(|note| note.contains("was set aside as")));
    })
    .expect("no panic");
    assert_eq!(others(dir.path()), 1, "the old file, under another name");
}
