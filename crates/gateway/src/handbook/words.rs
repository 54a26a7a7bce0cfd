//! From text to index terms: lower case, no stop words, light stemming.
//!
//! A code word such as `total_timeout_s`, `x-request-id` or `/v1/models` stays
//! whole and is also indexed by its parts, so that both the name and the words
//! in it find the passage.

/// A longer word is no term: nobody asks for it, and a flood of them costs nothing.
const TERM_BYTES_MAX: usize = 48;

/// Words that say nothing about the subject of a question.
const STOP_WORDS: &str = " a about after all also am an and any anything are as at be been before but by can \
cant could did do does doesn doing don each else explain for from get gets give given go goes had \
happen happens has have how hows i if im in into is isn it its just know let like made may me might more most must my need no not now of off on one only or other our out \
over own please possible put same say should so some such support supported supports tell \
than that the their them then there these they thing this those to too up us use used uses \
using very want was way we were what whats when where which while who whom whose why will \
with work working works would you your ";

/// Pairs of words that people use for the same thing here, both ways.
const SYNONYMS: [(&str, &str); 24] = [
    ("make", "create"),
    ("generate", "create"),
    ("delete", "revoke"),
    ("disable", "revoke"),
    ("cancel", "revoke"),
    ("invalidate", "revoke"),
    ("upgrade", "update"),
    ("cost", "price"),
    ("billing", "price"),
    ("rate", "quota"),
    ("budget", "money"),
    ("spend", "money"),
    ("config", "configuration"),
    ("setting", "configuration"),
    ("install", "run"),
    ("stop", "drain"),
    ("shutdown", "drain"),
    ("encrypt", "sealed"),
    ("provider", "upstream"),
    ("backend", "upstream"),
    ("claude", "anthropic"),
    ("https", "tls"),
    ("certificate", "tls"),
    ("audit", "ledger"),
];

/// The terms of `text`, in order, repeated as they occur.
pub(super) fn terms(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let mut terms = Vec::new();
    for raw in lower.split(|c: char| !c.is_alphanumeric() && !joins(c)) {
        let word = raw.trim_matches(joins);
        if word.len() > TERM_BYTES_MAX {
            continue;
        }
        if word.contains(joins) {
            terms.push(word.to_owned());
        }
        let parts = word.split(joins).filter(|part| part.chars().count() > 1);
        terms.extend(parts.filter(|part| !is_stop(part)).map(stem));
    }
    terms
}

/// Other terms that mean what `term` means here.
pub(super) fn synonyms(term: &str) -> impl Iterator<Item = String> {
    SYNONYMS.iter().filter_map(move |(said, meant)| {
        if stem(said) == term {
            Some(stem(meant))
        } else if stem(meant) == term {
            Some(stem(said))
        } else {
            None
        }
    })
}

/// Every word of `text`, as it stands, in lower case: for small talk.
pub(super) fn plain(text: &str) -> Vec<String> {
    let lower = text.to_lowercase().replace(['\'', '’'], "");
    let words = lower.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Characters that hold a code word together.
fn joins(c: char) -> bool {
    matches!(c, '_' | '-' | '.' | '/')
}

fn is_stop(word: &str) -> bool {
    STOP_WORDS.split(' ').any(|stop| stop == word)
}

/// The word without its English ending: plural, `-ing`, `-ed`, `-ly`, a silent `e`.
///
/// After the first steps of M. F. Porter, "An algorithm for suffix stripping",
/// Program 14(3), 1980; it only has to make the same word meet itself.
fn stem(word: &str) -> String {
    if !word.bytes().all(|b| b.is_ascii_lowercase()) {
        return word.to_owned();
    }
    let singular = singular(word);
    let bare = ["ing", "ed", "ly"].iter().find_map(|ending| {
        let rest = singular.strip_suffix(ending)?;
        let has_vowel = rest.bytes().any(|b| b"aeiouy".contains(&b));
        (rest.len() >= 3 && has_vowel).then(|| undouble(rest).to_owned())
    });
    let stem = bare.unwrap_or(singular);
    match stem.strip_suffix('e') {
        Some(rest) if rest.len() >= 3 => rest.to_owned(),
        _ => stem,
    }
}

fn singular(word: &str) -> String {
    match word.strip_suffix("ies") {
        Some(rest) if rest.len() >= 2 => return format!("{rest}y"),
        _ => {}
    }
    let keeps = word.len() < 4 || ["ss", "us", "is"].iter().any(|end| word.ends_with(end));
    match word.strip_suffix('s') {
        Some(rest) if !keeps => {
            let es = ["sse", "she", "che", "xe"].iter().any(|end| rest.ends_with(end));
            rest[..rest.len() - usize::from(es)].to_owned()
        }
        _ => word.to_owned(),
    }
}

/// `stopp` is `stop`; `fall` and `press` stay.
fn undouble(word: &str) -> &str {
    let mut ends = word.bytes().rev();
    match (ends.next(), ends.next()) {
        (Some(last), Some(before)) if last == before && !b"lsz".contains(&last) => {
            &word[..word.len() - 1]
        }
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_word_meets_itself() {
        for same in [
            &["revoke", "revokes", "revoked", "revoking"][..],
            &["key", "keys"],
            &["policy", "policies"],
            &["stop", "stops", "stopped", "stopping"],
            &["price", "prices", "priced", "pricing"],
            &["process", "processes", "processing"],
            &["limit", "limits", "limiting", "limited"],
        ] {
            for word in same {
                assert_eq!(stem(word), stem(same[0]), "{word}");
            }
        }
        assert_ne!(stem("status"), stem("statu"));
    }

    #[test]
    fn code_words_stay_whole_and_are_found_by_their_parts() {
        assert_eq!(
            terms("Set `total_timeout_s`, see /v1/models."),
            ["set", "total_timeout_s", "total", "timeout", "see", "v1/models", "v1", "model"]
        );
    }

    #[test]
    fn stop_words_single_letters_and_endless_words_are_no_terms() {
        assert_eq!(terms("what is the a of x?"), Vec::<String>::new());
        assert_eq!(terms(&"a".repeat(TERM_BYTES_MAX)).len(), 1);
        assert_eq!(terms(&"a".repeat(TERM_BYTES_MAX + 1)).len(), 0);
    }

    #[test]
    fn synonyms_work_both_ways() {
        assert_eq!(synonyms(&stem("cost")).collect::<Vec<_>>(), [stem("price")]);
        assert!(synonyms(&stem("price")).any(|word| word == stem("cost")));
    }
}
