//! What must not reach a model is stopped here, and what a request carries is
//! found out: residency rules and the record of where data went need it.

use surgewall_core::data::ClassSet;
use surgewall_core::flow::Carried;
use surgewall_core::principal::Principal;
use surgewall_core::refusal::Refusal;
use surgewall_wire::Endpoint;
use surgewall_wire::request::texts;

use super::Arrival;
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

/// Judges the input.
///
/// # Errors
/// A guard that withholds the request, or a body that cannot be searched to its end.
pub fn guard_input(arrival: &Arrival, parsed: Parsed) -> Result<Guarded, Refusal> {
    let Parsed { principal, slot, asked } = parsed;
    let mut carried = Carried { media: asked.facts.images, ..Carried::default() };
    // Where tokens are only counted nothing leaves the door.
    if let Some(rules) = &arrival.policy.classifier
        && asked.endpoint != Endpoint::CountTokens
    {
        carried.classes = search(&asked.body, &|text| rules.classes(text))?;
    }
    Ok(Guarded { principal, slot, asked, carried })
}

/// The classes that `classes` finds in the texts of `body`.
///
/// # Errors
/// The body cannot be read to its end: what it holds would not be known.
fn search(body: &[u8], classes: &dyn Fn(&str) -> ClassSet) -> Result<ClassSet, Refusal> {
    let mut found = ClassSet::EMPTY;
    let mut gathered = String::new();
    texts(body, &mut |text| {
        if text.len() > GATHERED_BYTES_MAX {
            found = found.or(classes(text));
            return;
        }
        if gathered.len() + text.len() > GATHERED_BYTES_MAX {
            found = found.or(classes(&gathered));
            gathered.clear();
        }
        gathered.push_str(text);
        gathered.push(BETWEEN);
    })?;
    Ok(found.or(classes(&gathered)))
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
            for (mark, expected) in [("a\\u0040b", "email"), ("-", "")] {
                let body = format!(r#"{{"m":["{before}","a","b","{mark}","{before}{mark}"]}}"#);
                let found = search(body.as_bytes(), &marks).unwrap();
                assert_eq!(found.to_string(), expected, "{length}");
            }
        }
        assert!(search(b"{", &marks).is_err());
    }
}
