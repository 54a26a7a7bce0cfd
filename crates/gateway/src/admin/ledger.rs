//! Records of the ledger, with filters, the newest first.

use std::collections::VecDeque;

use serde_json::Value;
use surgewall_core::decision::Record;
use surgewall_store::ledger::read::{Names, export, shown};

use super::desk::{Asked, Desk, Trouble};
use super::view::{Cell, Form, Table, View};

/// Records on one page.
const ROWS_MAX: usize = 200;

/// Kinds of records that can be asked for.
const KINDS: [&str; 8] =
    ["admitted", "settled", "refused", "changed", "incident", "finding", "capacity", "erased"];

/// What is looked for.
struct Filter {
    kind: String,
    text: String,
}

impl Filter {
    fn of(asked: &Asked) -> Self {
        let query = |name| asked.query(name).unwrap_or("").trim().to_owned();
        Self { kind: query("kind"), text: query("text") }
    }

    fn fits(&self, record: &Value) -> bool {
        let kind = record.get("record").and_then(Value::as_str).unwrap_or("");
        (self.kind.is_empty() || kind == self.kind)
            && (self.text.is_empty() || record.to_string().contains(&self.text))
    }
}

/// The newest that fit.
pub(super) async fn list(desk: &Desk, asked: &Asked) -> Result<View, Trouble> {
    let filter = Filter::of(asked);
    let form = form(&filter);
    let names = desk.names().await?;
    let (directory, vault) = desk.ledger_files();
    let (rows, damage) = desk
        .reading(move || {
            let mut newest = VecDeque::with_capacity(ROWS_MAX);
            let findings = export(&directory, &vault, |sequence, record| {
                keep(&mut newest, sequence, &record, &names, &filter);
            })?;
            Ok((newest, findings))
        })
        .await?;
    let table = Table {
        heading: "",
        columns: &["Record", "Kind", "What"],
        rows: rows.into_iter().rev().map(row).collect(),
        empty: "No record fits.",
        next: None,
    };
    let lead = if damage.is_empty() {
        format!(
            "The newest {ROWS_MAX} that fit. `surgewall admin ledger export` writes all, `surgewall check ledger` verifies them."
        )
    } else {
        format!(
            "{} places of the ledger are damaged: `surgewall check ledger` names them.",
            damage.len()
        )
    };
    Ok(View::new("Ledger", lead).with(form).with(table))
}

fn keep(
    newest: &mut VecDeque<Value>,
    sequence: u64,
    record: &Record,
    names: &Names,
    filter: &Filter,
) {
    let Ok(record) = shown(sequence, record, names) else { return };
    if !filter.fits(&record) {
        return;
    }
    if newest.len() == ROWS_MAX {
        newest.pop_front();
    }
    newest.push_back(record);
}

fn row(record: Value) -> Vec<Cell> {
    let Value::Object(mut fields) = record else { return Vec::new() };
    let take = |value: Option<Value>| match value {
        Some(Value::String(text)) => text,
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let (sequence, kind) =
        (take(fields.shift_remove("sequence")), take(fields.shift_remove("record")));
    let rest = fields.into_iter().map(|(name, value)| format!("{name}={}", take(Some(value))));
    let rest = rest.collect::<Vec<_>>().join(" ");
    vec![Cell::Code(sequence), Cell::Code(kind), Cell::Code(rest)]
}

fn form(filter: &Filter) -> Form {
    let mut kinds = vec![(String::new(), "all".to_owned())];
    kinds.extend(KINDS.map(|kind| (kind.to_owned(), kind.to_owned())));
    Form::new("", "/ledger", "Show").asks().choice("kind", "Kind", kinds, &filter.kind).line(
        "text",
        "With this in it: a request's id, a key, a code",
        &filter.text,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_takes_kind_and_text_together() {
        let record = json!({"sequence": 7, "record": "refused", "code": "quota", "key": "key_a"});
        let check =
            |kind: &str, text: &str| Filter { kind: kind.into(), text: text.into() }.fits(&record);
        assert!(
            check("", "")
                && check("refused", "")
                && check("refused", "key_a")
                && check("", "quota")
        );
        assert!(!check("settled", "") && !check("refused", "key_b"));
        let cells = row(record);
        let [Cell::Code(sequence), Cell::Code(kind), Cell::Code(what)] = &cells[..] else {
            panic!("three cells")
        };
        assert_eq!((&**sequence, &**kind, &**what), ("7", "refused", "code=quota key=key_a"));
    }
}
