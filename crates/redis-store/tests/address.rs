//! Addresses: what each part of a URL means, what is refused and in which words, and that no error and no way of
//! showing an address holds a secret.

use std::path::PathBuf;
use std::time::Duration;

use cloakroom_redis_store::address::{Address, AddressError, Endpoint, Engine, Problem, SCHEMES, Secret, Servers, Tls};
use proptest::prelude::*;

fn parse(url: &str) -> Result<Address, AddressError> {
    Address::parse(url.as_bytes())
}

fn parsed(url: &str) -> Address {
    parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn tcp(host: &str, port: u16) -> Endpoint {
    Endpoint::Tcp { host: host.to_owned(), port }
}

fn literal(password: &str) -> Option<Secret> {
    Some(Secret::literal(password.to_owned()))
}

#[test]
fn what_is_left_out_has_a_default() {
    let expected = Address {
        engine: Engine::Redis,
        servers: Servers::One(tcp("localhost", 6379)),
        tls: None,
        database: 0,
        user: None,
        password: None,
        prefix: "cloakroom:".to_owned(),
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
    };
    for url in ["redis://localhost", "redis://localhost/", "REDIS://localhost:6379/0"] {
        assert_eq!(parsed(url), expected, "{url}");
    }
    assert_eq!(parsed("valkey://localhost"), Address { engine: Engine::Valkey, ..expected });
}

#[test]
fn every_part_is_read() {
    let url = "rediss://ann:s%40cret@[2001:db8::1]:7000/12?prefix=shop%2F&timeout=0.25&connect_timeout=3.5\
               &ca=/etc/ca.pem&cert=/etc/me.pem&key=/etc/me%20too.key";
    let expected = Address {
        engine: Engine::Redis,
        servers: Servers::One(tcp("2001:db8::1", 7000)),
        tls: Some(Tls {
            ca: Some("/etc/ca.pem".into()),
            cert: Some("/etc/me.pem".into()),
            key: Some("/etc/me too.key".into()),
        }),
        database: 12,
        user: Some("ann".to_owned()),
        password: literal("s@cret"),
        prefix: "shop/".to_owned(),
        connect_timeout: Duration::from_millis(3500),
        timeout: Duration::from_millis(250),
    };
    assert_eq!(parsed(url), expected);
}

#[test]
fn sockets_clusters_and_sentinels_are_read() {
    let socket = parsed("redis+unix://:pw@/run/my%20redis.sock?db=3");
    assert_eq!(socket.servers, Servers::One(Endpoint::Unix("/run/my redis.sock".into())));
    assert_eq!((socket.database, socket.user, socket.password), (3, None, literal("pw")));

    let cluster = parsed("redis-cluster://ann:pw@a,b:7001,[::1]");
    assert_eq!(cluster.servers, Servers::Cluster(vec![tcp("a", 6379), tcp("b", 7001), tcp("::1", 6379)]));
    assert_eq!((cluster.user.as_deref(), cluster.tls), (Some("ann"), None));
    assert_eq!(parsed("valkey-clusters://a/0").tls, Some(Tls::default()));

    let url = "redis-sentinels://ann:pw@a,b:26000/my%2Fmaster/2?sentinel_user=watch&sentinel_password=dog";
    let sentinel = parsed(url);
    let expected = Servers::Sentinel {
        sentinels: vec![tcp("a", 26379), tcp("b", 26000)],
        service: "my/master".to_owned(),
        user: Some("watch".to_owned()),
        password: literal("dog"),
    };
    assert_eq!((sentinel.servers, sentinel.database), (expected, 2));
    assert_eq!((sentinel.tls, sentinel.password), (Some(Tls::default()), literal("pw")));
}

#[test]
fn a_password_can_stand_in_four_places() {
    let password = |url: &str| parsed(url).password;
    assert_eq!(password("redis://:pw@h"), literal("pw"));
    assert_eq!(password("redis://ann:p:w@h"), literal("p:w"));
    assert_eq!(password("redis://ann:@h"), literal(""), "an ACL user without a password");
    assert_eq!(password("redis://ann@h?password_env=REDIS_PW"), Some(Secret::in_environment("REDIS_PW".to_owned())));
    assert_eq!(password("redis://h?password_file=/run/pw"), Some(Secret::in_file("/run/pw".into())));
    let service = |option: &str| match parsed(&format!("redis-sentinel://h/s?{option}")).servers {
        Servers::Sentinel { password, .. } => password,
        other => panic!("{other:?}"),
    };
    assert_eq!(service("sentinel_password_env=PW"), Some(Secret::in_environment("PW".to_owned())));
    assert_eq!(service("sentinel_password_file=/pw"), Some(Secret::in_file("/pw".into())));
}

#[test]
fn each_mistake_has_its_error_and_its_place() {
    use Problem as P;
    let cases: &[(&str, Problem, usize)] = &[
        ("", P::Scheme, 1),
        ("localhost:6379", P::Scheme, 1),
        ("tcp://localhost", P::Scheme, 1),
        ("redis+unixs:///run/s", P::Scheme, 1),
        ("redis://ho st", P::NotEncoded, 11),
        ("redis://hö", P::NotEncoded, 10),
        ("redis://h\0", P::NotEncoded, 10),
        ("redis://h#top", P::Fragment, 10),
        ("redis://u:p@ss@h", P::StrayAt, 15),
        ("redis://u:pa/ss@h", P::StrayAt, 16),
        ("redis://u:pa?ss@h", P::StrayAt, 16),
        ("redis://u:pa#ss@h", P::Fragment, 13),
        ("redis://h?prefix=a@b", P::StrayAt, 19),
        ("redis://u:50%@h", P::Escape, 13),
        ("redis://u:5%2@h", P::Escape, 12),
        ("redis://u:%+1@h", P::Escape, 11),
        ("redis://u:%ff@h", P::NotUtf8("password"), 11),
        ("redis://%ff:p@h", P::NotUtf8("user"), 9),
        ("redis://u:a%00b@h", P::Nul("password"), 11),
        ("redis://@h", P::EmptyUser, 9),
        ("redis://:@h", P::EmptyUser, 9),
        ("redis://hunter2@h", P::UserAlone, 9),
        ("redis://", P::EmptyHost, 9),
        ("redis://:6379", P::EmptyHost, 9),
        ("redis-cluster://a,,b", P::EmptyHost, 19),
        ("redis-cluster://a,", P::EmptyHost, 19),
        ("redis://a~b", P::Host, 9),
        ("redis://fe80::1:6379", P::Host, 9),
        ("redis://h%6f", P::Host, 9),
        ("redis://[::1", P::Ipv6, 9),
        ("redis://[[::1]", P::Ipv6, 9),
        ("redis://[::g]", P::Ipv6, 9),
        ("redis://[fe80::1%25eth0]", P::Ipv6, 9),
        ("redis://[::1]6379", P::Port, 14),
        ("redis://h:", P::Port, 11),
        ("redis://h:0", P::Port, 11),
        ("redis://h:65536", P::Port, 11),
        ("redis://h:+80", P::Port, 11),
        ("redis://user:hunter2", P::Port, 14),
        ("redis-cluster://a,b:x,c", P::Port, 21),
        ("redis://a,b", P::SeveralServers, 9),
        ("redis://h/x", P::Database, 11),
        ("redis://h/-1", P::Database, 11),
        ("redis://h/4294967296", P::Database, 11),
        ("redis://h/1/2", P::Database, 11),
        ("redis+unix:///s?db=x", P::Database, 20),
        ("redis-cluster://h/1", P::ClusterDatabase, 19),
        ("redis-cluster://h/x", P::ClusterDatabase, 19),
        ("redis-sentinel://h", P::Service, 19),
        ("redis-sentinel://h/", P::Service, 20),
        ("redis-sentinel://h//1", P::Service, 20),
        ("redis-sentinel://h/s/x", P::Database, 22),
        ("redis+unix://run/redis.sock", P::SocketPath, 14),
        ("redis+unix://", P::SocketPath, 14),
        ("redis+unix:///", P::SocketPath, 15),
        ("redis+unix:///a%00", P::Nul("path of the socket"), 15),
        ("redis://h?", P::BareOption, 11),
        ("redis://h?prefix", P::BareOption, 11),
        ("redis://h?prefix=a&", P::BareOption, 20),
        ("redis://h?hunter2=1", P::UnknownOption, 11),
        ("redis://h?PREFIX=a", P::UnknownOption, 11),
        ("redis://h?timeout=1&timeout=2", P::RepeatedOption("timeout"), 21),
        ("redis://h?password_env=", P::EmptyOption("password_env"), 24),
        ("redis://h?timeout=x", P::Seconds("timeout"), 19),
        ("redis://h?timeout=0", P::Seconds("timeout"), 19),
        ("redis://h?timeout=-1", P::Seconds("timeout"), 19),
        ("redis://h?timeout=1e3", P::Seconds("timeout"), 19),
        ("redis://h?timeout=.5", P::Seconds("timeout"), 19),
        ("redis://h?timeout=5.", P::Seconds("timeout"), 19),
        ("redis://h?timeout=3600.1", P::Seconds("timeout"), 19),
        ("redis://h?connect_timeout=0.0001", P::Seconds("connect_timeout"), 27),
        ("redis://h?db=1", P::DatabaseOption, 14),
        ("redis://h?prefix=a%7Bb", P::Braces, 18),
        ("redis://h?password_env=a-b", P::Variable("password_env"), 24),
        ("redis://h?password_file=pw", P::RelativePath("password_file"), 25),
        ("rediss://h?ca=ca.pem", P::RelativePath("ca"), 15),
        ("redis://h?ca=/ca.pem", P::WithoutTls("ca"), 14),
        ("redis+unix:///s?key=/k", P::WithoutTls("key"), 21),
        ("rediss://h?cert=/c", P::HalfCertificate("key"), 17),
        ("rediss://h?key=/k", P::HalfCertificate("cert"), 16),
        ("redis://:p@h?password_env=P", P::TwoPasswords("user:password@", "password_env"), 27),
        ("redis://h?password_file=/p&password_env=P", P::TwoPasswords("password_env", "password_file"), 25),
        (
            "redis-sentinel://h/s?sentinel_password=a&sentinel_password_env=P",
            P::TwoPasswords("sentinel_password", "sentinel_password_env"),
            64,
        ),
        ("redis://h?sentinel_password=a", P::WithoutSentinel("sentinel_password"), 29),
        ("redis-sentinel://h/s?sentinel_user=u", P::SentinelUserAlone, 36),
    ];
    for (url, problem, at) in cases {
        assert_eq!(parse(url), Err(AddressError { problem: *problem, at: *at }), "{url}");
    }
}

#[test]
fn an_error_says_what_and_where() {
    let says = |url: &str| parse(url).expect_err(url).to_string();
    assert_eq!(
        says("redis://localhost:0"),
        "the port after the host must be a number from 1 to 65535 (character 19 of the address)"
    );
    assert!(says("tcp://h").contains("redis-sentinels://"));
    assert!(says("redis://h?a=b").contains("connect_timeout"));
}

/// Each of these puts the word somewhere where a password may end up by mistake.
#[test]
fn no_error_and_no_way_of_showing_an_address_holds_a_secret() {
    let word = "hunter2";
    let urls = [
        "redis://:hunter2@h",
        "redis://u:hunter2@h:x",
        "redis://u:hunter2",
        "redis://hunter2@h",
        "redis://u:a@hunter2@h",
        "redis://u:a/hunter2@h",
        "redis://u:a?hunter2@h",
        "redis://u:a#hunter2@h",
        "redis://u:a?hunter2=1@h",
        "redis://u:a%hunter2@h",
        "redis://u:a hunter2@h",
        "redis://h?hunter2",
        "redis://h?hunter2=1",
        "redis://h?timeout=hunter2",
        "redis://h?password_env=hunter2-",
        "redis://h?password_file=hunter2",
        "redis://h/hunter2",
        "rediss://h?ca=hunter2",
        "redis+unix://hunter2",
        "redis-cluster://u:hunter2@h/1",
        "redis-sentinel://h/s?sentinel_password=hunter2&sentinel_user=",
        "redis-sentinel://h/s?sentinel_password=hunter2",
        "redis-sentinel://h/s?sentinel_password=a&hunter2=",
        "hunter2",
        "hunter2://h",
    ];
    for url in urls {
        let shown = match parse(url) {
            Ok(address) => format!("{address:?} {}", address.location()),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains(word), "{url} shows the secret: {shown}");
    }
}

#[test]
fn the_location_is_the_address_without_secrets_and_options() {
    for (url, location) in [
        ("redis://u:p@h?timeout=2", "redis://h:6379"),
        ("valkeys://[::1]:1/2", "valkeys://[::1]:1/2"),
        ("redis+unix://:p@/run/s%20s", "redis+unix:///run/s s"),
        ("valkey+unix:///s?db=1&prefix=a", "valkey+unix:///s?db=1"),
        ("redis-clusters://u:p@a,b:2", "redis-clusters://a:6379,b:2"),
        ("redis-sentinel://:p@a,b/s/3?sentinel_password=x", "redis-sentinel://a:26379,b:26379/s/3"),
    ] {
        assert_eq!(parsed(url).location(), location);
    }
}

#[test]
fn a_secret_is_read_where_it_is_each_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("pw");
    let secret = Secret::in_file(path.clone());
    let says = || secret.reveal().expect_err("no password").to_string();
    assert_eq!(says(), "the file that is named for the password cannot be read: entity not found");
    for (content, password) in [("one", "one"), ("two\n", "two"), ("three\r\n", "three"), (" four \n", " four ")] {
        std::fs::write(&path, content).expect("a file");
        assert_eq!(secret.reveal().expect("a password"), password);
    }
    for (content, error) in [
        ("".to_owned(), "is empty"),
        ("\n".to_owned(), "is empty"),
        ("hunter2\nhunter2\n".to_owned(), "in one line"),
        ("hunter2".repeat(600), "in one line of at most 4096 bytes"),
    ] {
        std::fs::write(&path, content).expect("a file");
        let says = says();
        assert!(says.contains(error) && !says.contains("hunter2"), "{says}");
    }
    std::fs::write(&path, b"\xff").expect("a file");
    assert!(says().contains("is not UTF-8"));

    let variable = Secret::in_environment("CLOAKROOM_TEST_THAT_NOBODY_SETS".to_owned());
    assert!(variable.reveal().expect_err("not set").to_string().contains("is not set"));
    // Cargo sets this one for every test.
    let variable = Secret::in_environment("CARGO_PKG_NAME".to_owned());
    assert_eq!(variable.reveal().expect("a password"), "cloakroom-redis-store");
    assert_eq!(format!("{secret:?} {variable:?}"), "Secret(file) Secret(environment)");
}

