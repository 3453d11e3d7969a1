//! The least HTTP/1.1 client that the measurements need: keep-alive, Content-Length and chunked answers.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::ops::Range;
use std::time::Duration;

/// No server under test may keep the client longer than this.
const TIMEOUT: Duration = Duration::from_secs(120);
/// An answer's head is never longer than this.
const MAX_HEAD: usize = 64 << 10;

/// Resolves `host:port`.
pub(crate) fn resolve(address: &str) -> Result<SocketAddr> {
    let mut addresses = address.to_socket_addrs().with_context(|| format!("address '{address}': not host:port"))?;
    addresses.next().with_context(|| format!("address '{address}': resolves to nothing"))
}

/// A GET request with its head complete.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// Appends a POST request to `out`.
pub(crate) fn post_into(out: &mut Vec<u8>, path: &str, body: &[u8]) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body);
}

/// One connection that is kept open.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

/// An answer, lent from the connection's buffer.
pub(crate) struct Response<'a> {
    /// Status code.
    pub(crate) status: u16,
    /// Body without chunk framing.
    pub(crate) body: &'a [u8],
}

/// What an answer's head says.
struct Head {
    status: u16,
    length: usize,
    framing: Framing,
}

enum Framing {
    Length(usize),
    Chunked,
}

impl Connection {
    /// Opens a connection.
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))
            .with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { stream, buffer: vec![0; 64 << 10], filled: 0 })
    }

    /// Sends a complete request and reads its answer.
    ///
    /// # Errors
    /// When the connection breaks, or the answer is not HTTP/1.1 that this client reads.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<Response<'_>> {
        self.stream.write_all(request).context("sending a request")?;
        self.filled = 0;
        let head = self.read_head()?;
        let body = match head.framing {
            Framing::Length(length) => {
                let end = head.length + length;
                while self.filled < end {
                    self.fill()?;
                }
                head.length..end
            }
            Framing::Chunked => self.read_chunks(head.length)?,
        };
        Ok(Response { status: head.status, body: self.buffer.get(body).unwrap_or_default() })
    }

    fn fill(&mut self) -> Result<()> {
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let count = self.stream.read(free).context("reading an answer")?;
        if count == 0 {
            bail!("the server closed the connection inside an answer");
        }
        self.filled += count;
        Ok(())
    }

    fn received(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    fn read_head(&mut self) -> Result<Head> {
        loop {
            if let Some(length) = find(self.received(), b"\r\n\r\n") {
                let head = self.received().get(..length).unwrap_or_default();
                return parse_head(head).context("an answer's head");
            }
            if self.filled > MAX_HEAD {
                bail!("an answer's head is longer than {MAX_HEAD} bytes");
            }
            self.fill()?;
        }
    }

    /// Moves the chunks together, right behind the head; the range they fill.
    fn read_chunks(&mut self, start: usize) -> Result<Range<usize>> {
        let mut write = start;
        let mut read = start;
        loop {
            let line_end = loop {
                let rest = self.received().get(read..).unwrap_or_default();
                if let Some(end) = find(rest, b"\r\n") {
                    break read + end + 2;
                }
                self.fill()?;
            };
            let line = self.received().get(read..line_end).unwrap_or_default();
            let text = std::str::from_utf8(line)?.trim().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(text, 16).with_context(|| format!("chunk size '{text}'"))?;
            let next = line_end + size + 2;
            while self.filled < next {
                self.fill()?;
            }
            self.buffer.copy_within(line_end..line_end + size, write);
            write += size;
            read = next;
            if size == 0 {
                return Ok(start..write);
            }
        }
    }
}

/// Sends one request on a connection of its own; status and body.
pub(crate) fn once(address: SocketAddr, request: &[u8]) -> Result<(u16, Vec<u8>)> {
    let mut connection = Connection::open(address)?;
    let response = connection.exchange(request)?;
    Ok((response.status, response.body.to_vec()))
}

/// Position of `needle` in `text`. Answers are short where this is on the measured path.
pub(crate) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

/// `head` without its closing empty line.
fn parse_head(head: &[u8]) -> Result<Head> {
    let text = std::str::from_utf8(head).context("not UTF-8")?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse::<u16>().ok())
        .with_context(|| format!("status line '{first}'"))?;
    let mut framing = Framing::Length(0);
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            framing = Framing::Length(value.trim().parse().with_context(|| line.to_owned())?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") && value.trim().eq_ignore_ascii_case("chunked") {
            framing = Framing::Chunked;
        }
    }
    Ok(Head { status, length: head.len() + 4, framing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// Answers every connection with the given pieces, each in a packet of its own.
    fn answer(pieces: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).unwrap();
            for piece in pieces {
                stream.write_all(piece.as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(5));
            }
        });
        address
    }

    #[test]
    fn reads_a_sized_answer_in_pieces() {
        let address = answer(&["HTTP/1.1 200 OK\r\ncontent-le", "ngth: 5\r\n\r\nhe", "llo"]);
        assert_eq!(once(address, &get("/")).unwrap(), (200, b"hello".to_vec()));
    }

    #[test]
    fn joins_chunks() {
        let address = answer(&[
            "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            "lo\r\n1;x=y\r\n",
            "!\r\n0\r\n\r\n",
        ]);
        assert_eq!(once(address, &get("/")).unwrap(), (400, b"hello!".to_vec()));
    }

    #[test]
    fn a_cut_answer_is_an_error() {
        let address = answer(&["HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello"]);
        let error = once(address, &get("/")).unwrap_err().to_string();
        assert!(error.contains("closed the connection"), "{error}");
    }

    #[test]
    fn an_answer_without_a_body_is_complete() {
        let address = answer(&["HTTP/1.1 204 No Content\r\n\r\n"]);
        assert_eq!(once(address, &get("/")).unwrap(), (204, Vec::new()));
    }
}
