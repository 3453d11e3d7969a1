//! What is linked into a binary, for `nanotdb --plugins` and `nanocli plugins`.

use super::Registry;
use serde::Serialize;
use std::fmt::Write;

/// One plugin as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// `codec`, `partition`, `ingest format` or `aggregate`.
    pub kind: &'static str,
    /// The name that configurations and queries use.
    pub name: &'static str,
    /// Its number on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u16>,
    /// Other names: media types, aliases.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<&'static str>,
    /// One line about it.
    pub about: &'static str,
}

impl Registry {
    /// Every plugin, by kind and name.
    pub fn list(&self) -> Vec<Listed> {
        let mut all = Vec::new();
        let mut add = |kind, name, id, also: &[&'static str], about| {
            all.push(Listed { kind, name, id, also: also.to_vec(), about });
        };
        for p in self.codecs() {
            add("codec", p.name(), Some(p.id()), &[], p.about());
        }
        for p in self.partitioners() {
            add("partition", p.name(), Some(p.kind_id().into()), &[], p.about());
        }
        for p in self.ingest_formats() {
            add("ingest format", p.name(), None, p.content_types(), p.about());
        }
        for p in self.aggregators() {
            add("aggregate", p.name(), None, p.aliases(), p.about());
        }
        all
    }
}

/// An aligned table with a heading, without trailing blanks.
pub fn table(plugins: &[Listed]) -> String {
    let id = |p: &Listed| p.id.map(|id| id.to_string()).unwrap_or_default();
    let width =
        |heading: &str, cell: &dyn Fn(&Listed) -> usize| plugins.iter().map(cell).fold(heading.len(), usize::max);
    let kinds = width("KIND", &|p| p.kind.chars().count());
    let names = width("NAME", &|p| p.name.chars().count());
    let ids = width("ID", &|p| id(p).len());
    let abouts = width("ABOUT", &|p| p.about.chars().count());
    let mut out = String::new();
    let mut row = |kind: &str, name: &str, id: &str, about: &str, also: &str| {
        let line = format!("{kind:<kinds$}  {name:<names$}  {id:>ids$}  {about:<abouts$}  {also}");
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", line.trim_end());
    };
    row("KIND", "NAME", "ID", "ABOUT", "ALSO");
    for p in plugins {
        row(p.kind, p.name, &id(p), p.about, &p.also.join(", "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_right_aligned_and_missing_ones_blank() {
        let plugins = [
            Listed { kind: "codec", name: "s2", id: Some(1), also: vec![], about: "the default" },
            Listed { kind: "codec", name: "mine", id: Some(40_000), also: vec![], about: "a third party's" },
            Listed {
                kind: "aggregate",
                name: "trimmed_avg",
                id: None,
                also: vec!["trimmed_average"],
                about: "trimmed",
            },
        ];
        let expected = "\
KIND       NAME            ID  ABOUT            ALSO
codec      s2               1  the default
codec      mine         40000  a third party's
aggregate  trimmed_avg         trimmed          trimmed_average
";
        assert_eq!(table(&plugins), expected);
    }
}
