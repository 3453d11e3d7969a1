//! `nanocli export`: a database as line protocol.

use crate::options::{RangeArgs, RootArg};
use crate::{output, root, text};
use anyhow::Context;
use nanotdb_core::maintenance::export::{ExportRequest, export};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write a database as line protocol, in time order.
///
/// The database's types survive: floats keep a fraction (48.0), integers an `i` (256i), and metrics with 64-bit values
/// are declared in `# type` lines at the top. Importing the output into an empty directory gives the same samples, and
/// exporting that gives the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    root: RootArg,

    /// Database to export
    #[arg(long, value_name = "NAME")]
    db: String,

    /// Only metrics whose name matches this regular expression (anywhere; anchor with ^ and $)
    #[arg(long, value_name = "REGEX")]
    metric: Option<String>,

    #[command(flatten)]
    range: RangeArgs,

    /// File to write, compressed when it ends in .gz or .zst (default: standard output). It appears when it is complete
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Examples:
  nanocli export --db sensors > sensors.lp
  nanocli export --db sensors --out sensors.lp.zst
  nanocli export --db sensors --metric '^temp\\.' --start 2026-05-24 --end -1h
  nanocli export --db sensors | nanocli import --root ./copy --in -

Lines look like `sensors/temp.out 21.5 2026-05-24 12:00:00.000000000`. \
Exit code 1 when damaged data was skipped.";

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (from, to) = text::range(&args.range, super::now())?;
    let root = &args.root.root;
    let engine = root::open_for_reading(root)?;
    root::require_database(&engine, root, &args.db)?;
    root::tell_unwritten(root, &args.db);
    let metrics = root::select_metrics(&engine, &args.db, args.metric.as_deref())?;
    let request = ExportRequest { database: &args.db, metrics: &metrics, from, to };
    let report = match &args.out {
        None => {
            let mut out = output::stdout();
            let report = export(&engine, request, &mut out)?;
            out.flush()?;
            report
        }
        Some(path) => write_file(path, |out| Ok(export(&engine, request, out)?))?,
    };
    output::warn_all(&report.warnings);
    if report.non_finite > 0 {
        eprintln!(
            "nanocli: warning: NaN or infinite: {} of {}; an import will reject those lines",
            text::count(report.non_finite),
            text::counted(report.rows, "value")
        );
    }
    if let Some(path) = &args.out {
        eprintln!("{} to {}", text::counted(report.rows, "sample"), path.display());
    }
    Ok(super::exit(report.warnings.is_empty()))
}

/// Writes beside the target and renames, so that a file of that name is always a whole export.
fn write_file<T>(path: &Path, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let mut name = path.file_name().with_context(|| format!("--out {} names no file", path.display()))?.to_os_string();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let result = fill(path, &partial, write).and_then(|value| {
        std::fs::rename(&partial, path).with_context(|| format!("--out {}", path.display()))?;
        Ok(value)
    });
    if result.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    result
}

fn fill<T>(path: &Path, partial: &Path, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let context = || format!("--out {}", path.display());
    let file = File::create(partial).with_context(context)?;
    let out = BufWriter::with_capacity(256 << 10, file);
    let (value, out) = match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => {
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            (write(&mut encoder)?, encoder.finish().with_context(context)?)
        }
        Some("zst") => {
            let mut encoder = zstd::stream::write::Encoder::new(out, 3).with_context(context)?;
            (write(&mut encoder)?, encoder.finish().with_context(context)?)
        }
        _ => {
            let mut out = out;
            (write(&mut out)?, out)
        }
    };
    out.into_inner().map_err(std::io::IntoInnerError::into_error).and_then(|f| f.sync_all()).with_context(context)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_file_is_whole_or_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.lp");
        let failed: anyhow::Result<()> = write_file(&path, |out| {
            out.write_all(b"half")?;
            anyhow::bail!("damaged")
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        write_file(&path, |out| Ok(out.write_all(b"whole")?)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_extension_chooses_the_compression() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = dir.path().join(name);
            write_file(&path, |out| Ok(out.write_all(b"db/a 1i\n")?)).unwrap();
            File::open(path).unwrap()
        };
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(write("x.lp.gz")).read_to_string(&mut text).unwrap();
        zstd::stream::read::Decoder::new(write("x.lp.zst")).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "db/a 1i\ndb/a 1i\n");
    }
}
