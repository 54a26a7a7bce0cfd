//! JSON as everybody writes it (RFC 8785): no white space, fields in the order of
//! their names. The receipt has no number but whole ones below 2^53, and only ASCII
//! names, for which that order is the order of their bytes.

use serde_json::Value;

/// The canonical text of `value`.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            let mut between = '[';
            for item in items {
                out.push(between);
                write(item, out);
                between = ',';
            }
            out.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let mut between = '{';
            for (name, value) in &fields {
                out.push(between);
                write(&Value::from(name.as_str()), out);
                out.push(':');
                write(value, out);
                between = ',';
            }
            out.push_str(if fields.is_empty() { "{}" } else { "}" });
        }
        // serde_json escapes as RFC 8785 does.
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_in_the_order_of_their_names_and_nothing_between() {
        let value: Value = serde_json::from_str(
            r#"{ "b": [1, {}, [], {"z":null,"a":true}], "a": "\u00e9\n\u0007\u20ac\"", "_": -1 }"#,
        )
        .unwrap();
        let expected =
            "{\"_\":-1,\"a\":\"é\\n\\u0007€\\\"\",\"b\":[1,{},[],{\"a\":true,\"z\":null}]}";
        assert_eq!(text(&value), expected);
    }
}
