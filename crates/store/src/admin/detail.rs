//! What the ledger says about a change: configured words and public ids, never
//! a name or an address.

use surgewall_core::quota::LimitSpec;

use crate::people::GroupRow;

/// `limits=requests=60/1m,concurrency=4`; nothing where there are none.
pub(super) fn limits(limits: &[LimitSpec]) -> Option<String> {
    let texts: Vec<_> = limits.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| format!("limits={}", texts.join(",")))
}

/// As [`limits`], and `limits=none` where all were taken away.
pub(super) fn new_limits(limits: &[LimitSpec]) -> String {
    self::limits(limits).unwrap_or_else(|| "limits=none".to_owned())
}

/// `group=group_...` or `group=none`.
pub(super) fn group(group: Option<&GroupRow>) -> String {
    group.map_or_else(|| "group=none".to_owned(), |group| format!("group={}", group.public_id))
}

/// All words, separated by spaces.
pub(super) fn join(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| words.join(" "))
}
