//! From pages to passages: pieces of a page small enough to be quoted whole.
//!
//! A section is cut between its blocks (paragraphs, lists, code, table rows).
//! A passage is a slice of the page itself, so a quotation cannot differ from it.

use super::Citation;
use super::pages::Page;

/// Blocks are joined into one passage up to this many bytes. A longer block
/// stands alone, a list by its items and a table by its rows.
const PASSAGE_BYTES_AIM: usize = 700;

/// A piece of a page that can be quoted.
#[derive(Clone, Debug)]
pub(super) struct Passage {
    /// The page's path.
    pub(super) file: &'static str,
    /// The page's first heading.
    pub(super) title: &'static str,
    /// The heading over the passage.
    pub(super) heading: &'static str,
    /// The head of the table that the passage is a row of.
    pub(super) table_head: Option<&'static str>,
    /// The words themselves.
    pub(super) text: &'static str,
}

impl Passage {
    /// Where it stands.
    pub(super) fn citation(&self) -> Citation {
        Citation {
            file: self.file.to_owned(),
            anchor: anchor(self.heading),
            heading: self.heading.to_owned(),
        }
    }
}

/// The anchor that a heading gets on a page: lower case, blanks as `-`, no
/// punctuation.
pub(super) fn anchor(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The passages of all pages, in order.
pub(super) fn split_all(pages: &[Page]) -> Vec<Passage> {
    pages.iter().flat_map(split).collect()
}

/// The passages of one page.
pub(super) fn split(page: &Page) -> Vec<Passage> {
    let mut passages = Vec::new();
    let mut title = "";
    let mut heading = "";
    let mut open = None;
    for block in whole_tables(&blocks(page.text)) {
        if block.kind == Kind::Heading {
            passages.extend(open.take());
            heading = page.text[block.start..block.end].trim_start_matches('#').trim();
            title = if title.is_empty() { heading } else { title };
            continue;
        }
        let text = &page.text[block.start..block.end];
        let place = Passage { file: page.file, title, heading, table_head: None, text };
        match open.take() {
            Some(before) if joins(&before, text) && block.kind != Kind::Row => {
                open = Some(joined(page, &before, block.end));
            }
            before => {
                passages.extend(before);
                open = Some(place);
            }
        }
        if block.kind == Kind::Row {
            let rows = open.take().into_iter().map(|row| Passage {
                table_head: block.table_head.map(|(from, to)| &page.text[from..to]),
                ..row
            });
            passages.extend(rows);
        }
    }
    passages.extend(open);
    passages
}

/// A sentence that ends in a colon is nothing without what follows.
fn joins(before: &Passage, text: &str) -> bool {
    before.text.len() + text.len() <= PASSAGE_BYTES_AIM
        || before.text.ends_with(':') && before.text.len() + text.len() <= 2 * PASSAGE_BYTES_AIM
}

fn joined(page: &Page, before: &Passage, end: usize) -> Passage {
    let start = before.text.as_ptr().addr() - page.text.as_ptr().addr();
    Passage { text: page.text[start..end].trim_end(), ..before.clone() }
}

/// What a block is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Heading,
    Text,
    Row,
}

/// A block by its byte range in the page, without the blank line after it.
#[derive(Clone, Copy, Debug)]
struct Block {
    kind: Kind,
    start: usize,
    end: usize,
    table_head: Option<(usize, usize)>,
}

/// Cuts a page into headings, table rows, and everything else: paragraphs,
/// list items with their continuation lines, whole fences of code.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    let mut in_code = false;
    let mut head: Option<(usize, usize)> = None;
    let mut at = 0;
    for raw in text.split_inclusive('\n') {
        let (start, line) = (at, raw.trim_end());
        let end = start + line.len();
        at += raw.len();
        let fence = line.trim_start().starts_with("```");
        let starts_block = !in_code && !open;
        let row = !in_code && line.starts_with('|');
        if !row {
            head = None;
        }
        if line.is_empty() && !in_code {
            open = false;
        } else if row {
            open = false;
            push_row(&mut blocks, &mut head, (start, end), line);
        } else if line.starts_with('#') && !in_code {
            open = false;
            blocks.push(Block { kind: Kind::Heading, start, end, table_head: None });
        } else if starts_block || (!in_code && is_item(line)) {
            open = true;
            blocks.push(Block { kind: Kind::Text, start, end, table_head: None });
        } else if let Some(last) = blocks.last_mut() {
            last.end = end;
        }
        in_code ^= fence;
    }
    blocks
}

