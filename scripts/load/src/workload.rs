//! Cuts a file of samples into complete HTTP requests, before the clock starts.

use crate::http::post_into;
use anyhow::{Result, bail};
use clap::ValueEnum;
use std::collections::BTreeMap;

/// Which server's import endpoint and line format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// NanoTDB: `db/metric value timestamp_ns`.
    Nanotdb,
    /// VictoriaMetrics: Prometheus text with milliseconds.
    Vm,
    /// InfluxDB 1: line protocol with nanoseconds.
    Influx,
    /// `nanotdb-load null-server`, which takes anything.
    Null,
}

/// The requests of one client, back to back.
pub(crate) struct Requests {
    bytes: Vec<u8>,
    /// End offset and number of lines of each request.
    ends: Vec<(usize, usize)>,
}

impl Requests {
    /// Each request and the number of its lines.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], usize)> {
        let mut start = 0;
        self.ends.iter().map(move |&(end, lines)| {
            let request = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            (request, lines)
        })
    }

    /// Number of requests.
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// Number of lines of all of them.
    pub(crate) fn lines(&self) -> usize {
        self.ends.iter().map(|&(_, lines)| lines).sum()
    }
}

/// The import endpoint of client `client`. Every client has a database (or a name space) of its own, so that each
/// of them can replay the whole file and the order per metric holds.
pub(crate) fn endpoint(target: Target, client: usize) -> String {
    match target {
        Target::Nanotdb => "/api/v1/import".into(),
        Target::Vm => "/api/v1/import/prometheus".into(),
        Target::Influx => format!("/write?db={}&precision=ns", influx_database(client)),
        Target::Null => "/".into(),
    }
}

/// Name of the InfluxDB database of a client.
pub(crate) fn influx_database(client: usize) -> String {
    format!("pi{client}")
}

/// Cuts at most `limit` lines of `text` into requests of `lines_per_request`, rewritten for client `client`.
///
/// # Errors
/// When a line is not in the target's format.
pub(crate) fn cut(
    text: &[u8],
    target: Target,
    client: usize,
    lines_per_request: usize,
    limit: usize,
) -> Result<Requests> {
    let path = endpoint(target, client);
    let mut requests = Requests { bytes: Vec::with_capacity(text.len() + text.len() / 16), ends: Vec::new() };
    let mut body = Vec::new();
    let mut lines = 0;
    let mut close = |body: &mut Vec<u8>, lines: &mut usize| {
        if *lines > 0 {
            post_into(&mut requests.bytes, &path, body);
            requests.ends.push((requests.bytes.len(), *lines));
            body.clear();
            *lines = 0;
        }
    };
    for line in text.split_inclusive(|&byte| byte == b'\n').take(limit) {
        append_for(&mut body, line, target, client)?;
        lines += 1;
        if lines == lines_per_request {
            close(&mut body, &mut lines);
        }
    }
    close(&mut body, &mut lines);
    Ok(requests)
}

/// Appends `line` under the client's own name. The first client sends the file as it is.
fn append_for(body: &mut Vec<u8>, line: &[u8], target: Target, client: usize) -> Result<()> {
    match target {
        Target::Nanotdb if client > 0 => {
            let Some(slash) = line.iter().position(|&byte| byte == b'/') else {
                bail!("line '{}': no database; expected 'db/metric value timestamp'", String::from_utf8_lossy(line));
            };
            let (database, rest) = line.split_at(slash);
            let digits = database.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
            body.extend_from_slice(database.get(..database.len() - digits).unwrap_or_default());
            body.extend_from_slice(client.to_string().as_bytes());
            body.extend_from_slice(rest);
        }
        Target::Vm if client > 0 => {
            body.extend_from_slice(format!("p{client}_").as_bytes());
            body.extend_from_slice(line);
        }
        _ => body.extend_from_slice(line),
    }
    Ok(())
}

/// Lines per `db/metric` of a NanoTDB file, of its first `limit` lines.
pub(crate) fn count_by_metric(text: &[u8], limit: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).take(limit) {
        let name = line.split(|&byte| byte == b' ').next().unwrap_or_default();
        *counts.entry(String::from_utf8_lossy(name).into_owned()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"pi0/a.b 1 100\npi0/c 2 100\npi0/a.b 3 200\n";

    fn bodies(requests: &Requests) -> Vec<(String, usize)> {
        let body_of = |request: &[u8]| {
            let text = String::from_utf8(request.to_vec()).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
            body.to_owned()
        };
        requests.iter().map(|(request, lines)| (body_of(request), lines)).collect()
    }

    #[test]
    fn cuts_by_lines_and_keeps_the_rest() {
        let requests = cut(FILE, Target::Nanotdb, 0, 2, usize::MAX).unwrap();
        let expected = [("pi0/a.b 1 100\npi0/c 2 100\n".to_owned(), 2), ("pi0/a.b 3 200\n".to_owned(), 1)];
        assert_eq!(bodies(&requests), expected);
        assert_eq!((requests.count(), requests.lines()), (2, 3));
    }

    #[test]
    fn other_clients_write_under_their_own_names() {
        let ours = cut(FILE, Target::Nanotdb, 12, 9, 1).unwrap();
        assert_eq!(bodies(&ours), [("pi12/a.b 1 100\n".to_owned(), 1)]);
        let vm = cut(b"a_b 1 100\n", Target::Vm, 3, 9, 9).unwrap();
        assert_eq!(bodies(&vm), [("p3_a_b 1 100\n".to_owned(), 1)]);
        assert_eq!(endpoint(Target::Influx, 3), "/write?db=pi3&precision=ns");
        assert!(cut(b"no database 1\n", Target::Nanotdb, 1, 9, 9).is_err());
    }

    #[test]
    fn counts_lines_of_each_metric() {
        let counts = count_by_metric(FILE, 9);
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("pi0/a.b".to_owned(), 2), ("pi0/c".to_owned(), 1)]);
    }
}
