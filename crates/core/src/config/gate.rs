//! `[gate]`: who may make an account, and when pressure narrows that.

use serde::Deserialize;

use super::schema::Listen;
use crate::gate::GateStep;

/// `[gate]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// Where it starts; absent, `open` on loopback and `invite` elsewhere.
    pub start: Option<GateStep>,
    /// Why it starts there, in words for everybody.
    pub reason: Option<String>,
    /// As far as pressure may move it.
    pub max_step: GateStep,
    /// Sign-ups offered within a minute from which the door is under pressure.
    pub sign_ups_per_min: u32,
    /// Passwords that wait to be hashed from which it is.
    pub hashing_waiting: u32,
    /// Whether it is while an incident is open at the models.
    pub incidents: bool,
    /// Seconds of pressure until the next step up.
    pub up_after_s: u32,
    /// Seconds of calm until the next step down.
    pub down_after_s: u32,
    /// Sign-ups at once.
    pub in_flight: u32,
    /// Sign-ups of one network at once.
    pub network_in_flight: u32,
    /// Sign-ups of one network in an hour.
    pub network_per_hour: u32,
    /// Sign-ups with addresses of one e-mail domain in an hour.
    pub domain_per_hour: u32,
    /// Seconds that a browser waits which does no work.
    pub wait_s: u32,
    /// Days that a place on the waiting list is good once its turn has come.
    pub turn_days: u32,
    /// The regions of the step `region`.
    pub regions: Vec<String>,
    /// The phone prefixes of the step `region`, such as `+86`.
    pub phone_prefixes: Vec<String>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            start: None,
            reason: None,
            max_step: GateStep::Invite,
            sign_ups_per_min: 60,
            hashing_waiting: 32,
            incidents: true,
            up_after_s: 10,
            down_after_s: 600,
            in_flight: 16,
            network_in_flight: 4,
            network_per_hour: 20,
            domain_per_hour: 500,
            wait_s: 60,
            turn_days: 14,
            regions: Vec::new(),
            phone_prefixes: Vec::new(),
        }
    }
}

impl Gate {
    /// Why it starts there, in words for everybody.
    #[must_use]
    pub fn start_reason(&self) -> &str {
        self.reason.as_deref().unwrap_or("This is how the operator set it up.")
    }

    /// Where the gate starts on these listeners.
    #[must_use]
    pub fn start_on(&self, listen: &Listen) -> GateStep {
        let private = listen.public.ip().is_loopback() && listen.behind_proxy.is_empty();
        self.start.unwrap_or(if private { GateStep::Open } else { GateStep::Invite })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn it_starts_open_on_loopback_and_by_invite_elsewhere() {
        let proxied = "[listen]\nbehind_proxy=[\"192.0.2.0/24\"]\n";
        let outside = "[listen]\npublic=\"192.0.2.1:443\"\nbehind_proxy=[\"192.0.2.0/24\"]\n";
        for (text, step) in [
            ("", GateStep::Open),
            (proxied, GateStep::Invite),
            (outside, GateStep::Invite),
            ("[gate]\nstart=\"closed\"\n", GateStep::Closed),
        ] {
            let config = parse("t.toml", text).unwrap();
            assert_eq!(config.gate.start_on(&config.listen), step, "{text}");
        }
    }
}