/// A table that is short enough becomes one block, its head included.
fn whole_tables(blocks: &[Block]) -> Vec<Block> {
    let mut out: Vec<Block> = Vec::new();
    for table in blocks.chunk_by(|a, b| a.table_head.is_some() && a.table_head == b.table_head) {
        match table {
            [first, .., last] if table_bytes(first, last) <= PASSAGE_BYTES_AIM => {
                let start = first.table_head.map_or(first.start, |head| head.0);
                out.push(Block { kind: Kind::Text, start, end: last.end, table_head: None });
            }
            rows => out.extend(rows),
        }
    }
    out
}

fn table_bytes(first: &Block, last: &Block) -> usize {
    last.end - first.table_head.map_or(first.start, |head| head.0)
}

/// The first two lines of a table are its head; each later one is a row.
fn push_row(
    blocks: &mut Vec<Block>,
    head: &mut Option<(usize, usize)>,
    (start, end): (usize, usize),
    line: &str,
) {
    match head {
        None => *head = Some((start, end)),
        Some(head)
            if line.starts_with("|--") || line.starts_with("|:-") || line.starts_with("| -") =>
        {
            head.1 = end;
        }
        Some(head) => {
            blocks.push(Block { kind: Kind::Row, start, end, table_head: Some(*head) });
        }
    }
}

fn is_item(line: &str) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with("- ") || (rest.len() < line.len() && rest.starts_with(". "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Page = Page {
        file: "docs/p.md",
        text: "# Title\n\nFirst.\n\n## A head?\n\nSay:\n\n```\n# no heading\n\n| no | row |\n```\n\nLast.\n",
    };

    #[test]
    fn a_page_falls_into_quotable_passages() {
        let seen: Vec<_> = split(&PAGE).into_iter().map(|p| (p.heading, p.text)).collect();
        let code = "Say:\n\n```\n# no heading\n\n| no | row |\n```\n\nLast.";
        assert_eq!(seen, [("Title", "First."), ("A head?", code)]);
    }

    #[test]
    fn a_long_table_is_quoted_by_its_rows_and_a_short_one_whole() {
        let head = "| k | v |\n|---|---|";
        for (cell_bytes, expected) in [(1, 1), (PASSAGE_BYTES_AIM / 2, 2)] {
            let row = format!("| a | {} |", "x".repeat(cell_bytes));
            let text = format!("# T\n\n{head}\n{row}\n{row}\n").leak();
            let got = split(&Page { file: "f", text });
            assert_eq!(got.len(), expected, "cells of {cell_bytes} bytes");
            let first = &got[0];
            let shown =
                first.table_head.map_or(String::new(), |head| format!("{head}\n")) + first.text;
            assert!(shown.starts_with(&format!("{head}\n{row}")), "{shown}");
        }
    }

    #[test]
    fn long_sections_are_cut_between_blocks_and_a_colon_holds_what_follows() {
        let sentence = "x".repeat(PASSAGE_BYTES_AIM - 2);
        let cases = [(format!("{sentence}\n\ny."), 1), (format!("{sentence}\n\nyy."), 2)];
        for (body, expected) in cases {
            let text: &'static str = format!("# T\n\n{body}\n").leak();
            let got = split(&Page { file: "f", text });
            // The joined slice holds the blank line too; the aim counts words only.
            assert_eq!(got.len(), expected, "{} bytes", body.len());
        }
        let colon: &'static str =
            Box::leak(format!("# T\n\n{sentence}:\n\n- one\n- two\n").into_boxed_str());
        assert!(split(&Page { file: "f", text: colon })[0].text.contains("- one"));
    }

    #[test]
    fn anchors_are_those_of_rendered_pages() {
        assert_eq!(anchor("How do I revoke a key?"), "how-do-i-revoke-a-key");
        assert_eq!(anchor("`[[upstream]]` and TLS"), "upstream-and-tls");
    }
}
