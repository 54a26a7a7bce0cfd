//! What the page shows the state of: the API, the pages for people, and those
//! upstreams that the configuration gives a public name.

use serde::{Deserialize, Serialize};
use surgewall_core::config::status::Status;
use surgewall_core::digest::{hex, sha256};

/// How a component is, in the words of the Statuspage API, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Who asks is answered in time.
    #[serde(rename = "operational")]
    Operational,
    /// It is being worked on, as announced.
    #[serde(rename = "under_maintenance")]
    Maintenance,
    /// It is slow, or fails now and then.
    #[serde(rename = "degraded_performance")]
    Degraded,
    /// A good part of what is asked fails.
    #[serde(rename = "partial_outage")]
    Partial,
    /// Most of what is asked fails.
    #[serde(rename = "major_outage")]
    Major,
}

impl State {
    /// All of them, mildest first.
    pub const ALL: [Self; 5] =
        [Self::Operational, Self::Maintenance, Self::Degraded, Self::Partial, Self::Major];

    /// The word of the Statuspage API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operational => "operational",
            Self::Maintenance => "under_maintenance",
            Self::Degraded => "degraded_performance",
            Self::Partial => "partial_outage",
            Self::Major => "major_outage",
        }
    }

    /// The words for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Operational => "Operational",
            Self::Maintenance => "Under maintenance",
            Self::Degraded => "Degraded performance",
            Self::Partial => "Partial outage",
            Self::Major => "Major outage",
        }
    }

    /// Whether who asked was, by and large, answered.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Operational | Self::Degraded)
    }

    /// The number that stands for it in the file of probes.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Operational => 0,
            Self::Degraded => 1,
            Self::Partial => 2,
            Self::Major => 3,
            Self::Maintenance => 4,
        }
    }

    /// The state that `number` stands for.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }
}

/// What a component's name is hashed to: it names it in files and JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId(pub [u8; 6]);

impl ComponentId {
    /// The id of the component that the page calls `name`.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let digest = sha256(format!("surgewall status component\n{name}").as_bytes());
        let mut id = [0; 6];
        id.copy_from_slice(&digest[..6]);
        Self(id)
    }

    /// Twelve hex digits.
    #[must_use]
    pub fn text(self) -> String {
        hex(&self.0)
    }
}

/// What a component is measured by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Measured {
    /// Model calls.
    Api,
    /// The chat's page and calls.
    Chat,
    /// The pages of signing in and up.
    SignIn,
    /// Calls to this upstream.
    Upstream(String),
}

/// One component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Its id.
    pub id: ComponentId,
    /// What the page calls it.
    pub name: String,
    /// What it is.
    pub description: String,
    /// What it is measured by.
    pub measured: Measured,
}

impl Component {
    fn new(name: &str, description: &str, measured: Measured) -> Self {
        let id = ComponentId::of(name);
        Self { id, name: name.to_owned(), description: description.to_owned(), measured }
    }
}

/// Which of the pages for people this door has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// The chat.
    pub chat: bool,
    /// Signing in.
    pub sign_in: bool,
}

/// The components of a door under `status`, in the page's order.
#[must_use]
pub fn components(status: &Status, pages: Pages) -> Vec<Component> {
    let mut listed = vec![Component::new("API", "Calls to models by programs.", Measured::Api)];
    if pages.chat {
        listed.push(Component::new("Chat", "The chat in the browser.", Measured::Chat));
    }
    if pages.sign_in {
        listed.push(Component::new("Sign-in", "Signing in and signing up.", Measured::SignIn));
    }
    listed.extend(status.component.iter().map(|one| {
        let description = one.description.as_deref().unwrap_or("");
        Component::new(&one.name, description, Measured::Upstream(one.upstream.clone()))
    }));
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_as_they_are_written() {
        for state in State::ALL {
            assert_eq!(State::of_number(state.number()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!(State::of_number(5), None);
        assert!(State::Major > State::Partial && State::Degraded > State::Maintenance);
    }

    #[test]
    fn only_upstreams_that_are_named_are_public_and_only_by_that_name() {
        let mut status = Status::default();
        let named = |status: &Status| -> Vec<String> {
            let all = components(status, Pages { chat: true, sign_in: true });
            all.into_iter().map(|one| one.name).collect()
        };
        assert_eq!(named(&status), ["API", "Chat", "Sign-in"]);
        assert_eq!(components(&status, Pages::default()).len(), 1);
        status.component.push(surgewall_core::config::status::StatusComponent {
            upstream: "secret-name".into(),
            name: "Large model".into(),
            description: None,
        });
        assert_eq!(named(&status), ["API", "Chat", "Sign-in", "Large model"]);
        let one = &components(&status, Pages::default())[1];
        assert_eq!(one.id, ComponentId::of("Large model"));
        assert_eq!(one.id.text().len(), 12);
    }
}
