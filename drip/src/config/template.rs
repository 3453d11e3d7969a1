//! The drip.toml that `--init` writes: every key with its default and a comment.

use super::{
    DEFAULT_FSYNC_MS, DEFAULT_INTERVAL_MS, DEFAULT_SERIES, DEFAULT_SERVER, DEFAULT_SPOOL_BYTES, DEFAULT_SPOOL_HOURS,
    DEFAULT_TIMEOUT_MS, Overrides, default_database,
};
use crate::collector::plugins;
use std::fmt::Write;
use std::path::Path;

/// All of it, with what the command line says instead of the defaults and the collectors that are linked into this program. The error is that two have the same name.
pub(crate) fn template(overrides: &Overrides) -> Result<String, String> {
    let server = match &overrides.server {
        Some(server) => server.clone(),
        None => DEFAULT_SERVER.parse()?,
    };
    let root = overrides.root.as_deref().unwrap_or(Path::new("/"));
    let database = overrides.database.clone().unwrap_or_else(|| default_database(&server, root));
    let mut out = format!(
        "# drip: collects metrics of this host and sends them to a NanoTDB server. Every key is optional; the values\n\
         # below are the defaults. `drip --check --config THIS_FILE` tries them out.\n\
         \n\
         # The server, without TLS: http://host[:port][/prefix]\n\
         server_url = \"{server}\"\n\
         # Database that the samples go to: each host has one of its own, because metric names do not say which host they are\n\
         # of. Without this line it is the host's name, and metrics where the server is on this machine.\n\
         database = \"{database}\"\n\
         # Time between cycles, 100 to 86400000. Timestamps are whole multiples of it.\n\
         collection_interval_ms = {DEFAULT_INTERVAL_MS}\n\
         # Longest wait for an answer of the server, 10 to 600000.\n\
         timeout_ms = {DEFAULT_TIMEOUT_MS}\n\
         # What /proc and /sys are below.\n\
         root = {:?}\n\
         \n\
         # Where cycles wait while the server is away. As long as it answers only the write probe, below, writes.\n\
         [spool]\n\
         enabled = true\n\
         # Directory; empty: $STATE_DIRECTORY as systemd sets it, else /var/lib/drip for root, ~/.local/state/drip for others.\n\
         dir = \"\"\n\
         # When it is larger, or cycles are older, the oldest are dropped. 256 MiB are some six days of 83 metrics every 10 s.\n\
         max_bytes = {DEFAULT_SPOOL_BYTES}\n\
         max_age_hours = {DEFAULT_SPOOL_HOURS}\n\
         # What a power loss may cost of it: it is forced to the device this often, 0 is every cycle.\n\
         fsync_ms = {DEFAULT_FSYNC_MS}\n\
         \n\
         # Collectors. `enabled = false` switches one off. One that does not answer within timeout_ms is left out until it\n\
         # does. `max_series` is how many different metrics it may send: those that come first stay, the others are left out\n\
         # and counted. In skip lists, * is any characters and ? is one.\n",
        root.display().to_string()
    );
    for plugin in plugins()? {
        let _ = write!(
            out,
            "\n# {}\n[collectors.{}]\nenabled = true\ntimeout_ms = {}\nmax_series = {DEFAULT_SERIES}\n",
            plugin.about, plugin.name, plugin.timeout_ms
        );
        nanotdb_settings::template(&mut out, plugin.keys, |_| None);
    }
    Ok(out)
}
