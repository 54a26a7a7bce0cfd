//! Token counts as the dialects write them.

use serde::Deserialize;
use surgewall_core::usage::Usage;

#[derive(Deserialize)]
struct OpenAiUsage {
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    #[serde(default)]
    prompt_tokens_details: Option<InputDetails>,
    #[serde(default)]
    completion_tokens_details: Option<OutputDetails>,
    #[serde(default)]
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct InputDetails {
    #[serde(default)]
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OutputDetails {
    #[serde(default)]
    reasoning_tokens: Option<u64>,
}

/// Reads OpenAI's or DeepSeek's `usage`; `None` where a count is missing or no
/// whole number of zero or more: a lie counts as no report.
pub(crate) fn read_openai(text: &str) -> Option<Usage> {
    let usage: OpenAiUsage = serde_json::from_str(text).ok()?;
    let cached = usage.prompt_tokens_details.and_then(|details| details.cached_tokens);
    let reasoning = usage.completion_tokens_details.and_then(|details| details.reasoning_tokens);
    Some(Usage {
        input: usage.prompt_tokens,
        cached: cached.or(usage.prompt_cache_hit_tokens).unwrap_or(0),
        cache_write: 0,
        output: usage.completion_tokens,
        reasoning: reasoning.unwrap_or(0),
    })
}

/// Anthropic's `usage`, whole or in part: a stream gives the input first and
/// the output at its end.
#[derive(Deserialize, Clone, Copy, Default, Debug)]
pub(crate) struct AnthropicUsage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
}

impl AnthropicUsage {
    /// Reads one; `None` as in [`read_openai`].
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// What a later report adds or replaces: counts are cumulative.
    pub(crate) fn update(&mut self, later: &Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.cache_read_input_tokens =
            later.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens =
            later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
    }

    /// The whole, once both input and output are known.
    pub(crate) fn whole(&self) -> Option<Usage> {
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        let cache_write = self.cache_creation_input_tokens.unwrap_or(0);
        let fresh = self.input_tokens?;
        Some(Usage {
            input: fresh.saturating_add(cached).saturating_add(cache_write),
            cached,
            cache_write,
            output: self.output_tokens?,
            reasoning: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flavour_is_read() {
        let openai = r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,
            "prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},
            "completion_tokens_details":{"reasoning_tokens":3}}"#;
        let whole = Usage { input: 10, cached: 4, cache_write: 0, output: 5, reasoning: 3 };
        assert_eq!(read_openai(openai), Some(whole));
        let deepseek = r#"{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":8,
            "prompt_cache_miss_tokens":2,"prompt_tokens_details":null}"#;
        assert_eq!(read_openai(deepseek), Some(Usage { cached: 8, reasoning: 0, ..whole }));
        let mut anthropic = AnthropicUsage::read(
            r#"{"input_tokens":3,"cache_read_input_tokens":5,"cache_creation_input_tokens":2}"#,
        )
        .unwrap();
        assert_eq!(anthropic.whole(), None);
        anthropic.update(&AnthropicUsage::read(r#"{"output_tokens":7}"#).unwrap());
        let whole = Usage { input: 10, cached: 5, cache_write: 2, output: 7, reasoning: 0 };
        assert_eq!(anthropic.whole(), Some(whole));
    }

    #[test]
    fn a_count_that_is_no_count_is_no_report() {
        for bad in ["-5", "1.5", "\"7\"", "1e30", "null", "18446744073709551616"] {
            let text = format!("{{\"prompt_tokens\":{bad},\"completion_tokens\":1}}");
            assert_eq!(read_openai(&text), None, "{bad}");
        }
        assert!(AnthropicUsage::read(r#"{"output_tokens":-1}"#).is_none());
    }
}
