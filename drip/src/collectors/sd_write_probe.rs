//! How long the storage takes to write a little and have it safe: what a worn SD card shows first.

use crate::collector::{CollectError, Collector, CollectorPlugin, Cycle, Samples, Section, async_trait};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

struct WriteProbe {
    /// The directory; empty is the one that drip may write to.
    dir: PathBuf,
    every: u64,
    content: Vec<u8>,
}

const FILE: &str = "write-probe";

#[async_trait]
impl Collector for WriteProbe {
    /// In cycle 1 and every n-th after it; in the others there is no sample.
    async fn collect(&mut self, cycle: &mut Cycle, out: &mut Samples) -> Result<(), CollectError> {
        if cycle.number() % self.every != 1 % self.every {
            return Ok(());
        }
        let dir = if self.dir.as_os_str().is_empty() { cycle.state_dir() } else { &self.dir };
        if !dir.exists() {
            return Err(CollectError::NotHere(format!("there is no {} yet; a service makes it", dir.display())));
        }
        let failed = |e: std::io::Error| CollectError::Failed(format!("{}: {e}", dir.join(FILE).display()));
        let file = open(dir).map_err(failed)?;
        // Not the same bytes each time: a card that notices would have nothing to do.
        let mark = cycle.number().to_le_bytes();
        self.content.chunks_exact_mut(mark.len()).for_each(|chunk| chunk.copy_from_slice(&mark));
        let began = Instant::now();
        file.write_all_at(&self.content, 0).and_then(|()| file.sync_all()).map_err(failed)?;
        out.float("disk.sd_write_probe_ms", began.elapsed().as_secs_f64() * 1e3, 2);
        Ok(())
    }
}

/// The same blocks are written again and again: the file is not made anew, unless it is somebody else's, such as root's
/// after `sudo drip --once`.
fn open(dir: &Path) -> std::io::Result<File> {
    let path = dir.join(FILE);
    let open = || OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    match open() {
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => std::fs::remove_file(&path).and_then(|()| open()),
        opened => opened,
    }
}

fn build(section: &mut Section<'_>) -> Box<dyn Collector> {
    let dir = PathBuf::from(section.text("dir", ""));
    let every = section.integer("every", 6, 1..=1_000_000);
    let bytes = section.integer("bytes", 4_096, 512..=1 << 20);
    Box::new(WriteProbe { dir, every, content: vec![0; usize::try_from(bytes).unwrap_or(4_096)] })
}

inventory::submit! {
    CollectorPlugin {
        name: "sd_write_probe",
        about: "time to write and fsync a few bytes, in ms",
        keys: "# A directory on the card or disk that is meant; empty: the same as spool.dir.\n\
               dir = \"\"\n\
               # In every n-th cycle: each probe wears the card a little.\n\
               every = 6\n\
               # Bytes that are written, 512 to 1048576.\n\
               bytes = 4096\n",
        timeout_ms: 60_000,
        build,
    }
}
