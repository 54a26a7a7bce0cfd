//! Lines with a label each, wrapped to the terminal.

use crate::show;
use crate::show::table::{Column, table};

/// Columns of a label and the space behind it.
const LABEL_COLUMNS: usize = 12;
/// A terminal narrower than this has no room for a column of labels.
const WIDE_COLUMNS: usize = 48;
/// What a line that goes on begins with where there is none.
const NARROW_INDENT: usize = 2;

/// How a line is meant. Its words say so too: colour is never all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// As any other.
    Plain,
    /// All is well.
    Good,
    /// Worth a look.
    Warning,
    /// Somebody suffers.
    Bad,
}

impl Tone {
    const fn code(self) -> Option<u8> {
        match self {
            Self::Plain => None,
            Self::Good => Some(32),
            Self::Warning => Some(33),
            Self::Bad => Some(31),
        }
    }
}

/// A page that is being written.
pub(super) struct Page {
    columns: usize,
    colourful: bool,
    text: String,
}

impl Page {
    /// An empty page for so many columns.
    pub(super) const fn new(columns: usize, colourful: bool) -> Self {
        Self { columns, colourful, text: String::new() }
    }

    /// What was written.
    pub(super) fn text(self) -> String {
        self.text
    }

    /// An empty line.
    pub(super) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// `words` under a `label`; no label goes on with the one before.
    pub(super) fn line(&mut self, label: &str, tone: Tone, words: &str) {
        let wide = self.columns >= WIDE_COLUMNS;
        let indent = if wide { LABEL_COLUMNS } else { NARROW_INDENT };
        // In a narrow terminal the label is the first word.
        let (label, words) = match (wide, label.is_empty()) {
            (true, _) | (false, true) => (format!("{label:indent$}"), show::plain(words)),
            (false, false) => (String::new(), show::plain(&format!("{label}: {words}"))),
        };
        let first = self.columns.saturating_sub(label.chars().count());
        for (at, line) in
            wrap(&words, first, self.columns.saturating_sub(indent)).iter().enumerate()
        {
            if at == 0 {
                self.text += &label;
            } else {
                self.text.extend(std::iter::repeat_n(' ', indent));
            }
            self.text += &self.painted(tone, line);
            self.text.push('\n');
        }
    }

    fn painted(&self, tone: Tone, words: &str) -> String {
        match tone.code().filter(|_| self.colourful) {
            Some(code) => format!("\x1b[{code}m{words}\x1b[0m"),
            None => words.to_owned(),
        }
    }

    /// A table, or, where it does not fit, a line for each row: its first cell
    /// is the label, the others stand behind the names of their columns.
    pub(super) fn table(&mut self, columns: &[Column], rows: Vec<Vec<String>>) {
        let whole = table(columns, rows.clone());
        if whole.lines().all(|line| line.chars().count() <= self.columns) {
            self.text += &whole;
            return;
        }
        for row in rows {
            let cells = columns.iter().zip(&row).skip(1).map(|(column, cell)| match column {
                Column::Left(name) | Column::Right(name) => format!("{name} {cell}"),
            });
            let words = cells.collect::<Vec<_>>().join(", ");
            self.line(row.first().map_or("", String::as_str), Tone::Plain, &words);
        }
    }
}

/// `words` in lines of at most `first` columns, then at most `columns` each; a
/// longer word has a line of its own.
fn wrap(words: &str, first: usize, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut room = first;
    for word in words.split_whitespace() {
        let long = word.chars().count();
        let Some(line) = lines.last_mut() else { break };
        let taken = line.chars().count();
        if taken == 0 {
            *line += word;
        } else if taken + 1 + long <= room {
            *line += " ";
            *line += word;
        } else {
            lines.push(word.to_owned());
            room = columns;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_wrapped_where_the_columns_end() {
        for (first, columns, lines) in [
            (11, 11, &["aaa bbb ccc", "dddddddddddd", "e"][..]),
            (10, 11, &["aaa bbb", "ccc", "dddddddddddd", "e"]),
            (3, 14, &["aaa", "bbb ccc", "dddddddddddd e"]),
            (0, 0, &["aaa", "bbb", "ccc", "dddddddddddd", "e"]),
        ] {
            assert_eq!(wrap("aaa bbb  ccc dddddddddddd e", first, columns), lines);
        }
        assert_eq!(wrap("", 9, 9), [""]);
    }

    #[test]
    fn a_table_that_does_not_fit_becomes_lines() {
        let columns = [Column::Left("class"), Column::Right("offered/s"), Column::Right("waiting")];
        let rows = vec![vec!["established".to_owned(), "31".to_owned(), "2".to_owned()]];
        let of = |width| {
            let mut page = Page::new(width, false);
            page.table(&columns, rows.clone());
            page.text()
        };
        let wide = "class        offered/s  waiting\nestablished         31        2\n";
        assert_eq!(of(31), wide);
        assert_eq!(of(30), "established: offered/s 31,\n  waiting 2\n");
    }

    #[test]
    fn only_a_colourful_page_is_painted_and_nobody_moves_the_cursor() {
        let of = |colourful| {
            let mut page = Page::new(80, colourful);
            page.line("door", Tone::Bad, "a\x1b[2J");
            page.text()
        };
        assert_eq!(of(true), "door        \x1b[31ma\u{fffd}[2J\x1b[0m\n");
        assert_eq!(of(false), "door        a\u{fffd}[2J\n");
    }
}
