//! How the double behaves: pace, length, and every way to fail, with the words
//! that select each of them.
//!
//! The same words work in three places: on the binary's command line, in the
//! `x-double` header, and after `!double ` in the last user message.

use std::str::FromStr;

/// How the double answers. The default: 16 tokens at once, without a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Milliseconds before the first token.
    pub first_token_ms: u64,
    /// Tokens per second; 0 is as fast as possible.
    pub tokens_per_s: u64,
    /// Tokens of the answer; `None` takes the number in the prompt ("say 20"), else 16.
    pub tokens: Option<u64>,
    /// Tokens of reasoning before the answer.
    pub reasoning: u64,
    /// Input tokens that the double says came from its prefix cache.
    pub cached: u64,
    /// Answers at once; 0 is no bound. Set at the start or by [`super::Double::set`].
    pub slots: usize,
    /// Requests that may wait for a slot; beyond it the double answers 503.
    pub queue_max: usize,
    /// Answers with more tokens than `max_tokens` allows.
    pub ignore_max: bool,
    /// Sends the head of a stream together with the first token, not before.
    pub late_head: bool,
    /// Milliseconds between `: keep-alive` comments (blank lines where it is no stream); 0 is none.
    pub comments_ms: u64,
    /// What the usage says.
    pub usage: UsageLie,
    /// How a stream of OpenAI's dialect ends.
    pub done: Done,
    /// What goes wrong.
    pub fault: Fault,
    /// The key that a request must carry, as bearer or `x-api-key`; else 401.
    pub api_key: Option<String>,
    /// The models that the double says it has.
    pub models: Vec<String>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            first_token_ms: 0,
            tokens_per_s: 0,
            tokens: None,
            reasoning: 0,
            cached: 0,
            slots: 0,
            queue_max: usize::MAX,
            ignore_max: false,
            late_head: false,
            comments_ms: 0,
            usage: UsageLie::Honest,
            done: Done::Once,
            fault: Fault::None,
            api_key: None,
            models: vec!["double".to_owned()],
        }
    }
}

/// What the usage of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageLie {
    /// The truth, where the request asks for it.
    Honest,
    /// Nothing, even where the request asks for it.
    Missing,
    /// The truth in every stream, asked for or not.
    Always,
    /// A trillion tokens each way.
    Huge,
    /// Zeros.
    Zero,
    /// Negative numbers.
    Negative,
    /// Half of the truth.
    Half,
}

/// How a stream of OpenAI's dialect ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// With one `[DONE]`.
    Once,
    /// Without.
    Missing,
    /// With two.
    Twice,
}

/// What goes wrong. `after` counts tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// An error answer of the dialect.
    Status {
        /// The HTTP status.
        code: u16,
        /// `Retry-After`, in seconds.
        retry_after_s: Option<u32>,
    },
    /// Never answers.
    Hang,
    /// Falls silent, the connection stays open.
    Stall {
        /// After so many tokens.
        after: u64,
    },
    /// Closes the connection without ending the body.
    Die {
        /// After so many tokens.
        after: u64,
    },
    /// Resets the connection (RST).
    Reset {
        /// After so many tokens.
        after: u64,
    },
    /// Ends the body properly, in the middle of the answer.
    Cut {
        /// After so many tokens.
        after: u64,
    },
    /// Sends an event that is no JSON, then ends the body.
    Garbage {
        /// After so many tokens.
        after: u64,
    },
    /// Sends one event (or one string in the answer) of this size.
    Oversize {
        /// After so many tokens.
        after: u64,
        /// Its size in bytes.
        bytes: usize,
    },
    /// Sends an error event of the dialect, then ends the body.
    ErrorEvent {
        /// After so many tokens.
        after: u64,
    },
    /// Sends the body one byte per millisecond.
    Drip,
    /// Never stops producing tokens.
    Endless,
    /// Redirects.
    Redirect {
        /// To this address.
        to: String,
    },
    /// 200 with an empty body.
    Empty,
    /// 200 with this many blank lines, one per 10 ms, then the end.
    Blank {
        /// How many.
        lines: u64,
    },
    /// Promises a longer body than it sends.
    LongLength,
    /// Panics inside: the connection closes without an answer.
    Vanish,
}

/// A word that the double does not know.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the double does not know `{0}`")]
pub struct WordError(pub String);

impl FromStr for Behaviour {
    type Err = WordError;
    fn from_str(words: &str) -> Result<Self, WordError> {
        let mut behaviour = Self::default();
        behaviour.apply(words)?;
        Ok(behaviour)
    }
}

impl Behaviour {
    /// Changes what `words` say: a fault's name and `name=value` settings,
    /// separated by spaces. For example `stall after=3 first=50 rate=100`.
    ///
    /// # Errors
    /// [`WordError`] with the word that is not known.
    pub fn apply(&mut self, words: &str) -> Result<(), WordError> {
        let mut args = Args::default();
        let mut fault = None;
        for word in words.split_whitespace() {
            match word.split_once('=') {
                Some((name, value)) => {
                    let known = args.set(name, value) || self.setting(name, value);
                    known.then_some(()).ok_or_else(|| WordError(word.to_owned()))?;
                }
                None if self.flag(word) => {}
                None => fault = Some(word),
            }
        }
        if let Some(word) = fault {
            self.fault = args.fault(word).ok_or_else(|| WordError(word.to_owned()))?;
        }
        Ok(())
    }

