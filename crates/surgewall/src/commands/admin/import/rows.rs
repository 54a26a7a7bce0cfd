//! What an import file holds, before anybody knows whose it is: one object for
//! each line of CSV or JSONL, or for each element of a JSON export.

use serde_json::{Map, Value};

use crate::show;

/// One line: where it stands, from 1, and its fields by name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// The line; of a JSON array, which element it is.
    pub(super) line: u64,
    /// The fields; names are in small letters.
    pub(super) fields: Map<String, Value>,
}

/// Where it went wrong, and what is.
pub(super) type Mistake = (u64, String);

/// Lists that an export wraps its rows in.
const WRAPPERS: [&str; 4] = ["users", "keys", "items", "data"];

/// The rows of `text`: of CSV where the file is called so, else of JSON.
pub(super) fn read(text: &str, is_csv: bool) -> Result<Vec<Row>, Vec<Mistake>> {
    if is_csv {
        return csv(text).map_err(|mistake| vec![mistake]);
    }
    if let Ok(whole) = serde_json::from_str::<Value>(text)
        && let Some(list) = list(&whole)
    {
        return objects(list.iter().map(|value| Ok(value.clone())).zip(1..));
    }
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    objects(lines.map(|(line, at)| (serde_json::from_str(line).map_err(|e| e.to_string()), at)))
}

/// The list of rows in an export that is one JSON value.
fn list(whole: &Value) -> Option<&Vec<Value>> {
    match whole {
        Value::Array(list) => Some(list),
        Value::Object(object) => {
            WRAPPERS.into_iter().find_map(|name| object.get(name)).and_then(list)
        }
        _ => None,
    }
}

fn objects(
    values: impl Iterator<Item = (Result<Value, String>, u64)>,
) -> Result<Vec<Row>, Vec<Mistake>> {
    let (mut rows, mut mistakes) = (Vec::new(), Vec::new());
    for (value, line) in values {
        match value {
            Ok(Value::Object(fields)) => {
                let fields = fields.into_iter().map(|(name, value)| (name.to_lowercase(), value));
                rows.push(Row { line, fields: fields.collect() });
            }
            Ok(_) => mistakes.push((line, "not a JSON object".to_owned())),
            Err(what) => mistakes.push((line, what)),
        }
    }
    if mistakes.is_empty() { Ok(rows) } else { Err(mistakes) }
}

/// An empty cell is absent.
fn csv(text: &str) -> Result<Vec<Row>, Mistake> {
    let text = text.trim_start_matches('\u{feff}');
    let rows = show::csv::read(text).map_err(|at| {
        (at as u64, "a quote is not closed, or stands in the middle of a cell".into())
    })?;
    let mut rows = rows.into_iter();
    let head: Vec<_> =
        rows.next().unwrap_or_default().iter().map(|name| name.trim().to_lowercase()).collect();
    let row = |(cells, line): (Vec<String>, u64)| {
        if cells.len() > head.len() {
            return Err((line, format!("{} cells under {} names", cells.len(), head.len())));
        }
        let fields = head.iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
        let fields = fields.map(|(name, cell)| (name.clone(), Value::from(cell)));
        Ok(Row { line, fields: fields.collect() })
    };
    rows.zip(2..).map(row).collect()
}

impl Row {
    /// The text of a field that says something.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.fields.get(name)? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Whether a field says yes; in any of the forms that databases write it.
    pub(super) fn is_set(&self, name: &str) -> bool {
        match self.fields.get(name) {
            Some(Value::Bool(set)) => *set,
            Some(Value::Number(number)) => number.as_i64() == Some(1),
            Some(Value::String(text)) => {
                matches!(text.trim().to_lowercase().as_str(), "true" | "t" | "1" | "yes")
            }
            _ => false,
        }
    }

    /// The whole number of a field.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// The entries of a list: JSON, PostgreSQL's `{a,b}`, or separated by commas,
    /// blanks or line ends.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let texts = |list: &[Value]| {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        match self.fields.get(name) {
            Some(Value::Array(list)) => texts(list),
            Some(Value::String(text)) => match serde_json::from_str::<Vec<Value>>(text) {
                Ok(list) => texts(&list),
                Err(_) => {
                    let plain = text.trim().trim_start_matches('{').trim_end_matches('}');
                    let entries =
                        plain.split([',', ' ', '\n']).map(|entry| entry.trim_matches('"'));
                    entries.filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
                }
            },
            _ => Vec::new(),
        }
    }

    /// Whether it has all of these fields.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.fields.contains_key(*name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_rows_come_from_every_form() {
        let jsonl = "{\"Email\":\"a@b.c\",\"id\":\"1\"}\n\n{\"email\":\"d@e.f\",\"id\":\"2\"}\n";
        let array = "[{\"email\":\"a@b.c\",\"id\":\"1\"},{\"email\":\"d@e.f\",\"id\":\"2\"}]";
        let wrapped = format!("{{\"success\":true,\"data\":{{\"items\":{array},\"total\":2}}}}");
        let csv = "\u{feff}Email, ID\r\na@b.c,1\r\nd@e.f,2\r\n";
        let fields = |rows: Vec<Row>| rows.into_iter().map(|row| row.fields).collect::<Vec<_>>();
        let expected = fields(read(jsonl, false).unwrap());
        assert_eq!(expected.len(), 2);
        for (text, is_csv) in [(array, false), (&wrapped, false), (csv, true)] {
            assert_eq!(fields(read(text, is_csv).unwrap()), expected, "{text}");
        }
        let lines =
            |text, is_csv| read(text, is_csv).unwrap().iter().map(|r| r.line).collect::<Vec<_>>();
        assert_eq!(
            (lines(jsonl, false), lines(array, false), lines(csv, true)),
            (vec![1, 3], vec![1, 2], vec![2, 3])
        );
    }

    #[test]
    fn every_bad_line_is_named() {
        let mistakes = |text, is_csv| {
            let found = read(text, is_csv).unwrap_err();
            found.into_iter().map(|(line, _)| line).collect::<Vec<_>>()
        };
        assert_eq!(mistakes("{}\n[1]\n{\"a\":1}\nno\n", false), [2, 4]);
        assert_eq!(mistakes("a,b\n1,2\n1,2,3\n", true), [3]);
        assert_eq!(mistakes("a\n\"x", true), [2]);
    }

    #[test]
    fn lists_and_yes_are_read_as_databases_write_them() {
        let row = |value: Value| Row { line: 1, fields: Map::from_iter([("f".to_owned(), value)]) };
        for value in ["{a,b}", "{\"a\",b}", "a,b", "a b", "a\nb", "[\"a\",\"b\"]"] {
            assert_eq!(row(value.into()).list("f"), ["a", "b"], "{value}");
        }
        assert_eq!(row(serde_json::json!(["a", "b"])).list("f"), ["a", "b"]);
        assert_eq!(row("{}".into()).list("f"), Vec::<String>::new());
        for (value, set) in [("t", true), ("TRUE", true), ("1", true), ("f", false), ("", false)] {
            assert_eq!(row(value.into()).is_set("f"), set, "{value}");
        }
        assert!(row(true.into()).is_set("f") && row(1.into()).is_set("f"));
        assert!(!row(Value::Null).is_set("f") && !row(2.into()).is_set("f"));
    }
}
