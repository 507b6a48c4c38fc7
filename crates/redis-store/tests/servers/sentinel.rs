//! A master with two replicas, watched by three Sentinels.

use std::path::Path;
use std::time::Duration;

use super::certificates::Certificates;
use super::process::{Server, Settings};
use super::{Engine, wait_for};

/// What the Sentinels call the group.
pub(crate) const SERVICE: &str = "sessions";
/// After how long a Sentinel takes a silent server for dead.
pub(crate) const DOWN_AFTER: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(60);

/// The servers in the order in which they were started, whatever their roles are now, and the Sentinels.
pub(crate) struct Watched {
    pub(crate) engine: Engine,
    pub(crate) servers: Vec<Server>,
    pub(crate) sentinels: Vec<Server>,
    /// The authority to trust, where all speak TLS.
    ca: Option<String>,
}

/// What the servers and the Sentinels ask for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Guards<'a> {
    /// The servers' password.
    pub(crate) servers: Option<&'a str>,
    /// The Sentinels' password.
    pub(crate) sentinels: Option<&'a str>,
    /// Nobody is spoken to but by TLS, servers and Sentinels by each other included.
    pub(crate) tls: Option<&'a Certificates>,
}

impl Watched {
    /// Starts all in `dir` and returns when every Sentinel knows all others and both replicas, which follow their master.
    pub(crate) fn start(engine: Engine, dir: &Path, guards: Guards<'_>) -> Result<Watched, String> {
        let admin = |password: Option<&str>| password.map(|password| ("default".to_owned(), password.to_owned()));
        let settings = || {
            let mut settings = guards.tls.map_or_else(Settings::default, |tls| tls.settings(false));
            if guards.tls.is_some() {
                settings.lines.push("tls-replication yes".to_owned());
            }
            settings
        };
        let mut servers: Vec<Server> = Vec::new();
        for number in 0..3 {
            let mut settings = Settings { admin: admin(guards.servers), ..settings() };
            if let Some(password) = guards.servers {
                settings.lines.push(format!("requirepass {password}"));
                settings.lines.push(format!("masterauth {password}"));
            }
            if let Some(master) = servers.first() {
                settings.lines.push(format!("replicaof 127.0.0.1 {}", master.port));
            }
            servers.push(Server::start(engine, &dir.join(format!("r{number}")), &settings)?);
        }
        let mut sentinels = Vec::new();
        for number in 0..3 {
            let mut settings = Settings { admin: admin(guards.sentinels), sentinel: true, ..settings() };
            settings.lines.extend([
                format!("sentinel monitor {SERVICE} 127.0.0.1 {} 2", servers[0].port),
                format!("sentinel down-after-milliseconds {SERVICE} {}", DOWN_AFTER.as_millis()),
                format!("sentinel failover-timeout {SERVICE} 4000"),
            ]);
            if let Some(password) = guards.servers {
                settings.lines.push(format!("sentinel auth-pass {SERVICE} {password}"));
            }
            if let Some(password) = guards.sentinels {
                settings.lines.push(format!("requirepass {password}"));
                settings.lines.push(format!("sentinel sentinel-pass {password}"));
            }
            sentinels.push(Server::start(engine, &dir.join(format!("w{number}")), &settings)?);
        }
        let watched = Watched { engine, servers, sentinels, ca: guards.tls.map(|tls| tls.path("ca.pem")) };
        wait_for("the Sentinels know each other and the replicas", PATIENCE, || {
            let all = watched.sentinels.iter().all(|sentinel| {
                let state: Result<std::collections::HashMap<String, String>, _> =
                    sentinel.ask(&["SENTINEL", "MASTER", SERVICE]);
                state.is_ok_and(|state| {
                    ["num-slaves", "num-other-sentinels"]
                        .iter()
                        .all(|field| state.get(*field).is_some_and(|n| n == "2"))
                })
            });
            all.then_some(())
        })?;
        watched.wait_for_replicas(2)?;
        Ok(watched)
    }

    /// The address as a `save_path`: two of the Sentinels, without passwords.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<String> = self.sentinels.iter().take(2).map(|one| format!("127.0.0.1:{}", one.port)).collect();
        match &self.ca {
            None => format!("{}-sentinel://{}/{SERVICE}", self.engine.name(), hosts.join(",")),
            Some(ca) => format!("{}-sentinels://{}/{SERVICE}?ca={ca}", self.engine.name(), hosts.join(",")),
        }
    }

    /// The index of the server that the Sentinels call master now, where it runs and is one.
    pub(crate) fn master(&self) -> Option<usize> {
        let sentinel = self.sentinels.iter().find(|sentinel| sentinel.runs())?;
        let (_, port): (String, u16) = sentinel.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE]).ok()?;
        let is =
            |server: &Server| server.port == port && server.runs() && server.info("role").as_deref() == Ok("master");
        self.servers.iter().position(is)
    }

    /// Waits for a master that runs; its index.
    pub(crate) fn wait_for_master(&self) -> Result<usize, String> {
        wait_for("the Sentinels have a master", PATIENCE, || self.master())
    }

    /// Waits until `number` replicas follow the master.
    pub(crate) fn wait_for_replicas(&self, number: usize) -> Result<(), String> {
        wait_for("the replicas follow", PATIENCE, || {
            let follows = |server: &&Server| server.runs() && server.info("master_link_status").as_deref() == Ok("up");
            (self.servers.iter().filter(follows).count() == number).then_some(())
        })
    }

    /// Makes the Sentinels change the master, as an administrator does for an upgrade.
    pub(crate) fn fail_over(&self) -> Result<(), String> {
        self.sentinels[0].ask::<String>(&["SENTINEL", "FAILOVER", SERVICE]).map(|_| ())
    }
}
