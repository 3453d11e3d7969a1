//! Aligned tables without borders, which `grep`, `awk` and `cut` can work on.

use comfy_table::{CellAlignment, presets};

/// Rows under headings. A heading that starts with `>` is of a right-aligned column (and shown without the `>`).
#[derive(Debug)]
pub struct Table {
    inner: comfy_table::Table,
}

impl Table {
    /// An empty table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_style(presets::NOTHING);
        inner.set_header(headings.iter().map(|h| h.trim_start_matches('>')).collect::<Vec<_>>());
        for (i, heading) in headings.iter().enumerate() {
            if let Some(column) = inner.column_mut(i) {
                column.set_padding((0, 2));
                if heading.starts_with('>') {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        Self { inner }
    }

    /// Adds a row, one text per heading.
    pub fn row(&mut self, cells: Vec<String>) {
        self.inner.add_row(cells);
    }

    /// The table as lines, without trailing blanks, the last one ended too.
    pub fn render(&self) -> String {
        let mut out = String::new();
        for line in self.inner.lines() {
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_have_no_trailing_blanks() {
        let mut table = Table::new(&["NAME", ">ROWS", "NOTE"]);
        table.row(vec!["a".into(), "5".into(), String::new()]);
        table.row(vec!["longer".into(), "12,345".into(), "x".into()]);
        assert_eq!(table.render(), "NAME      ROWS  NOTE\na            5\nlonger  12,345  x\n");
    }
}
