//! A pattern that is searched for everywhere, taken apart into one that begins at
//! a word.

use regex_syntax::hir::{Hir, HirKind, Repetition};

use super::shape::{SECRET_REPEATED_MAX, bounded, bytes, class, end, others, pieces};
use super::words::{Begin, begin};
use crate::rules::BACK_BYTES_MAX;
use crate::rules::pattern::parse;

/// The parts of one of our rules.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) begin: Begin,
    /// Over which bytes a match may begin before its word, and how many.
    pub(super) back: Option<(String, u32)>,
    pub(super) lead: Option<String>,
    pub(super) value: String,
    /// The class of what follows the value and is taken out too.
    pub(super) rest: Option<String>,
    /// The class of what may not follow the value; nothing for none.
    pub(super) not_after: String,
    /// The class of what must follow it.
    pub(super) after: Option<String>,
    /// What is not as it was.
    pub(super) notes: Vec<String>,
}

/// A pattern around its secret.
struct Around {
    before: Vec<Hir>,
    secret: Vec<Hir>,
    after: Vec<Hir>,
}

impl Parts {
    /// Takes `regex` apart; `group` is the secret's, 0 the first that there is.
    pub(super) fn of(regex: &str, group: usize) -> Result<Self, String> {
        let hir = parse(regex).map_err(|error| {
            let line = error.lines().last().unwrap_or_default().trim();
            format!("its regex is none that takes linear time here: {line}")
        })?;
        let mut notes = Vec::new();
        let mut around = around(pieces(&hir), group, &mut notes);
        // What may stand before and need not is no part of the secret.
        if !around.before.is_empty() {
            let first = around.before.iter().position(|piece| !is_optional(piece));
            around.before.drain(..first.unwrap_or(around.before.len()));
        }
        // What only looks around leads to nothing by itself.
        if around.before.iter().all(|piece| piece.properties().maximum_len() == Some(0)) {
            around.secret.splice(..0, std::mem::take(&mut around.before));
        }
        let all = [&around.before[..], &around.secret].concat();
        let (begin, back) = start(&all)?;
        let (after, not_after, rest) = ending(&mut around, &mut notes);
        let mut bound = |pieces: Vec<Hir>| -> Result<String, String> {
            let (hir, is_new) = bounded(&Hir::concat(pieces))?;
            if is_new {
                notes.push("a repetition without a bound was given one".to_owned());
            }
            Ok(hir.to_string())
        };
        let lead = if around.before.is_empty() { None } else { Some(bound(around.before)?) };
        let value = bound(around.secret)?;
        notes.dedup();
        Ok(Self { begin, back, lead, value, rest, not_after, after, notes })
    }
}

/// Finds the secret among the pieces; where it is none of them, the whole match is.
fn around(pieces: Vec<Hir>, group: usize, notes: &mut Vec<String>) -> Around {
    let wanted = u32::try_from(group.max(1)).unwrap_or(u32::MAX);
    let is_wanted =
        |piece: &Hir| matches!(piece.kind(), HirKind::Capture(capture) if capture.index == wanted);
    let Some(at) = pieces.iter().position(is_wanted) else {
        let captures: usize =
            pieces.iter().map(|piece| piece.properties().explicit_captures_len()).sum();
        if captures > 0 {
            notes.push("the whole match is taken out, not a group of it".to_owned());
        }
        return Around { before: Vec::new(), secret: pieces, after: Vec::new() };
    };
    let secret = match pieces[at].kind() {
        HirKind::Capture(capture) => super::shape::pieces(&capture.sub),
        _ => Vec::new(),
    };
    let (before, after) = (pieces[..at].to_vec(), pieces[at + 1..].to_vec());
    Around { before, secret, after }
}

fn is_optional(piece: &Hir) -> bool {
    matches!(piece.kind(), HirKind::Repetition(again) if again.min == 0)
}

/// The words that a match begins with, or that follow some bytes of a class.
fn start(pieces: &[Hir]) -> Result<(Begin, Option<(String, u32)>), String> {
    if let Some(begin) = begin(pieces) {
        return Ok((begin, None));
    }
    let looks = pieces.iter().take_while(|piece| matches!(piece.kind(), HirKind::Look(_))).count();
    let back = || {
        let (first, rest) = pieces.get(looks..)?.split_first()?;
        let HirKind::Repetition(again) = first.kind() else { return None };
        let most = again.max.filter(|max| *max as usize <= BACK_BYTES_MAX)?;
        let set = bytes(&again.sub)?;
        let is_visible = set.iter().all(u8::is_ascii_graphic);
        Some((begin(rest)?, Some((class(&set), most)))).filter(|_| is_visible)
    };
    back().ok_or_else(|| {
        "its matches begin with no fixed word, and ours begin at one or shortly before it"
            .to_owned()
    })
}

/// What must follow, what may not, and what is taken out besides. What follows and
/// is no mere end becomes a part of the secret.
fn ending(
    around: &mut Around,
    notes: &mut Vec<String>,
) -> (Option<String>, String, Option<String>) {
    let follows = end(&around.after).filter(|(set, _)| is_greedy_before(&around.secret, set));
    let tail = std::mem::take(&mut around.after);
    let mut allowed = follows.clone();
    if follows.is_none() && !tail.is_empty() {
        if tail.iter().any(|piece| piece.properties().maximum_len() != Some(0)) {
            notes.push("what stands right behind the secret is taken out with it".to_owned());
        }
        around.secret.extend(tail);
    }
    let rest = endless(&mut around.secret);
    if let (Some(rest), Some((set, _))) = (&rest, &mut allowed) {
        set.extend(rest);
    }
    let rest = rest.map(|set| class(&set));
    match allowed {
        Some((set, true)) => (None, class(&others(&set)), rest),
        Some((set, false)) => (Some(class(&set)), String::new(), rest),
        None => (None, String::new(), rest),
    }
}

/// Whether the secret goes as far as it can, to where none of `set` is its own: then
/// what follows can be judged on its own.
fn is_greedy_before(secret: &[Hir], set: &[u8]) -> bool {
    let last = secret.last().map(Hir::kind);
    let apart =
        |hir: &Hir| bytes(hir).is_some_and(|own| own.iter().all(|byte| !set.contains(byte)));
    match last {
        Some(HirKind::Repetition(again)) => {
            Some(again.min) == again.max || again.greedy && apart(&again.sub)
        }
        Some(HirKind::Literal(_) | HirKind::Class(_)) => true,
        _ => false,
    }
}

/// Bounds the end of a secret that has none; the bytes of what may be left of it.
fn endless(secret: &mut [Hir]) -> Option<Vec<u8>> {
    let last = secret.last_mut()?;
    let HirKind::Repetition(again) = last.kind() else { return None };
    let set = bytes(&again.sub).filter(|_| again.max.is_none() && again.greedy)?;
    let max = Some(again.min.max(SECRET_REPEATED_MAX));
    *last = Hir::repetition(Repetition { max, ..again.clone() });
    Some(set)
}
