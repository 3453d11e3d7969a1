//! Log outputs: the console and files with rotation, each with a level of its own.

use nanotdb_core::clock::{Clock, SystemClock};
use nanotdb_core::config::{LogLevel, LoggerConfig, LoggingSection};
use nanotdb_core::model::time::civil_from_days;
use nanotdb_core::storage::vfs::{RealVfs, Vfs};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, fmt as layer, util::SubscriberInitExt};

/// Starts logging as configured. Relative file names are relative to `root`.
pub(crate) fn start(config: &LoggingSection, root: &Path) -> io::Result<()> {
    let console = LoggerConfig { output: "console".into(), level: LogLevel::Info, max_size: 0, max_files: 0 };
    let loggers = if config.loggers.is_empty() { std::slice::from_ref(&console) } else { &config.loggers };
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    for logger in loggers {
        let level = match logger.level {
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        };
        // Libraries speak up for warnings only, whatever the level.
        let filter = Targets::new().with_target("nanotdb", level).with_default(LevelFilter::WARN);
        let output = if logger.output == "console" {
            Output::Console
        } else {
            let path = root.join(&logger.output);
            let file = RotatingFile::open(&path, logger.max_size, logger.max_files)
                .map_err(|e| io::Error::new(e.kind(), format!("logging.logger output = {:?}: {e}", logger.output)))?;
            Output::File(Arc::new(Mutex::new(file)))
        };
        let layer = layer::layer().with_ansi(false).with_writer(output).event_format(Line);
        layers.push(layer.with_filter(filter).boxed());
    }
    tracing_subscriber::registry().with(layers).try_init().map_err(io::Error::other)
}

/// `2026-05-22T10:00:00.000Z INFO message key=value`
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(out, "{} {} ", Utc(SystemClock::default().now()), event.metadata().level())?;
        context.field_format().format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

/// A time as RFC3339 with milliseconds.
struct Utc(i64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.div_euclid(1_000_000);
        let (days, of_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        let (seconds, millis) = (of_day / 1_000, of_day % 1_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// Where an output's lines go.
#[derive(Clone)]
enum Output {
    Console,
    File(Arc<Mutex<RotatingFile>>),
}

impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Self::Console => io::stderr().lock().write(line),
            Self::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).append(line).map(|()| line.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Output {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A log file that is moved to `<name>.1`, `<name>.2`, ... when it is full.
struct RotatingFile {
    path: PathBuf,
    file: File,
    size: u64,
    max_size: u64,
    max_files: u32,
}

impl RotatingFile {
    fn open(path: &Path, max_size: u64, max_files: u32) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            RealVfs.create_dir_all(parent)?;
        }
        let file = RealVfs.open_log(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_path_buf(), file, size, max_size, max_files })
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let length = line.len() as u64;
        // A failed rotation costs no line: the file grows past its size instead, and the next line tries again.
        if self.max_size > 0 && self.size > 0 && self.size.saturating_add(length) > self.max_size {
            let _ = self.rotate();
        }
        self.file.write_all(line)?;
        self.size = self.size.saturating_add(length);
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{number}"));
        self.path.with_file_name(name)
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.max_files == 0 {
            self.file.set_len(0)?;
            self.size = 0;
            return Ok(());
        }
        for number in (1..self.max_files).rev() {
            match std::fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        std::fs::rename(&self.path, self.numbered(1))?;
        self.file = RealVfs.open_log(&self.path)?;
        self.size = self.file.metadata()?.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc3339() {
        assert_eq!(Utc(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Utc(1_715_000_000_123_456_789).to_string(), "2024-05-06T12:53:20.123Z");
        assert_eq!(Utc(951_827_696_789_000_000).to_string(), "2000-02-29T12:34:56.789Z");
        assert_eq!(Utc(-1).to_string(), "1969-12-31T23:59:59.999Z");
        assert_eq!(Utc(4_107_542_400_000_000_000).to_string(), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn full_files_rotate_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs/server.log");
        let mut file = RotatingFile::open(&path, 10, 2).unwrap();
        for line in ["one 56789\n", "two 56789\n", "three\n", "4\n", "five 6789\n"] {
            file.append(line.as_bytes()).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join("logs").join(name));
        assert_eq!(read("server.log").unwrap(), "five 6789\n");
        assert_eq!(read("server.log.1").unwrap(), "three\n4\n");
        assert_eq!(read("server.log.2").unwrap(), "two 56789\n");
        assert!(read("server.log.3").is_err());
    }

    #[test]
    fn an_existing_file_is_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        std::fs::write(&path, "before\n").unwrap();
        RotatingFile::open(&path, 0, 0).unwrap().append(b"after\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\nafter\n");
    }

    #[test]
    fn each_output_has_its_level_and_lines_have_one_form() {
        let dir = tempfile::tempdir().unwrap();
        let logger = |output: &str, level| LoggerConfig { output: output.into(), level, max_size: 0, max_files: 0 };
        let loggers = vec![logger("info.log", LogLevel::Info), logger("trace.log", LogLevel::Trace)];
        start(&LoggingSection { loggers }, dir.path()).unwrap();
        tracing::info!(port = 8428, "listening");
        tracing::trace!("request");
        tracing::debug!(target: "some_library", "chatter");
        let info = std::fs::read_to_string(dir.path().join("info.log")).unwrap();
        let (time, rest) = info.split_once(' ').unwrap();
        assert_eq!(rest, "INFO listening port=8428\n");
        assert_eq!((time.len(), time.ends_with('Z')), (24, true), "{time}");
        let trace = std::fs::read_to_string(dir.path().join("trace.log")).unwrap();
        assert_eq!(trace.lines().count(), 2, "{trace}");
    }
}
