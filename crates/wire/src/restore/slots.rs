//! The texts of one event, each with a name that the same text has in the event
//! before it and after it: choices, blocks and items are told apart by the numbers
//! that they carry, and not by where they stand.

use serde_json::Value;

/// Fields by which parts of a stream are told apart.
const NUMBERS: [&str; 5] = ["index", "output_index", "content_index", "summary_index", "item_id"];

/// One text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// What the text is called over events.
    pub(super) name: String,
    /// Where it stands in this one.
    pub(super) pointer: String,
    /// What it says.
    pub(super) text: String,
}

/// All texts of `event`.
pub(super) fn slots(event: &Value) -> Vec<Slot> {
    let mut found = Vec::new();
    walk(event, String::new(), &mut String::new(), &mut found);
    found
}

fn walk(value: &Value, name: String, pointer: &mut String, found: &mut Vec<Slot>) {
    let back = pointer.len();
    match value {
        Value::String(text) => {
            found.push(Slot { name, pointer: pointer.clone(), text: text.clone() });
        }
        Value::Array(items) => {
            for (nth, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{nth}"));
                let numbered = NUMBERS.iter().any(|number| item.get(number).is_some());
                let name = if numbered { name.clone() } else { format!("{name}/{nth}") };
                walk(item, name, pointer, found);
                pointer.truncate(back);
            }
        }
        Value::Object(fields) => {
            let numbers = NUMBERS.iter().filter_map(|number| fields.get(*number));
            let numbers: String = numbers.map(|number| format!("#{number}")).collect();
            for (field, value) in fields {
                pointer.push('/');
                pointer.push_str(&field.replace('~', "~0").replace('/', "~1"));
                walk(value, format!("{name}{numbers}/{field}"), pointer, found);
                pointer.truncate(back);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_called_by_the_numbers_around_it_and_found_where_it_stands() {
        let event: Value = serde_json::from_str(
            r#"{"id":"x","choices":[{"index":1,"delta":{"content":"a"}},{"index":0,"delta":{"content":"b"}}],"a/b":["c"]}"#,
        )
        .unwrap();
        let found = slots(&event);
        let shown: Vec<_> =
            found.iter().map(|slot| (slot.name.as_str(), slot.text.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("/id", "x"),
                ("/choices#1/delta/content", "a"),
                ("/choices#0/delta/content", "b"),
                ("/a/b/0", "c")
            ]
        );
        for Slot { pointer, text, .. } in found {
            assert_eq!(event.pointer(&pointer).unwrap(), text.as_str());
        }
    }
}
