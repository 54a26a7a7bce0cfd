//! Redaction of a prompt, for `benches/instructions.sh`: what is counted is the
//! function `measured`, whose last argument says how often it repeats.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use surgewall_guard::redact::Redactor;
use surgewall_guard::rules::RuleSet;

/// Bytes of the prompt.
const PROMPT_BYTES: usize = 1_024;
/// A question without anything to be found, though with words that rules begin with.
const SENTENCE: &str = "Please explain how the token bucket of a rate limiter refills, why its key is the \
    account (and not the address), and what 3.5 requests per second mean for 20 users at 12:30. ";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let way = arguments.next().unwrap_or_default();
    let count = arguments.next().unwrap_or_default().parse()?;
    let redactor = Redactor::new(Arc::new(RuleSet::builtin()?), &[7; 32]);
    let mut prompt = SENTENCE.repeat(PROMPT_BYTES / SENTENCE.len() + 1);
    prompt.truncate(PROMPT_BYTES);
    if !redactor.classes(&prompt).is_empty() {
        return Err("something was found in the prompt".into());
    }
    measured(&redactor, &way, &prompt, count);
    Ok(())
}

#[inline(never)]
fn measured(redactor: &Redactor, way: &str, prompt: &str, count: u64) {
    for _ in 0..count {
        if way == "stream" {
            let mut stream = redactor.stream();
            for piece in prompt.split_inclusive(' ') {
                black_box(stream.push(piece));
            }
            black_box(stream.finish());
        } else {
            black_box(redactor.classes(black_box(prompt)));
        }
    }
}
