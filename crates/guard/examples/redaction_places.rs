//! Where something is found, for `benches/detection_quality.py`: JSON strings, one
//! a line, on standard input; for each a list of `[start, end, rule, class]` in
//! bytes on standard output.

use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::sync::Arc;

use surgewall_guard::redact::Redactor;
use surgewall_guard::rules::RuleSet;

fn main() -> Result<(), Box<dyn Error>> {
    let redactor = Redactor::new(Arc::new(RuleSet::builtin()?), &[7; 32]);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let text: String = serde_json::from_str(&line?)?;
        let places: Vec<_> = redactor
            .places(&text)
            .into_iter()
            .map(|(place, found)| (place.start, place.end, found.rule.to_string(), found.class))
            .collect();
        serde_json::to_writer(&mut out, &places)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
