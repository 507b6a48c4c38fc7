//! Payloads as PHP writes them, as nobody should write them, and as both ways of decoding see them.

use super::scan::{Format, MOST_NESTED, Unshown, detect, scan};
use super::{decode, faithful, plain, tree};

fn shown(payload: &str) -> String {
    let format = detect(payload.as_bytes()).expect("a known format");
    tree::render(&decode(payload.as_bytes(), format).expect("decodes"), false)
}

fn json(payload: &[u8]) -> serde_json::Value {
    let format = detect(payload).expect("a known format");
    serde_json::to_value(decode(payload, format).expect("decodes")).expect("JSON")
}

const PLAIN: &[&str] = &[
    "a|i:1;b|s:3:\"two\";c|a:2:{i:0;b:1;i:1;N;}",
    "empty|s:0:\"\";none|a:0:{}nested|a:2:{s:1:\"x\";a:0:{}s:1:\"y\";s:0:\"\";}",
    "f|d:1.5;g|d:-3;h|d:0.10000000000000001;",
    "a:2:{s:4:\"user\";i:7;s:4:\"list\";a:3:{i:0;i:-1;i:1;i:2;i:2;s:2:\"é\";}}",
    "\u{1}ai:5;\u{4}nameb:0;",
    "",
];

#[test]
fn both_ways_decode_plain_data_alike() {
    for payload in PLAIN {
        let bytes = payload.as_bytes();
        let format = detect(bytes).expect("a known format");
        let found = scan(bytes, format).expect("scans");
        assert!(found.plain, "{payload}");
        let one = plain::decode(bytes, format, &found.spans, &found.shapes).expect("plain");
        let other = faithful::decode(bytes, format, &found.spans).expect("faithful");
        assert_eq!(tree::render(&one, true), tree::render(&other, true), "{payload}");
        let as_json = |decoded| serde_json::to_string(decoded).expect("JSON");
        assert_eq!(as_json(&one), as_json(&other), "{payload}");
    }
}

#[test]
fn what_only_one_way_can_decode_goes_that_way() {
    for payload in [
        &b"a|a:2:{i:1;N;i:0;N;}"[..],
        b"a|a:2:{i:0;N;s:1:\"x\";N;}",
        b"a|a:1:{s:1:\"\xff\";N;}",
        b"a|d:1.0E+25;",
        b"a|d:NAN;",
        b"a|i:1;b|R:1;",
        b"a|E:3:\"E:C\";",
        b"a|O:1:\"A\":0:{}",
    ] {
        assert!(!scan(payload, Format::Php).expect("scans").plain, "{}", payload.escape_ascii());
        assert!(decode(payload, Format::Php).is_ok(), "{}", payload.escape_ascii());
    }
}

#[test]
fn formats_are_told_apart() {
    for (payload, format) in [(PLAIN[0], Format::Php), (PLAIN[3], Format::PhpSerialize), (PLAIN[4], Format::PhpBinary)]
    {
        assert_eq!(detect(payload.as_bytes()), Ok(format));
    }
    assert_eq!(detect(b"\0\0\0\x02\x14\x01"), Err(Unshown::Igbinary));
    assert_eq!(detect(b"\x81\xa1a\x01"), Err(Unshown::Msgpack));
    assert_eq!(detect(b"hello world"), Err(Unshown::Unknown));
    assert_eq!(detect(b"a|i:1;b|i:"), Err(Unshown::Unknown));
}

#[test]
fn a_tree_has_a_line_for_each_value() {
    let payload = "cart|a:2:{i:0;s:5:\"apple\";s:1:\"n\";d:INF;}user|O:4:\"User\":3:{s:4:\"name\";s:3:\"Ada\";\
                   s:6:\"\0*\0age\";i:36;s:8:\"\0User\0pw\";R:3;}again|r:4;suit|E:11:\"Suit:Hearts\";x|C:1:\"T\":3:{abc}";
    assert_eq!(
        shown(payload),
        "cart: array (2)\n  0: \"apple\"\n  n: #3 INF\nuser: #4 object User\n  name: \"Ada\"\n  age (protected): 36\n  \
         pw (private to User): reference to #3\nagain: the same object as #4\nsuit: enum Suit::Hearts\n\
         x: object T, which encodes itself: abc\n"
    );
}

