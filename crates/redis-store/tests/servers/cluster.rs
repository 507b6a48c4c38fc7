//! A cluster on loopback: three masters with a replica each.

use std::path::Path;
use std::time::Duration;

use super::certificates::Certificates;
use super::process::{Server, Settings};
use super::{Engine, free_port, wait_for};

/// How many masters there are, and as many replicas.
const MASTERS: usize = 3;
/// After how long its members take a silent one for dead.
pub(crate) const NODE_TIMEOUT: Duration = Duration::from_millis(1500);
/// A bound for what a cluster decides among its members.
const PATIENCE: Duration = Duration::from_secs(60);

/// The members, in no order that means anything: roles change.
pub(crate) struct Cluster {
    pub(crate) engine: Engine,
    pub(crate) members: Vec<Server>,
    /// The authority to trust, where all speak TLS.
    ca: Option<String>,
}

impl Cluster {
    /// Starts the members in `dir` and returns when every one of them knows that the cluster is whole, and every master
    /// has a replica that follows it.
    pub(crate) fn start(engine: Engine, dir: &Path) -> Result<Cluster, String> {
        Self::start_with(engine, dir, None)
    }

    /// The same; with certificates nobody is spoken to but by TLS, the members by each other included.
    pub(crate) fn start_with(engine: Engine, dir: &Path, tls: Option<&Certificates>) -> Result<Cluster, String> {
        let mut members = Vec::new();
        for number in 0..2 * MASTERS {
            let lines = [
                "cluster-enabled yes".to_owned(),
                "cluster-config-file nodes".to_owned(),
                format!("cluster-port {}", free_port()),
                format!("cluster-node-timeout {}", NODE_TIMEOUT.as_millis()),
                "cluster-replica-validity-factor 0".to_owned(),
                "cluster-allow-replica-migration no".to_owned(),
            ];
            let mut settings = tls.map_or_else(Settings::default, |tls| tls.settings(false));
            settings.lines.extend(lines);
            if tls.is_some() {
                settings.lines.extend(["tls-cluster yes", "tls-replication yes"].map(str::to_owned));
            }
            members.push(Server::start(engine, &dir.join(format!("c{number}")), &settings)?);
        }
        let mut arguments = vec!["--cluster".to_owned(), "create".to_owned()];
        arguments.extend(members.iter().map(|member| format!("127.0.0.1:{}", member.port)));
        arguments.extend(["--cluster-replicas", "1", "--cluster-yes"].map(str::to_owned));
        let ca = tls.map(|tls| tls.path("ca.pem"));
        if let Some(ca) = &ca {
            arguments.extend(["--tls".to_owned(), "--cacert".to_owned(), ca.clone()]);
        }
        Server::cli(engine, &arguments)?;
        let cluster = Cluster { engine, members, ca };
        cluster.wait_until_whole()?;
        Ok(cluster)
    }

