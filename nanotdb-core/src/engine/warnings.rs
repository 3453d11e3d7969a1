//! What is not as it should be while everything can be written: damage that was mended, limits that come near.

use super::Engine;
use crate::model::Timestamp;
use crate::{Error, Result};

/// Something to know of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The database.
    pub database: String,
    /// When it was found and mended; `None` for what is so now.
    pub since: Option<Timestamp>,
    /// What.
    pub text: String,
}

impl Warning {
    /// Whether it is told until somebody has acknowledged it. The others go with their cause.
    pub fn can_be_acknowledged(&self) -> bool {
        self.since.is_some()
    }
}

impl Engine {
    /// What is to know of all databases, by name: damage that was mended and not acknowledged, then what is so now.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for database in self.all_databases() {
            let name = database.name();
            warnings.extend(database.mended().into_iter().map(|mended| Warning {
                database: name.to_owned(),
                since: Some(mended.since),
                text: mended.text,
            }));
            let current = database.current_warnings().into_iter();
            warnings.extend(current.map(|text| Warning { database: name.to_owned(), since: None, text }));
        }
        warnings
    }

    /// Why answers may show samples of a database that are not stored: it takes no more after an error that leaves unknown what is
    /// on the device. Who asks whether its last batch has arrived must not rely on them.
    pub fn unsure(&self, database: &str) -> Option<String> {
        let reason = self.database(database)?.failure()?;
        Some(format!("database {database:?} is read-only: {reason}; its newest samples may not be stored"))
    }

    /// Somebody has seen what was mended, of one database or of all: it is told no more. Returns how many warnings that were.
    pub fn acknowledge(&self, database: Option<&str>) -> Result<u64> {
        if !self.inner.writable {
            return Err(Error::bad_input("the root was opened for reading only"));
        }
        self.inner.check_open()?;
        let databases = match database {
            Some(name) => vec![self.known_database(name)?],
            None => self.all_databases(),
        };
        let mut count = 0u64;
        for database in databases {
            count = count.saturating_add(database.acknowledge()? as u64);
        }
        Ok(count)
    }
}
