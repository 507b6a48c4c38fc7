//! TLS and users: who gets in with what, and what those are told who do not.

mod servers;

use std::process::ExitCode;

use servers::certificates::Certificates;
use servers::cluster::Cluster;
use servers::process::{Server, Settings};
use servers::sentinel::{Guards, Watched};
use servers::sessions::{acquire, exclusive, holds, open, refused, says, write};
use servers::suite::{Checked, case, run};
use servers::{Engine, temporary};

/// No error may hold it.
const PASSWORD: &str = "hunter2/@%41";
/// The same in a URL.
const ENCODED: &str = "hunter2%2f%40%2541";

fn main() -> ExitCode {
    run(&[
        case("TLS with an authority of one's own", server_certificate),
        case("a certificate for the client too", client_certificate),
        case("a cluster that speaks nothing but TLS", cluster),
        case("Sentinels and servers that speak nothing but TLS", sentinels),
        case("a password", password),
        case("users and what they may do", users),
    ])
}

/// An error unless a session can be written and read at `url`.
fn works(url: &str) -> Result<(), String> {
    let store = open(url)?;
    write(&store, "s", b"payload")
        .and_then(|()| holds(&store, "s", Some(b"payload")))
        .map_err(|e| format!("{url}: {e}"))
}

/// What a request at `url` is told, which fails and tells no secret.
fn told(url: &str, parts: &[&str]) -> Result<(), String> {
    let text = refused(url, acquire(&open(url)?, "s", &exclusive()))?;
    if text.contains("hunter2") {
        return Err(format!("{url}: a password is shown: {text}"));
    }
    says(&text, parts).map_err(|error| format!("{url}: {error}"))
}

fn server_certificate(engine: Engine) -> Checked {
    let dir = temporary();
    let certificates = Certificates::make(&dir.path().join("tls"))?;
    let server = Server::start(engine, &dir.path().join("server"), &certificates.settings(false))?;
    let (name, port, path) = (engine.name(), server.port, |file: &str| certificates.path(file));
    for host in ["127.0.0.1", "localhost"] {
        works(&format!("{name}s://{host}:{port}?ca={}", path("ca.pem")))?;
    }
    let cases = [
        (format!("{name}s://127.0.0.1:{port}?ca={}", path("stranger.pem")), "certificate"),
        (format!("{name}s://127.0.0.1:{port}"), "certificate"),
        (format!("{name}s://127.0.0.1:{port}?ca=/nowhere.pem"), "/nowhere.pem cannot be read"),
        (format!("{name}s://127.0.0.1:{port}?ca={}", path("ca.key")), "it holds none"),
        // The certificate is not for this name, which is another of the same machine.
        (format!("{name}s://127.0.0.2:{port}?ca={}", path("ca.pem")), "cannot be reached"),
        (format!("{name}://127.0.0.1:{port}"), "cannot be reached"),
    ];
    for (url, part) in &cases {
        told(url, &[part])?;
    }
    let plain = Server::start(engine, &dir.path().join("plain"), &Settings::default())?;
    told(&format!("{name}s://127.0.0.1:{}?ca={}", plain.port, path("ca.pem")), &["cannot be reached"])?;
    Ok(format!("{} refusals", cases.len() + 1))
}

fn client_certificate(engine: Engine) -> Checked {
    let dir = temporary();
    let certificates = Certificates::make(&dir.path().join("tls"))?;
    let server = Server::start(engine, &dir.path().join("server"), &certificates.settings(true))?;
    let url = |certificate: &str, key: &str| {
        let (ca, certificate, key) =
            (certificates.path("ca.pem"), certificates.path(certificate), certificates.path(key));
        format!("{}s://127.0.0.1:{}?ca={ca}&cert={certificate}&key={key}", engine.name(), server.port)
    };
    works(&url("client.pem", "client.key"))?;
    told(&url("intruder.pem", "intruder.key"), &["cannot be reached"])?;
    told(&url("client.pem", "intruder.key"), &["does not fit the certificate"])?;
    let without = format!("{}s://127.0.0.1:{}?ca={}", engine.name(), server.port, certificates.path("ca.pem"));
    told(&without, &["cannot be reached"])?;
    Ok("the client's only".to_owned())
}

fn cluster(engine: Engine) -> Checked {
    let dir = temporary();
    let certificates = Certificates::make(&dir.path().join("tls"))?;
    let cluster = Cluster::start_with(engine, dir.path(), Some(&certificates))?;
    let store = open(&cluster.url())?;
    // Enough for each master to have some.
    for id in (0..30).map(|number| format!("s{number}")) {
        write(&store, &id, id.as_bytes())?;
        holds(&store, &id, Some(id.as_bytes()))?;
    }
    let masters = cluster.members.iter().filter(|member| member.ask::<u64>(&["DBSIZE"]).is_ok_and(|keys| keys > 0));
    let masters = masters.filter(|member| member.info("role").as_deref() == Ok("master")).count();
    // With time for a member to say why, on a busy machine too.
    let stranger = format!("{}&connect_timeout=3&timeout=1", cluster.url().replace("ca.pem", "stranger.pem"));
    told(&stranger, &["certificate"])?;
    if masters == 3 { Ok("on three masters".to_owned()) } else { Err(format!("{masters} masters have sessions")) }
}