#[test]
fn json_tells_apart_what_json_has_no_words_for() {
    let payload = b"i|i:5;f|d:NAN;b|s:2:\"\xff\xfe\";m|a:2:{i:5;N;s:2:\"$x\";i:1;}o|O:1:\"A\":1:{s:4:\"\0A\0p\";i:1;}\
                    e|E:3:\"E:C\";r|R:1;";
    assert_eq!(
        json(payload),
        serde_json::json!({
            "i": {"$slot": 1, "$value": 5},
            "f": {"$float": "NAN"},
            "b": {"$bytes": "fffe"},
            "m": {"5": null, "$$x": 1},
            "o": {"$object": "A", "properties": [{"name": "p", "visibility": "private", "class": "A", "value": 1}]},
            "e": {"$enum": "E::C"},
            "r": {"$reference": 1},
        })
    );
}

#[test]
fn hostile_payloads_are_refused_before_they_are_decoded() {
    let deep = |depth: usize| format!("a|{}N;{}", "a:1:{i:0;".repeat(depth), "}".repeat(depth));
    assert!(scan(deep(MOST_NESTED).as_bytes(), Format::Php).is_ok());
    assert_eq!(scan(deep(MOST_NESTED + 1).as_bytes(), Format::Php).map(drop), Err(Unshown::TooDeep));
    assert_eq!(scan(deep(1_000_000).as_bytes(), Format::Php).map(drop), Err(Unshown::TooDeep));
    let many = format!("a|a:300000:{{{}}}", (0..300_000).map(|i| format!("i:{i};N;")).collect::<String>());
    assert_eq!(scan(many.as_bytes(), Format::Php).map(drop), Err(Unshown::TooMany));
    for payload in [
        "a|s:18446744073709551615:\"x\";",
        "a|s:99999999999999999999999:\"x\";",
        "a|a:4000000000:{i:0;N;}",
        "a|a:-1:{}",
        "a|i:99999999999999999999;",
        "a|d:infinity;",
        "a|s:3:\"ab\";",
        "a|O:1:\"A\":1:{i:0;}",
        "a|R:0;",
        "a|C:1:\"A\":99:{x}",
        "a|S:1:\"\\41\";",
        "a|a:1:{N;i:1;}",
        "|",
        "a:1:{i:0;N;}a:0:{}",
    ] {
        let scanned =
            scan(payload.as_bytes(), if payload.starts_with("a:") { Format::PhpSerialize } else { Format::Php });
        assert!(matches!(scanned, Err(Unshown::Malformed(_))), "{payload}");
    }
}

#[test]
fn a_refusal_names_the_byte_that_cannot_be_read() {
    for (payload, at) in [("a|i:1;b|x", 8), ("a|a:1:{N;i:1;}", 7), ("a|a:1:{i:0;N;x", 13), ("a|i:1;no bar", 6)] {
        assert_eq!(scan(payload.as_bytes(), Format::Php).map(drop), Err(Unshown::Malformed(at)), "{payload}");
    }
}

#[test]
fn the_deepest_payload_that_is_shown_is_shown() {
    for (open, leaf) in [("a:1:{i:0;", "N;"), ("O:1:\"A\":1:{i:0;", "N;")] {
        let payload = format!("a|{}{leaf}{}", open.repeat(MOST_NESTED), "}".repeat(MOST_NESTED));
        assert_eq!(shown(&payload).lines().count(), MOST_NESTED + 1);
        let text = serde_json::to_string(&decode(payload.as_bytes(), Format::Php).expect("decodes")).expect("JSON");
        assert!(text.contains("null"));
    }
}

#[test]
fn cutting_a_payload_anywhere_harms_nothing() {
    let payload = b"cart|a:2:{i:0;s:5:\"apple\";s:1:\"n\";d:1.5E+25;}user|O:4:\"User\":1:{s:4:\"name\";s:3:\"Ada\";}x|C:1:\"T\":3:{abc}";
    assert!(decode(payload, Format::Php).is_ok());
    for length in 0..payload.len() {
        for format in [Format::Php, Format::PhpSerialize, Format::PhpBinary] {
            // Cut between two variables it is whole; anywhere else it is refused.
            if let Ok(decoded) = decode(&payload[..length], format) {
                assert!(length == 0 || format == Format::Php && !decoded.variables.is_empty(), "{length}");
            }
        }
    }
}
