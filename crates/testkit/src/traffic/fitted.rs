//! Constants of a real conversation service, fitted by `benches/fit_traffic.py`.
//!
//! From the Azure LLM inference trace 2023, conversation service: 19,366
//! requests in 58 minutes (Azure/AzurePublicDataset, CC-BY 4.0; Patel et al.,
//! "Splitwise: Efficient generative LLM inference using phase splitting", ISCA
//! 2024). Of the trace nothing is here but these summaries. Prompts and answers
//! hardly depend on each other there (Spearman 0.07), so they are drawn apart.

use super::draw::Quantiles;

/// Tokens of prompts; their mean is 1,155.
pub(super) const INPUT_TOKENS: Quantiles = Quantiles {
    body: [
        2.0, 165.0, 194.0, 206.0, 235.0, 374.0, 383.0, 391.0, 396.0, 401.0, 405.0, 412.0, 428.0,
        818.0, 966.0, 1001.0, 1020.0, 1037.0, 1052.0, 1067.0, 1083.0, 1100.0, 1120.0, 1147.0,
        1189.0, 1312.0, 1335.0, 1766.0, 2309.0, 3018.0, 4079.0, 4089.0,
    ],
    tail: [(0.98, 4098.0), (0.99, 4142.0), (0.995, 4831.0), (0.999, 6212.0), (1.0, 14050.0)],
};

/// Tokens of answers; their mean is 211.
pub(super) const OUTPUT_TOKENS: Quantiles = Quantiles {
    body: [
        7.0, 33.0, 45.0, 53.0, 60.0, 68.0, 75.0, 81.0, 85.0, 89.0, 92.0, 95.0, 99.0, 104.0, 110.0,
        118.0, 129.0, 141.0, 157.0, 171.0, 195.0, 223.0, 377.0, 389.0, 395.0, 397.0, 402.0, 411.0,
        416.0, 427.0, 440.0, 502.0,
    ],
    tail: [(0.98, 540.0), (0.99, 601.0), (0.995, 643.0), (0.999, 954.0), (1.0, 1000.0)],
};

/// The mean of the trace's prompts, in tokens.
pub const INPUT_TOKENS_MEAN: f64 = 1_155.0;
/// The mean of the trace's answers, in tokens.
pub const OUTPUT_TOKENS_MEAN: f64 = 211.0;

/// How far the logarithm of the rate of a window of ten seconds strays.
pub(super) const RATE_SIGMA: f64 = 0.224;
/// How much of that the next window keeps.
pub(super) const RATE_MEMORY: f64 = 0.935;
/// The shape of the gaps inside a window; 1 is Poisson.
pub(super) const GAP_SHAPE: f64 = 0.991;
