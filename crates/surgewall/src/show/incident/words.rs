//! The report's fixed sentences. Nothing in them comes from a request.

use surgewall_core::incident::{Reason, Verdict};

/// What a verdict means.
pub(super) const fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Normal => "Nobody had to wait for long and nobody was refused.",
        Verdict::KnownDemand => {
            "Callers that the door knows asked for more than the servers can do: too many users, as far as these numbers tell."
        }
        Verdict::UnknownDemand => {
            "Callers that the door does not know asked for more than the known ones left of the servers. Unknown does not mean hostile."
        }
        Verdict::UpstreamSlow => {
            "The servers did less than before, at a demand that they had carried. Nobody outside caused it, as far as these numbers tell."
        }
        Verdict::RetryStorm => {
            "The same requests came again and again. Sent once, they would have fitted."
        }
        Verdict::Unclear => {
            "The numbers do not tell one cause from the other, and the door does not guess."
        }
    }
}

/// What a verdict rests on.
pub(crate) const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::DemandAboveCapacity => "More was asked for than the servers could do.",
        Reason::DemandFits => {
            "What arrived would have fitted the capacity that was measured; requests waited or were refused all the same."
        }
        Reason::KnownAboveCapacity => "Known demand alone was more than the servers could do.",
        Reason::KnownFits => "Known demand alone would have fitted.",
        Reason::UnknownAboveCapacity => "Unknown demand alone was more than the servers could do.",
        Reason::FitsWithoutRepeats => "With each request sent once, all would have fitted.",
        Reason::KnownGrew => "Known demand had grown.",
        Reason::UnknownGrew => "Unknown demand had grown.",
        Reason::NothingGrew => "Neither known nor unknown demand had grown.",
        Reason::CapacityFell => "The servers could do clearly less than usual.",
        Reason::FitsUsualCapacity => "All that was asked for would have fitted the usual capacity.",
        Reason::FirstTokensLate => "First tokens came late, measured against the unloaded server.",
        Reason::TokensSlow => "Tokens came slowly, measured against the unloaded server.",
        Reason::CallsFail => "Calls to the servers failed.",
        Reason::NothingServed => "Calls were open and none ended.",
        Reason::TwoCauses => "Two causes explain it alike.",
        Reason::CausesTogether => "It takes two causes together to explain it.",
        Reason::TooNear => "The numbers are too near to each other to tell.",
        Reason::TooFewRequests => "Too few requests came to tell.",
        Reason::CapacityUnknown => "Too few calls had ended to know what the servers can do.",
    }
}

/// The verdict with what else there is to it.
pub(crate) fn verdict(verdict: Verdict, also: &[Verdict]) -> String {
    let also: Vec<_> = also.iter().filter(|other| **other != Verdict::Unclear).collect();
    let named = |between: &str| {
        also.iter().map(|other| other.to_string()).collect::<Vec<_>>().join(between)
    };
    match (verdict, also.is_empty()) {
        (_, true) => verdict.to_string(),
        (Verdict::Unclear, false) => format!("unclear; it may be {}", named(" or ")),
        (_, false) => format!("{verdict}; {} adds to it", named(" and ")),
    }
}

/// What these numbers cannot tell, whatever the verdict.
pub(super) const NOT_KNOWN: [&str; 3] = [
    "Who the unknown callers are, and what they want: the door counts networks and accounts, not intentions.",
    "What never reached the door: floods of packets, and what a proxy or provider before it dropped.",
    "The exact work of a request before it ends: demand and capacity are in work as it was expected at arrival.",
];

/// What the numbers of one verdict cannot tell.
pub(super) const fn not_known_of(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::RetryStorm => Some(
            "Whether the repeats were a client library's or somebody's intention: the same request sent again and again looks the same.",
        ),
        Verdict::UpstreamSlow => {
            Some("Why the servers were slow: the door sees their answers, not their machines.")
        }
        Verdict::KnownDemand => Some(
            "Whether each known caller was itself: a stolen key is a known caller until it is revoked.",
        ),
        Verdict::Normal | Verdict::UnknownDemand | Verdict::Unclear => None,
    }
}
