//! Metric files, built by hand. (maintenance.rs builds them when a partition is sealed.)

use super::build::Builder;
use super::{BuildOptions, BuildProgress, BuildReport, Engine};
use crate::database::Database;
use crate::plugin::Partition;
use crate::{Error, Result};

/// Which partitions are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection<'a> {
    /// Those whose time ended more than the grace ago.
    Sealed,
    /// The one with this name, as in its file names, sealed or not.
    Named(&'a str),
}

impl Engine {
    /// Names of a database's partitions that have files, oldest first, as in their file names.
    pub fn partitions(&self, database: &str) -> Result<Vec<String>> {
        Ok(self.known_database(database)?.partitions().into_iter().map(|(_, name)| name).collect())
    }

    /// Those of them whose time ended more than the grace ago.
    pub fn sealed_partitions(&self, database: &str) -> Result<Vec<String>> {
        let database = self.known_database(database)?;
        let sealed = database.partitions().into_iter().filter(|(partition, _)| database.is_sealed(*partition));
        Ok(sealed.map(|(_, name)| name).collect())
    }

    /// Builds metric files. Partitions that need none are left out of the answer.
    ///
    /// [`Error::NotFound`] for an unknown database or partition. An error of one partition does not keep the others
    /// from their turn; the first one is returned at the end.
    pub fn build_metric_files(
        &self,
        database: &str,
        selection: Selection<'_>,
        options: BuildOptions,
        progress: &mut BuildProgress<'_>,
    ) -> Result<Vec<BuildReport>> {
        let database = self.known_database(database)?;
        let partitions: Vec<Partition> = match selection {
            Selection::Sealed => {
                let is_wanted = |p: &Partition| database.is_sealed(*p) && !database.is_stray(*p);
                database.partitions().into_iter().map(|(p, _)| p).filter(is_wanted).collect()
            }
            Selection::Named(wanted) => vec![named(&database, wanted)?],
        };
        let mut reports = Vec::new();
        let mut first_error = Ok(());
        for partition in partitions {
            match Builder(&database).build(partition, options, progress) {
                Ok(report) => reports.extend(report),
                Err(error @ Error::Cancelled(_)) => return Err(error),
                Err(error) => {
                    tracing::error!(database = database.name(), %error, "building a metric file");
                    first_error = first_error.and(Err(error));
                }
            }
        }
        first_error.map(|()| reports)
    }
}

/// The partition with this name, as in its file names.
pub(super) fn named(database: &Database, wanted: &str) -> Result<Partition> {
    let known = database.partitions();
    if let Some((partition, _)) = known.iter().find(|(_, name)| name == wanted) {
        return Ok(*partition);
    }
    let names: Vec<&str> = known.iter().map(|(_, name)| name.as_str()).collect();
    Err(Error::NotFound(format!(
        "database {:?} has no partition {wanted:?}; it has {}",
        database.name(),
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    )))
}
