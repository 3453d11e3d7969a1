//! Where a server is.

/// The port of a URL that names none: nanotdb's own.
const DEFAULT_PORT: u16 = 8428;

/// `http://host[:port][/prefix]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    /// Host and port as in the Host header.
    pub(crate) authority: String,
    /// Host as a name server or the system takes it, IPv6 addresses without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What stands before `/api`, without a trailing slash.
    pub(crate) prefix: String,
}

impl ServerUrl {
    /// Whether it is this machine, as far as the name tells.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.host.as_str();
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl std::fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

impl std::str::FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const ACCEPTED: &str = "accepted: http://host[:port][/prefix]";
        let rest = text.strip_prefix("http://").ok_or_else(|| match text.starts_with("https://") {
            true => format!("{ACCEPTED}, or a local proxy that does TLS: drip speaks none"),
            false => ACCEPTED.to_owned(),
        })?;
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            // The last colon of a bare IPv6 address in brackets belongs to the address.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| ACCEPTED.to_owned())?),
            _ => (authority, DEFAULT_PORT),
        };
        let usable = |c: char| c.is_ascii_graphic() && !matches!(c, '@' | '?' | '#');
        if host.is_empty() || !rest.chars().all(usable) {
            return Err(ACCEPTED.to_owned());
        }
        Ok(Self {
            authority: format!("{host}:{port}"),
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            prefix: prefix.trim_end_matches('/').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_and_without_port_and_prefix() {
        let url: ServerUrl = "http://127.0.0.1:9000".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.prefix.as_str()), ("127.0.0.1", 9000, ""));
        let url: ServerUrl = "http://pi.local/metrics/".parse().unwrap();
        assert_eq!((url.authority.as_str(), url.prefix.as_str()), ("pi.local:8428", "/metrics"));
        let url: ServerUrl = "http://[::1]:81".parse().unwrap();
        assert_eq!((url.authority.as_str(), url.host.as_str(), url.port), ("[::1]:81", "::1", 81));
        let url: ServerUrl = "http://[::1]".parse().unwrap();
        assert_eq!((url.authority.as_str(), url.host.as_str()), ("[::1]:8428", "::1"));
    }

    #[test]
    fn other_urls_are_refused_with_what_is_accepted() {
        for bad in [
            "https://x",
            "x:1",
            "http://",
            "http://:80",
            "http://h:x",
            "http://h/a b",
            "http://u@h",
            "http://h\r\n",
            "http://h/?q",
        ] {
            let e = bad.parse::<ServerUrl>().unwrap_err();
            assert!(e.contains("http://host[:port]"), "{bad}: {e}");
        }
    }
}
