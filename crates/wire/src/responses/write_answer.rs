//! An answer, written as OpenAI's Responses.

use serde_json::Value;
use surgewall_core::usage::Usage;

use super::{
    begun, completed, function_call, incomplete, item_id, message, output_text, reasoning, refusal,
};
use crate::answer::AnswerOptions;
use crate::ir::{Answer, Part};

/// Writes the answer. Texts that follow one another are parts of one item.
pub(crate) fn write(answer: &Answer, options: &AnswerOptions) -> Value {
    let status = if incomplete(&answer.stop).is_some() { "incomplete" } else { "completed" };
    let (mut output, mut said) = (Vec::new(), Vec::new());
    for part in &answer.parts {
        let id = |kind: &str, output: &[Value]| item_id(kind, &options.request_id, output.len());
        match part {
            Part::Text(text) => said.push(output_text(text)),
            Part::Refusal(text) => said.push(refusal(text)),
            Part::Thinking { .. } | Part::Redacted(_) | Part::ToolCall { .. } => {
                close(&mut output, &mut said, options, status);
                output.push(match part {
                    Part::Thinking { text, signature } => {
                        reasoning(&id("rs", &output), text, signature)
                    }
                    Part::Redacted(data) => reasoning(&id("rs", &output), "", data),
                    Part::ToolCall { id: call, name, arguments } => {
                        function_call(&id("fc", &output), call, name, arguments, "completed")
                    }
                    _ => continue,
                });
            }
            Part::Medium(_) | Part::ToolResult { .. } => {}
        }
    }
    close(&mut output, &mut said, options, status);
    let model = options.shown_model.as_ref().unwrap_or(&answer.model);
    let head = begun(&options.request_id, options.created_s, model, &options.form.echo);
    let none = Usage { input: options.input_tokens_estimate, ..Usage::default() };
    completed(head, output, &answer.stop, &answer.usage.unwrap_or(none))
}

/// Ends the item of words that is open, if one is.
fn close(output: &mut Vec<Value>, said: &mut Vec<Value>, options: &AnswerOptions, status: &str) {
    if !said.is_empty() {
        let id = item_id("msg", &options.request_id, output.len());
        output.push(message(&id, &std::mem::take(said), status));
    }
}
