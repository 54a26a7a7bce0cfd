//! What a model server's own gauges say, read from its Prometheus text.
//!
//! Known are vLLM, llama.cpp's server, SGLang and Text Generation Inference.
//! The text is hostile bytes like any other: lines that do not parse are passed over.

/// A `/metrics` text, in bytes: more is not read.
pub const METRICS_BYTES_MAX: usize = 4 << 20;

/// What the gauges of one server say; `None` where it has no such gauge.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Requests that it works on.
    pub running: Option<u32>,
    /// Requests that wait inside it.
    pub waiting: Option<u32>,
    /// The part of its token memory that is in use, from 0 to 1.
    pub kv_used: Option<f32>,
    /// Requests that it had to throw out of its memory since its start.
    pub preemptions: Option<u64>,
}

impl Reading {
    /// Whether the text had any known gauge.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This server's and `other`'s together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let fullest = |a: f32, b: f32| a.max(b);
        Self {
            running: join(self.running, other.running, u32::saturating_add),
            waiting: join(self.waiting, other.waiting, u32::saturating_add),
            kv_used: join(self.kv_used, other.kv_used, fullest),
            preemptions: join(self.preemptions, other.preemptions, u64::saturating_add),
        }
    }
}

fn join<T>(a: Option<T>, b: Option<T>, both: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(both(a, b)),
        (a, b) => a.or(b),
    }
}

/// Reads a `/metrics` text. A gauge with several label sets (one for each
/// model or engine) is their sum; for memory, the fullest.
#[must_use]
pub fn read(text: &[u8]) -> Reading {
    let mut reading = Reading::default();
    for line in text[..text.len().min(METRICS_BYTES_MAX)].split(|byte| *byte == b'\n') {
        if let Some((name, value)) = std::str::from_utf8(line).ok().and_then(sample) {
            reading = reading.with(of(name, value));
        }
    }
    reading
}

/// The name and value of one sample line (Prometheus text format 0.0.4).
fn sample(line: &str) -> Option<(&str, f64)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let name_end = line.find(['{', ' ', '\t'])?;
    let (name, rest) = line.split_at(name_end);
    let rest = match rest.strip_prefix('{') {
        Some(labels) => &labels[labels.rfind('}')? + 1..],
        None => rest,
    };
    let value: f64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
    (value.is_finite() && value >= 0.0).then_some((name, value))
}

fn of(name: &str, value: f64) -> Reading {
    let mut reading = Reading::default();
    match name {
        "vllm:num_requests_running"
        | "llamacpp:requests_processing"
        | "sglang:num_running_reqs"
        | "tgi_batch_current_size" => reading.running = Some(count(value)),
        "vllm:num_requests_waiting"
        | "llamacpp:requests_deferred"
        | "sglang:num_queue_reqs"
        | "tgi_queue_size" => reading.waiting = Some(count(value)),
        "vllm:kv_cache_usage_perc"
        | "vllm:gpu_cache_usage_perc"
        | "llamacpp:kv_cache_usage_ratio"
        | "sglang:token_usage" => reading.kv_used = Some(part(value)),
        "vllm:num_preemptions_total" | "vllm:num_preemptions" => {
            reading.preemptions = Some(u64::from(count(value)));
        }
        _ => {}
    }
    reading
}

/// A whole number; what no gauge can mean is held at the largest.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
fn count(value: f64) -> u32 {
    value.clamp(0.0, f64::from(u32::MAX)) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "between 0 and 1")]
fn part(value: f64) -> f32 {
    value.clamp(0.0, 1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Reading) {
        assert_eq!(read(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn the_gauges_of_known_servers_are_read() {
        let vllm = "# HELP vllm:num_requests_running x\n# TYPE vllm:num_requests_running gauge\n\
            vllm:num_requests_running{engine=\"0\",model_name=\"a b} c\"} 38.0\n\
            vllm:num_requests_running{engine=\"1\",model_name=\"a\"} 2.0\n\
            vllm:num_requests_waiting{model_name=\"a\"} 7.0 1700000000000\n\
            vllm:kv_cache_usage_perc{model_name=\"a\"} 0.25\n\
            vllm:num_preemptions_total{model_name=\"a\"} 3.0\n";
        let (running, waiting) = (Some(40), Some(7));
        check(vllm, Reading { running, waiting, kv_used: Some(0.25), preemptions: Some(3) });
        let llama = "llamacpp:requests_processing 4\nllamacpp:requests_deferred 1\n";
        check(llama, Reading { running: Some(4), waiting: Some(1), ..Reading::default() });
    }

    #[test]
    fn what_is_no_gauge_is_passed_over() {
        let cases = [
            "",
            "vllm:num_requests_running",
            "vllm:num_requests_running{",
            "vllm:num_requests_running NaN\nvllm:num_requests_waiting -1\n",
            "vllm:num_requests_running +Inf\n",
            "other{a=\"}\"} 1\n\u{0}\u{1}",
        ];
        for text in cases {
            assert!(read(text.as_bytes()).is_empty(), "{text}");
        }
        assert!(read(&[0xff, 0xfe, b'\n', 0xc3]).is_empty());
        check("tgi_queue_size 1e300\n", Reading { waiting: Some(u32::MAX), ..Reading::default() });
    }

    #[test]
    fn what_is_past_the_limit_is_not_read() {
        let gauge = b"\ntgi_queue_size 1\n";
        let mut text = vec![b'x'; METRICS_BYTES_MAX - gauge.len()];
        text.extend_from_slice(gauge);
        assert_eq!(read(&text).waiting, Some(1));
        let mut text = vec![b'x'; METRICS_BYTES_MAX];
        text.extend_from_slice(gauge);
        assert!(read(&text).is_empty());
    }
}
