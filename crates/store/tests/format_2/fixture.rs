//! The store file in `format-2.txt`, and files of the present format made to look like one of format 2.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use twox_hash::XxHash3_64;

use super::harness::image::{Image, PAGE};
use super::harness::store_file;

const TEXT: &str = include_str!("format-2.txt");

/// The layout fingerprint of format 2.
const LAYOUT: u32 = 0xe6ef_42b0;

/// What the version that made the file said of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) incarnation: u64,
    pub(crate) version: u64,
    pub(crate) created: u64,
    pub(crate) used: u64,
    /// The second from which on the session is absent, or, retired, is not read any more.
    pub(crate) expires: u64,
}

/// By namespace and id.
pub(crate) fn expected() -> BTreeMap<String, Expected> {
    let lines = TEXT.lines().filter_map(|line| line.strip_prefix("entry "));
    let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok()).expect("a number");
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default().to_owned();
            let incarnation = number(words.next());
            let [version, created, used, expires] = [(); 4].map(|()| number(words.next()));
            (name, Expected { incarnation, version, created, used, expires })
        })
        .collect()
}

/// The file.
pub(crate) fn image() -> Image {
    let mut image = Image { len: 0, pages: Vec::new() };
    let (mut at, mut line, mut repeated) = (0, [0u8; 16], false);
    for text in TEXT.lines().filter(|text| !text.starts_with('#') && !text.starts_with("entry ")) {
        let hex = |digits: &str| u64::from_str_radix(digits, 16).expect("hexadecimal digits");
        if text == "*" {
            repeated = true;
            continue;
        }
        let (place, bytes) = text.split_once(' ').expect("two words");
        if place == "length" {
            image.len = hex(bytes);
            continue;
        }
        let place = hex(place);
        while repeated && at < place {
            image.set(at, &line);
            at += 16;
        }
        repeated = false;
        for (to, digits) in line.iter_mut().zip(bytes.as_bytes().chunks(2)) {
            *to = hex(std::str::from_utf8(digits).expect("digits")) as u8;
        }
        image.set(place, &line);
        at = place + 16;
    }
    image.pages.retain(|(_, page)| **page != [0; PAGE]);
    image
}

/// Gives the store in `dir` a header of format 2. The sessions of a file lie in it as they did in format 2; what does not
/// is never looked at by whoever brings them over.
pub(crate) fn make_format_2(dir: &Path) {
    change_format(dir, 2, LAYOUT);
}

/// Gives the store in `dir` a header that says this format and layout, with a checksum that holds.
pub(crate) fn change_format(dir: &Path, format: u32, layout: u32) {
    let file = File::options().read(true).write(true).open(store_file(dir)).expect("the store file");
    file.write_all_at(&format.to_le_bytes(), 8).expect("its header");
    file.write_all_at(&layout.to_le_bytes(), 12).expect("its header");
    let mut constants = [0; 56];
    file.read_exact_at(&mut constants[..24], 0).expect("its header");
    file.read_exact_at(&mut constants[24..], 128).expect("its secret");
    file.write_all_at(&XxHash3_64::oneshot(&constants).to_le_bytes(), 24).expect("its header");
}
