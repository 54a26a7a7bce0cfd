//! Reading JSON values with refusals that hold nothing of them.

use serde_json::{Map, Value};
use surgewall_core::refusal::Refusal;

use crate::request::invalid;

/// The value as an object.
pub(crate) fn object<'v>(value: &'v Value, param: &str) -> Result<&'v Map<String, Value>, Refusal> {
    value.as_object().ok_or_else(|| invalid("it is not an object", Some(param)))
}

/// The value as an array.
pub(crate) fn array<'v>(value: &'v Value, param: &str) -> Result<&'v [Value], Refusal> {
    let array = value.as_array().map(Vec::as_slice);
    array.ok_or_else(|| invalid("it is not an array", Some(param)))
}

/// The value as a string.
pub(crate) fn text<'v>(value: &'v Value, param: &str) -> Result<&'v str, Refusal> {
    let reason = "a string is missing or of another type";
    value.as_str().ok_or_else(|| invalid(reason, Some(param)))
}

/// The value as a number.
pub(crate) fn number(value: &Value, param: &str) -> Result<f64, Refusal> {
    value.as_f64().ok_or_else(|| invalid("it is not a number", Some(param)))
}