/// Percent-encodes all that is not plain.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn encoded_whole(text: &str) -> String {
    encoded(text).replace('/', "%2f")
}

/// A password as it is generated, beside what it is in an address.
#[derive(Clone, Debug)]
enum Given {
    Literal(String),
    Variable(String),
    File(String),
}

impl Given {
    fn secret(&self) -> Secret {
        match self {
            Given::Literal(password) => Secret::literal(password.clone()),
            Given::Variable(name) => Secret::in_environment(name.clone()),
            Given::File(path) => Secret::in_file(PathBuf::from(path)),
        }
    }
}

fn given() -> impl Strategy<Value = Given> {
    prop_oneof![
        "[^\0]{1,12}".prop_map(Given::Literal),
        "[A-Z_][A-Z0-9_]{0,8}".prop_map(Given::Variable),
        "/[^\0]{1,9}".prop_map(Given::File),
    ]
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let host = prop_oneof![
        "[a-zA-Z0-9._-]{1,12}",
        any::<u128>().prop_map(|number| std::net::Ipv6Addr::from(number).to_string()),
    ];
    (host, 1..=u16::MAX).prop_map(|(host, port)| Endpoint::Tcp { host, port })
}

/// An address and a URL that means it.
fn address() -> impl Strategy<Value = (Address, String)> {
    let some_user = proptest::option::of("[^\0]{1,8}");
    let tls = proptest::option::of((proptest::option::of("/[^\0]{1,8}"), proptest::option::of("/[^\0]{1,8}")));
    let servers = proptest::collection::vec(endpoint(), 1..4);
    let times = (1u64..3_600_000, 1u64..3_600_000);
    let sentinel = ("[^\0]{1,8}", proptest::option::of(given()), some_user.clone());
    let what = (0..4u8, any::<bool>(), "/[^\0]{1,20}", any::<u32>(), "[^\0{}]{0,9}");
    (what, servers, tls, some_user, proptest::option::of(given()), times, sentinel).prop_map(
        |((kind, valkey, path, database, prefix), endpoints, tls, user, password, times, sentinel)| {
            let mut options = vec![format!("prefix={}", encoded_whole(&prefix))];
            for (name, milliseconds) in [("connect_timeout", times.0), ("timeout", times.1)] {
                options.push(format!("{name}={}.{:03}", milliseconds / 1000, milliseconds % 1000));
            }
            // A socket has no TLS; a user has a password.
            let tls = tls.filter(|_| kind != 1).map(|(ca, certificate)| Tls {
                ca: ca.map(PathBuf::from),
                cert: certificate.clone().map(PathBuf::from),
                key: certificate.map(PathBuf::from),
            });
            for (name, file) in tls.iter().flat_map(|tls| [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)]) {
                options.extend(file.iter().map(|file| format!("{name}={}", encoded(&file.to_string_lossy()))));
            }
            let user = user.filter(|_| password.is_some());
            let mut info = user.as_deref().map(encoded_whole).unwrap_or_default();
            match &password {
                Some(Given::Literal(password)) => info += &format!(":{}", encoded_whole(password)),
                Some(Given::Variable(name)) => options.push(format!("password_env={name}")),
                Some(Given::File(path)) => options.push(format!("password_file={}", encoded(path))),
                None => {}
            }
            if !info.is_empty() {
                info.push('@');
            }
            let listed = endpoints.iter().map(Endpoint::to_string).collect::<Vec<_>>().join(",");
            let database = if kind == 2 { 0 } else { database };
            let (form, servers, rest) = match kind {
                0 => {
                    let server = endpoints[0].clone();
                    ("", Servers::One(server.clone()), format!("{server}/{database}"))
                }
                1 => {
                    options.push(format!("db={database}"));
                    ("+unix", Servers::One(Endpoint::Unix(PathBuf::from(&path))), encoded(&path))
                }
                2 => ("-cluster", Servers::Cluster(endpoints), listed),
                _ => {
                    let (service, given, user) = sentinel;
                    let user = user.filter(|_| given.is_some());
                    options.extend(user.iter().map(|user| format!("sentinel_user={}", encoded(user))));
                    options.extend(given.iter().map(|given| match given {
                        Given::Literal(password) => format!("sentinel_password={}", encoded(password)),
                        Given::Variable(name) => format!("sentinel_password_env={name}"),
                        Given::File(path) => format!("sentinel_password_file={}", encoded(path)),
                    }));
                    let rest = format!("{listed}/{}/{database}", encoded_whole(&service));
                    let password = given.map(|given| given.secret());
                    ("-sentinel", Servers::Sentinel { sentinels: endpoints, service, user, password }, rest)
                }
            };
            let name = if valkey { "valkey" } else { "redis" };
            let s = if tls.is_some() { "s" } else { "" };
            let url = format!("{name}{form}{s}://{info}{rest}?{}", options.join("&"));
            let address = Address {
                engine: if valkey { Engine::Valkey } else { Engine::Redis },
                servers,
                tls,
                database,
                user,
                password: password.map(|given| given.secret()),
                prefix,
                connect_timeout: Duration::from_millis(times.0),
                timeout: Duration::from_millis(times.1),
            };
            (address, url)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn what_an_address_is_written_as_parses_back_to_it((address, url) in address()) {
        prop_assert_eq!(parse(&url), Ok(address));
    }

    #[test]
    fn an_error_points_into_the_address_and_says_nothing_of_it(
        scheme in proptest::sample::select(&SCHEMES[..]),
        rest in "[a-c0-9:@/?#&=%,\\[\\]. _{}é-]{0,40}",
    ) {
        let url = format!("{scheme}://{rest}");
        if let Err(error) = parse(&url) {
            prop_assert!((1..=url.len() + 1).contains(&error.at), "{} of {}", error.at, url);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let anything = Address::parse(&bytes);
        prop_assert!(anything.is_err(), "no scheme of ours comes up by chance");
    }

    #[test]
    fn a_password_that_was_not_encoded_never_shows(
        before in "[ -~]{0,6}", after in "[ -~]{0,6}", kind in 0..3usize,
    ) {
        let rest = ["h", "a,b/1", "a/service"][kind];
        let scheme = ["redis", "redis-cluster", "redis-sentinel"][kind];
        let url = format!("{scheme}://u:{before}SECRET{after}@{rest}");
        let shown = match parse(&url) {
            Ok(address) => format!("{address:?} {}", address.location()),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!shown.contains("SECRET"), "{}: {}", url, shown);
    }
}
