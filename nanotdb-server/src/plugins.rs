//! `nanotdb --plugins`

use nanotdb_core::plugin::registry::registry;

/// Every plugin of this binary, as an aligned table.
pub(crate) fn table() -> String {
    let registry = registry();
    let mut rows: Vec<[String; 4]> = vec![["KIND", "NAME", "ALSO", "ABOUT"].map(str::to_owned)];
    let mut add = |kind: &str, name: &str, also: String, about: &str| {
        rows.push([kind.to_owned(), name.to_owned(), also, about.to_owned()]);
    };
    for p in registry.codecs() {
        add("codec", p.name(), format!("id {}", p.id()), p.about());
    }
    for p in registry.partitioners() {
        add("partition", p.name(), String::new(), p.about());
    }
    for p in registry.ingest_formats() {
        add("ingest format", p.name(), p.content_types().join(", "), p.about());
    }
    for p in registry.aggregators() {
        add("aggregate", p.name(), p.aliases().join(", "), p.about());
    }
    aligned(&rows)
}

fn aligned(rows: &[[String; 4]]) -> String {
    let mut widths = [0; 4];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_have_no_trailing_space() {
        let rows = [["A", "B", "", "D"], ["long", "x", "y", ""]].map(|r| r.map(str::to_owned));
        assert_eq!(aligned(&rows), "A     B     D\nlong  x  y\n");
    }
}
