//! A progress bar for long work, on stderr, and only where a person looks.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use surgewall_store::ledger::read::Reading;

/// What takes less than a moment to read has no bar, in bytes.
const LONG_BYTES_MIN: u64 = 16 << 20;
/// Without colour: what it is, how far, how long still.
const FORM: &str = "{msg} [{bar:30}] {bytes} of {total_bytes}, {eta} left";

/// A bar that is gone when it is dropped. Where stderr is no terminal, or the
/// work is short, nothing is shown.
pub(crate) struct Progress {
    what: &'static str,
    bar: Option<ProgressBar>,
    is_wanted: bool,
}

impl Progress {
    /// A bar for `what`, from its first step on; none unless `is_wanted`.
    pub(crate) fn new(what: &'static str, is_wanted: bool) -> Self {
        Self { what, bar: None, is_wanted }
    }

    /// Shows how far the work is.
    pub(crate) fn step(&mut self, reading: Reading) {
        if !self.is_wanted || reading.total_bytes < LONG_BYTES_MIN {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| bar(self.what, reading.total_bytes));
        bar.set_position(reading.read_bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &'static str, total_bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total_bytes), ProgressDrawTarget::stderr());
    let plain = ProgressStyle::default_bar;
    bar.set_style(ProgressStyle::with_template(FORM).unwrap_or_else(|_| plain()));
    bar.with_message(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(is_wanted: bool, total_bytes: u64) -> Option<u64> {
        let mut progress = Progress::new("reading", is_wanted);
        progress.step(Reading { read_bytes: 7, total_bytes });
        progress.bar.as_ref().map(ProgressBar::position)
    }

    #[test]
    fn only_long_work_has_a_bar() {
        assert_eq!(step(true, LONG_BYTES_MIN), Some(7));
        assert_eq!(step(true, LONG_BYTES_MIN - 1), None);
        assert_eq!(step(false, LONG_BYTES_MIN), None);
    }

    #[test]
    fn the_form_is_one_that_the_bar_understands() {
        assert!(ProgressStyle::with_template(FORM).is_ok());
    }
}
