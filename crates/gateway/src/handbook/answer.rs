//! From hits to an answer: quotations, their places, and what this is.

use super::index::{Hit, Index};
use super::passages::Passage;
use super::{Answer, Citation, words};

/// Quotations in one answer.
const QUOTES_MAX: usize = 3;
/// Bytes of quotations in one answer; the first is always given whole.
const QUOTES_BYTES_MAX: usize = 2_400;
/// The share of the question's terms that a passage has to hold.
const COVERAGE_MIN: f64 = 0.5;
/// The share that suffices where no heading has any of them.
const COVERAGE_UNNAMED_MIN: f64 = 0.67;
/// A further passage is quoted if its score is at least this share of the best.
const FURTHER_SCORE_SHARE: f64 = 0.6;
/// Words of a greeting at most; more is a question.
const GREETING_WORDS_MAX: usize = 8;

/// What every answer ends with: what this is, and how to get a real model.
const LABEL: &str = "This is Surgewall's built-in handbook. It quotes its own documentation and is \
not a language model. To connect one, add `[[upstream]]` with `name` and `url` to surgewall.toml.";

/// What a question that finds nothing is told first.
const NOTHING: &str = "The handbook has nothing on this, and it does not guess. It reads only the \
last message, in English, and finds words rather than meaning: another wording may help.";

/// A message made of these words alone asks what this is.
const SMALL_TALK: &str = " hello hi hey hallo hola bonjour good morning afternoon evening day greetings \
howdy yo there how are you doing today thanks thank who what whats which is this are can could do does \
did for i ask know help me us please with your name test testing ping introduce yourself tell about \
talk to start chat model surgewall handbook ";

/// The answer to `question`.
pub(super) fn compose(index: &Index, question: &str) -> Answer {
    if is_small_talk(question) {
        return introduction(index);
    }
    let mut hits = index.search(question);
    hits.retain(is_about);
    if hits.is_empty() {
        let text = format!("{NOTHING}\n\n{}\n\n{LABEL}", topics(index));
        return Answer { text, citations: Vec::new(), found: false };
    }
    quote(&hits)
}

/// Whether a passage is about the question, or only shares a word with it.
fn is_about(hit: &Hit<'_>) -> bool {
    let least = if hit.named { COVERAGE_MIN } else { COVERAGE_UNNAMED_MIN };
    hit.coverage >= least
}

/// The best passages, word for word, each with its place.
fn quote(hits: &[Hit<'_>]) -> Answer {
    let least = hits.first().map_or(0.0, |best| best.score * FURTHER_SCORE_SHARE);
    let mut text = String::new();
    let mut citations: Vec<Citation> = Vec::new();
    let worth_it = hits.iter().filter(|hit| hit.score >= least);
    for hit in worth_it.take(QUOTES_MAX) {
        let passage = hit.passage;
        let fits = text.len() + passage.text.len() <= QUOTES_BYTES_MAX;
        if fits || text.is_empty() {
            push_quote(&mut text, passage);
            let citation = passage.citation();
            if !citations.contains(&citation) {
                citations.push(citation);
            }
        }
    }
    text.push_str(LABEL);
    Answer { text, citations, found: true }
}

fn push_quote(text: &mut String, passage: &Passage) {
    let Citation { file, anchor, heading } = passage.citation();
    text.push_str(&format!("**{heading}**\n\n"));
    if let Some(head) = passage.table_head {
        text.push_str(head);
        text.push('\n');
    }
    text.push_str(passage.text);
    text.push_str(&format!("\n\n[{file}#{anchor}]\n\n"));
}

/// Whether the message only greets, or asks what this is.
fn is_small_talk(question: &str) -> bool {
    let words = words::plain(question);
    words.len() <= GREETING_WORDS_MAX
        && words.iter().all(|word| SMALL_TALK.split(' ').any(|known| known == word))
}

/// What a greeting gets: the handbook's own first words, and what can be asked.
fn introduction(index: &Index) -> Answer {
    let mut text = String::from("Hello. Ask me about Surgewall.\n\n");
    let first = index.passages().first();
    if let Some(passage) = first {
        push_quote(&mut text, passage);
    }
    text.push_str(&format!("{}\n\n{LABEL}", topics(index)));
    Answer { text, citations: first.map(Passage::citation).into_iter().collect(), found: true }
}

/// The pages by title: what can be asked about.
fn topics(index: &Index) -> String {
    let mut text = String::from("It can answer about:\n");
    let mut last = "";
    for passage in index.passages() {
        if passage.file != last {
            last = passage.file;
            text.push_str(&format!("\n- {} [{}]", passage.title, passage.file));
        }
    }
    text
}
