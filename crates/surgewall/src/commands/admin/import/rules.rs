//! `surgewall admin import rules`: rules of gitleaks as a rule file of ours.

use std::path::Path;

use surgewall_core::files::read_text;
use surgewall_guard::rules::FILE_BYTES_MAX;
use surgewall_guard::rules::gitleaks::{Converted, Left, convert};

use crate::fault::Fault;
use crate::show;

/// Prints what was taken over, and says what was not.
///
/// # Errors
/// The file cannot be read, is no configuration of gitleaks, or no rule of it can
/// be taken over.
pub(super) fn rules(file: &Path) -> Result<(), Fault> {
    let shown = file.display().to_string();
    let bytes_max = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let text = read_text(file, bytes_max).map_err(|error| Fault::from(error).during(&shown))?;
    let Converted { toml, rules, left, notes } = convert(&shown, &text)?;
    show::err(&said(rules, &left, &notes));
    if rules == 0 {
        return Err(Fault::new("no rule can be taken over"));
    }
    show::out(&toml);
    Ok(())
}

fn said(rules: usize, left: &[Left], notes: &[Left]) -> String {
    let line = |what: &'static str| {
        move |one: &Left| match one.id.as_str() {
            "" => format!("{what}: {}\n", one.why),
            id => format!("{what}: `{id}`: {}\n", one.why),
        }
    };
    let all = left.iter().map(line("left out")).chain(notes.iter().map(line("note")));
    let count =
        format!("{} taken over, {} left out\n", show::count(rules as u64, "rule"), left.len());
    all.chain([count]).collect()
}
