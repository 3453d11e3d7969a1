//! All registered plugins, by name. The only global state of the engine, and read-only.

use super::guard::Guarded;
use super::partitioner::{FIRST_FREE_KIND, KIND_MARK, Partition};
use super::{
    Aggregator, AggregatorPlugin, Codec, CodecPlugin, IngestFormat, IngestFormatPlugin, Partitioner, PartitionerPlugin,
};
use crate::{Error, Result};
use std::sync::OnceLock;

/// Every registered plugin, each kind sorted by name.
pub struct Registry {
    codecs: Vec<&'static dyn Codec>,
    partitioners: Vec<&'static dyn Partitioner>,
    ingest_formats: Vec<&'static dyn IngestFormat>,
    aggregators: Vec<&'static dyn Aggregator>,
    conflict: Option<String>,
}

/// The process's registry.
pub fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::collect)
}

impl Registry {
    fn collect() -> Self {
        // Once per process.
        let guarded = |p: &CodecPlugin| -> &'static dyn Codec { Box::leak(Box::new(Guarded(p.0))) };
        let codecs = by_name(inventory::iter::<CodecPlugin>.into_iter().map(guarded), |p| p.name());
        let partitioners = by_name(inventory::iter::<PartitionerPlugin>.into_iter().map(|p| p.0), |p| p.name());
        let ingest_formats = by_name(inventory::iter::<IngestFormatPlugin>.into_iter().map(|p| p.0), |p| p.name());
        let aggregators = by_name(inventory::iter::<AggregatorPlugin>.into_iter().map(|p| p.0), |p| p.name());
        Self::of(codecs, partitioners, ingest_formats, aggregators)
    }

    /// Of these, each kind sorted by name.
    fn of(
        codecs: Vec<&'static dyn Codec>,
        partitioners: Vec<&'static dyn Partitioner>,
        ingest_formats: Vec<&'static dyn IngestFormat>,
        aggregators: Vec<&'static dyn Aggregator>,
    ) -> Self {
        let aggregator_names =
            || aggregators.iter().flat_map(|a| std::iter::once(a.name()).chain(a.aliases().iter().copied()));
        let conflict = duplicate("codec", codecs.iter().map(|p| p.name().to_owned()).collect())
            .or_else(|| duplicate("codec id", codecs.iter().map(|p| p.id().to_string()).collect()))
            .or_else(|| duplicate("partitioner", partitioners.iter().map(|p| p.name().to_owned()).collect()))
            .or_else(|| duplicate("partition kind", partitioners.iter().map(|p| p.kind_id().to_string()).collect()))
            .or_else(|| duplicate("ingest format", ingest_formats.iter().map(|p| p.name().to_owned()).collect()))
            .or_else(|| duplicate("content type", content_types(&ingest_formats)))
            .or_else(|| duplicate("aggregator", aggregator_names().map(str::to_owned).collect()));
        Self { codecs, partitioners, ingest_formats, aggregators, conflict }
    }

    /// Fails when two plugins claim one name or id. Called when an engine opens.
    pub fn check(&self) -> Result<()> {
        match &self.conflict {
            Some(conflict) => Err(Error::BadInput(conflict.clone())),
            None => Ok(()),
        }
    }

    /// All codecs.
    pub fn codecs(&self) -> &[&'static dyn Codec] {
        &self.codecs
    }

    /// All partitioners.
    pub fn partitioners(&self) -> &[&'static dyn Partitioner] {
        &self.partitioners
    }

    /// All ingest formats.
    pub fn ingest_formats(&self) -> &[&'static dyn IngestFormat] {
        &self.ingest_formats
    }

    /// All aggregators.
    pub fn aggregators(&self) -> &[&'static dyn Aggregator] {
        &self.aggregators
    }

