//! The smallest value that fits a JSON schema, for tool arguments and
//! structured output.

use serde_json::{Map, Value, json};

/// Nesting that is followed; below it, `null`.
const DEPTH_MAX: u32 = 16;

/// A value with all required properties of `schema`.
pub(super) fn sample(schema: &Value) -> Value {
    sample_at(schema, schema, 0)
}

fn sample_at(root: &Value, schema: &Value, depth: u32) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(reference.trim_start_matches('#'));
        return target.map_or(Value::Null, |target| sample_at(root, target, depth + 1));
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(first) = list(schema, "enum") {
        return first.clone();
    }
    if let Some(first) = list(schema, "anyOf").or_else(|| list(schema, "oneOf")) {
        return sample_at(root, first, depth + 1);
    }
    match type_of(schema) {
        "string" => json!("Paris"),
        "integer" => number(schema, json!(7)),
        "number" => number(schema, json!(7.5)),
        "boolean" => json!(true),
        "array" => {
            let items = schema.get("items").map(|items| sample_at(root, items, depth + 1));
            Value::Array(items.into_iter().collect())
        }
        "null" => Value::Null,
        _ => object(root, schema, depth),
    }
}

fn object(root: &Value, schema: &Value, depth: u32) -> Value {
    let mut out = Map::new();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Value::Object(out);
    };
    let required = schema.get("required").and_then(Value::as_array);
    for (name, property) in properties {
        // Without a list of the required ones, all are given.
        if required.is_none_or(|names| names.iter().any(|known| known == name)) {
            out.insert(name.clone(), sample_at(root, property, depth + 1));
        }
    }
    Value::Object(out)
}

fn number(schema: &Value, default: Value) -> Value {
    schema.get("minimum").cloned().unwrap_or(default)
}

fn list<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema.get(name)?.as_array()?.first()
}

fn type_of(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(one)) => one,
        Some(Value::Array(many)) => many.first().and_then(Value::as_str).unwrap_or("object"),
        _ => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_what_the_schema_requires() {
        let schema = json!({
            "type": "object", "required": ["city", "days", "unit", "at"],
            "properties": {
                "city": {"type": "string"}, "days": {"type": "array", "items": {"type": "integer"}},
                "unit": {"enum": ["c", "f"]}, "at": {"$ref": "#/$defs/at"}, "more": {"type": "string"}
            },
            "$defs": {"at": {"type": ["null", "string"]}}
        });
        let expected = json!({"city": "Paris", "days": [7], "unit": "c", "at": null});
        assert_eq!(sample(&schema), expected);
        let endless = json!({"type": "array", "items": {"$ref": "#"}});
        assert!(sample(&endless).is_array());
    }
}
