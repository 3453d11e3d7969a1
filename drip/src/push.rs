//! One HTTP/1.1 POST per cycle, over a plain socket with timeouts.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

const IMPORT_PATH: &str = "/api/v1/import";
const DEFAULT_PORT: u16 = 8428;
/// Bytes of an answer that are read: enough for the status and the reason.
const ANSWER_LIMIT: u64 = 16 << 10;

/// Where a server listens: `http://host[:port][/prefix]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    /// Host and port as in the Host header.
    authority: String,
    host: String,
    port: u16,
    path: String,
}

impl std::str::FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const ACCEPTED: &str = "accepted is http://host[:port][/prefix]";
        let rest = text.strip_prefix("http://").ok_or_else(|| match text.starts_with("https://") {
            true => format!("drip speaks no TLS; {ACCEPTED}, or a local proxy that does"),
            false => ACCEPTED.to_owned(),
        })?;
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            // The last colon of a bare IPv6 address in brackets belongs to the address.
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| format!("port {port:?}: {ACCEPTED}"))?)
            }
            _ => (authority, DEFAULT_PORT),
        };
        let usable = |c: char| c.is_ascii_graphic() && c != '@';
        if host.is_empty() || !rest.chars().all(usable) {
            return Err(ACCEPTED.to_owned());
        }
        Ok(Self {
            authority: format!("{host}:{port}"),
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            path: format!("{}{IMPORT_PATH}", prefix.trim_end_matches('/')),
        })
    }
}

/// Sends line protocol; an error says what went wrong at which server.
pub(crate) fn push(server: &ServerUrl, body: &str, timeout: Duration) -> Result<(), String> {
    try_push(server, body, timeout).map_err(|reason| format!("http://{}: {reason}", server.authority))
}

fn try_push(server: &ServerUrl, body: &str, timeout: Duration) -> Result<(), String> {
    let mut stream = connect(server, timeout)?;
    let io = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => format!("no answer within {timeout:?}"),
        _ => e.to_string(),
    };
    stream.set_read_timeout(Some(timeout)).map_err(io)?;
    stream.set_write_timeout(Some(timeout)).map_err(io)?;
    stream.write_all(request(server, body).as_bytes()).map_err(io)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LIMIT).read_to_end(&mut answer).map_err(io)?;
    check_answer(&answer)
}

/// The first of the host's addresses that accepts.
fn connect(server: &ServerUrl, timeout: Duration) -> Result<TcpStream, String> {
    let addresses = (server.host.as_str(), server.port).to_socket_addrs().map_err(|e| e.to_string())?;
    let mut last = "the host name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(stream),
            Err(e) => last = e.to_string(),
        }
    }
    Err(last)
}

fn request(server: &ServerUrl, body: &str) -> String {
    format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: drip/{}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        server.path,
        server.authority,
        env!("CARGO_PKG_VERSION"),
        body.len(),
    )
}

/// `Ok` for 2xx; else the status line and the body.
fn check_answer(answer: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(answer);
    let status = text.lines().next().unwrap_or_default();
    let code = status.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).unwrap_or_default();
    if code.len() == 3 && code.starts_with('2') {
        return Ok(());
    }
    if code.is_empty() {
        return Err(format!("the answer is not HTTP: {:?}", status.chars().take(80).collect::<String>()));
    }
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim();
    Err(format!("{status}: {}", body.chars().take(300).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn urls_with_and_without_port_and_prefix() {
        let url: ServerUrl = "http://127.0.0.1:9000".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("127.0.0.1", 9000, "/api/v1/import"));
        let url: ServerUrl = "http://pi.local/metrics/".parse().unwrap();
        assert_eq!((url.authority.as_str(), url.path.as_str()), ("pi.local:8428", "/metrics/api/v1/import"));
        let url: ServerUrl = "http://[::1]:81".parse().unwrap();
        assert_eq!((url.authority.as_str(), url.host.as_str(), url.port), ("[::1]:81", "::1", 81));
        let url: ServerUrl = "http://[::1]".parse().unwrap();
        assert_eq!((url.authority.as_str(), url.host.as_str()), ("[::1]:8428", "::1"));
    }

    #[test]
    fn other_urls_are_refused_with_what_is_accepted() {
        for bad in
            ["https://x", "x:1", "http://", "http://:80", "http://h:x", "http://h/a b", "http://u@h", "http://h\r\n"]
        {
            let e = bad.parse::<ServerUrl>().unwrap_err();
            assert!(e.contains("http://host[:port]"), "{bad}: {e}");
        }
    }

    /// A server for one request: what it read, and then `answer`.
    fn serve_once(answer: &'static str) -> (ServerUrl, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut got = Vec::new();
            let mut buffer = [0; 1024];
            while !got.ends_with(b"db/a 1 2\n") {
                let n = stream.read(&mut buffer).unwrap();
                assert!(n > 0, "closed after {:?}", String::from_utf8_lossy(&got));
                got.extend_from_slice(&buffer[..n]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(got).unwrap()
        });
        (url, server)
    }

    #[test]
    fn a_cycle_is_one_post() {
        let (url, server) = serve_once("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        push(&url, "db/a 1 2\n", Duration::from_secs(5)).unwrap();
        let request = server.join().unwrap();
        assert!(request.starts_with("POST /api/v1/import HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
        assert!(request.contains("\r\nContent-Length: 9\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\ndb/a 1 2\n"), "{request}");
    }

    #[test]
    fn a_refusal_carries_the_servers_reason() {
        let (url, server) = serve_once("HTTP/1.1 400 Bad Request\r\n\r\n{\"error\":\"line 1\"}");
        let e = push(&url, "db/a 1 2\n", Duration::from_secs(5)).unwrap_err();
        server.join().unwrap();
        assert!(e.contains("400 Bad Request") && e.contains("line 1"), "{e}");
    }

    #[test]
    fn a_silent_or_absent_server_is_an_error_not_a_hang() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let url: ServerUrl = format!("http://{address}").parse().unwrap();
        let e = push(&url, "x\n", Duration::from_millis(100)).unwrap_err();
        assert!(e.contains("no answer within"), "{e}");
        drop(listener);
        assert!(push(&url, "x\n", Duration::from_secs(1)).is_err());
    }
}
