//! Which host this is: what its database is called by default, and a number by which two hosts in one database are told apart.

use crate::sha256::sha256;
use std::path::Path;

/// Longest name of a database that is made of a host's name.
const NAME_BYTES: usize = 32;

/// The number of a host in a database: 31 bits of the SHA-256 of its machine id and the database's name. The id itself is
/// nobody's business (machine-id(5)).
pub(crate) fn marker(root: &Path, database: &str) -> u64 {
    let [first, ..] = sha256(format!("{}\0{database}", machine_id(root)).as_bytes());
    u64::from(first & 0x7fff_ffff)
}

/// That of the host below `root`, so that a container speaks for the host that it measures; else this machine's.
fn machine_id(root: &Path) -> String {
    let own = Path::new("/");
    let places = [root.join("etc/machine-id"), own.join("etc/machine-id"), own.join("var/lib/dbus/machine-id")];
    let id = places.iter().find_map(|path| first_line(path));
    id.unwrap_or_else(|| host_name(root))
}

/// The name of the host below `root`.
fn host_name(root: &Path) -> String {
    let kernel = || first_line(Path::new("/proc/sys/kernel/hostname"));
    let file = || first_line(&root.join("etc/hostname"));
    // What the kernel says is the name of a container where drip runs in one.
    let name = if root == Path::new("/") { kernel().or_else(file) } else { file().or_else(kernel) };
    name.unwrap_or_else(|| "host".to_owned())
}

fn first_line(path: &Path) -> Option<String> {
    let text = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text);
    Some(text.lines().next()?.trim().to_owned()).filter(|line| !line.is_empty() && line != "uninitialized")
}

/// A database for this host alone.
pub(crate) fn database(root: &Path) -> String {
    usable_name(&host_name(root))
}

/// Lower case, and `_` for what a database's name does not have.
fn usable_name(host: &str) -> String {
    let usable =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c.to_ascii_lowercase() } else { '_' };
    let name: String = host.trim_start_matches(['-', '.']).chars().map(usable).take(NAME_BYTES).collect();
    match name.as_str() {
        "" => "host".to_owned(),
        // The server's own.
        "internal" => "internal_host".to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_becomes_the_name_of_a_database() {
        for (host, expected) in [
            ("raspberrypi", "raspberrypi"),
            ("Web-1.example.com", "web-1_example_com"),
            ("-x", "x"),
            ("küche", "k_che"),
            ("", "host"),
            ("internal", "internal_host"),
            ("a123456789b123456789c123456789d123456789", "a123456789b123456789c123456789d1"),
        ] {
            let name = usable_name(host);
            assert_eq!(name, expected);
            assert!(crate::config::database(&name).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_number_is_of_machine_and_database() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let id = |id: &str| std::fs::write(root.path().join("etc/machine-id"), id).unwrap();
        id("4dfd4bb1f39d4a1b8fd0ff4eb9ad0d41\n");
        // printf '4dfd4bb1f39d4a1b8fd0ff4eb9ad0d41\0pi' | sha256sum begins with 4622ba24
        assert_eq!(marker(root.path(), "pi"), 1_176_680_996);
        let other_database = marker(root.path(), "metrics");
        id("5dfd4bb1f39d4a1b8fd0ff4eb9ad0d41\n");
        assert_ne!(marker(root.path(), "metrics"), other_database);
        assert_ne!(other_database, 1_176_680_996);
    }

    #[test]
    fn the_host_below_the_root_is_the_one_that_is_named() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/hostname"), "Attic\n").unwrap();
        assert_eq!(database(root.path()), "attic");
    }
}
