//! The real `nanocli`, from outside: exit codes, output and what happens to files.

#![allow(missing_docs)]

mod helpers;
mod import_export;
mod inspection;
mod query;
mod usage;