    /// A codec by name.
    pub fn codec(&self, name: &str) -> Result<&'static dyn Codec> {
        find("codec", name, &self.codecs, |p| p.name() == name, |p| p.name())
    }

    /// A codec by its id on disk.
    pub fn codec_by_id(&self, id: u16) -> Option<&'static dyn Codec> {
        self.codecs.iter().copied().find(|p| p.id() == id)
    }

    /// A partitioner by name.
    pub fn partitioner(&self, name: &str) -> Result<&'static dyn Partitioner> {
        find("partition", name, &self.partitioners, |p| p.name() == name, |p| p.name())
    }

    /// Whose partition a part of a file's name may be, and which. Parts with a kind in front are of one partitioner. Of the
    /// others, those of the engine's own kinds come first; third parties wrote such names before they had the kind in front.
    pub fn named_by(&self, part: &str) -> Vec<(&'static dyn Partitioner, Partition)> {
        if let Some((kind, part)) = part.split_once(KIND_MARK) {
            let owner = self.partitioners.iter().find(|p| p.name() == kind && p.kind_id() >= FIRST_FREE_KIND);
            return owner.and_then(|p| Some((*p, p.parse_part(part)?))).into_iter().collect();
        }
        let mut found: Vec<(&'static dyn Partitioner, Partition)> = Vec::new();
        for own in [true, false] {
            for p in self.partitioners.iter().filter(|p| (p.kind_id() < FIRST_FREE_KIND) == own) {
                let partition =
                    p.parse_part(part).filter(|partition| found.iter().all(|(_, other)| other != partition));
                found.extend(partition.map(|partition| (*p, partition)));
            }
        }
        found
    }

    /// An ingest format by name.
    pub fn ingest_format(&self, name: &str) -> Result<&'static dyn IngestFormat> {
        find("ingest format", name, &self.ingest_formats, |p| p.name() == name, |p| p.name())
    }

    /// The ingest format that claims a media type (parameters such as `; charset=utf-8` are ignored).
    pub fn ingest_format_for(&self, content_type: &str) -> Option<&'static dyn IngestFormat> {
        let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        self.ingest_formats.iter().copied().find(|p| p.content_types().contains(&media.as_str()))
    }

    /// An aggregator by name or alias.
    pub fn aggregator(&self, name: &str) -> Result<&'static dyn Aggregator> {
        let matches = |p: &&'static dyn Aggregator| p.name() == name || p.aliases().contains(&name);
        find("aggregate", name, &self.aggregators, matches, |p| p.name())
    }
}

fn content_types(formats: &[&'static dyn IngestFormat]) -> Vec<String> {
    formats.iter().flat_map(|p| p.content_types()).map(|media| media.to_ascii_lowercase()).collect()
}

fn find<P: Copy>(
    kind: &str,
    name: &str,
    all: &[P],
    matches: impl Fn(&P) -> bool,
    name_of: impl Fn(&P) -> &'static str,
) -> Result<P> {
    all.iter().copied().find(|p| matches(p)).ok_or_else(|| {
        if all.is_empty() {
            return Error::BadInput(format!(
                "unknown {kind} {name:?}: this program has none; a crate with plugins is linked only when it is named, as in `use nanotdb_codecs as _;`"
            ));
        }
        let known: Vec<_> = all.iter().map(name_of).collect();
        Error::BadInput(format!("unknown {kind} {name:?}; known are {}", known.join(", ")))
    })
}

/// Sorted. There are few of each, and the code of a sort is several kilobytes for each type.
fn by_name<P: Copy>(plugins: impl Iterator<Item = P>, name: fn(P) -> &'static str) -> Vec<P> {
    let mut sorted = Vec::new();
    for plugin in plugins {
        let at = sorted.partition_point(|other| name(*other) <= name(plugin));
        sorted.insert(at, plugin);
    }
    sorted
}

fn duplicate(kind: &str, mut names: Vec<String>) -> Option<String> {
    names.sort();
    let twice = names.windows(2).find_map(|w| match w {
        [a, b] if a == b => Some(a.clone()),
        _ => None,
    })?;
    Some(format!("two plugins register the {kind} {twice:?}; remove one of the crates that do"))
}

#[cfg(test)]
mod tests;
