//! /proc/net/dev: counters of each network interface since it came up.

use super::malformed;
use crate::collector::{
    CollectError, Collector, CollectorPlugin, Cycle, Key, Kind, Patterns, ReadError, Samples, async_trait,
};
use crate::names::{Named, Names, plain};
use std::path::Path;

struct Network {
    skip: Patterns,
    names: Names,
    /// Whether the first process tells; `None` until it was looked at.
    of_host: Option<bool>,
}

const PATH: &str = "proc/net/dev";
/// The host's own, where its /proc is seen from a container: `proc/net` there is the container's.
const PATH_OF_HOST: &str = "proc/1/net/dev";

/// Columns of the file, counted from zero behind the colon, and what they are called.
const COLUMNS: [(usize, &str); 8] = [
    (0, "rx_bytes"),
    (1, "rx_packets"),
    (2, "rx_errors"),
    (3, "rx_drop"),
    (8, "tx_bytes"),
    (9, "tx_packets"),
    (10, "tx_errors"),
    (11, "tx_drop"),
];

/// Besides lo, what container and virtual machine hosts make, one or more for each guest; and tunnels of the kernel that
/// are there whether anybody uses them or not.
const SKIP: [&str; 31] = [
    "lo",
    "veth*",
    "docker*",
    "br-*",
    "virbr*",
    "vnet*",
    "tap*",
    "ifb*",
    "fwbr*",
    "fwpr*",
    "fwln*",
    "cali*",
    "cni*",
    "podman*",
    "flannel*",
    "lxc*",
    "lxd*",
    "incus*",
    "nerdctl*",
    "docker_gwbridge",
    "vmnet*",
    "azv*",
    "gwlb*",
    "kube-*",
    "nodelocaldns",
    "dummy*",
    "sit*",
    "ip6tnl*",
    "tunl*",
    "gre*",
    "erspan*",
];

#[async_trait]
impl Collector for Network {
    /// Two lines of headings, then `  eth0: 902112345 2201144 0 3 0 0 0 0 402331234 ...`. The first number may follow the
    /// colon directly.
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        let path = self.path(cycle);
        let bytes = cycle.read_bytes(path)?;
        let Self { skip, names, .. } = self;
        let wanted = || interfaces(bytes).filter(|(name, _)| !skip.matches(&String::from_utf8_lossy(name)));
        names.assign(wanted().map(|(name, _)| name), plain);
        for (raw, counters) in wanted() {
            let Some(Named { name, old }) = names.get(raw) else { continue };
            let Some(values) = numbers(counters) else {
                let about = String::from_utf8_lossy(raw);
                out.problem(about, ReadError::content(path, "its line does not have the known counters"));
                continue;
            };
            for name in std::iter::once(name).chain(old) {
                for (column, counter) in COLUMNS {
                    let value = values.get(column).copied().unwrap_or_default();
                    out.integer(format_args!("net.{name}.{counter}"), value);
                }
            }
        }
        if interfaces(bytes).next().is_none() {
            return Err(malformed(path, "a line of an interface"));
        }
        Ok(())
    }
}

impl Network {
    /// What is below `proc/net` is of the namespace of who reads it: with another root, of a container in place of the host.
    fn path(&mut self, cycle: &mut Cycle) -> &'static str {
        let of_host = *self.of_host.get_or_insert_with(|| {
            cycle.is_host_elsewhere() || (cycle.root() != Path::new("/") && cycle.exists(PATH_OF_HOST))
        });
        if of_host { PATH_OF_HOST } else { PATH }
    }
}

/// Names, and what stands behind them.
fn interfaces(file: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    file.split(|b| *b == b'\n').skip(2).filter_map(|line| {
        let colon = line.iter().rposition(|b| *b == b':')?;
        let (name, counters) = line.split_at_checked(colon)?;
        Some((name.trim_ascii(), counters.get(1..)?))
    })
}

fn numbers(counters: &[u8]) -> Option<[u64; 12]> {
    let mut values = [0; 12];
    let mut fields = std::str::from_utf8(counters).ok()?.split_ascii_whitespace();
    for value in &mut values {
        *value = fields.next()?.parse().ok()?;
    }
    Some(values)
}

const KEYS: [Key; 1] = [Key::new(
    "skip",
    Kind::Texts,
    "[\"lo\", \"veth*\", \"docker*\", \"br-*\", \"virbr*\", \"vnet*\", \"tap*\", \"ifb*\", \"fwbr*\", \"fwpr*\", \"fwln*\", \
               \"cali*\", \"cni*\", \"podman*\", \"flannel*\", \"lxc*\", \"lxd*\", \"incus*\", \"nerdctl*\", \"docker_gwbridge\", \
               \"vmnet*\", \"azv*\", \"gwlb*\", \"kube-*\", \"nodelocaldns\", \"dummy*\", \"sit*\", \"ip6tnl*\", \"tunl*\", \"gre*\", \
               \"erspan*\"]",
    "Interfaces that are left out: lo, and those that container and virtual machine hosts make for each guest.",
)];

inventory::submit! {
    CollectorPlugin::new("network", "bytes, packets, errors and drops of each network interface", &KEYS, |section| {
        let skip = section.patterns("skip", &SKIP);
        Box::new(Network { skip, names: Names::new(false), of_host: None })
    })
}
