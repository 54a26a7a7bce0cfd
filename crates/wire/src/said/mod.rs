//! What was said: the text of a request, and of an answer as it was delivered.
//!
//! For records, not for decisions: unknown fields are passed over, media are
//! only named, and what is not understood is missing.

mod answer;
mod deltas;
mod transcript;
mod walk;

pub use answer::AnswerText;
pub use deltas::{Delta, Deltas, Garbled};

use self::transcript::Transcript;
use self::walk::{Side, Walk};

/// The text of a request's body, `bytes_max` bytes of it at most, and whether
/// there was more.
#[must_use]
pub fn request(body: &[u8], bytes_max: usize) -> (String, bool) {
    let mut transcript = Transcript::new(bytes_max);
    if Walk::body(&mut transcript, Side::Request, body).is_err() {
        transcript.lost();
    }
    transcript.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: &str) {
        assert_eq!(request(body.as_bytes(), 1 << 10), (expected.to_owned(), false), "{body}");
    }

    #[test]
    fn a_request_is_its_roles_and_texts_in_every_dialect() {
        check(
            r#"{"model":"m","messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"Hi\nyou"}],"temperature":1}"#,
            "[system] Be kind.\n[user] Hi\nyou",
        );
        check(
            r#"{"system":[{"type":"text","text":"Be kind."}],"messages":[{"role":"user","content":[{"type":"text","text":"What is it?"},{"type":"image","source":{"type":"base64","data":"AAAA"}}]}]}"#,
            "Be kind.\n[user] What is it?\n[source]",
        );
        check(
            r#"{"instructions":"Be kind.","input":[{"role":"user","content":[{"type":"input_text","text":"Hi"}]},{"type":"function_call","name":"f","arguments":"{\"a\":1}"},{"type":"function_call_output","output":"7"}]}"#,
            "Be kind.\n[user] Hi\n[tool] f {\"a\":1}\n[text] 7",
        );
        check(r#"{"prompt":["one","two"],"suffix":"end"}"#, "one\ntwo\nend");
        check(r#"{"input":"embed me","encoding_format":"base64"}"#, "embed me");
        check(r#"{"model":"m","prompt":"Hi","images":["AAAA"]}"#, "Hi\n[images]");
        check(
            r#"{"messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function","function":{"name":"f"}}]}"#,
            "[user] Hi\n[tool] [{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]",
        );
        check(
            r#"{"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"1","function":{"name":"f","arguments":{"a":1}}}]}]}"#,
            "[assistant] \n[tool] f {\"a\":1}",
        );
    }

    #[test]
    fn a_request_is_held_to_its_bound_and_says_so() {
        let body = r#"{"prompt":"0123456é"}"#;
        assert_eq!(request(body.as_bytes(), 9), ("0123456é".into(), false));
        assert_eq!(request(body.as_bytes(), 8), ("0123456".into(), true));
        assert_eq!(request(b"{\"prompt\":\"half", 9), (String::new(), true));
    }
}
