//! Standard output for data, standard error for everything else.

use std::io::{self, BufWriter, StdoutLock, Write};

/// Standard output, buffered for bulk. Call `flush` at the end: a failure in `drop` would go unseen.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(256 << 10, io::stdout().lock())
}

/// Whether the reader of our output went away (`nanocli export | head`). That is no failure of ours.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let of_engine = |e: &(dyn std::error::Error + 'static)| match e.downcast_ref::<nanotdb_core::Error>() {
        Some(nanotdb_core::Error::Io { source, .. }) => Some(source.kind()),
        _ => None,
    };
    let kinds =
        error.chain().filter_map(|e| e.downcast_ref::<io::Error>().map(io::Error::kind).or_else(|| of_engine(e)));
    kinds.into_iter().any(|kind| kind == io::ErrorKind::BrokenPipe)
}

/// Prints one JSON document, indented, to standard output.
pub(crate) fn print_json(document: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = stdout();
    serde_json::to_writer_pretty(&mut out, document).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// Prints text to standard output.
pub(crate) fn print_text(text: &str) -> anyhow::Result<()> {
    let mut out = stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints each warning on its own line to standard error.
pub(crate) fn warn_all(warnings: &[String]) {
    for warning in warnings {
        eprintln!("nanocli: warning: {warning}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn only_a_broken_pipe_is_quiet() {
        let of = |kind: io::ErrorKind| Err::<(), _>(io::Error::from(kind)).context("writing").unwrap_err();
        assert!(is_broken_pipe(&of(io::ErrorKind::BrokenPipe)));
        assert!(!is_broken_pipe(&of(io::ErrorKind::StorageFull)));
        let engine = |kind: io::ErrorKind| anyhow::Error::from(nanotdb_core::Error::io("write", "-", kind.into()));
        assert!(is_broken_pipe(&engine(io::ErrorKind::BrokenPipe)));
        assert!(!is_broken_pipe(&engine(io::ErrorKind::PermissionDenied)));
    }
}
