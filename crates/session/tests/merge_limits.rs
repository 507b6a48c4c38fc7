//! How much memory a merge takes, and what is still the same, measured in a process that does nothing else.

use cloakroom_session::UserPath;
use cloakroom_session::merge::{Format, Merged, merge, merge_with_user, still_same};

/// The most memory that this process had at once, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak is listed");
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().expect("in kB");
    kilobytes * 1024
}

#[test]
fn memory_is_a_small_multiple_of_the_payloads() {
    // Nothing has more elements, or more references, for its size.
    let list = |last: &str| {
        let elements: String = (0..100_000).map(|index| format!("i:{index};N;")).collect();
        format!("l|a:100001:{{{elements}{last}}}")
    };
    let references = |last: &str| {
        let elements: String = (0..100_000).map(|index| format!("i:{index};r:1;")).collect();
        format!("o|O:1:\"A\":0:{{}}l|a:100001:{{{elements}{last}}}")
    };
    let nested = |last: &str| format!("d|{}{last}{}", "a:1:{i:0;".repeat(100_000), "}".repeat(100_000));
    let triples = [
        ["i:-1;N;", "s:1:\"m\";i:1;", "s:1:\"t\";N;"].map(list),
        ["i:-1;N;", "s:1:\"m\";N;", "s:1:\"t\";N;"].map(references),
        ["N;", "i:1;", "i:2;"].map(nested),
    ];
    let total = triples.iter().map(|triple| triple.iter().map(String::len).sum()).max().unwrap_or(0_usize);

    let user = UserPath::parse(b"nobody, l.*, d.*.*.*.*, *.*").expect("is valid");
    let before = peak();
    for [base, mine, theirs] in &triples {
        let merged = merge(Format::Php, base.as_bytes(), mine.as_bytes(), theirs.as_bytes());
        assert!(matches!(merged, Merged::Merged { .. }));
        drop(merged);
        let merged = merge_with_user(Format::Php, &user, base.as_bytes(), mine.as_bytes(), theirs.as_bytes());
        assert!(matches!(merged, Merged::Merged { .. }));
        drop(merged);
        // In one that is larger by a variable, all is the same.
        let larger = format!("{base}v|N;");
        assert_eq!(still_same(Format::Php, larger.as_bytes(), base.as_bytes()), base.as_bytes());
        assert_eq!(still_same(Format::Php, base.as_bytes(), larger.as_bytes()), base.as_bytes());
        assert!(still_same(Format::Php, mine.as_bytes(), theirs.as_bytes()).len() < base.len());
        // Counts and lengths that are not true.
        let lie = base.replacen(":1:{", ":1000000000000000000:{", 1).replacen("a:100001", "a:999999999", 1);
        assert!(matches!(merge(Format::Php, base.as_bytes(), lie.as_bytes(), theirs.as_bytes()), Merged::Fallback(_)));
    }
    let taken = peak() - before;
    eprintln!("{taken} bytes for payloads of {total}");
    assert!(taken < 12 * total, "took {taken} bytes for payloads of {total}");
}
