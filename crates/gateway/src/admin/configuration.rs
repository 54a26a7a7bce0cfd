//! The configuration in force, those before it, what differs, and the way back.

use similar::{ChangeTag, TextDiff};
use surgewall_core::role::Action;
use surgewall_store::people::sealed::open_config;
use surgewall_store::people::{ConfigRow, People as _};

use super::desk::{Asked, Desk, Done, Trouble};
use super::show;
use super::view::{Cell, Form, Table, Text, Tone, View};

/// Lines around a difference.
const CONTEXT_LINES: usize = 2;

/// The page; with `against`, what differs from that one.
pub(super) async fn view(desk: &Desk, asked: &Asked) -> Result<View, Trouble> {
    let kept = desk.door.people.configs().await?;
    let now = desk.door.policy().hash.clone();
    let may = desk.may(Action::ChangeConfiguration);
    let table = Table {
        heading: "Kept configurations",
        columns: &["Hash", "Kept", "State", "Change"],
        rows: kept.iter().map(|row| line(row, &now, may)).collect(),
        empty: "None is kept.",
        next: None,
    };
    let lead = "Every decision carries the hash of the configuration it ran under; the last 50 are kept, sealed.";
    let view = View::new("Configuration", lead);
    // A door that was only just begun may not have kept its own yet.
    let current = text(desk, &kept, &now).unwrap_or_default();
    let view = match asked.query("against") {
        Some(hash) => {
            let before = text(desk, &kept, hash)?;
            view.with(Text {
                heading: "From that one to the one in force",
                text: difference(&before, &current),
            })
        }
        None => view.with(Text { heading: "In force", text: or_defaults(current) }),
    };
    Ok(view.with(table))
}

fn or_defaults(text: String) -> String {
    if text.trim().is_empty() { "(every key has its default)".to_owned() } else { text }
}

fn line(row: &ConfigRow, now: &str, may: bool) -> Vec<Cell> {
    let hash = Cell::link(format!("/configuration?against={}", row.hash), &row.hash);
    let in_force = row.hash == now;
    let state =
        if in_force { Cell::tag("in force", Tone::Good) } else { Cell::tag("before", Tone::Plain) };
    let restore = || {
        let form = Form::button("/configuration", "Put in force").hidden("hash", &row.hash);
        Cell::Buttons(vec![form])
    };
    let button = (may && !in_force).then(restore).unwrap_or_else(|| Cell::Text(String::new()));
    vec![hash, show::at(row.kept_at), state, button]
}

fn text(desk: &Desk, kept: &[ConfigRow], hash: &str) -> Result<String, Trouble> {
    let row = kept.iter().find(|row| row.hash == hash).ok_or_else(Trouble::nothing_there)?;
    Ok(open_config(&desk.door.vault, row)?)
}

/// The lines that differ, with some around them.
fn difference(before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let mut lines = String::new();
    for group in diff.grouped_ops(CONTEXT_LINES) {
        if !lines.is_empty() {
            lines.push_str("...\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            lines.push_str(match change.tag() {
                ChangeTag::Delete => "- ",
                ChangeTag::Insert => "+ ",
                ChangeTag::Equal => "  ",
            });
            lines.push_str(change.value().trim_end_matches('\n'));
            lines.push('\n');
        }
    }
    if lines.is_empty() { "Nothing differs.".to_owned() } else { lines }
}

/// Puts an earlier one in force, until the file is read again.
pub(super) async fn restore(desk: &Desk, asked: &Asked) -> Result<Done, Trouble> {
    let kept = desk.door.people.configs().await?;
    let text = text(desk, &kept, asked.field("hash").unwrap_or(""))?;
    let program = desk.door.program.get().ok_or_else(Trouble::unexpected)?;
    program.put_in_force(&desk.door, &text).await.map_err(Trouble::refused)?;
    Ok(Done::to(
        "/configuration",
        "It is in force until the configuration file is read again: change the file too.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_went_and_what_came() {
        let before = "a\nb\nc\nd\ne\nf\ng\n";
        let after = "a\nb\nc\nD\ne\nf\ng\n";
        assert_eq!(difference(before, after), "  b\n  c\n- d\n+ D\n  e\n  f\n");
        assert_eq!(difference(before, before), "Nothing differs.");
    }
}
