//! So many sign-ups in an hour of one network, and of one e-mail domain. What did
//! not come to be, by a refused password say, is not counted.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::config::gate::Gate as Section;
use surgewall_core::principal::Network;
use surgewall_shield::gate::Velocity;
use surgewall_shield::gcra::Rate;

use crate::sync::lock;

/// An hour, for rates.
const HOUR: Duration = Duration::from_secs(3_600);

/// The counts.
#[derive(Debug, Default)]
pub(super) struct Pace {
    networks: Mutex<Velocity>,
    domains: Mutex<Velocity>,
}

/// One sign-up that is counted; given back on drop unless it came to be.
#[derive(Debug)]
pub(super) struct Counted {
    pace: Arc<Pace>,
    network: (u128, Rate),
    domain: Option<(u128, Rate)>,
    stays: bool,
}

impl Pace {
    /// Counts a sign-up from `network`, and with an address of `domain`.
    ///
    /// # Errors
    /// How long until one more is let in.
    pub(super) fn count(
        self: &Arc<Self>,
        network: Network,
        domain: Option<u128>,
        section: &Section,
        now: Timestamp,
    ) -> Result<Counted, Duration> {
        let rate = |per_hour: u32| Rate::new(per_hour, HOUR, per_hour);
        let network = (network.as_u128(), rate(section.network_per_hour));
        lock(&self.networks).admit(network.0, now, network.1)?;
        // From here on a refusal gives the network's back.
        let mut counted = Counted { pace: self.clone(), network, domain: None, stays: false };
        if let Some(domain) = domain {
            let domain = (domain, rate(section.domain_per_hour));
            lock(&self.domains).admit(domain.0, now, domain.1)?;
            counted.domain = Some(domain);
        }
        Ok(counted)
    }
}

impl Counted {
    /// It came to be, and stays counted.
    pub(super) const fn stays(&mut self) {
        self.stays = true;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        lock(&self.pace.networks).give_back(self.network.0, self.network.1);
        if let Some((domain, rate)) = self.domain {
            lock(&self.pace.domains).give_back(domain, rate);
        }
    }
}
