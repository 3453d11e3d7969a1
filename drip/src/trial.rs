//! Runs one collector on recorded trees at chosen times, for tests.

use crate::collector::{Collector, Cycle, Samples, plugins};
use nanotdb_settings::Document;
use std::path::Path;
use std::time::{Duration, Instant};

/// A collector under test: the registered one of that name, with a section of drip.toml.
pub struct Trial {
    collector: Box<dyn Collector>,
    cycle: Cycle,
    samples: Samples,
    began: Instant,
    number: u64,
    runtime: tokio::runtime::Runtime,
    state_dir: std::path::PathBuf,
}

impl Trial {
    /// The collector `name` with the keys of `section`, TOML without its heading. The error is what drip would say.
    pub fn new(name: &str, section: &str) -> Result<Self, String> {
        Self::with_state_dir(name, section, &std::env::temp_dir())
    }

    /// As [`Self::new`], for collectors that write.
    pub fn with_state_dir(name: &str, section: &str, state_dir: &Path) -> Result<Self, String> {
        let plugin =
            plugins()?.into_iter().find(|plugin| plugin.name == name).ok_or(format!("no collector {name:?}"))?;
        let (document, table) = Document::parse(section)?;
        let mut section = document.section(&format!("collectors.{name}"), Some(&table));
        let collector = (plugin.build)(&mut section);
        section.finish();
        let mistakes = document.finish().mistakes;
        if !mistakes.is_empty() {
            let told: Vec<String> = mistakes.iter().map(|mistake| format!("drip.toml: {mistake}")).collect();
            return Err(told.join("\n"));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let (cycle, state_dir) = (Cycle::new(Path::new("/"), state_dir), state_dir.to_owned());
        let (samples, began) = (Samples::default(), Instant::now());
        Ok(Self { collector, cycle, samples, began, number: 0, runtime, state_dir })
    }

    /// One cycle on the tree `root`, `at_ms` after the first; cycles are numbered from 1. Lines of `name value`, or why
    /// there are none. [`Self::problems`] has what was wrong with single metrics.
    pub fn cycle(&mut self, root: &Path, at_ms: u64) -> Result<String, String> {
        self.samples.keep_absent();
        self.run(root, at_ms)?;
        Ok(self.samples.text().to_owned())
    }

    /// As [`Self::cycle`], without handing out the lines: what is allocated here is allocated by the collector.
    pub fn run(&mut self, root: &Path, at_ms: u64) -> Result<(), String> {
        self.number += 1;
        self.cycle.begin_fixed(root, self.number, self.began + Duration::from_millis(at_ms));
        self.samples.begin_for_test();
        let result = self.runtime.block_on(self.collector.collect(&mut self.cycle, &mut self.samples));
        result.map_err(|e| e.to_string())
    }

    /// What was wrong in the last cycle, as `about: reason`.
    pub fn problems(&self) -> Vec<String> {
        self.samples.problems().iter().map(|p| format!("{}: {}", p.about, p.reason)).collect()
    }

    /// What this host or tree does not have, as `about: reason`.
    pub fn absent(&self) -> Vec<String> {
        self.samples.absent_notes().iter().map(|(about, reason)| format!("{about}: {reason}")).collect()
    }

    /// The directory that the collector may write to.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }
}