fn sentinels(engine: Engine) -> Checked {
    let dir = temporary();
    let certificates = Certificates::make(&dir.path().join("tls"))?;
    let guards = Guards { tls: Some(&certificates), ..Guards::default() };
    let watched = Watched::start(engine, dir.path(), guards)?;
    let store = open(&watched.url())?;
    write(&store, "s", b"payload")?;
    holds(&store, "s", Some(b"payload"))?;
    // With time for a Sentinel to say why, on a busy machine too.
    let stranger = format!("{}&connect_timeout=3&timeout=1", watched.url().replace("ca.pem", "stranger.pem"));
    told(&stranger, &["certificate"])?;
    let plain = watched.url().replace("sentinels://", "sentinel://");
    told(plain.split('?').next().unwrap_or_default(), &["cannot be reached"])?;
    Ok("from the Sentinel to the master".to_owned())
}

fn password(engine: Engine) -> Checked {
    let dir = temporary();
    let settings = Settings {
        lines: vec![format!("requirepass \"{PASSWORD}\"")],
        admin: Some(("default".to_owned(), PASSWORD.to_owned())),
        ..Settings::default()
    };
    let server = Server::start(engine, &dir.path().join("server"), &settings)?;
    let file = dir.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).map_err(|error| error.to_string())?;
    let (name, socket) = (engine.name(), server.socket().display().to_string());
    works(&format!("{name}+unix://:{ENCODED}@{socket}"))?;
    works(&format!("{name}://default:{ENCODED}@127.0.0.1:{}/3", server.port))?;
    let from_file = format!("{name}+unix://{socket}?password_file={}", file.display());
    works(&from_file)?;
    told(&format!("{name}+unix://{socket}"), &["it asks for a password", "password_env="])?;
    told(&format!("{name}+unix://:hunter23@{socket}"), &["user or password is wrong"])?;
    told(&format!("{name}+unix://{socket}?password_env=CLOAKROOM_NOT_SET"), &["is not set", "clear_env"])?;
    told(&format!("{name}+unix://:{ENCODED}@{socket}?db=99"), &["no such database"])?;

    // A password that is changed in its file is used from the next connection on.
    server.ask::<String>(&["CONFIG", "SET", "requirepass", "hunter3"])?;
    told(&from_file, &["user or password is wrong"])?;
    std::fs::write(&file, "hunter3").map_err(|error| error.to_string())?;
    works(&from_file)?;
    Ok("given in the address or in a file".to_owned())
}

fn users(engine: Engine) -> Checked {
    let dir = temporary();
    let commands = "+@connection +eval +evalsha +get +set +getrange +setrange +exists +del +time +pexpire +pttl +lpop +lpos \
                    +lrem +lindex +llen +rpush +blpop +hincrby +hmget +hgetall +info +scan +dbsize";
    let lines = [
        format!("user sessions on >{PASSWORD} ~shop:* {commands}"),
        format!("user reader on >{PASSWORD} ~* +@read +@connection"),
        format!("user elsewhere on >{PASSWORD} ~other:* +@all"),
        "user unguarded on nopass ~* +@all".to_owned(),
        "user default off".to_owned(),
        "user admin on >root ~* &* +@all".to_owned(),
    ];
    let admin = Some(("admin".to_owned(), "root".to_owned()));
    let settings = Settings { lines: lines.into(), admin, ..Settings::default() };
    let server = Server::start(engine, &dir.path().join("server"), &settings)?;
    let url = |user: &str, prefix: &str| {
        format!("{}+unix://{user}@{}?prefix={prefix}", engine.name(), server.socket().display())
    };
    works(&url(&format!("sessions:{ENCODED}"), "shop:"))?;
    let store = open(&url(&format!("sessions:{ENCODED}"), "shop:"))?;
    store.status().map_err(|error| format!("the figures for a user with few rights: {error}"))?;
    works(&url("unguarded:", "any:"))?;
    told(&url(&format!("reader:{ENCODED}"), "shop:"), &["the user may not do this", "it needs the commands"])?;
    told(&url(&format!("elsewhere:{ENCODED}"), "shop:"), &["the user may not do this", "the keys of this store"])?;
    told(&url(&format!("nobody:{ENCODED}"), "shop:"), &["user or password is wrong"])?;
    told(&format!("{}+unix://{}", engine.name(), server.socket().display()), &["it asks for a password"])?;
    Ok("what the error names is enough".to_owned())
}
