//! Under which names this server may be asked for.
//!
//! A web page can point its own name at this server's address (DNS rebinding). The browser then takes both for one site, so that the page reads and
//! writes everything here. What gives it away is the `Host` header: it is the page's name. Only names that nobody can register on the internet are
//! answered, and those of `[access] hosts`.

use crate::error::ApiError;
use http::header::HOST;
use http::request::Parts;
use http::{StatusCode, Version};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Domains that are reserved for private networks, or mean the machine itself.
const RESERVED: [&str; 4] = ["localhost", "local", "internal", "home.arpa"];

/// The names that pass, beside addresses and names without a dot.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    /// Of `[access] hosts`; `*.` stands for any name below.
    listed: Vec<String>,
    /// Of this machine.
    own: Vec<String>,
}

impl Hosts {
    /// `listed` of engine.toml, and what this machine is called. `listen` is the address that the server was told to listen on.
    pub(crate) fn new(listed: &[String], listen: &str) -> Self {
        let host_name = host_name();
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let mut own = own_names(&host_name, &read("/etc/resolv.conf"), &read("/etc/hosts"));
        own.extend(listen.rsplit_once(':').map(|(host, _)| host.to_owned()).filter(|host| !host.is_empty()));
        Self { listed: listed.to_vec(), own }
    }

    /// Whether a request says under which of the names it asks: 400 without exactly one `Host` (what is for probes takes none in
    /// HTTP/1.0), 403 for a name that does not pass.
    pub(crate) fn check(&self, parts: &Parts, is_for_probes: bool) -> Result<(), ApiError> {
        let mut hosts = parts.headers.get_all(HOST).iter();
        match (hosts.next(), hosts.next()) {
            (Some(host), None) => self.check_authority(host.to_str().unwrap_or_default())?,
            // Checks of load balancers come so (HAProxy's `option httpchk`), and no browser does.
            (None, _) if parts.version < Version::HTTP_11 && is_for_probes => {}
            (None, _) => {
                let version = format!("{:?}", parts.version);
                return Err(ApiError::bad(format!(
                    "the header Host is missing ({version}): send one, for example Host: localhost"
                )));
            }
            (Some(_), Some(_)) => return Err(ApiError::bad("there are several headers Host: send one")),
        }
        // `GET http://name/path`: there it is the name that counts.
        parts.uri.authority().map_or(Ok(()), |authority| self.check_authority(authority.as_str()))
    }

    fn check_authority(&self, authority: &str) -> Result<(), ApiError> {
        let Some(name) = name_of(authority) else {
            let accepted = "send a name or an address, and perhaps a port";
            return Err(ApiError::bad(format!("header Host: {authority:?}: {accepted}")));
        };
        if self.passes(name) {
            return Ok(());
        }
        let shown = name.to_ascii_lowercase();
        let message = format!(
            "this server does not answer under the name {shown:?}: if it is one of its names, set in engine.toml, below [access]: \
             hosts = [{shown:?}]"
        );
        Err(ApiError::new(StatusCode::FORBIDDEN, message))
    }

    fn passes(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        is_address(name)
            || !name.contains('.')
            || RESERVED.iter().any(|domain| is_below(name, domain))
            || self.own.iter().any(|own| own.eq_ignore_ascii_case(name))
            || self.is_listed(name)
    }

    fn is_listed(&self, name: &str) -> bool {
        self.listed.iter().any(|listed| match listed.strip_prefix("*.") {
            Some(domain) => is_below(name, domain),
            None => listed.eq_ignore_ascii_case(name),
        })
    }

    /// Whether an `Origin` is of a host that engine.toml lists.
    pub(crate) fn lists_origin(&self, origin: &str) -> bool {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.and_then(name_of).is_some_and(|name| self.is_listed(name))
    }
}

