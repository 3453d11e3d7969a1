//! The collectors that drip brings. One file each: what it reads, its keys in drip.toml, its names.

mod cpu;
mod disk;
mod diskfs;
mod io;
mod loadavg;
mod memory;
mod network;
mod onewire;
mod pressure;
mod process;
mod sd_write_probe;

use crate::collector::{CollectError, ReadError, Samples};

/// The next field as an integer.
fn integer<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<u64> {
    fields.next()?.parse().ok()
}

/// For a file that does not look as the kernel writes it.
fn malformed(path: &str, what: &str) -> CollectError {
    CollectError::from(ReadError::content(path, format!("does not have {what}")))
}

/// Notes what became of one of several parts: a file that is missing is something this host does not have.
fn note(out: &mut Samples, about: &str, result: Result<(), ReadError>) {
    match result {
        Ok(()) => {}
        Err(e) if e.is_missing() => out.absent(about, format_args!("there is no {}", e.path)),
        Err(e) => out.problem(about, e),
    }
}

/// How far a counter went. `None` when it went back: it was reset or wrapped, and nobody knows how far.
fn advance(before: u64, now: u64) -> Option<u64> {
    now.checked_sub(before)
}
