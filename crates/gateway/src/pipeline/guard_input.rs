//! What must not reach a model is stopped here, and what a request carries is
//! found out: residency rules and the record of where data went need it.

use surgewall_core::data::ClassSet;
use surgewall_core::flow::Carried;
use surgewall_core::principal::Principal;

use super::parse::{Asked, Parsed};
use super::throttle::AnonymousSlot;

/// Texts up to this many bytes are gathered, so that each search is worth its start.
const GATHERED_BYTES_MAX: usize = 16 << 10;
/// Between gathered texts: in nobody's mail address, number or key.
const BETWEEN: char = '\0';

/// The permit of this step.
pub struct Guarded {
    /// Who asks.
    pub principal: Principal,
    /// The anonymous network's place.
    pub slot: Option<AnonymousSlot>,
    /// What is asked for.
    pub asked: Asked,
    /// What it carries.
    pub carried: Carried,
}

/// Judges the input: what it carries was found while it was read.
#[must_use]
pub fn guard_input(parsed: Parsed) -> Guarded {
    let Parsed { principal, slot, asked } = parsed;
    let carried =
        Carried { media: asked.facts.images, classes: asked.classes, ..Carried::default() };
    Guarded { principal, slot, asked, carried }
}

/// A search for the classes of data in texts that come one after another.
pub struct Search<'r> {
    classes: &'r dyn Fn(&str) -> ClassSet,
    found: ClassSet,
    gathered: String,
}

impl<'r> Search<'r> {
    /// By `classes`, which finds those of one text.
    pub fn new(classes: &'r dyn Fn(&str) -> ClassSet) -> Self {
        Self { classes, found: ClassSet::EMPTY, gathered: String::new() }
    }

    /// Searches one more text.
    pub fn add(&mut self, text: &str) {
        if text.len() > GATHERED_BYTES_MAX {
            self.found = self.found.or((self.classes)(text));
            return;
        }
        if self.gathered.len() + text.len() > GATHERED_BYTES_MAX {
            self.found = self.found.or((self.classes)(&self.gathered));
            self.gathered.clear();
        }
        self.gathered.push_str(text);
        self.gathered.push(BETWEEN);
    }

    /// What was found in all of them.
    #[must_use]
    pub fn finish(self) -> ClassSet {
        self.found.or((self.classes)(&self.gathered))
    }
}

#[cfg(test)]
mod tests {
    use surgewall_core::data::DataClass;

    use super::*;

    /// Finds a word, and the seam of two.
    fn marks(text: &str) -> ClassSet {
        let marks = [("a@b", DataClass::Email), ("ab", DataClass::Iban)];
        marks.into_iter().filter(|(mark, _)| text.contains(mark)).map(|(_, class)| class).collect()
    }

    #[test]
    fn texts_of_every_length_are_searched_each_by_itself() {
        let most = GATHERED_BYTES_MAX;
        for length in [0, 1, most - 4, most - 3, most - 1, most, most + 1, 3 * most] {
            let before = "x".repeat(length);
            for (mark, expected) in [("a@b", "email"), ("-", "")] {
                let mut search = Search::new(&marks);
                for text in [&before, "a", "b", mark, &format!("{before}{mark}")] {
                    search.add(text);
                }
                assert_eq!(search.finish().to_string(), expected, "{length}");
            }
        }
    }
}
