//! Aligned columns without lines: easy to read, easy to cut.

use comfy_table::{Cell, CellAlignment, presets};

/// On which side a column's values stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Rows of texts beneath a header.
#[derive(Debug)]
pub struct Table {
    sides: Vec<Side>,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table with these columns.
    pub fn new(columns: &[(&'static str, Side)]) -> Self {
        Self {
            sides: columns.iter().map(|(_, side)| *side).collect(),
            header: columns.iter().map(|(title, _)| *title).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, one text per column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        assert_eq!(cells.len(), self.header.len(), "a row has one cell per column");
        self.rows.push(cells);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines, each ended, none with blanks at its end.
    pub fn render(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        let cells = |texts: Vec<String>| -> Vec<Cell> {
            texts
                .into_iter()
                .zip(&self.sides)
                .map(|(text, side)| Cell::new(text).set_alignment(side.alignment()))
                .collect()
        };
        table.set_header(cells(
            self.header.iter().map(|title| (*title).to_owned()).collect(),
        ));
        for row in &self.rows {
            table.add_row(cells(row.clone()));
        }
        let last = self.header.len().saturating_sub(1);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if index == last { 0 } else { 2 }));
        }
        table
            .lines()
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect()
    }
}

impl Side {
    fn alignment(self) -> CellAlignment {
        match self {
            Self::Left => CellAlignment::Left,
            Self::Right => CellAlignment::Right,
        }
    }
}

/// Names and values beneath each other, the values aligned.
pub fn pairs(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("{:<width$}  {value}\n", format!("{name}:"), width = width + 1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_tail() {
        let mut table = Table::new(&[("NAME", Side::Left), ("SIZE", Side::Right), ("STATE", Side::Left)]);
        table.row(["web".into(), "1.5 MiB".into(), "ok".into()]);
        table.row(["größer".into(), "17 B".into(), String::new()]);
        assert_eq!(
            table.render(),
            "NAME       SIZE  STATE\nweb     1.5 MiB  ok\ngrößer     17 B\n"
        );
    }

    #[test]
    fn pairs_are_aligned() {
        assert_eq!(
            pairs(&[("a", "1".into()), ("long", "2".into())]),
            "a:     1\nlong:  2\n"
        );
    }
}
