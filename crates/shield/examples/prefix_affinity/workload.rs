//! Conversations of a few applications: each begins with its application's
//! system prompt and grows by what is said and answered.

use std::time::Duration;

use surgewall_testkit::rng::Rng;

/// Bytes of one token.
pub(crate) const TOKEN_BYTES: usize = 4;
/// Applications; the first has half of the conversations.
const APPLICATIONS: u64 = 20;
/// Tokens of a system prompt.
const SYSTEM: u64 = 800;
/// Tokens that a user says, at least and at most: a question, or a page with it.
const SAID: (u64, u64) = (50, 750);
/// Tokens of an answer, at least and at most.
const ANSWER: (u64, u64) = (50, 350);
/// The mean of an answer.
pub(crate) const ANSWER_MEAN: f64 = 200.0;
/// Turns of a conversation, at least and at most.
const TURNS: (u64, u64) = (2, 10);
/// Seconds between an answer and the next turn, at least and at most.
const THINK_S: (u64, u64) = (5, 55);

/// One turn.
pub(crate) struct Turn {
    /// Tokens that are said.
    pub(crate) said: u32,
    /// Tokens of the answer.
    pub(crate) answer: u32,
    /// From the answer to the next turn.
    pub(crate) think: Duration,
}

/// One conversation.
pub(crate) struct Conversation {
    /// When it begins.
    pub(crate) at: Duration,
    /// Whose system prompt it begins with.
    pub(crate) application: u64,
    pub(crate) turns: Vec<Turn>,
}

fn mean((low, high): (u64, u64)) -> f64 {
    f64::from(u32::try_from(low + high).unwrap_or(u32::MAX)) / 2.0
}

/// The mean of a prompt: what was said and answered before counts again in each turn.
pub(crate) fn input_mean() -> f64 {
    let each = mean(SAID) + mean(ANSWER);
    // Over all turns of all conversations, long ones have more turns.
    let turns = || (TURNS.0..=TURNS.1).map(|turns| turns as f64);
    let before: f64 = turns().map(|turns| turns * (turns - 1.0) / 2.0).sum();
    SYSTEM as f64 + mean(SAID) + each * before / turns().sum::<f64>()
}

/// Conversations whose turns come `per_s` times a second together, for so long.
pub(crate) fn conversations(seed: u64, per_s: f64, seconds: u64) -> Vec<Conversation> {
    let mut rng = Rng::new(seed);
    let between = mean(TURNS) / per_s;
    let (mut at, mut all) = (0.0, Vec::new());
    while at < seconds as f64 {
        let uniform = (rng.below(1 << 32) as f64 + 0.5) / 4_294_967_296.0;
        at -= between * uniform.ln();
        let other = 1 + rng.below(APPLICATIONS - 1);
        let application = if rng.chance(50) { 0 } else { other };
        let turns = (0..rng.between(TURNS.0, TURNS.1)).map(|_| turn(&mut rng)).collect();
        all.push(Conversation { at: Duration::from_secs_f64(at), application, turns });
    }
    all
}

fn turn(rng: &mut Rng) -> Turn {
    let tokens = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
    Turn {
        said: tokens(rng.between(SAID.0, SAID.1)),
        answer: tokens(rng.between(ANSWER.0, ANSWER.1)),
        think: Duration::from_millis(rng.between(THINK_S.0 * 1_000, THINK_S.1 * 1_000)),
    }
}

/// The system prompt of an application.
pub(crate) fn system(application: u64) -> Vec<u8> {
    let mut text = Vec::new();
    write(&mut text, u64::MAX - application, u32::try_from(SYSTEM).unwrap_or(0));
    text
}

/// Appends `tokens` that nobody else says.
pub(crate) fn write(text: &mut Vec<u8>, seed: u64, tokens: u32) {
    let mut rng = Rng::new(seed);
    let end = text.len() + TOKEN_BYTES * usize::try_from(tokens).unwrap_or(0);
    while text.len() < end {
        text.extend(rng.next_u64().to_le_bytes());
    }
    text.truncate(end);
}
