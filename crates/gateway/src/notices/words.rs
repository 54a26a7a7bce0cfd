//! What a notice says: sentences of ours, with its numbers and times.

use surgewall_core::figures::{count, minute};
use surgewall_core::incident::Verdict;
use surgewall_store::notices::{Harm, Notice};

use super::DELAYED_FROM;

/// The notice in words.
pub(crate) fn words(notice: &Notice) -> String {
    let began = minute(notice.began_at);
    let when = match notice.ended_at {
        None => format!("There has been an incident since {began} UTC."),
        Some(ended) => format!("There was an incident from {began} to {} UTC.", minute(ended)),
    };
    let cause = cause(notice.verdict);
    format!("{when} {cause} {} What you wrote in the chat is kept.", harm(notice.harm))
}

const fn cause(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::KnownDemand => "More people used the service than it could serve at once.",
        Verdict::UnknownDemand => "The service got far more requests from strangers than usual.",
        Verdict::UpstreamSlow => "The model's servers were slower than usual.",
        Verdict::RetryStorm => "Many requests were sent again and again.",
        Verdict::Normal | Verdict::Unclear => "Its cause is not clear.",
    }
}

fn harm(harm: Harm) -> String {
    let were = |number: u32| if number == 1 { "was" } else { "were" };
    let number = |number: u32| count(number.into());
    let Harm { refused, cut, delayed } = harm;
    let mut parts = Vec::new();
    if refused > 0 {
        parts.push(format!("{} {} not answered", number(refused), were(refused)));
    }
    if cut > 0 {
        parts.push(format!("{} broke off", number(cut)));
    }
    if delayed > 0 {
        let from_s = DELAYED_FROM.as_secs();
        parts.push(format!("{} waited for more than {from_s} s", number(delayed)));
    }
    let all = match parts.as_slice() {
        [] => return "None of your requests suffered.".to_owned(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    };
    format!("Of your requests {all}.")
}

#[cfg(test)]
mod tests {
    use surgewall_core::clock::Timestamp;
    use surgewall_core::id::{AccountId, PublicId};

    use super::*;

    #[test]
    fn a_notice_says_when_why_and_what() {
        let notice = |verdict, harm, ended_s: Option<u64>| Notice {
            account: AccountId::from_u128(1),
            incident: PublicId::from_stored("inc_a".to_owned()),
            verdict,
            harm,
            began_at: Timestamp::from_millis(1_700_000_000_000),
            ended_at: ended_s.map(|s| Timestamp::from_millis(1_700_000_000_000 + s * 1_000)),
        };
        for (refused, cut, delayed, expected) in [
            (1, 0, 0, "Of your requests 1 was not answered."),
            (0, 0, 1_200, "Of your requests 1,200 waited for more than 10 s."),
            (2, 1, 0, "Of your requests 2 were not answered and 1 broke off."),
            (
                2,
                1,
                3,
                "Of your requests 2 were not answered, 1 broke off and 3 waited for more than 10 s.",
            ),
        ] {
            assert_eq!(harm(Harm { refused, cut, delayed }), expected);
        }
        let one = Harm { cut: 1, ..Harm::default() };
        assert_eq!(
            words(&notice(Verdict::UpstreamSlow, one, Some(600))),
            "There was an incident from 2023-11-14 22:13 to 2023-11-14 22:23 UTC. The model's \
             servers were slower than usual. Of your requests 1 broke off. What you wrote in the \
             chat is kept."
        );
        let goes_on = words(&notice(Verdict::Unclear, one, None));
        assert!(goes_on.starts_with("There has been an incident since 2023-11-14 22:13 UTC."));
    }

    #[test]
    fn no_cause_names_anybody_or_claims_an_attack() {
        for verdict in Verdict::ALL {
            let text = cause(verdict).to_lowercase();
            assert!(!text.contains("attack") && !text.contains("upstream"), "{text}");
        }
    }
}
