//! A server that reads requests and answers at once: what `ingest` can reach when the server costs nothing.

use crate::http::{find, resolve};
use anyhow::{Context, Result};
use clap::Args;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n";

/// Flags of `null-server`.
#[derive(Args)]
pub(crate) struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:18999")]
    addr: String,
}

/// Serves until the process is stopped.
pub(crate) fn run(options: &Options) -> Result<()> {
    let address = resolve(&options.addr)?;
    let listener = TcpListener::bind(address).with_context(|| format!("listening on {address}"))?;
    loop {
        let (stream, _) = listener.accept()?;
        thread::spawn(move || {
            if let Err(error) = serve(stream) {
                eprintln!("null-server: {error}");
            }
        });
    }
}

/// Answers the requests of one connection: head, Content-Length, skipped body.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 256 << 10];
    let mut filled = 0;
    loop {
        let received = buffer.get(..filled).unwrap_or_default();
        if let Some((head, body)) = request_size(received) {
            let mut missing = (head + body).saturating_sub(filled);
            let surplus = filled.saturating_sub(head + body);
            while missing > 0 {
                let room = missing.min(buffer.len());
                match stream.read(buffer.get_mut(..room).unwrap_or_default())? {
                    0 => return Ok(()),
                    count => missing -= count,
                }
            }
            stream.write_all(ANSWER)?;
            buffer.copy_within(filled - surplus..filled, 0);
            filled = surplus;
            continue;
        }
        match stream.read(buffer.get_mut(filled..).unwrap_or_default()) {
            Ok(0) => return Ok(()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Bytes of the head and of the body of the request that `bytes` begins with, once its head is complete.
fn request_size(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = find(bytes, b"\r\n\r\n")?;
    let text = std::str::from_utf8(bytes.get(..head)?).ok()?;
    let length = text.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some((head + 4, length.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Connection, post_into};

    #[test]
    fn answers_every_request_of_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || serve(listener.accept().unwrap().0));
        let mut connection = Connection::open(address).unwrap();
        for size in [0, 10, 300_000, 3] {
            let mut request = Vec::new();
            post_into(&mut request, "/x", &vec![b'a'; size]);
            assert_eq!(connection.exchange(&request).unwrap().status, 204);
        }
    }
}
