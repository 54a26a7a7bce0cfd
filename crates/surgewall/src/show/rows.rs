//! The fourteen rows: what happened to one AI service in January 2025.

/// What happened, in the order of the story.
pub(crate) const ROWS: [&str; 14] = [
    "floods on chat and API",
    "sign-ups shut while users worked",
    "attack or overload? no report",
    "a log database left open",
    "typosquatted packages",
    "tampered model files",
    "fake domains and accounts",
    "jailbreaks",
    "answers shown, then erased",
    "made-up answers",
    "where does the data go?",
    "AI assets not tracked",
    "bulk distillation",
    "weak API authentication",
];
