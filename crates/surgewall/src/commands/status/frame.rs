//! One picture after the other in the same place, without flicker: each is
//! written over the one before, at once, and nothing is cleared that stays.

/// To the upper left.
const HOME: &str = "\x1b[H";
/// Clears the screen.
const CLEAR: &str = "\x1b[2J";
/// Clears the rest of a line.
const CLEAR_LINE: &str = "\x1b[K";
/// Clears what is below.
const CLEAR_BELOW: &str = "\x1b[J";

/// The pictures so far.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The terminal of the last one; `None` before the first.
    last: Option<Option<(usize, usize)>>,
}

impl Frames {
    /// What to write so that `text` is seen on a terminal of so many columns
    /// and lines; on none, one text follows the other.
    pub(super) fn next(&mut self, text: &str, terminal: Option<(usize, usize)>) -> String {
        let last = self.last.replace(terminal);
        let Some((_, lines)) = terminal else {
            let gap = if last.is_some() { "\n" } else { "" };
            return format!("{gap}{text}");
        };
        // Another size has moved what was there.
        let clear = if last == Some(terminal) { "" } else { CLEAR };
        // The cursor stands on a line of its own below.
        let room = lines.saturating_sub(1);
        let all = text.lines().count();
        let shown = if all <= room { all } else { room.saturating_sub(1) };
        let mut frame = format!("{HOME}{clear}");
        for line in text.lines().take(shown) {
            frame += &format!("{line}{CLEAR_LINE}\n");
        }
        if shown < all && room > 0 {
            frame += &format!("... {} more lines: --once shows all{CLEAR_LINE}\n", all - shown);
        }
        frame + CLEAR_BELOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_written_over_the_one_before() {
        let mut frames = Frames::default();
        let small = Some((80, 24));
        assert_eq!(frames.next("a\n", small), "\x1b[H\x1b[2Ja\x1b[K\n\x1b[J");
        assert_eq!(frames.next("b\nc\n", small), "\x1b[Hb\x1b[K\nc\x1b[K\n\x1b[J");
        let resized = frames.next("b\n", Some((79, 24)));
        assert_eq!(resized, "\x1b[H\x1b[2Jb\x1b[K\n\x1b[J");
    }

    #[test]
    fn what_is_longer_than_the_terminal_is_cut_and_says_so() {
        let of = |lines| Frames::default().next("a\nb\nc\n", Some((80, lines)));
        assert!(of(4).contains("c\x1b[K") && !of(4).contains("more"));
        assert!(of(3).contains("a\x1b[K\n... 2 more lines") && !of(3).contains("b\x1b"));
        assert_eq!(of(1), "\x1b[H\x1b[2J\x1b[J");
    }

    #[test]
    fn without_a_terminal_nothing_moves_the_cursor() {
        let mut frames = Frames::default();
        assert_eq!(frames.next("a\n", None), "a\n");
        assert_eq!(frames.next("b\n", None), "\nb\n");
    }
}