    /// The address as a `save_path`: two of the members, the others are found.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<String> =
            self.members.iter().take(2).map(|member| format!("127.0.0.1:{}", member.port)).collect();
        match &self.ca {
            None => format!("{}-cluster://{}", self.engine.name(), hosts.join(",")),
            Some(ca) => format!("{}-clusters://{}?ca={ca}", self.engine.name(), hosts.join(",")),
        }
    }

    /// Waits until every running member sees all slots served and every running replica follows a running master.
    pub(crate) fn wait_until_whole(&self) -> Result<(), String> {
        wait_for("the cluster is whole", PATIENCE, || {
            let whole = self.members.iter().filter(|member| member.runs()).all(|member| {
                let state: Result<String, _> = member.ask(&["CLUSTER", "INFO"]);
                let state = state.unwrap_or_default();
                let role = member.info("role");
                state.contains("cluster_state:ok")
                    && state.contains(&format!("cluster_known_nodes:{}", self.members.len()))
                    && match role.as_deref() {
                        Ok("slave") => member.info("master_link_status").as_deref() == Ok("up"),
                        Ok(_) => true,
                        Err(_) => false,
                    }
            });
            whole.then_some(())
        })
    }

    /// The slot of a key, as the servers compute it.
    pub(crate) fn slot(&self, key: &str) -> Result<u16, String> {
        self.running()?.ask(&["CLUSTER", "KEYSLOT", key])
    }

    /// The index of the member that serves `slot` as its master, as the member `witness` sees it.
    pub(crate) fn master_of(&self, slot: u16) -> Result<usize, String> {
        let nodes: String = self.running()?.ask(&["CLUSTER", "NODES"])?;
        let port = nodes.lines().find_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let owns = words.iter().skip(8).any(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                match (first.parse::<u16>(), last.parse::<u16>()) {
                    (Ok(first), Ok(last)) => (first..=last).contains(&slot),
                    _ => false,
                }
            });
            let serves = owns && words.get(2)?.contains("master") && !words.get(2)?.contains("fail");
            let port = words.get(1)?.split('@').next()?.rsplit(':').next()?;
            serves.then(|| port.parse::<u16>().ok()).flatten()
        });
        self.members
            .iter()
            .position(|member| Some(member.port) == port && member.runs())
            .ok_or_else(|| format!("nobody serves slot {slot}"))
    }

    /// Waits until a running master serves `slot`; its index.
    pub(crate) fn wait_for_master_of(&self, slot: u16) -> Result<usize, String> {
        wait_for("a master serves the slot", PATIENCE, || self.master_of(slot).ok())
    }

    /// The index of a master that does not serve `slot`.
    pub(crate) fn other_master(&self, slot: u16) -> Result<usize, String> {
        let serving = self.master_of(slot)?;
        let other = (0..self.members.len()).find(|index| {
            *index != serving
                && self.members.get(*index).is_some_and(|m| m.runs() && m.info("role").as_deref() == Ok("master"))
        });
        other.ok_or_else(|| "there is no other master".to_owned())
    }

    fn running(&self) -> Result<&Server, String> {
        self.members.iter().find(|member| member.runs()).ok_or_else(|| "no member runs".to_owned())
    }

    fn name_of(&self, index: usize) -> Result<String, String> {
        self.members[index].ask(&["CLUSTER", "MYID"])
    }

    /// Begins to move `slot` from one master to another: requests for keys that are not there yet get ASK.
    pub(crate) fn begin_migration(&self, slot: u16, from: usize, to: usize) -> Result<(), String> {
        let (slot, source, target) = (slot.to_string(), self.name_of(from)?, self.name_of(to)?);
        let set = ["CLUSTER", "SETSLOT", slot.as_str()];
        self.members[to].ask::<()>(&[&set[..], &["IMPORTING", source.as_str()]].concat())?;
        self.members[from].ask::<()>(&[&set[..], &["MIGRATING", target.as_str()]].concat())
    }

    /// Moves the keys of `slot`.
    pub(crate) fn migrate_keys(&self, slot: u16, from: usize, to: usize) -> Result<usize, String> {
        let slot = slot.to_string();
        let mut moved = 0;
        loop {
            let keys: Vec<String> = self.members[from].ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"])?;
            if keys.is_empty() {
                return Ok(moved);
            }
            moved += keys.len();
            let port = self.members[to].port.to_string();
            let mut words = vec!["MIGRATE", "127.0.0.1", port.as_str(), "", "0", "5000", "KEYS"];
            words.extend(keys.iter().map(String::as_str));
            self.members[from].ask::<String>(&words)?;
        }
    }

    /// Ends the migration: requests at the old master get MOVED.
    pub(crate) fn end_migration(&self, slot: u16, from: usize, to: usize) -> Result<(), String> {
        let (slot, target) = (slot.to_string(), self.name_of(to)?);
        for index in [to, from] {
            self.members[index].ask::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &target])?;
        }
        Ok(())
    }
}