    fn flag(&mut self, word: &str) -> bool {
        match word {
            "late_head" => self.late_head = true,
            "ignore_max" => self.ignore_max = true,
            "no_done" => self.done = Done::Missing,
            "double_done" => self.done = Done::Twice,
            "no_usage" => self.usage = UsageLie::Missing,
            _ => return false,
        }
        true
    }

    fn setting(&mut self, name: &str, value: &str) -> bool {
        if let Some(lie) = (name == "usage").then(|| usage_lie(value)) {
            return lie.map(|lie| self.usage = lie).is_some();
        }
        match name {
            "models" => self.models = value.split(',').map(str::to_owned).collect(),
            "key" => self.api_key = Some(value.to_owned()),
            _ => {
                let Ok(number) = value.parse::<u64>() else {
                    return false;
                };
                return self.number(name, number);
            }
        }
        true
    }

    fn number(&mut self, name: &str, number: u64) -> bool {
        let size = usize::try_from(number).unwrap_or(usize::MAX);
        match name {
            "first" => self.first_token_ms = number,
            "rate" => self.tokens_per_s = number,
            "tokens" => self.tokens = Some(number),
            "reasoning" => self.reasoning = number,
            "cached" => self.cached = number,
            "slots" => self.slots = size,
            "queue" => self.queue_max = size,
            "comments" => self.comments_ms = number,
            _ => return false,
        }
        true
    }
}

fn usage_lie(word: &str) -> Option<UsageLie> {
    Some(match word {
        "honest" => UsageLie::Honest,
        "none" => UsageLie::Missing,
        "always" => UsageLie::Always,
        "huge" => UsageLie::Huge,
        "zero" => UsageLie::Zero,
        "negative" => UsageLie::Negative,
        "half" => UsageLie::Half,
        _ => return None,
    })
}

/// The arguments of a fault, in whatever order the words come.
struct Args {
    after: u64,
    bytes: usize,
    code: u16,
    lines: u64,
    retry_after_s: Option<u32>,
    to: String,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            after: 3,
            bytes: 2 << 20,
            code: 500,
            lines: 5,
            retry_after_s: None,
            to: "http://127.0.0.1:9/".to_owned(),
        }
    }
}

impl Args {
    fn set(&mut self, name: &str, value: &str) -> bool {
        match name {
            "after" => value.parse().map(|n| self.after = n).is_ok(),
            "bytes" => value.parse().map(|n| self.bytes = n).is_ok(),
            "code" => value.parse().map(|n| self.code = n).is_ok(),
            "lines" => value.parse().map(|n| self.lines = n).is_ok(),
            "retry_after" => value.parse().map(|n| self.retry_after_s = Some(n)).is_ok(),
            "to" => {
                value.clone_into(&mut self.to);
                true
            }
            _ => false,
        }
    }

    fn fault(self, word: &str) -> Option<Fault> {
        let after = self.after;
        let status = |code| Fault::Status { code, retry_after_s: self.retry_after_s };
        Some(match word {
            "ok" => Fault::None,
            "status" => status(self.code),
            "hang" => Fault::Hang,
            "stall" => Fault::Stall { after },
            "die" => Fault::Die { after },
            "reset" => Fault::Reset { after },
            "cut" => Fault::Cut { after },
            "garbage" => Fault::Garbage { after },
            "oversize" => Fault::Oversize { after, bytes: self.bytes },
            "error_event" => Fault::ErrorEvent { after },
            "drip" => Fault::Drip,
            "endless" => Fault::Endless,
            "redirect" => Fault::Redirect { to: self.to },
            "empty" => Fault::Empty,
            "blank" => Fault::Blank { lines: self.lines },
            "long_length" => Fault::LongLength,
            "vanish" => Fault::Vanish,
            code => status(code.parse().ok().filter(|code| (400..=599).contains(code))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_select_faults_and_settings_in_any_order() {
        let stall: Behaviour = "first=50 stall rate=100 after=7 usage=huge".parse().unwrap();
        assert_eq!(stall.fault, Fault::Stall { after: 7 });
        assert_eq!((stall.first_token_ms, stall.tokens_per_s), (50, 100));
        assert_eq!(stall.usage, UsageLie::Huge);
        let busy: Behaviour = "429 retry_after=9".parse().unwrap();
        assert_eq!(busy.fault, Fault::Status { code: 429, retry_after_s: Some(9) });
        for bad in ["sheep", "200", "rate=x", "usage=x", "sheep=1"] {
            assert_eq!(bad.parse::<Behaviour>(), Err(WordError(bad.to_owned())));
        }
    }
}
