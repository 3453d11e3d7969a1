//! How many files the process may have open: connections are some of them, and must leave room for the rest.

use crate::limits::permits;

/// What the process has open before the first connection and beside data files: log, lock, sockets, reactors of the workers.
const ITS_OWN: u64 = 48;
/// Files that are kept for databases at least.
const LEAST_FOR_DATA: u64 = 64;

/// How many connections there may be, when `wanted` are configured. Raises the soft limit of open files to the hard one, which costs nothing, and
/// keeps a quarter of them for databases.
pub(crate) fn most_connections(wanted: u64) -> usize {
    let Some(files) = raise_limit() else { return permits(wanted) };
    let room = room_for_connections(files);
    if room < wanted {
        tracing::warn!(
            "limits.max_connections = {wanted} is more than {files} open files allow: there are {room} connections at most; raise ulimit -n"
        );
    }
    permits(wanted.min(room))
}

fn room_for_connections(files: u64) -> u64 {
    files.saturating_sub((files / 4).max(LEAST_FOR_DATA) + ITS_OWN).max(8)
}

/// Raises the soft limit to the hard one; `None` where there is no limit.
#[cfg(unix)]
fn raise_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let found = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: found.maximum, maximum: found.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => found.maximum,
        Err(_) => found.current,
    }
}

#[cfg(not(unix))]
fn raise_limit() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_kept_for_databases() {
        assert_eq!(room_for_connections(1 << 20), (1 << 20) * 3 / 4 - 48);
        assert_eq!(room_for_connections(1_024), 720);
        assert_eq!(room_for_connections(256), 144);
        assert_eq!(room_for_connections(128), 16);
        assert_eq!(room_for_connections(20), 8);
    }

    #[test]
    #[cfg(unix)]
    fn the_soft_limit_becomes_the_hard_one() {
        use rustix::process::{Resource, getrlimit};
        assert_eq!(most_connections(10), 10);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
