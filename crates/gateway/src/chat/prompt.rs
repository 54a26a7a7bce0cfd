//! What the model is asked: a branch of a conversation as a body in OpenAI's
//! dialect. What a model thought is not sent back to it.

use bytes::Bytes;
use serde::Serialize;
use surgewall_core::refusal::Refusal;
use surgewall_store::conversations::{Attachment, Role};

/// Asks a model to go on where its answer broke off. Servers differ in how they
/// are told to continue a message; every model understands this.
const GO_ON: &str = "Your last answer broke off. Go on exactly where it ended. Repeat nothing of it, and do not mention this.";

/// One message for the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Turn {
    role: &'static str,
    content: String,
}

impl Turn {
    /// A message and what hangs on it, as text.
    pub(super) fn new(role: Role, text: &str, attachments: &[Attachment]) -> Self {
        let mut content = text.to_owned();
        for Attachment { name, text } in attachments {
            content.push_str(&format!("\n\n[Attached: {name}]\n{text}\n[End of {name}]"));
        }
        Self { role: role.as_str(), content }
    }

    /// The rules of the conversation.
    pub(super) fn system(text: &str) -> Self {
        Self { role: "system", content: text.to_owned() }
    }

    /// Go on with the answer that broke off.
    pub(super) fn go_on() -> Self {
        Self { role: Role::User.as_str(), content: GO_ON.to_owned() }
    }

    /// Bytes of its text.
    pub(super) const fn len(&self) -> usize {
        self.content.len()
    }
}

#[derive(Serialize)]
struct Ask<'a> {
    model: &'a str,
    stream: bool,
    stream_options: StreamOptions,
    messages: &'a [Turn],
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// The body of the request, streamed with its usage.
///
/// # Errors
/// It cannot be written as JSON: a bug.
pub(super) fn body(model: &str, messages: &[Turn]) -> Result<Bytes, Refusal> {
    let stream_options = StreamOptions { include_usage: true };
    let ask = Ask { model, stream: true, stream_options, messages };
    let json = serde_json::to_vec(&ask);
    json.map(Bytes::from).map_err(|error| Refusal::Internal { why: error.to_string() })
}

/// The title of a conversation that begins with `text`: its first line, cut
/// where it is long.
pub(super) fn title(text: &str, chars_max: usize) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= chars_max {
        return line;
    }
    let cut: String = line.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::super::limits::TITLE_CHARS_MAX;
    use super::*;

    #[test]
    fn a_branch_is_a_body_of_openais_dialect() {
        let notes = Attachment { name: "a.txt".into(), text: "1\n2".into() };
        let turns = [
            Turn::system("Be brief."),
            Turn::new(Role::User, "What is in it?", &[notes]),
            Turn::new(Role::Assistant, "Two num", &[]),
            Turn::go_on(),
        ];
        let body: serde_json::Value =
            serde_json::from_slice(&body("tiny", &turns).unwrap()).unwrap();
        let expected = serde_json::json!({
            "model": "tiny", "stream": true, "stream_options": {"include_usage": true},
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content":
                    "What is in it?\n\n[Attached: a.txt]\n1\n2\n[End of a.txt]"},
                {"role": "assistant", "content": "Two num"},
                {"role": "user", "content": GO_ON},
            ],
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_title_is_the_first_line_of_what_was_asked() {
        let check = |text: &str, expected: &str| {
            assert_eq!(title(text, TITLE_CHARS_MAX), expected, "{text:?}");
        };
        check("Why are there two tides?", "Why are there two tides?");
        check("\n \n  Tides\u{7}!\nand more", "Tides !");
        check("", "");
        check(&"ü".repeat(TITLE_CHARS_MAX), &"ü".repeat(TITLE_CHARS_MAX));
        let long = format!("{}…", "ü".repeat(TITLE_CHARS_MAX - 1));
        check(&"ü".repeat(TITLE_CHARS_MAX + 1), &long);
    }
}
