//! `show`: sessions that PHP encoded, sessions that somebody made to do harm, and what cannot be decoded.

mod support;

use std::process::Command;

use support::{Stage, failed, on_a_terminal};

/// A session with everything that PHP can put into one, as PHP encodes it with `handler`.
fn encoded_by_php(handler: &str) -> Vec<u8> {
    let script = r#"
        enum Suit: string { case Hearts = 'H'; }
        class Item { public string $name = 'Apple'; protected float $price = 1.5; private int $count = 3; }
        class Packed { function __serialize(): array { return ['x' => 1, 5 => INF]; } }
        class Old implements Serializable {
            function serialize() { return 'raw'; } function unserialize($s) {}
        }
        session_start();
        $item = new Item;
        $list = [1, 2];
        $_SESSION = ['user' => ['id' => 7, 'name' => "Ad\"a\n", 'ok' => true, 'none' => null], 'empty' => [], 'text' => '',
            'big' => 1e25, 'small' => 0.1, 'bytes' => "\xff\x00", 'sparse' => [3 => 'c', 'k' => -1], 'item' => $item,
            'same' => $item, 'suit' => Suit::Hearts, 'list' => &$list, 'again' => &$list, 'packed' => new Packed,
            'old' => new Old];
        fwrite(STDOUT, session_encode());
        session_abort();
    "#;
    let output = Command::new("php")
        .args(["-n", "-d", "error_reporting=0", "-d", "session.save_handler=files", "-d", "session.use_cookies=0"])
        .args(["-d", "session.cache_limiter=", "-d", &format!("session.serialize_handler={handler}"), "-r", script])
        .output()
        .expect("php runs");
    assert!(output.status.success() && !output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn stage(payload: &[u8]) -> (Stage, String) {
    let stage = Stage::new();
    stage.put("id", payload);
    let name = stage.only_name();
    (stage, name)
}

const TREE: &str = r#"
user: array (4)
  id: 7
  name: "Ad\"a\n"
  ok: true
  none: null
empty: []
text: ""
big: 1E25
small: 0.1
bytes: "\xff\u{0}"
sparse: array (2)
  3: "c"
  k: -1
item: #FIRST object Item
  name: "Apple"
  price (protected): 1.5
  count (private to Item): 3
same: the same object as #FIRST
suit: enum Suit::Hearts
list: #SECOND array (2)
  0: 1
  1: 2
again: reference to #SECOND
packed: object Packed
  x: 1
  5: INF
old: object Old, which encodes itself: raw
"#;

#[test]
fn what_php_encodes_is_shown_faithfully() {
    // In php_serialize the array around the variables has a number as well.
    for (handler, first, second) in [("php", "14", "20"), ("php_binary", "14", "20"), ("php_serialize", "15", "21")] {
        let (stage, name) = stage(&encoded_by_php(handler));
        let text = stage.text("show", &[&name]);
        let (head, tree) = text.split_once("\n\n").expect("two parts");
        assert!(head.lines().any(|line| line.split_whitespace().eq(["format", handler])), "{head}");
        let expected = TREE.trim_start().replace("FIRST", first).replace("SECOND", second);
        assert_eq!(tree, expected, "{handler}");

        let json = stage.json("show", &[&name]);
        assert_eq!(json["format"].as_str(), Some(handler));
        let payload = &json["payload"];
        assert_eq!(payload["user"], serde_json::json!({"id": 7, "name": "Ad\"a\n", "ok": true, "none": null}));
        assert_eq!(payload["big"].as_f64(), Some(1e25));
        assert_eq!(payload["bytes"], serde_json::json!({"$bytes": "ff00"}));
        assert_eq!(payload["item"]["$value"]["$object"].as_str(), Some("Item"));
        assert_eq!(payload["same"], serde_json::json!({"$same": first.parse::<u32>().expect("a number")}));
        assert_eq!(payload["suit"], serde_json::json!({"$enum": "Suit::Hearts"}));
        assert_eq!(payload["old"], serde_json::json!({"$custom": "Old", "data": "726177"}));
        // In the order in which PHP has them.
        let names: Vec<_> = payload.as_object().expect("an object").keys().collect();
        assert_eq!((names[0].as_str(), names[13].as_str()), ("user", "old"));
    }
}

/// What PHP's own JSON says of plain data is what the command's says.
#[test]
fn plain_data_is_the_json_that_php_makes() {
    let script = r#"
        session_start();
        mt_srand(7);
        function value($depth) {
            switch (mt_rand(0, $depth > 3 ? 5 : 7)) {
                case 0: return null;
                case 1: return (bool) mt_rand(0, 1);
                case 2: return mt_rand(-1000000, 1000000);
                case 3: return mt_rand(-1000, 1000) / 8;
                case 4: return str_repeat(chr(mt_rand(32, 126)), mt_rand(0, 40)) . "é\n";
                case 5: return '';
                case 6: $list = []; for ($i = mt_rand(0, 5); $i > 0; $i--) $list[] = value($depth + 1); return $list;
                case 7: $map = []; for ($i = mt_rand(1, 5); $i > 0; $i--) $map["k$i"] = value($depth + 1); return $map;
            }
        }
        for ($i = 0; $i < 300; $i++) $_SESSION["v$i"] = value(0);
        fwrite(STDERR, json_encode($_SESSION, JSON_PRESERVE_ZERO_FRACTION));
        fwrite(STDOUT, session_encode());
        session_abort();
    "#;
    let output = Command::new("php")
        .args([
            "-n",
            "-d",
            "session.use_cookies=0",
            "-d",
            "session.cache_limiter=",
            "-d",
            "serialize_precision=17",
            "-r",
            script,
        ])
        .output()
        .expect("php runs");
    let expected: serde_json::Value = serde_json::from_slice(&output.stderr).expect("PHP's JSON");
    let (stage, name) = stage(&output.stdout);
    assert_eq!(stage.json("show", &[&name])["payload"], expected);
}

#[test]
fn hostile_payloads_do_no_harm() {
    let deep = format!("a|{}N;{}", "a:1:{i:0;".repeat(200_000), "}".repeat(200_000));
    let long = format!("a|s:1000000:\"{}\";", "x".repeat(1_000_000));
    let many = format!("a|a:300000:{{{}}}", (0..300_000).map(|i| format!("i:{i};N;")).collect::<String>());
    let cases: [(&[u8], &str); 8] = [
        (deep.as_bytes(), "is nested deeper than 200 levels"),
        (many.as_bytes(), "has more than 262144 values"),
        (long.as_bytes(), "(1000000 bytes)"),
        (b"a|s:18446744073709551615:\"x\";", "is in no format that is known here"),
        (b"a|a:4294967295:{i:0;N;}", "is in no format that is known here"),
        (b"\x00\x00\x00\x02\x14\x01\x11\x01a\x06\x01", "is in igbinary's format"),
        (b"\x81\xa1a\x01", "msgpack's format"),
        (b"", "the session holds nothing"),
    ];
    for (payload, expected) in cases {
        let (stage, name) = stage(payload);
        let text = stage.text("show", &[&name]);
        assert!(text.contains(expected), "{expected}: {}", &text[..text.len().min(2000)]);
        assert!(text.len() < 10_000, "{} bytes are printed", text.len());
        stage.json("show", &[&name]);
    }
}

#[test]
fn nothing_in_a_payload_reaches_the_terminal_as_a_command() {
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}";
    let payload = format!(
        "{evil}|s:{len}:\"{evil}\";o|O:{len}:\"{evil}\":1:{{s:{len}:\"{evil}\";E:{more}:\"{evil}:x\";}}c|C:{len}:\"{evil}\":{len}:{{{evil}}}",
        len = evil.len(),
        more = evil.len() + 2
    );
    let opaque = format!("{evil} no format at all");
    for (payload, found) in [(payload, "\\u{1b}]0;owned"), (opaque, "is in no format")] {
        let (stage, name) = stage(payload.as_bytes());
        for options in [&["--color", "never"][..], &["--json"], &["--full", "--color", "never"]] {
            let shown = on_a_terminal(&[&["show", stage.path(), &name], options].concat(), &[], "");
            assert!(shown.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{}", shown.escape_debug());
            assert!(shown.contains(found) || options == ["--json"], "{shown}");
        }
        let (code, said) = failed(&stage.run("show", &[&format!("{evil}abcd")]));
        assert!(code == 2 && !said.contains('\u{1b}'), "{}", said.escape_debug());
    }
}

#[test]
fn raw_bytes_are_what_is_stored_and_not_for_terminals() {
    let payload = b"a|s:3:\"\x00\xff\x1b\";";
    let (stage, name) = stage(payload);
    assert_eq!(stage.run("show", &[&name, "--raw"]).stdout, payload);
    let refused = on_a_terminal(&["show", stage.path(), &name, "--raw"], &[], "");
    assert!(refused.contains("not for a terminal") && !refused.contains("\u{ff}"), "{refused}");
}

#[test]
fn a_format_can_be_asked_for() {
    // In php_serialize an array; in php a variable whose name ends at the |.
    let (stage, name) = stage(b"a:1:{s:1:\"|\";i:5;}");
    assert_eq!(stage.json("show", &[&name])["payload"], serde_json::json!({"|": 5}));
    let text = stage.text("show", &[&name, "--format", "php"]);
    assert!(text.contains("is not in that format"), "{text}");
}