/// The name or address without its port; `None` when it is neither.
fn name_of(authority: &str) -> Option<&str> {
    let (name, rest) = match authority.strip_prefix('[') {
        Some(_) => authority.split_at(authority.find(']')? + 1),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_port = match rest.strip_prefix(':') {
        Some(port) => port.is_empty() || port.parse::<u16>().is_ok(),
        None => rest.is_empty(),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    let is_name = !name.is_empty() && name.bytes().all(plain) || name.starts_with('[') && is_address(name);
    (is_port && is_name).then_some(name)
}

fn is_address(name: &str) -> bool {
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        // With a zone, as in `[fe80::1%eth0]`.
        Some(v6) => v6.split('%').next().is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok()),
        None => name.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Whether a name is below a domain, or the domain itself.
fn is_below(name: &str, domain: &str) -> bool {
    let Some(at) = name.len().checked_sub(domain.len()) else { return false };
    let (before, end) = (name.as_bytes().get(..at), name.as_bytes().get(at..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(domain.as_bytes()))
        && before.is_some_and(|before| before.is_empty() || before.ends_with(b"."))
}

#[cfg(unix)]
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

/// What a machine is called: its host name, below each search domain too, and what stands beside it in the file of hosts.
fn own_names(host_name: &str, resolv_conf: &str, hosts_file: &str) -> Vec<String> {
    if host_name.is_empty() {
        return Vec::new();
    }
    let mut names = vec![host_name.to_owned()];
    let short = host_name.split('.').next().unwrap_or(host_name);
    for line in resolv_conf.lines() {
        let mut words = line.split_ascii_whitespace();
        if matches!(words.next(), Some("search" | "domain")) {
            names.extend(
                words.filter(|domain| *domain != ".").map(|domain| format!("{short}.{}", domain.trim_matches('.'))),
            );
        }
    }
    for line in hosts_file.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let beside: Vec<&str> = line.split_ascii_whitespace().skip(1).collect();
        if beside.iter().any(|name| name.eq_ignore_ascii_case(host_name)) {
            names.extend(beside.into_iter().map(str::to_owned));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::table;

    fn status(hosts: &Hosts, request: http::request::Builder) -> u16 {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let found = table().find(parts.uri.path(), parts.method.as_str());
        let is_for_probes = found.about().is_some_and(|about| about.for_probes);
        hosts.check(&parts, is_for_probes).map_or_else(|error| error.status.as_u16(), |()| 200)
    }

    fn of_host(hosts: &Hosts, host: &str) -> u16 {
        status(hosts, http::Request::get("/health").header(HOST, host))
    }

    #[test]
    fn names_that_nobody_can_register_pass_and_others_do_not() {
        let hosts = Hosts {
            listed: vec!["nanotdb.example.org".into(), "*.lan".into()],
            own: own_names(
                "pi",
                "search fritz.box\n",
                "127.0.1.1 pi.home.example pi # mine\n10.0.0.9 nas.example nas\n",
            ),
        };
        for host in [
            "127.0.0.1",
            "127.0.0.1:8428",
            "192.168.1.7",
            "[::1]",
            "[::1]:8428",
            "[fe80::1%25eth0]:80",
            "localhost",
            "LocalHost:8428",
            "localhost.",
            "a.localhost",
            "pi",
            "pi:8428",
            "pi.local",
            "PI.LOCAL.:8428",
            "pi.fritz.box",
            "pi.home.example",
            "host.docker.internal",
            "box.home.arpa",
            "nanotdb.example.org",
            "NanoTDB.Example.org:443",
            "a.lan",
            "a.b.lan:80",
            "x",
            "db_1",
        ] {
            assert_eq!(of_host(&hosts, host), 200, "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8428",
            "nas.example",
            "sub.nanotdb.example.org",
            "example.org",
            "xlan.example",
            "evil.local.example",
            "notlocal.xlocal",
            "1.2.3.4.example",
            "1.2.3",
            "pi.fritz.box.evil.example",
            "0x7f.1",
        ] {
            assert_eq!(of_host(&hosts, host), 403, "{host}");
        }
        for host in
            ["", ":80", "pi:port", "pi:99999", "user@pi", "a b", "[::1", "[pi]", "pi/x", "pi,evil.example", "p\u{e4}"]
        {
            let value = http::HeaderValue::from_bytes(host.as_bytes()).unwrap();
            assert_eq!(status(&hosts, http::Request::get("/health").header(HOST, value)), 400, "{host}");
        }
    }

    #[test]
    fn there_is_exactly_one_host() {
        let hosts = Hosts::default();
        let get = || http::Request::get("/health");
        assert_eq!(status(&hosts, get()), 400);
        // Whoever only looks whether the server lives may leave it out, as HTTP/1.0 does.
        assert_eq!(status(&hosts, get().version(Version::HTTP_10)), 200);
        for path in ["/", "/metrics", "/healthy", "/health/", "/api/v1/databases"] {
            assert_eq!(status(&hosts, http::Request::get(path).version(Version::HTTP_10)), 400, "{path}");
        }
        assert_eq!(status(&hosts, get().header(HOST, "pi").header(HOST, "pi")), 400);
        assert_eq!(status(&hosts, get().version(Version::HTTP_10).header(HOST, "evil.example")), 403);
        // The name of the request line counts as well.
        let absolute = |uri: &str| http::Request::get(uri.to_owned()).header(HOST, "pi");
        assert_eq!(status(&hosts, absolute("http://pi:8428/health")), 200);
        assert_eq!(status(&hosts, absolute("http://evil.example/health")), 403);
        assert_eq!(status(&hosts, http::Request::get("http://pi/").header(HOST, "evil.example")), 403);
    }

    #[test]
    fn a_refusal_says_the_line_to_add() {
        let error = Hosts::default().check_authority("NanoTDB.example.org:8428").unwrap_err();
        assert!(error.message.ends_with("below [access]: hosts = [\"nanotdb.example.org\"]"), "{}", error.message);
    }

    #[test]
    fn a_machine_knows_its_names() {
        let names = own_names("pi.example.org", "domain lan.\nsearch a.example b.example\nnameserver 10.0.0.1\n", "");
        assert_eq!(names, ["pi.example.org", "pi.lan", "pi.a.example", "pi.b.example"]);
        assert!(own_names("", "search a.example", "127.0.0.1 x").is_empty());
        assert!(Hosts::new(&[], "nanotdb.example.org:8428").passes("nanotdb.example.org"));
    }
}
