//! Plain tables: columns, a head line, no frame.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// Words.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

/// A table of `rows` under `columns`, each line ended.
pub(crate) fn table(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let names = columns.iter().map(|column| match column {
        Column::Left(name) | Column::Right(name) => *name,
    });
    table.set_header(names.collect::<Vec<_>>());
    for row in rows {
        table.add_row(row.iter().map(|cell| super::plain(cell)).collect::<Vec<_>>());
    }
    for (shown, column) in table.column_iter_mut().zip(columns) {
        shown.set_padding((0, 2));
        if let Column::Right(_) = column {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_control_characters_are_shown() {
        let rows = vec![vec!["a\x1b[2J".to_owned(), "1".to_owned()]];
        let shown = table(&[Column::Left("name"), Column::Right("tokens")], rows);
        assert_eq!(shown, "name   tokens\na\u{fffd}[2J       1\n");
    }
}
